"""What an SMS costs by destination, for the members of an account."""

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from credits import rates
from credits.access import MemberRequest, member_page

LONGEST = 60


@member_page()
@require_safe
def rates_page(request: MemberRequest) -> HttpResponse:
    """The rate of each destination now, and the next one where it is known; `q` looks for a country."""
    wanted = request.GET.get("q", "").strip()[:LONGEST]
    every = rates.destinations(timezone.now())
    context = {
        "rows": [row for row in every if row.answers(wanted)] if wanted else every,
        "wanted": wanted,
        "now": timezone.now(),
        "longest": LONGEST,
        "tab": "rates",
    }
    return render(request, "credits/rates.html", context)
