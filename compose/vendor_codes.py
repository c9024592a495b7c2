"""The codes of vendors that stand in no table of their gateway: kept and counted, for the administrator."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import connection

from compose.models import VendorCode

# Different codes of one gateway; what comes after them is counted together, so that rubbish cannot fill the table.
MOST_CODES = 1000
THE_REST = "…"
LONGEST = 80


def seen(gateway: str, *, where: str, codes: Mapping[str, int], now: datetime) -> None:
    """Count `codes` (code -> how many times) that `gateway` said in `where`: "answer" or "report".

    Codes are cut to 80 characters, and empty ones are none. Beyond MOST_CODES different ones (a few more, when
    several processes meet new ones at the same instant) they count as "…". In a transaction call it where the order
    of locks in `compose.claims` has it: the rows that it changes stay locked to its end, and who takes locks in another
    order could wait for one another for ever.
    """
    counts: dict[str, int] = {}
    for code, count in codes.items():
        name = _kept(code)
        if name:
            counts[name] = counts.get(name, 0) + count
    if not counts:
        return
    # At most a thousand rows: cheaper than to ask for each code, of which a caller may have any number.
    known = set(VendorCode.objects.filter(gateway=gateway).values_list("where", "code").order_by())
    new = sorted(code for code in counts if (where, code) not in known and code != THE_REST)
    room = max(0, MOST_CODES - sum(1 for _where, code in known if code != THE_REST))
    for code in new[room:]:
        counts[THE_REST] = counts.get(THE_REST, 0) + counts.pop(code)
    _add(gateway, where, counts, now)


def _kept(code: str) -> str:
    """The code as it is kept: what cannot be shown is a question mark (PostgreSQL takes no NUL, for one)."""
    return "".join(one if one.isprintable() else "?" for one in code.strip()[:LONGEST])


def _add(gateway: str, where: str, counts: Mapping[str, int], now: datetime) -> None:
    """Both engines add up in the statement, so that nobody's count is lost; all take the rows in the same order."""
    name = connection.ops.quote_name
    table = name(VendorCode._meta.db_table)
    columns = ", ".join(map(name, ("gateway", "where", "code", "count", "first_seen", "last_seen")))
    key = ", ".join(map(name, ("gateway", "where", "code")))
    count, last = name("count"), name("last_seen")
    moment = connection.ops.adapt_datetimefield_value(now)
    values: list[Any] = []
    for code in sorted(counts):
        values += (gateway, where, code, counts[code], moment, moment)
    with connection.cursor() as cursor:
        # Names of our own table and columns; every value is a parameter.
        cursor.execute(
            f"INSERT INTO {table} ({columns}) VALUES {', '.join(['(%s, %s, %s, %s, %s, %s)'] * len(counts))} "  # noqa: S608
            f"ON CONFLICT ({key}) DO UPDATE SET {count} = {table}.{count} + excluded.{count}, "
            f"{last} = excluded.{last}",
            values,
        )
