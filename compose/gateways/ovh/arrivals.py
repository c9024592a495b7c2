"""What OVHcloud says of itself (calls at the door) and what it tells when it is asked.

Reports: OVHcloud, "Everything you need to know about SMS users", step 5: a GET with id, ptt, date, description (the DLR
ID) and descriptionDlr. Received messages: OVHcloud's "API SMS Cookbook" names both ways, a call for each and
`/sms/{service}/incoming`. What the call holds is in no document of theirs; it is a POST of a form with id, senderid,
shortcode, message, tag and keyword, as users report (community.ovh.com/t/2966) and as public code reads it (Aidants
Connect of the French state).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from compose.gateways.base import Received, Report, Unreadable
from compose.gateways.ovh import codes

# Their API answers with an offset; a time without one is theirs.
THEIR_ZONE: Final = ZoneInfo("Europe/Paris")
LONGEST: Final = 300
LONGEST_NUMBER: Final = 32
REPORTED: Final = ("id", "ptt", "date", "description", "descriptionDlr", "dlr")
RECEIVED: Final = ("id", "senderid", "shortcode", "tag", "keyword")

Fields = Mapping[str, Sequence[str]]


def report(said: Fields) -> Report:
    """A call that says what became of a message. Raises Unreadable."""
    raw = _known(said, REPORTED)
    ptt, dlr = _number(raw.get("ptt")), _number(raw.get("description"))
    if dlr is None:
        dlr = _number(raw.get("dlr"))
    if _number(raw.get("id")) is None or (ptt is None and dlr is None):
        raise Unreadable("a report has an id, and a ptt or a DLR ID")
    status, reason, code = codes.state(ptt, dlr)
    return Report(
        key=f"report-{raw['id']}-{ptt}-{dlr}-{raw.get('date', '')}"[:160],
        reference=raw["id"],
        status=status,
        reason=reason,
        code=code,
        at=moment(raw.get("date")),
        raw=dict(raw),
    )


def outgoing(said: Any, *, message_id: str) -> Report:
    """What `/outgoing/{id}` tells of a message whose submission had no answer. Raises Unreadable."""
    if not isinstance(said, dict) or not isinstance(said.get("id"), int):
        raise Unreadable("a sent message has an id")
    ptt, dlr = _number(said.get("ptt")), _number(said.get("deliveryReceipt"))
    status, reason, code = codes.state(ptt, dlr or 0)
    if status == "unknown":
        # It is there, so they took it; what became of it is for a report to say.
        status, reason = "accepted", ""
    return Report(
        key=f"found-{said['id']}-{ptt}-{dlr}",
        reference=str(said["id"]),
        message_id=message_id,
        status=status,
        reason=reason,
        code=code,
        at=moment(said.get("deliveredAt") or said.get("sentAt")),
        raw={name: said[name] for name in ("id", "ptt", "deliveryReceipt", "tag") if name in said},
    )


def received(said: Fields, *, tag_prefix: str) -> Received:
    """A call that brings a message somebody sent. Raises Unreadable."""
    raw = _known(said, RECEIVED)
    text = next(iter(said.get("message", ())), "")
    if _number(raw.get("id")) is None or not raw.get("senderid"):
        raise Unreadable("a received message has an id and a senderid")
    return Received(
        key=f"received-{raw['id']}",
        number=number(raw["senderid"]),
        to=raw.get("shortcode", "")[:LONGEST_NUMBER],
        text=text,
        at=datetime.now(UTC),
        message_id=ours(raw.get("tag"), tag_prefix),
        raw=dict(raw),
    )


def incoming(said: Any, *, tag_prefix: str) -> Received:
    """What `/incoming/{id}` tells: the same message as a call, except for our number. Raises Unreadable."""
    if not (
        isinstance(said, dict)
        and isinstance(said.get("id"), int)
        and isinstance(said.get("message"), str)
        and isinstance(said.get("sender"), str)
    ):
        raise Unreadable("a received message has an id, a sender and a message")
    return Received(
        key=f"received-{said['id']}",
        number=number(said["sender"]),
        to="",
        text=said["message"],
        at=moment(said.get("creationDatetime")),
        message_id=ours(said.get("tag"), tag_prefix),
        raw={name: said[name] for name in ("id", "sender", "creationDatetime", "tag", "credits") if name in said},
    )


def blacklisted(said: Any, *, stop_number: str) -> Received:
    """An entry of `/blacklists/{number}`: somebody sent STOP to the number of the clause. Raises Unreadable."""
    if not isinstance(said, dict) or not isinstance(said.get("number"), str):
        raise Unreadable("an entry of the blacklist has a number")
    since = str(said.get("dateCreation", ""))
    return Received(
        key=f"stop-{said['number']}-{since}"[:160],
        number=number(said["number"]),
        to=stop_number,
        text="STOP",
        at=moment(since),
        raw={"number": said["number"], "dateCreation": since, "opt_out": "stop"},
    )


def ours(tag: Any, prefix: str) -> str:
    """Our id of the message with this tag; "" for a tag that is not ours."""
    said = str(tag or "")
    rest = said[len(prefix) :]
    return rest if said.startswith(prefix) and rest.isascii() and rest.isdigit() else ""


def number(said: str) -> str:
    """A number in E.164. They write it with + or 00, and a French one perhaps as in France."""
    digits = "".join(one for one in said if one.isascii() and one.isdigit())
    digits = digits[: LONGEST_NUMBER - 3]
    if said.strip().startswith("+") or not digits:
        return f"+{digits}" if digits else said.strip()[:LONGEST_NUMBER]
    if digits.startswith("00"):
        return f"+{digits[2:]}"
    if digits.startswith("0"):
        return f"+33{digits[1:]}"
    return f"+{digits}" if len(digits) > 8 else digits


def moment(said: Any) -> datetime:
    """A time as they write it, in UTC and never later than now; now when it is none."""
    now = datetime.now(UTC)
    text = str(said or "").strip()
    try:
        if text.isdigit() and len(text) == 14:
            found = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=THEIR_ZONE)
        elif text.isdigit() and len(text) == 10:
            found = datetime.fromtimestamp(int(text), UTC)
        else:
            found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return now
    if found.tzinfo is None:
        found = found.replace(tzinfo=THEIR_ZONE)
    return min(found.astimezone(UTC), now)


def _known(said: Fields, names: Sequence[str]) -> dict[str, str]:
    """The fields that are kept: never what else stands in the address, such as the door's key."""
    return {name: said[name][0][:LONGEST] for name in names if said.get(name)}


def _number(said: Any) -> int | None:
    text = str(said) if said is not None else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
