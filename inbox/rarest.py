"""Which piece of a word the index of searches had best look up first.

The index (docs/adr/0011-searching-the-inbox.md) has for each piece of three letters the list of the messages with it,
of all accounts. A search goes through the lists of all pieces of its word, and frequent pieces have long lists: LIV and
ISO of LIVRAISON are in many words. Asked for a rare piece beside the word, PostgreSQL goes through that list and the
account's, and looks into the others only where both have a message.
"""

from collections.abc import Sequence

from django.db import connection
from django.db.models import QuerySet

from compose import paging
from inbox.models import Received

# So many of the newest messages are looked at: some hundred say enough, and cost little beside the search.
LOOKED_AT = 300
PIECE = 3


def rarest_piece(rows: QuerySet[Received], text: str) -> str:
    """A piece of `text`, the rarest in the newest messages of `rows`; each text that holds `text` holds it.

    "" where knowing one makes no search faster: there are few messages, or the newest ones fill a page, or `text` has
    no letter, or one piece only. One query, on PostgreSQL, when it depends on the messages.
    """
    pieces = _pieces(text)
    if connection.vendor != "postgresql" or len(pieces) < 2 or not any(character.isalpha() for character in text):
        return ""
    newest = rows.order_by("-received_at", "-pk").values_list("text", flat=True)[:LOOKED_AT]
    texts = [found.upper() for found in newest]
    if len(texts) < LOOKED_AT or _holding(texts, text.upper()) > paging.SIZE:
        return ""
    return min(pieces, key=lambda piece: _holding(texts, piece.upper()))


def _pieces(text: str) -> list[str]:
    """What is in the index of `text`: what is neither letter nor digit stands between the words."""
    pieces = [text[start : start + PIECE] for start in range(len(text) - PIECE + 1)]
    return [piece for piece in pieces if piece.isalnum()]


def _holding(texts: Sequence[str], wanted: str) -> int:
    return sum(wanted in text for text in texts)
