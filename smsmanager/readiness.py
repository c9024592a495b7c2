"""Whether the installation can do its work now: what `/readyz` says.

The database and the broker are asked at the same time, each in a thread of its own that nobody waits for longer than
SECONDS: one that takes a connection and then says nothing holds up no page. At most one thread for each waits, however
many ask; who asks while it does gets the same answer, and waits no longer than the first: however many ask, and whoever
does, the web server's threads are not kept waiting for what does not answer.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Generic, TypeVar

import redis
from django.conf import settings
from django.db import Error, connection, connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from redis.backoff import NoBackoff
from redis.retry import Retry

from compose import backlog
from smsmanager.models import Heartbeat

log = logging.getLogger(__name__)

# So long the database and the broker may take to answer.
SECONDS = 2.0
# Beat and the workers give a sign of life so often, in seconds, as long as they have anything to do.
SIGN_EVERY = 5.0
# A statement of a thread of its own is ended by PostgreSQL after so many seconds: some of those who ask began later.
LONGEST_STATEMENT = 5 * SECONDS
# What is under way for longer than this, in seconds, is told to the log.
LATE = 60.0
# What the check of the broker writes, for a minute.
READY_KEY = "smsmanager:readyz"
# The checks that look into tables.
AFTER_MIGRATIONS = ("beat", "worker", "oldest_due")
# One statement in no transaction: a client that stops anywhere leaves no lock behind. Nobody waits either: a row that
# somebody else writes is passed over. (INSERT … ON CONFLICT DO UPDATE would lock the row that it leaves as it is.)
NOTE = {
    "postgresql": """
WITH old AS (
    SELECT name FROM smsmanager_heartbeat
    WHERE name = %(name)s AND (at <= %(before)s OR at >= %(after)s) FOR UPDATE SKIP LOCKED
), first AS (
    INSERT INTO smsmanager_heartbeat (name, at) SELECT %(name)s, %(at)s
    WHERE NOT EXISTS (SELECT FROM smsmanager_heartbeat WHERE name = %(name)s) ON CONFLICT DO NOTHING
)
UPDATE smsmanager_heartbeat SET at = %(at)s FROM old WHERE smsmanager_heartbeat.name = old.name
""",
    "sqlite": """
INSERT INTO smsmanager_heartbeat (name, at) VALUES (%(name)s, %(at)s)
ON CONFLICT (name) DO UPDATE SET at = excluded.at
WHERE smsmanager_heartbeat.at <= %(before)s OR smsmanager_heartbeat.at >= %(after)s
""",
}
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Line:
    """What one check found: a word for the check, whether all is well, and a sentence without any secret."""

    check: str
    ok: bool
    says: str


class Patient(Generic[Answer]):
    """Asks `question` in a thread, one at a time in this process, whoever waits for the answer and how long.

    `what` names it in the log when it is under way for longer than LATE, once for each time. `seconds` says how long an
    answer may take.
    """

    def __init__(
        self, what: str, question: Callable[[], Answer], *, seconds: Callable[[], float] = lambda: SECONDS
    ) -> None:
        self._what = what
        self._seconds = seconds
        self._question = question
        self._asked_at = 0.0
        self._told = False
        self._lock = threading.Lock()
        self._asked: Future[Answer] | None = None

    def ask(self) -> Future[Answer]:
        """The answer to come, of the thread that runs already or of a new one."""
        with self._lock:
            if self._asked is None or self._asked.done():
                asked: Future[Answer] = Future()
                threading.Thread(target=self._answer, args=(asked,), name="readiness", daemon=True).start()
                self._asked, self._asked_at, self._told = asked, time.monotonic(), False
            elif time.monotonic() > self._asked_at + LATE and not self._told:
                self._told = True
                log.warning("%s: under way for more than %.0f s", self._what, LATE)
            return self._asked

    def hear(self) -> Answer:
        """The answer, which may take so long since it was asked for: who comes later waits the less, or not at all.

        Raises TimeoutError without one, and what the question raised.
        """
        asked = self.ask()
        return asked.result(timeout=max(0.0, self._asked_at + self._seconds() - time.monotonic()))

    def _answer(self, asked: Future[Answer]) -> None:
        try:
            answer = self._question()
        except Exception as error:  # noqa: BLE001  (whoever asked gets it)
            asked.set_exception(error)
        else:
            asked.set_result(answer)


def look() -> list[Line]:
    """The lines of all checks, after SECONDS at the latest."""
    # Both are asked before either is heard.
    _database.ask()
    _broker.ask()
    return [*_said_of_database(), _said_of_broker()]


def show_beat() -> Future[None]:
    """Keep that beat was seen now. Beat waits for nothing: a database that is away stops no tick."""
    return _sign_of_beat.ask()


def note(name: str) -> None:
    """Keep that this one (of `Heartbeat`) was seen now: in the database, which outlives a broker that was emptied.

    Does nothing where somebody said so within SIGN_EVERY or says so at this moment. A sign of the future, of a clock
    that was wrong, is written over. Raises django.db.Error when the database cannot be asked.
    """
    now, young = timezone.now(), timedelta(seconds=SIGN_EVERY)
    moments = {"at": now, "before": now - young, "after": now + young}
    adapted = {key: connection.ops.adapt_datetimefield_value(moment) for key, moment in moments.items()}
    with connection.cursor() as cursor:
        cursor.execute(NOTE[connection.vendor], {"name": name, **adapted})


def ask_database() -> list[Line]:
    """What the database knows, in four queries. Raises django.db.Error when it cannot be asked."""
    missing = expected_migrations().difference(MigrationRecorder(connections["default"]).applied_migrations())
    if missing:
        text = f"{len(missing)} of the applications need manage.py migrate"
        return [
            Line("migrations", False, text),
            *(Line(check, False, "not looked at before the migrations") for check in AFTER_MIGRATIONS),
        ]
    now = timezone.now()
    seen: dict[str, datetime] = dict(Heartbeat.objects.values_list("name", "at"))
    return [
        Line("migrations", True, "all applied"),
        _seen("beat", seen.get(Heartbeat.BEAT), now, within=settings.SMS_READY_BEAT_SECONDS),
        _seen("worker", seen.get(Heartbeat.WORKER), now, within=settings.SMS_READY_WORKER_SECONDS),
        _oldest_due(backlog.oldest_due(now), now),
    ]


@cache
def expected_migrations() -> frozenset[tuple[str, str]]:
    """The last migration of each application, as the code has them. Read from the disk once.

    What a newer version added besides is nobody's business here: while an upgrade runs, processes of the version
    before are still ready.
    """
    return frozenset(MigrationLoader(None).graph.leaf_nodes())


def _seen(check: str, at: datetime | None, now: datetime, *, within: int) -> Line:
    if at is None:
        return Line(check, False, "never seen")
    age = round((now - at).total_seconds())
    # A mark of the future is of a clock that was wrong; taken as fresh it would hide that its giver is gone.
    return Line(check, abs(age) <= within, f"seen {age} s ago")


def _oldest_due(since: datetime | None, now: datetime) -> Line:
    if since is None:
        return Line("oldest_due", True, "no message is due")
    age = round((now - since).total_seconds())
    return Line("oldest_due", age <= settings.SMS_READY_OLDEST_DUE_SECONDS, f"has been due for {age} s")


def in_own_connection(work: Callable[[], Answer]) -> Answer:
    """Does it in a connection for this alone, so that a refused or hanging one shows.

    On PostgreSQL no statement of it takes longer than LONGEST_STATEMENT; then it raises django.db.Error.
    """
    own = connections["default"].copy()
    options = own.settings_dict["OPTIONS"]
    options.pop("pool", None)
    if own.vendor == "postgresql":
        # libpq takes whole seconds, and less than two for two; 0 would be for ever.
        options["connect_timeout"] = max(2, round(SECONDS))
    connections["default"] = own
    try:
        if own.vendor == "postgresql":
            with own.cursor() as cursor:
                cursor.execute(f"SET statement_timeout = {round(LONGEST_STATEMENT * 1000)}")
        return work()
    finally:
        own.close()


def _give_sign_of_beat() -> None:
    try:
        in_own_connection(partial(note, Heartbeat.BEAT))
    except Error as error:
        log.warning("Beat's sign of life was not kept: the database does not answer (%s)", type(error).__name__)
    except Exception:
        # Beat does not wait for the answer: nobody else would say it.
        log.exception("Beat's sign of life was not kept")


def _ask_broker() -> None:
    """Raises redis.ResponseError when the broker takes nothing, another RedisError or OSError when it does not answer.

    It writes: a broker whose memory is full says PONG and refuses every nudge.
    """
    with redis.Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=SECONDS,
        socket_timeout=SECONDS,
        retry=Retry(NoBackoff(), 0),
    ) as client:
        client.set(READY_KEY, 1, ex=60)


def _said_of_database() -> list[Line]:
    try:
        lines = _database.hear()
    except TimeoutError:
        said = f"did not answer within {SECONDS:.0f} s"
    except Error as error:
        said = "does not answer"
        log.warning("Not ready: the database does not answer (%s)", type(error).__name__)
    else:
        return [Line("database", True, "answers"), *lines]
    waiting = (Line(check, False, "the database does not say") for check in ("migrations", *AFTER_MIGRATIONS))
    return [Line("database", False, said), *waiting]


def _said_of_broker() -> Line:
    if not settings.REDIS_URL:
        return Line("broker", False, "REDIS_URL is not set")
    try:
        _broker.hear()
    except (TimeoutError, redis.TimeoutError):
        said = f"did not answer within {SECONDS:.0f} s"
    except redis.ResponseError as error:
        # Full memory, a disk that it cannot write to, a replica that may only be read.
        said = "takes nothing: is its memory full?"
        log.warning("Not ready: the broker takes nothing (%s)", type(error).__name__)
    except (redis.RedisError, OSError, ValueError) as error:
        said = "does not answer"
        log.warning("Not ready: the broker does not answer (%s)", type(error).__name__)
    else:
        return Line("broker", True, "answers")
    return Line("broker", False, said)


_database = Patient("The question to the database", lambda: in_own_connection(ask_database))
_sign_of_beat = Patient("Beat's sign of life", _give_sign_of_beat)
_broker = Patient("The question to the broker", _ask_broker)
