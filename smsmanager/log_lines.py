"""How lines of the log look, and what they never show."""

import copy
import logging
import re
from typing import Final

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
    500 keeps its traceback.
    """

    def format(self, record: logging.LogRecord) -> str:
        if not _is_a_refusal(record):
            return super().format(record)
        # Other handlers get the record as it came.
        record = copy.copy(record)
        record.exc_info = record.exc_text = record.stack_info = None
        return " ".join(super().format(record).splitlines())


def _is_a_refusal(record: logging.LogRecord) -> bool:
    """Whether Django says with this that it answered with a status from 400 to 499."""
    status = getattr(record, "status_code", None)
    return record.name.startswith("django.") and isinstance(status, int) and 400 <= status < 500
