"""The ledger on PostgreSQL: movements beside bare psycopg, and the proof as the ledger grows.

Needs a server: the one of DATABASE_URL, else one of its own, which is gone afterwards.
"""

import logging
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import django
import psycopg

from tests.bench import races

WRITERS = (1, 2, 8)
ACCOUNTS = 64
# Of one part of a turn: ours, or bare.
SECONDS = 0.25
TURNS = 15
TARGET = 0.5
# So many lines of the ledger, each with its share of submissions and messages; ARGS="ledger" measures these.
ENTRIES = tuple(int(size) for size in os.environ.get("BENCH_LEDGER_ENTRIES", "100000,1000000").split(","))


def report() -> str:
    from django.db import connection

    if connection.vendor == "postgresql":
        return _report()
    from tests.tooling.postgres import cluster

    with cluster() as url:
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.ledger"],
            env=os.environ | {"DATABASE_URL": url},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return done.stdout.rstrip()


def _report() -> str:
    from django.db import connection
    from django.test.utils import setup_databases, teardown_databases

    # There is no broker here, and nothing that would miss its nudges.
    logging.disable(logging.WARNING)
    made = setup_databases(verbosity=0, interactive=False)
    try:
        parts = [_movements(), _proof()]
    finally:
        connection.close()
        teardown_databases(made, verbosity=0)
    return "\n\n".join(parts)


# Movements


def _movements() -> str:
    from tests import factories

    accounts = [factories.account(millis=10**12) for _ in range(ACCOUNTS)]
    outcomes = []
    for name, chosen in (("one account", accounts[:1]), (f"{ACCOUNTS} accounts", accounts)):
        for writers in WRITERS:
            pairs = _rates(chosen, writers)
            race = races.Race(
                name=f"{name}, {writers} writer{'s' if writers > 1 else ''}",
                unit="holds",
                amount=1,
                ours=lambda: None,
                theirs=lambda: None,
                target=TARGET,
            )
            outcomes.append(
                races.Outcome(
                    race,
                    statistics.median(ours for ours, _theirs in pairs),
                    statistics.median(theirs for _ours, theirs in pairs),
                    statistics.median(ours / theirs for ours, theirs in pairs),
                )
            )
    return races.table(outcomes)


def _rates(accounts: Sequence[Any], writers: int) -> list[tuple[float, float]]:
    """Movements per second of so many processes together, ours and bare, of each turn.

    The same processes do both in turns so short that what else the machine does meets both; who goes first changes.
    A part of a turn begins when every process is there, so none of ours runs beside one of theirs. The first turn,
    in which connections open and statements are prepared, does not count.
    """
    from django.db import connection

    connection.close()
    fork = multiprocessing.get_context("fork")
    start, counts = fork.Barrier(writers), fork.Queue()

    def write(number: int) -> None:
        moves = [_ours(number, accounts), _bare(number, accounts)]
        for turn in range(TURNS + 1):
            for which in (0, 1) if turn % 2 else (1, 0):
                start.wait()
                begun, count = time.perf_counter(), 0
                while (passed := time.perf_counter() - begun) < SECONDS:
                    moves[which]()
                    count += 1
                counts.put((turn, which, count / passed))

    processes = [fork.Process(target=write, args=(number,)) for number in range(writers)]
    for process in processes:
        process.start()
    rates = [[0.0, 0.0] for _turn in range(TURNS + 1)]
    for _part in range(writers * (TURNS + 1) * 2):
        turn, which, rate = counts.get()
        rates[turn][which] += rate
    for process in processes:
        process.join()
    return [(ours, bare) for ours, bare in rates[1:]]


def _ours(number: int, accounts: Sequence[Any]) -> Callable[[], None]:
    from credits import ledger

    run, turn = uuid.uuid4().hex, iter(range(10**9))

    def move() -> None:
        count = next(turn)
        account = accounts[(count + number * 7) % len(accounts)]
        ledger.hold(account, 1, key=f"hold:{run}:{count}", cause=("submission", str(count)))

    return move


def _bare(number: int, accounts: Sequence[Any]) -> Callable[[], None]:
    """The least that moves credits safely: lock both books, add the line, change both balances, commit."""
    from django.db import connection

    run, turn = uuid.uuid4().hex, iter(range(10**9))
    parameters = connection.get_connection_params()
    link = psycopg.connect(**{name: parameters[name] for name in ("host", "port", "user", "password", "dbname")})
    cursor = link.cursor()

    def move() -> None:
        count = next(turn)
        account = accounts[(count + number * 7) % len(accounts)].pk
        cursor.execute(
            "SELECT id, kind, balance FROM credits_book WHERE account_id = %s AND kind IN ('available', 'held') "
            "ORDER BY id FOR UPDATE",
            [account],
        )
        books = {kind: (pk, balance) for pk, kind, balance in cursor.fetchall()}
        assert books["available"][1] >= 1
        cursor.execute(
            "INSERT INTO credits_transfer (verb, debit_id, credit_id, amount, key, cause_kind, cause_key, reason, "
            "by_id, created_at) VALUES ('hold', %s, %s, 1, %s, 'submission', %s, '', NULL, now()) RETURNING id",
            [books["available"][0], books["held"][0], f"bare:{run}:{count}", str(count)],
        )
        cursor.execute(
            "UPDATE credits_book SET balance = balance + CASE id WHEN %s THEN -1 ELSE 1 END WHERE id IN (%s, %s)",
            [books["available"][0], books["available"][0], books["held"][0]],
        )
        link.commit()

    return move


# The proof


def _proof() -> str:
    from smsmanager.proof import prove

    lines = ["| lines in the ledger | messages | proved in | lines per second |", "|---:|---:|---:|---:|"]
    for size in ENTRIES:
        _fill(size)
        seconds = []
        for _turn in range(3 if size <= 10**6 else 1):
            begun = time.perf_counter()
            found = prove()
            seconds.append(time.perf_counter() - begun)
            assert found == [], found[:3]
        middle = statistics.median(seconds)
        figures = (f"{size:,}", f"{size // 2:,}", f"{middle:.2f} s", f"{size / middle:,.0f}")
        lines.append("| " + " | ".join(figure.replace(",", " ") for figure in figures) + " |")
    return "\n".join(lines)


def _fill(size: int) -> None:
    """A database with `size` lines, half holds and half their ends: nine in ten captured, one given back."""
    from django.db import connection

    from tests import factories
    from tests.dispatching import dispatch_due
    from tests.gateways_for_tests import scripted_gateway

    with connection.cursor() as cursor:
        # Rows come from series rather than from people: no reference needs to be looked up, no trigger asked.
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            "TRUNCATE compose_transition, compose_message, compose_submission, credits_transfer, credits_order, "
            "credits_owed, credits_watch, senders_sender, credits_book, credits_member, credits_account CASCADE"
        )
    accounts = [factories.account(millis=10**12) for _ in range(ACCOUNTS)]
    with scripted_gateway():
        # What a person sent is the pattern of all others: every column that is not named below is as here.
        factories.submission(accounts[0])
        dispatch_due(clock=factories.at(factories.NOON))
    values: dict[str, Any] = {"half": size // 2, "accounts": [account.pk for account in accounts], "many": ACCOUNTS}
    with connection.cursor() as cursor:
        cursor.execute(BOOKS, values)
        for model, pattern, columns in SERIES:
            cursor.execute(_like(model, pattern, columns), values)
        cursor.execute(BALANCES)
        cursor.execute("DROP TABLE bench_books; SET session_replication_role = origin")
    for table in ("credits_transfer", "credits_book", "compose_message", "compose_submission"):
        with connection.cursor() as cursor:
            cursor.execute(f"VACUUM ANALYZE {table}")


def _like(model: str, pattern: str, columns: dict[str, str]) -> str:
    """The statement that adds a row for each n from 1 to `half`: these columns, the others as in the pattern's row."""
    from django.apps import apps

    table = apps.get_model(model)._meta
    names = [field.column for field in table.concrete_fields if "id" in columns or field.column != "id"]
    taken = ", ".join(columns.get(name, f"pattern.{name}") for name in names)
    return (
        f"INSERT INTO {table.db_table} ({', '.join(names)}) SELECT {taken} FROM generate_series(1, %(half)s) AS n "  # noqa: S608
        "JOIN bench_books ON place = n %% %(many)s "
        f"CROSS JOIN (SELECT * FROM {table.db_table} WHERE {pattern} LIMIT 1) AS pattern"
    )


# The books by account, once: a subquery for each row would be most of the time.
BOOKS = """
CREATE UNLOGGED TABLE bench_books AS SELECT place - 1 AS place, account,
    (SELECT id FROM credits_book WHERE account_id = account AND kind = 'available') AS available,
    (SELECT id FROM credits_book WHERE account_id = account AND kind = 'held') AS held,
    (SELECT id FROM credits_book WHERE account_id = account AND kind = 'spent') AS spent
FROM unnest(%(accounts)s::bigint[]) WITH ORDINALITY AS listed (account, place)
"""
SUBMISSION, END = "1000000000 + n", "2000000000 + n"
GIVEN_BACK = "n %% 10 = 0"
SERIES = [
    (
        "compose.Submission",
        "true",
        {"id": SUBMISSION, "account_id": "account", "request_key": "gen_random_uuid()", "price": "1000"},
    ),
    (
        "credits.Transfer",
        "verb = 'hold'",
        {
            "debit_id": "available",
            "credit_id": "held",
            "amount": "1000",
            "key": "'series-hold:' || n",
            "cause_key": SUBMISSION,
        },
    ),
    (
        "credits.Transfer",
        "verb = 'capture'",
        {
            "id": END,
            "verb": f"CASE WHEN {GIVEN_BACK} THEN 'release' ELSE 'capture' END",
            "debit_id": "held",
            "credit_id": f"CASE WHEN {GIVEN_BACK} THEN available ELSE spent END",
            "amount": "1000",
            "key": "'series-end:' || n",
            "cause_key": SUBMISSION,
        },
    ),
    (
        "compose.Message",
        "true",
        {
            "submission_id": SUBMISSION,
            "account_id": "account",
            "price": "1000",
            "state": f"CASE WHEN {GIVEN_BACK} THEN 'failed' ELSE 'accepted' END",
            "hold_ended_by_id": END,
            "gateway_ref": "'ref-' || n",
        },
    ),
]
BALANCES = """
UPDATE credits_book SET balance = came.amount FROM (
    SELECT book, SUM(amount) AS amount FROM (
        SELECT credit_id AS book, amount FROM credits_transfer
        UNION ALL SELECT debit_id, -amount FROM credits_transfer
    ) AS entries GROUP BY book
) AS came WHERE came.book = id
"""


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    print(_report())


if __name__ == "__main__":
    main()
