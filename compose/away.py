"""The database is away: it is being restarted, is busy, or another server takes its place. What was to be written is
innocent and is tried again as it is; only what the database refuses for its own sake is put aside.

Whoever goes on after an error catches AWAY before it looks for a fault in what it wrote.
"""

from django.db import InterfaceError, InternalError, OperationalError, connection

# What Django raises then. A server that only reads since another one took its place, or that ended a session which
# stood still in a transaction, says an internal error (psycopg's ReadOnlySqlTransaction and
# IdleInTransactionSessionTimeout; classes 25 of PostgreSQL's error codes).
AWAY = (OperationalError, InternalError, InterfaceError)


def let_go() -> None:
    """Close the connection, so that the next statement finds the server that there is then.

    A session that may only read answers well and stays so after the server writes again. Not in a transaction: whoever
    began it has to end it.
    """
    if not connection.in_atomic_block:
        connection.close()
