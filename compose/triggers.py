"""What the database refuses to do to messages: the lines that end a message's hold and refund it are noted once.

A message that could be deleted could be put back without them, which is what `INSERT OR REPLACE` does on SQLite.
"""

from credits.triggers import kept, register, set_once

register(set_once("compose_message", "hold_ended_by_id", "a hold ends once"))
register(set_once("compose_message", "refunded_by_id", "a message is refunded once"))
register(kept("compose_message", "a message is never deleted"))
