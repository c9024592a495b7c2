"""What a gateway says of a chunk, made such that it can be kept: a gateway's code and its vendor may say anything.

Nothing here makes an outcome better than it was said. What is no outcome may have left, and stays in doubt.
"""

import logging
import math
import traceback
from collections.abc import Sequence
from typing import Any, Final

from compose import hiding
from compose.foreign import reference, text
from compose.gateways.base import Accepted, Gateway, GatewayError, Outcome, OutcomeUnknown, Outgoing, Throttled

log = logging.getLogger(__name__)

LONGEST_DETAIL: Final = 250
# Seconds. A gateway that asks for more is asked again sooner: a message must not lose its validity by one answer.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 900.0


def of(name: str, gateway: Gateway, chunk: Sequence[Outgoing]) -> list[Outcome]:
    """What the gateway `name` says of each message of the chunk, without its secrets.

    Whatever it raises is an outcome, too, also the soft time limit of the task: the messages must be settled.
    """
    try:
        said: list[Any] = list(gateway.send(chunk))
    except GatewayError as error:
        said = [error] * len(chunk)
    except Exception as error:  # noqa: BLE001  (a fault in a gateway's code: it may have spoken before it failed)
        # Its text may quote the call and the secrets in it; where it arose is enough to find it.
        arose = "".join(traceback.format_tb(error.__traceback__))
        kind = type(error).__name__
        log.error("%s failed with %s while %d messages were handed over:\n%s", name, kind, len(chunk), arose)
        said = [OutcomeUnknown(f"{kind} in the gateway")] * len(chunk)
    if len(said) != len(chunk):
        log.error("The gateway answered %d times for %d messages", len(said), len(chunk))
        said = [OutcomeUnknown("the gateway did not answer for each message")] * len(chunk)
    hidden = hiding.secrets(name, gateway)
    return [_kept(one, hidden) for one in said]


def _kept(said: Any, hidden: Sequence[str]) -> Outcome:
    if isinstance(said, Accepted):
        kept = reference(said.reference)
        # A class of somebody else's may say something else when it is asked again.
        return said if type(said) is Accepted and kept is said.reference else Accepted(kept)
    if not isinstance(said, GatewayError):
        log.error("The gateway gave a %s for a message, which is no outcome", type(said).__name__)
        return OutcomeUnknown("the gateway gave no outcome for the message")
    # A class of somebody else's may have a constructor of its own.
    said.detail = hiding.without(text(getattr(said, "detail", "")), hidden)[:LONGEST_DETAIL]
    said.code = hiding.without(text(getattr(said, "code", "")), hidden)
    if isinstance(said, Throttled):
        said.retry_after = _pause(getattr(said, "retry_after", None))
    return said


def _pause(said: Any) -> float:
    if not isinstance(said, int | float) or math.isnan(said):
        return FIRST_PAUSE
    return min(max(said, 0.0), LONGEST_PAUSE)
