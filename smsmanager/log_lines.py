"""How lines of the log look, and what they never show."""

import copy
import logging
import re
from typing import Final

from django.http import HttpRequest

_SECURITY: Final = "django.security."
# What anybody can cause by a header, a form or a large body, as often as they like.
_OF_ANYBODY: Final = frozenset(
    _SECURITY + name
    for name in ("DisallowedHost", "RequestDataTooBig", "TooManyFieldsSent", "TooManyFilesSent", "csrf")
)
_QUERY_OF_A_DOOR: Final = re.compile(r"(/gateways/[^\s?]*)\?\S*")


class QueriesOfDoors(logging.Filter):
    """Takes the query out of requests at the doors of gateways: it holds the key, and what people write."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                _QUERY_OF_A_DOOR.sub(r"\1?…", one) if isinstance(one, str) else one for one in record.args
            )
        return True


class Lines(logging.Formatter):
    """A request that is refused is one line: anybody can have a thousand refused, and nothing is broken here.

    Django hands over the exception by which a view refuses (403, 400) as if it were an error of ours. What answers
    500 keeps its traceback, and so does a suspicious operation that not anybody can cause at will. Where Django says
    only what was suspicious, the line ends with the method and the path of the request.
    """

    def format(self, record: logging.LogRecord) -> str:
        if not _is_a_refusal(record):
            return super().format(record)
        # Other handlers get the record as it came.
        record = copy.copy(record)
        record.msg, record.args = " ".join([*record.getMessage().splitlines(), *_asked(record)]), None
        if not _says_where(record):
            record.exc_info = record.exc_text = record.stack_info = None
        return super().format(record)


def _is_a_refusal(record: logging.LogRecord) -> bool:
    """Whether Django says with this that it answered with a status from 400 to 499."""
    status = getattr(record, "status_code", None)
    return record.name.startswith("django.") and isinstance(status, int) and 400 <= status < 500


def _says_where(record: logging.LogRecord) -> bool:
    """Whether its traceback is worth the lines: it says which part of the code found the request suspicious."""
    return record.name.startswith(_SECURITY) and record.name not in _OF_ANYBODY


def _asked(record: logging.LogRecord) -> list[str]:
    """The method and the path of the request unless the message ends with that path. The query may hold secrets."""
    request = getattr(record, "request", None)
    if not isinstance(request, HttpRequest):  # that of `manage.py runserver` is a socket
        return []
    # As Django writes it: no character of it ends the line or commands a terminal.
    path = request.path.encode("unicode_escape").decode("ascii")
    return [] if record.getMessage().endswith(path) else [f"({request.method} {path})"]
