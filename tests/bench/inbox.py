"""The inbox on PostgreSQL: its first page, searches and the count of unread, as the installation grows.

The person has an account among a thousand. In a database of ten thousand received messages that account has a page and
a little more; in the large one it has its thousandth, and what a search finds is the same: so the pages are the same,
and only what they are found among has grown. Both databases are there at once and are asked in turns.

Needs a server: the one of DATABASE_URL, else one of its own, which is gone afterwards.
"""

import logging
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import django

SMALL = 10_000
LARGE = int(os.environ.get("BENCH_INBOX_ROWS", "1000000"))
ACCOUNTS = 1_000
# What the account that is looked at has in the small database. Its newest ones in the large database are like them.
OWN = 120
TURNS, REQUESTS = 11, 3
TARGET = 1.5
WORDS = 400
# What somebody looks for, and how many of the account's messages have it.
SEARCHES = (
    ("a rare word (3 found)", "perroquet"),
    ("a word of every third message", "merci"),
    ("a word of every hundredth message (3 found)", "livraison"),
    ("two letters of many words", "ne"),
    ("a word of no message", "xylophone"),
    ("the end of a number (2 found)", "06 98 76"),
)


def report() -> str:
    from django.db import connection

    if connection.vendor == "postgresql":
        return _report()
    from tests.tooling.postgres import cluster

    with cluster() as url:
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.inbox"],
            env=os.environ | {"DATABASE_URL": url},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return done.stdout.rstrip()


def _report() -> str:
    from django.db import connection
    from django.test.utils import override_settings, setup_databases, teardown_databases

    logging.disable(logging.WARNING)
    with override_settings(WHITENOISE_AUTOREFRESH=False, ALLOWED_HOSTS=["testserver"], DEBUG=False):
        made = setup_databases(verbosity=0, interactive=False)
        large = str(connection.settings_dict["NAME"])
        small = f"{large}_small"
        try:
            person = _people()
            _fill(SMALL)
            _copied(large, small)
            _fill(LARGE)
            return _table(_measured(person, small, large))
        finally:
            _use(large)
            with connection.cursor() as cursor:
                cursor.execute(f'DROP DATABASE IF EXISTS "{small}"')
            connection.close()
            teardown_databases(made, verbosity=0)


# What is asked


def _measured(person: Any, small: str, large: str) -> list[tuple[Any, ...]]:
    """What was asked, and how many seconds it took: in all, in the small database and in the large one, and of that
    in the database."""
    from django.db import connection
    from django.test import Client

    from inbox import queries

    # A session is in one of the databases.
    clients = {name: Client(headers={"accept-language": "fr"}) for name in (small, large)}
    asked_of = ""
    member = person.memberships.select_related("account", "user").get()
    asks: list[tuple[str, Callable[[], object]]] = [("the count of unread", lambda: queries.unread_count(member))]

    def page(query: str) -> Callable[[], object]:
        def asked() -> None:
            answer = clients[asked_of].get(f"/received/{query}", headers={"HX-Request": "true"})
            assert answer.status_code == 200

        return asked

    asks.append(("the first page", page("")))
    asks.append(("the first page of unread ones", page("?unread=on")))
    asks += [(f"a search: {what}", page(f"?q={word}")) for what, word in SEARCHES]
    spent: dict[str, dict[str, list[tuple[float, float]]]] = {what: {small: [], large: []} for what, _ask in asks}
    for turn in range(TURNS + 1):
        for name in (small, large) if turn % 2 else (large, small):
            _use(name)
            asked_of = name
            if turn == 0:
                clients[name].force_login(person)
            for what, ask in asks:
                ask()
                clock = Clock()
                begun = time.perf_counter()
                with connection.execute_wrapper(clock):
                    for _request in range(REQUESTS):
                        ask()
                if turn:
                    spent[what][name].append(((time.perf_counter() - begun) / REQUESTS, clock.spent / REQUESTS))
    connection.close()
    return [
        (what, *(statistics.median(pair[part] for pair in both[name]) for part in (0, 1) for name in (small, large)))
        for what, both in spent.items()
    ]


class Clock:
    """Wraps the executions of a connection and adds up how long the database took, in seconds."""

    def __init__(self) -> None:
        self.spent = 0.0

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        begun = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.spent += time.perf_counter() - begun


def _table(measured: list[tuple[Any, ...]]) -> str:
    from tests.bench import races

    lines = [
        f"| what | {_whole(SMALL)} messages | {_whole(LARGE)} messages | ratio | at most | the database alone |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for what, before, after, its_before, its_after in measured:
        ratio = after / before
        mark = "" if ratio <= TARGET else " ✗"
        lines.append(
            f"| {what} | {before * 1000:.1f} ms | {after * 1000:.1f} ms | {ratio:.2f}{mark} | {TARGET:.1f} "
            f"| {its_before * 1000:.1f} → {its_after * 1000:.1f} ms |"
        )
    return "\n".join(lines) + f"\n\nPages by Django's test client, medians of {TURNS} turns. {races.load()}."


def _whole(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")


def _use(name: str) -> None:
    from django.db import connection

    connection.close()
    connection.settings_dict["NAME"] = name


def _copied(name: str, copy: str) -> None:
    """A second database with all that the first one has."""
    from django.db import connection

    _use("postgres")
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{copy}"')
        cursor.execute(f'CREATE DATABASE "{copy}" TEMPLATE "{name}"')
    _use(name)


# What is there


def _people() -> Any:
    """A thousand accounts with a member each; returns the person whose inbox is looked at, of the first account."""
    from django.db import connection

    from tests import factories

    first = factories.account()
    person = factories.owner(first)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for model, own in (
            ("auth.User", {"username": "'series-' || n"}),
            ("credits.Account", {"name": "'Account ' || n"}),
            ("credits.Member", {"user_id": "1000000000 + n", "account_id": "1000000000 + n"}),
        ):
            cursor.execute(_like(model, {"id": "1000000000 + n", **own}), {"rows": ACCOUNTS - 1})
        cursor.execute("SET session_replication_role = origin")
        cursor.execute("VACUUM ANALYZE auth_user, credits_account, credits_member")
    return person


def _like(model: str, columns: dict[str, str]) -> str:
    """The statement that adds a row for each n from 1 to `rows`: these columns, the others as in the table's row."""
    from django.apps import apps

    table = apps.get_model(model)._meta
    names = [field.column for field in table.concrete_fields]
    taken = ", ".join(columns.get(name, f"pattern.{name}") for name in names)
    return (
        f"INSERT INTO {table.db_table} ({', '.join(names)}) SELECT {taken} FROM generate_series(1, %(rows)s) AS n "  # noqa: S608
        f"CROSS JOIN (SELECT * FROM {table.db_table} WHERE id < 1000000000 ORDER BY id LIMIT 1) AS pattern"
    )


def _fill(rows: int) -> None:
    """So many received messages, an eighth of them unread; without the indexes until all are there."""
    from django.db import connection

    from credits.models import Member

    syllables = ["ba", "co", "di", "fu", "ge", "li", "mo", "ne", "pa", "ri", "so", "tu", "ve", "za", "cha", "gnon"]
    vocabulary = [a + b + c for a in syllables for b in syllables for c in syllables][:: 4096 // WORDS][:WORDS]
    first = Member.objects.order_by("pk")[0]
    values: dict[str, Any] = {
        "rows": rows,
        "own": OWN if rows == SMALL else rows // ACCOUNTS,
        "accounts": ACCOUNTS,
        "account": first.account_id,
        "words": vocabulary,
        "count": len(vocabulary),
    }
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("SET maintenance_work_mem = '1GB'")
        cursor.execute("TRUNCATE inbox_received, inbox_unread CASCADE")
        cursor.execute(INDEXES)
        indexes = cursor.fetchall()
        for name, _definition in indexes:
            cursor.execute(f"DROP INDEX {name}")
        cursor.execute(RECEIVED, values)
        cursor.execute(UNREAD, values)
        for _name, definition in indexes:
            cursor.execute(definition)
        cursor.execute("SET session_replication_role = origin")
        cursor.execute("VACUUM ANALYZE inbox_received, inbox_unread")


# Those that no constraint stands on.
INDEXES = """
SELECT indexname, indexdef FROM pg_indexes
WHERE tablename IN ('inbox_received', 'inbox_unread') AND indexname NOT IN (SELECT conname FROM pg_constraint)
"""
# The account that is looked at has the last `own` messages of the series, its newest last; the others share the rest,
# each message in another account than the one before it. `age` counts the account's own from the newest one.
RECEIVED = """
INSERT INTO inbox_received (account_id, event_id, number, "to", text, missing, received_at)
SELECT
    CASE WHEN mine THEN %(account)s ELSE 1000000001 + n %% (%(accounts)s - 1) END,
    n,
    CASE WHEN mine AND age IN (7, 31) THEN '+33600069876'
        ELSE '+3361' || lpad((h1 %% 10000000)::text, 7, '0') END,
    '38' || (100 + n %% 40),
    concat_ws(' ',
        w[1 + h1 %% %(count)s], w[1 + h2 %% %(count)s], w[1 + h3 %% %(count)s],
        CASE WHEN mine AND age < 120 OR n %% 3 = 0 THEN 'merci' END,
        w[1 + (h1 / 7) %% %(count)s], w[1 + (h2 / 7) %% %(count)s],
        CASE WHEN CASE WHEN mine THEN age IN (3, 20, 45) ELSE n %% 5000 = 0 END THEN 'perroquet' END,
        CASE WHEN CASE WHEN mine THEN age IN (5, 22, 47) ELSE n %% 100 = 0 END THEN 'livraison' END,
        w[1 + (h3 / 7) %% %(count)s]),
    0,
    timestamptz '2026-11-01 08:00' - (%(rows)s - n) * interval '3 seconds'
FROM (
    SELECT n, %(rows)s - n AS age, n > %(rows)s - %(own)s AS mine, %(words)s::text[] AS w,
        hashint8(n) & 2147483647 AS h1, hashint8(n + 1000000007) & 2147483647 AS h2,
        hashint8(n + 2000000011) & 2147483647 AS h3
    FROM generate_series(1, %(rows)s) AS n
) AS series
ORDER BY hashint8(n + 3000000019)
"""
UNREAD = """
INSERT INTO inbox_unread (member_id, received_id, hidden)
SELECT credits_member.id, inbox_received.id, FALSE
FROM inbox_received JOIN credits_member USING (account_id)
WHERE event_id %% 8 = 0 OR (account_id = %(account)s AND event_id > %(rows)s - 120)
"""


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    print(_report())


if __name__ == "__main__":
    main()
