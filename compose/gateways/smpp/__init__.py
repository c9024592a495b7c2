"""SMPP 3.4: the protocol of the short message centres of operators and aggregators."""

from compose.gateways.smpp.gateway import SmppGateway

__all__ = ["SmppGateway"]
