"""What may keep a message from being delivered though nothing forbids to send it, in sentences."""

from typing import Final

from django.utils.translation import gettext as _

from compose.contact_details import contact_details
from senders.models import Sender

# Operators do not guarantee to deliver a message of more parts than this.
GUARANTEED_PARTS: Final = 8
_MOST_SHOWN, _LONGEST_SHOWN = 3, 40


def cautions(*, kind: str, body: str, country: str, parts: int) -> tuple[str, ...]:
    """The sentences for a text of so many `parts` from this kind of sender, in the reader's language.

    `country` is that of telephone numbers without a country code.
    """
    said = []
    if parts > GUARANTEED_PARTS:
        sentence = _(
            "This message is %(parts)d SMS long. Operators do not guarantee delivery above %(most)d: shorten it to be "
            "sure that it arrives."
        )
        said.append(sentence % {"parts": parts, "most": GUARANTEED_PARTS})
    found = contact_details(body, country) if kind == Sender.Kind.SHORT else []
    if found:
        sentence = _(
            "Operators drop messages from a short number that carry a link or contact details. Found in this one: "
            "%(found)s. Take it out, or choose another sender."
        )
        shown = [f"{one[:_LONGEST_SHOWN]}…" if len(one) > _LONGEST_SHOWN else one for one in dict.fromkeys(found)]
        said.append(sentence % {"found": ", ".join(shown[:_MOST_SHOWN] + ["…"] * (len(shown) > _MOST_SHOWN))})
    return tuple(said)
