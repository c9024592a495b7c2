"""What the page asks about numbers while a person types or pastes them. It changes nothing."""

from typing import Any

from django.http import HttpResponse, JsonResponse

from compose.numbers import Recipient, WrongNumber, spaced
from compose.recipients import TooManyRecipients, read_entries
from credits.access import MemberRequest, button_of, may_send, member_page
from credits.models import Account
from credits.regions import name_of
from senders import queries as sender_queries
from senders import rules

# So many entries are answered in full; those behind them a line each, which is a tenth of the size.
MOST_IN_FULL = 100


@member_page(may_send)
@button_of("compose", silent=True)
def numbers(request: MemberRequest) -> HttpResponse:
    """What `recipients` holds, as JSON:

    - `entries`: the first MOST_IN_FULL in the order typed, each number once, `{raw, e164, shown, region, country}`
      or `{raw, reason}`;
    - `list`: the others, a line each: number and region, or raw text and a key of `reasons`, with a tab between;
    - `countries` and `reasons`: what the regions and the keys of `list` mean in the reader's language;
    - `duplicates`: how many entries were there before;
    - `reach`: region -> id of a sender of the account that does not reach it -> the sentence that says why.

    Status 422 with `{error}`, a sentence, for more numbers than a message can have.
    """
    account = request.member.account
    found: list[Recipient | WrongNumber] = []
    known: set[str] = set()
    duplicates = 0
    try:
        for entry in read_entries(request.POST.get("recipients", ""), account.country):
            if isinstance(entry, Recipient):
                if entry.e164 in known:
                    duplicates += 1
                    continue
                known.add(entry.e164)
            found.append(entry)
    except TooManyRecipients as error:
        return JsonResponse({"error": error.message}, status=422)
    first, rest = found[:MOST_IN_FULL], found[MOST_IN_FULL:]
    regions = {entry.region for entry in found if isinstance(entry, Recipient)}
    answer = {
        "entries": [_in_full(entry) for entry in first],
        "list": "\n".join(map(_line, rest)),
        "countries": {region: name_of(region) for region in regions},
        "reasons": {entry.code: entry.reason for entry in rest if isinstance(entry, WrongNumber)},
        "duplicates": duplicates,
        "reach": _reach(account, regions),
    }
    return JsonResponse(answer)


def _in_full(entry: Recipient | WrongNumber) -> dict[str, Any]:
    if isinstance(entry, WrongNumber):
        return {"raw": entry.raw, "reason": entry.reason}
    return {
        "raw": entry.raw,
        "e164": entry.e164,
        "shown": spaced(entry.e164),
        "region": entry.region,
        "country": name_of(entry.region),
    }


def _line(entry: Recipient | WrongNumber) -> str:
    # What was typed between two separators holds neither a tab nor a line end: both separate.
    return f"{entry.raw}\t{entry.code}" if isinstance(entry, WrongNumber) else f"{entry.e164}\t{entry.region}"


def _reach(account: Account, regions: set[str]) -> dict[str, dict[int, Any]]:
    """For each region: the senders of the account that do not reach it, by id, and why."""
    offered = sender_queries.offered(account)
    refused = rules.refusals({sender.kind for sender in offered}, regions)
    return {
        region: {sender.pk: refused[sender.kind, region] for sender in offered if (sender.kind, region) in refused}
        for region in regions
    }
