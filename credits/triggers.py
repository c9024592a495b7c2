"""The triggers that make the ledger append-only in the database itself, on PostgreSQL and SQLite.

They are made again after every `migrate`, because a migration that rebuilds a table on SQLite drops
them silently; a system check says when one is missing. On SQLite `INSERT OR REPLACE` passes a delete
trigger unless `PRAGMA recursive_triggers` is on, which the settings do for each connection.

A room above has triggers of its own by the same makers and adds them to the list: `register`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

TABLE = "credits_transfer"

# What PostgreSQL's triggers call; the sentence is the argument.
BODY = """
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation';
END """
FUNCTION = f"CREATE OR REPLACE FUNCTION credits_refuse() RETURNS trigger LANGUAGE plpgsql AS $${BODY}$$"
# How PostgreSQL writes when a trigger fires (pg_trigger.tgtype): before, each row, and on what.
BEFORE, ROW, EVENTS = 2, 1, {"INSERT": 4, "DELETE": 8, "UPDATE": 16, "TRUNCATE": 32}
# What earlier versions made and this one makes under other names.
RETIRED = [
    "DROP TRIGGER IF EXISTS credits_transfer_no_change ON credits_transfer",
    "DROP FUNCTION IF EXISTS credits_transfer_refuse()",
]


@dataclass(frozen=True)
class Trigger:
    """A trigger of one engine that refuses `event` on `table`, when `condition` holds, with a sentence."""

    vendor: str
    name: str
    table: str
    event: str
    sentence: str
    condition: str = ""
    each: str = "ROW"

    @property
    def known_by(self) -> str:
        """What tells it from another one under its name: the whole text on SQLite, when it fires on PostgreSQL."""
        if self.vendor == "sqlite":
            return self.statements[-1]
        fires = BEFORE + (ROW if self.each == "ROW" else 0) + EVENTS[self.event.split()[0]]
        return f"{fires} when" if self.condition else str(fires)

    @property
    def statements(self) -> list[str]:
        """One statement an entry: SQLite's executescript() would end the transaction that migrate may hold."""
        when = f" WHEN ({self.condition})" if self.condition else ""
        if self.vendor == "sqlite":
            return [
                f"DROP TRIGGER IF EXISTS {self.name}",
                (
                    f"CREATE TRIGGER {self.name} BEFORE {self.event} ON {self.table}{when} "
                    f"BEGIN SELECT RAISE(ABORT, '{self.sentence}'); END"
                ),
            ]
        return [
            FUNCTION,
            (
                f"CREATE OR REPLACE TRIGGER {self.name} BEFORE {self.event} ON {self.table} "
                f"FOR EACH {self.each}{when} EXECUTE FUNCTION credits_refuse('{self.sentence}')"
            ),
        ]


def kept(table: str, sentence: str) -> list[Trigger]:
    """Rows of `table` are never deleted, and the table is never emptied."""
    return [
        Trigger("sqlite", f"{table}_no_delete", table, "DELETE", sentence),
        Trigger("postgresql", f"{table}_no_delete", table, "DELETE", sentence),
        Trigger("postgresql", f"{table}_no_truncate", table, "TRUNCATE", sentence, each="STATEMENT"),
    ]


def unchanged(table: str, sentence: str, *, unless: str = "") -> list[Trigger]:
    """Rows of `table` are never updated; `unless` is the SQL condition over OLD and NEW of what may be."""
    condition = f"NOT ({unless})" if unless else ""
    return [
        Trigger(vendor, f"{table}_no_update", table, "UPDATE", sentence, condition)
        for vendor in ("sqlite", "postgresql")
    ]


# What says that two values, either of which may be NULL, are not the same.
UNLIKE = {"sqlite": "IS NOT", "postgresql": "IS DISTINCT FROM"}


def fixed(table: str, columns: Sequence[str], sentence: str) -> list[Trigger]:
    """These columns keep what they had when the row was added; the others may change."""
    return [
        Trigger(
            vendor,
            f"{table}_fixed",
            table,
            f"UPDATE OF {', '.join(columns)}",
            sentence,
            " OR ".join(f"NEW.{column} {unlike} OLD.{column}" for column in columns),
        )
        for vendor, unlike in UNLIKE.items()
    ]


def set_once(table: str, column: str, sentence: str) -> list[Trigger]:
    """`column` goes from NULL to a value once and never to another one or back."""
    return [
        Trigger(
            vendor,
            f"{table}_{column}_once",
            table,
            f"UPDATE OF {column}",
            sentence,
            f"OLD.{column} IS NOT NULL AND NEW.{column} {unlike} OLD.{column}",
        )
        for vendor, unlike in UNLIKE.items()
    ]


def moves(table: str, column: str, lawful: Mapping[Any, Collection[Any]], sentence: str) -> list[Trigger]:
    """`column`, which has no NULL, goes from each value only to those that are `lawful` after it."""
    cases = " ".join(
        f"WHEN '{before}' THEN NEW.{column} IN ({', '.join(repr(str(after)) for after in sorted(afters))})"
        for before, afters in lawful.items()
        if afters
    )
    condition = f"NEW.{column} <> OLD.{column} AND NOT CASE OLD.{column} {cases} ELSE FALSE END"
    return [
        Trigger(vendor, f"{table}_{column}_moves", table, f"UPDATE OF {column}", sentence, condition)
        for vendor in ("sqlite", "postgresql")
    ]


_all: list[Trigger] = [
    *kept(TABLE, "a ledger line is never deleted"),
    *unchanged(TABLE, "a ledger line is never changed"),
    # A line knows its books only: a book that passed to another account would take its credits along.
    *kept("credits_book", "a book is never deleted"),
    *fixed("credits_book", ("id", "account_id", "kind"), "a book stays the one of its account"),
    *kept("credits_owed", "what is owed is never deleted"),
    *unchanged(
        "credits_owed",
        "what is owed is paid once and never changed",
        unless="OLD.paid_by_id IS NULL AND NEW.paid_by_id IS NOT NULL AND NEW.id = OLD.id AND NEW.key = OLD.key "
        "AND NEW.amount = OLD.amount AND NEW.account_id = OLD.account_id",
    ),
    *kept("credits_order", "an order is never deleted"),
    *set_once("credits_order", "credited_by_id", "an order is credited once"),
]


def register(triggers: Iterable[Trigger]) -> None:
    """Add the triggers of a room above.

    A new or changed one comes with a migration, an empty one if need be: only where a migration waits does the check
    before `migrate` (credits/checks.py) let it make what is missing.
    """
    _all.extend(one for one in triggers if one not in _all)


def wanted(connection: BaseDatabaseWrapper) -> list[Trigger]:
    """The triggers that this connection's database should have; those of tables it lacks are none to miss."""
    tables = set(connection.introspection.table_names())
    return [one for one in _all if one.vendor == connection.vendor and one.table in tables]


def install(connection: BaseDatabaseWrapper) -> None:
    """Make the triggers on this connection's database, and drop those that they took the place of."""
    with connection.cursor() as cursor:
        for one in wanted(connection):
            for statement in one.statements:
                cursor.execute(statement)
        for statement in RETIRED if connection.vendor == "postgresql" else []:
            cursor.execute(statement)


def missing(connection: BaseDatabaseWrapper) -> set[str]:
    """The names of the triggers that this connection's database should have and has not.

    One that is disabled is missing, and one that does something else under the name. (Of PostgreSQL's conditions only
    their presence is compared: it keeps them in words of its own.)
    """
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'trigger'")
        else:
            cursor.execute(
                "SELECT relname, tgname, tgtype::text || CASE WHEN tgqual IS NULL THEN '' ELSE ' when' END "
                "FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid JOIN pg_proc ON pg_proc.oid = tgfoid "
                "WHERE tgenabled IN ('O', 'A') AND pg_table_is_visible(pg_class.oid) AND prosrc = %s",
                [BODY],
            )
        found = set(cursor.fetchall())
    return {one.name for one in wanted(connection) if (one.table, one.name, one.known_by) not in found}


def stop_replacing(connection: BaseDatabaseWrapper) -> bool:
    """Whether the delete triggers see what `INSERT OR REPLACE` deletes; PostgreSQL has no such statement."""
    if connection.vendor != "sqlite":
        return True
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA recursive_triggers")
        return bool(cursor.fetchone()[0])


def after_migrate(*, using: str, **_rest: Any) -> None:
    """Receiver of Django's post_migrate: put the triggers back after every migration."""
    from django.db import connections

    install(connections[using])
