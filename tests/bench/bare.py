"""The least that a view can do which shows the same form, or runs the same SQL."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.template import Context, Engine
from django.utils import timezone

from compose import services
from compose.forms import ComposeForm
from compose.models import MessageClass
from compose.numbers import Recipient
from compose.planning import Draft, plan
from credits import access
from credits.models import Member
from senders import queries as sender_queries

PAGE = """{% load crispy_forms_filters %}<!doctype html><title>Form</title>
<form method="post"><input type="hidden" name="csrfmiddlewaretoken" value="{{ token }}">{{ form|crispy }}</form>"""


@dataclass(frozen=True)
class Statement:
    """One execution of the recorded request; `together` when it ran inside a transaction."""

    sql: str
    params: Any
    many: bool
    together: bool


class Recorder:
    """Wraps the executions of a connection and keeps what they were."""

    def __init__(self) -> None:
        self.statements: list[Statement] = []

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if not sql.startswith(("BEGIN", "SAVEPOINT", "RELEASE")):
            self.statements.append(Statement(sql, params, many, connection.in_atomic_block))
        return execute(sql, params, many, context)


class Recorded:
    """What the bare views need; the bench fills it in."""

    member: Member
    statements: list[Statement]
    request_key: uuid.UUID
    submission: int


def form(request: HttpRequest) -> HttpResponse:
    """The form of the compose page, laid out by crispy-forms itself."""
    shown = ComposeForm(member=Recorded.member, now=timezone.now())
    page = Engine.get_default().from_string(PAGE)
    return HttpResponse(page.render(Context({"form": shown, "token": get_token(request)})))


def sql(request: HttpRequest) -> HttpResponse:
    """The SQL of a recorded request, with what must be unique made new."""
    key = uuid.uuid4()
    new: dict[Any, Any] = {Recorded.request_key: key, Recorded.request_key.hex: key.hex}
    for together, statements in groupby(Recorded.statements, key=lambda one: one.together):
        if together:
            with transaction.atomic():
                _execute(list(statements), new)
        else:
            _execute(list(statements), new)
    return HttpResponse(status=204)


def verbs(request: HttpRequest) -> HttpResponse:
    """The SQL of sending a message through Django's ORM: the product's queries and verb, without the form."""
    member, _members = access.current(request)
    assert member is not None
    now = timezone.now()
    draft = Draft(
        account=member.account,
        user=member.user,
        sender=next(one for one in sender_queries.offered(member.account) if not one.is_pool),
        recipients=[Recipient("+33612345678", "FR", "")],
        body="Bonjour, votre commande vous attend. À demain !",
        commercial=False,
        message_class=MessageClass.STANDARD,
        deferred_to=None,
        request_key=uuid.uuid4(),
    )
    submission, _new = services.submit(draft, now=now, planned=plan(draft, now=now))
    request.session["after_sending"] = {"submission": submission.pk}
    return HttpResponse(status=204)


def _execute(statements: list[Statement], new: dict[Any, Any]) -> None:
    with connection.cursor() as cursor:
        for one in statements:
            (cursor.executemany if one.many else cursor.execute)(one.sql, _renewed(one.params, new))
            if cursor.description:
                returned = cursor.fetchall()
                if one.sql.startswith('INSERT INTO "compose_submission"'):
                    # The recorded submission's number stands for the one that the database has just given.
                    _give(new, returned[0][0])


def _give(new: dict[Any, Any], submission: int) -> None:
    old = Recorded.submission
    new |= {old: submission, str(old): str(submission), f"hold:{old}": f"hold:{submission}"}


def _renewed(params: Any, new: dict[Any, Any]) -> Any:
    if isinstance(params, (list, tuple)):
        return type(params)(_renewed(one, new) for one in params)
    return new.get(params, params) if isinstance(params, (int, str, uuid.UUID)) else params
