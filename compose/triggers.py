"""What the database refuses to do to messages: a move that the state machine does not have, and to note the lines that
end a message's hold and refund it more than once.

A message that could be deleted could be put back without them, which is what `INSERT OR REPLACE` does on SQLite.
"""

from compose.models import Message
from credits.triggers import kept, moves, register, set_once

register(moves("compose_message", "state", Message.MOVES, "a message makes no such move"))
register(set_once("compose_message", "hold_ended_by_id", "a hold ends once"))
register(set_once("compose_message", "refunded_by_id", "a message is refunded once"))
register(kept("compose_message", "a message is never deleted"))
