"""What the frame around every page shows: account, balance, unread answers, theme."""

from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest

from credits import access, queries
from credits.models import Member
from inbox.queries import unread_count

THEME_COOKIE = "theme"
THEMES = ("auto", "light", "dark")
# The page of an address -> the entry of the navigation that it belongs to.
SECTIONS = {
    "compose": "compose",
    "received": "received",
    "conversation": "received",
    # What people answer STOP to is looked for beside what they answer.
    "optouts": "received",
    "optout_add": "received",
    "optout_take_off": "received",
    "sent": "sent",
    "message": "sent",
    "unconfirmed": "sent",
    "submission": "sent",
    "scheduled": "scheduled",
    "edit_submission": "scheduled",
    "move_submission": "scheduled",
    "move_message": "scheduled",
    "senders": "senders",
    "sender_request": "senders",
    "sender_document": "senders",
    "credits": "credits",
    "top_up": "credits",
    "rates": "credits",
}


@dataclass
class Frame:
    """See `frame`. `balance` in millis; `low` is the threshold of the alert that it is below, 0 when it is not."""

    theme: str = "auto"
    section: str = ""
    member: Member | None = None
    members: list[Member] = field(default_factory=list)
    balance: int | None = None
    low: int = 0
    unread: int = 0


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `frame` for the page's frame; two queries beside the person and the membership."""
    chosen = request.COOKIES.get(THEME_COOKIE, "")
    shown = Frame(theme=chosen if chosen in THEMES else "auto")
    match = request.resolver_match
    shown.section = SECTIONS.get(match.url_name or "", "") if match else ""
    # A quote is a piece of a page, without a frame; the administration has its own.
    bare = match is not None and (match.url_name in ("quote", "reply_quote") or "admin" in match.app_names)
    if bare or not hasattr(request, "user") or not request.user.is_authenticated:
        return {"frame": shown}
    shown.member, shown.members = access.current(request)
    if shown.member:
        shown.balance, threshold = queries.balance(shown.member.account)
        shown.low = threshold if threshold is not None and shown.balance < threshold else 0
        shown.unread = unread_count(shown.member)
    return {"frame": shown}
