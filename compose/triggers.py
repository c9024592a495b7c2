"""What the database refuses to do to messages: the lines that end a message's hold and refund it are noted once."""

from credits.triggers import register, set_once

register(set_once("compose_message", "hold_ended_by_id", "a hold ends once"))
register(set_once("compose_message", "refunded_by_id", "a message is refunded once"))
