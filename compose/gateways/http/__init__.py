"""Any simple HTTP interface, described in the settings: docs/gateways.md, "HTTP"."""

from compose.gateways.http.gateway import HttpGateway

__all__ = ["HttpGateway"]
