"""The account that a page was made in: what is pressed there is done in that one, or not at all.

Who works in several accounts has a page of one open, switches to another in a second tab, and presses a button in the
first. So every form says in which account its page was made (credits/templatetags/forms_of_members.py), requests that
a page makes by itself say it in a header, and `member_page` asks here before it does anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from credits.models import Member

# The field of forms, and the header of the requests that htmx makes (templates/base.html).
FIELD: Final = "made_in"
HEADER: Final = "X-Made-In"
# The fields of the page that offers to switch (templates/credits/elsewhere.html), which are none of the form's own.
OWN: Final = frozenset({FIELD, "csrfmiddlewaretoken", "account", "again", "next"})


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """A request from a page of another account than the one that its person works `now` in.

    `made` is the membership in the other one; None when the person is no member of it, or when nothing is `named`.
    `fields` is what the form holds; `shown` says that posting them once more shows them and does nothing yet.
    """

    now: Member
    made: Member | None
    named: bool
    address: str
    fields: tuple[tuple[str, str], ...] = ()
    files: bool = False
    shown: bool = False

    @property
    def leads_to(self) -> Member | None:
        """The membership in which the form can be posted once more."""
        return self.made if self.named else self.now


def refusal(request: Any, *, again: Mapping[str, str] | None = None) -> HttpResponse | None:
    """The answer to a request from a page of another account (409, nothing is done); None where it may go on.

    `again` replaces fields of the form where it is posted once more, so that it is shown and nothing else.
    """
    member: Member = request.member
    posted = request.method == "POST"
    named = request.headers.get(HEADER) or (request.POST.get(FIELD, "") if posted else "")
    if named == str(member.account_id):
        return None
    background = "HX-Request" in request.headers
    if not named and (not posted or background or len(request.members) == 1):
        # A page from before pages said it, or somebody's script. Who has one account means that one, and what a page
        # asks by itself neither sends nor pays. Anything else could do either in the wrong account: it is asked for.
        return None
    made = next((one for one in request.members if str(one.account_id) == named), None)
    found = Elsewhere(
        now=member,
        made=made,
        named=bool(named),
        address=request.get_full_path(),
        fields=_fields(request, again or {}) if posted and not background else (),
        files=posted and bool(request.FILES),
        shown=bool(again),
    )
    page = "credits/_elsewhere.html" if background else "credits/elsewhere.html"
    return render(request, page, {"elsewhere": found}, status=409)


def _fields(request: HttpRequest, again: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    kept = [
        (name, str(value))
        for name, values in request.POST.lists()
        if name not in OWN and name not in again
        for value in values
    ]
    return (*kept, *again.items())
