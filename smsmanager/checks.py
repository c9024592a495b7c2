"""System checks that refuse a production installation that would be unsafe or would lose messages."""

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register

from compose import replacement
from smsmanager import environment

# Django's own check, security.W009, wants as many, but a warning stops nobody.
SHORTEST_KEY = 50
# What a machine made at random is longer; what a person thought of could be guessed, as nothing slows guessing down.
SHORTEST_TOKEN = 20


def stop_where_unsafe() -> None:
    """What serves pages without `manage.py check` before it: raises BadEnvironment with what that would refuse."""
    if problems := [problem.msg for problem in production_is_safe() if problem.is_serious(checks.ERROR)]:
        raise environment.BadEnvironment(" ".join(problems))


@register(Tags.security)
def production_is_safe(**_rest: Any) -> list[CheckMessage]:
    """In production mode: a secret key, hosts, HTTPS, PostgreSQL and a Redis server, and no debugging."""
    if settings.EMBEDDED:
        return []
    key = environment.text("SMSMANAGER_SECRET_KEY")
    wanted = [
        (bool(key), "SMSMANAGER_SECRET_KEY is not set.", "E001"),
        (
            not key or len(key) >= SHORTEST_KEY,
            f"SMSMANAGER_SECRET_KEY is shorter than {SHORTEST_KEY} characters: sessions could be forged.",
            "E007",
        ),
        (not settings.DEBUG, "SMSMANAGER_DEBUG is on: error pages would show settings and data.", "E002"),
        (
            bool(settings.ALLOWED_HOSTS),
            "SMSMANAGER_ALLOWED_HOSTS is empty: no request would be answered.",
            "E003",
        ),
        ("*" not in settings.ALLOWED_HOSTS, "SMSMANAGER_ALLOWED_HOSTS allows every host name.", "E004"),
        (bool(settings.REDIS_URL), "REDIS_URL is not set: web and workers would have no broker.", "E005"),
        (
            settings.DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql",
            "DATABASE_URL does not name a PostgreSQL database: SQLite serves one machine only.",
            "E006",
        ),
        (
            not settings.SMS_METRICS_TOKEN or len(settings.SMS_METRICS_TOKEN) >= SHORTEST_TOKEN,
            f"SMSMANAGER_METRICS_TOKEN is shorter than {SHORTEST_TOKEN} characters: it could be guessed.",
            "E008",
        ),
    ]
    problems: list[CheckMessage] = [Error(text, id=f"smsmanager.{code}") for fine, text, code in wanted if not fine]
    if not settings.HTTPS:
        problems.append(
            checks.Warning(
                "SMSMANAGER_HTTPS is off: passwords and messages would travel in the clear.",
                id="smsmanager.W001",
            )
        )
    if not settings.EMAIL_HOST:
        problems.append(
            checks.Warning(
                f"SMSMANAGER_EMAIL_HOST is not set: letters (the password reset) go to files in "
                f"{settings.EMAIL_FILE_PATH}.",
                id="smsmanager.W002",
            )
        )
    return problems


@register()
def twins_can_be_used(**_rest: Any) -> list[CheckMessage]:
    """Each twin that the installation adds stands for one character, and is in the GSM alphabet itself."""
    return [Error(f"SMSMANAGER_TWINS: {sentence}", id="smsmanager.E020") for sentence in replacement.problems()]
