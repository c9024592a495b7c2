"""What lines of the log never show."""

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
