"""Twilio: messages by its REST interface, reports and received messages by its signed calls at our door."""

from compose.gateways.twilio.gateway import TwilioGateway

__all__ = ["TwilioGateway"]
