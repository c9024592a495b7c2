"""OVHcloud: its REST interface `/sms`, its calls to our door, and what is fetched from it."""

from compose.gateways.ovh.gateway import OvhGateway

__all__ = ["OvhGateway"]
