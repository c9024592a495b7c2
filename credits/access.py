"""Who may see what: the account a person works in, and the role a page asks for.

Every view that shows an account's things is wrapped by `member_page`, and fetches them through
`request.member.account`; what belongs to another account is "not found".
"""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_cache_control
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from credits import made_in, queries
from credits.models import Member

SESSION_KEY = "account"
# The account that somebody works in outlives the session in a cookie of their browser.
COOKIE = "account"
A_YEAR = 365 * 24 * 3600


class MemberBackend(ModelBackend):
    """Django's own way to sign people in; who comes back is read together with their memberships, in one query."""

    def get_user(self, user_id: Any) -> Any:
        members = queries.memberships(user_id)
        # Whoever has none is read as Django does.
        user: Any = members[0].user if members else super().get_user(user_id)
        if user is None or not self.user_can_authenticate(user):
            return None
        for member in members:
            member.user = user
        user.memberships_read = members
        return user


class MemberRequest(HttpRequest):
    """A request of a signed-in person who is a member of an account."""

    member: Member
    members: list[Member]


def current(request: HttpRequest) -> tuple[Member | None, list[Member]]:
    """The membership this person works in (the one chosen, else the first) and all of them; no query of its own."""
    known = getattr(request, "_memberships", None)
    if known is None:
        members = _memberships(request.user)
        chosen = request.session.get(SESSION_KEY) if members else None
        member = next((m for m in members if m.account_id == chosen), members[0] if members else None)
        known = request._memberships = (member, members)  # type: ignore[attr-defined]
    return known


def _memberships(user: Any) -> list[Member]:
    if not user.is_authenticated:
        return []
    # Who has just signed in, in this request, comes without.
    read: list[Member] | None = getattr(user, "memberships_read", None)
    return queries.memberships(user) if read is None else read


def choose(request: HttpRequest, account: str) -> bool:
    """Work in another account from now on: the one with this key; False when the person is no member of it."""
    _member, members = current(request)
    found = next((m for m in members if str(m.account_id) == account), None)
    if found is None:
        return False
    request.session[SESSION_KEY] = found.account_id
    return True


def remember(request: HttpRequest, response: HttpResponse) -> None:
    """Have this browser say, the next time that this person signs in, which account was chosen."""
    response.set_signed_cookie(
        COOKIE,
        str(request.session[SESSION_KEY]),
        salt=_salt(request.user),
        max_age=A_YEAR,
        samesite="Lax",
        httponly=True,
        secure=request.is_secure(),
    )


def come_back(request: HttpRequest, response: HttpResponse, named: str = "") -> None:
    """Just signed in: work in the account that is `named`, else in the one that was chosen last in this browser.

    In neither where the person is no member of it.
    """
    last = request.get_signed_cookie(COOKIE, default=None, salt=_salt(request.user))
    if choose(request, named) or choose(request, last or ""):
        remember(request, response)


def _salt(user: Any) -> str:
    # What one person chose is nothing to the next one at this browser.
    return f"account of {user.pk}"


def may_send(member: Member) -> bool:
    return member.may_send


def may_manage(member: Member) -> bool:
    return member.may_manage


def member_page(
    allowed: Callable[[Member], bool] | None = None,
    *,
    again: Mapping[str, str] | None = None,
    uploads: Callable[[HttpRequest], FileUploadHandler] | None = None,
) -> Callable[..., Callable[..., HttpResponse]]:
    """Only members see the page; with `allowed`, only those for whom it says yes (others get "forbidden").

    What comes from a page of another account is not done (credits/made_in.py, which says what `again` is). Files are
    read by the handler of `uploads`, and only once it is settled that the person may do this in one of their accounts.
    No cache keeps the page, the browser's neither.
    """

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def in_its_account(request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
            refused = made_in.refusal(request, again=again)
            if refused is not None:
                return refused
            if allowed is not None and not allowed(request.member):
                raise _forbidden()
            return view(request, *args, **kwargs)

        # Django looks at the token of the form, and so reads the body, before any of this.
        answer = csrf_protect(in_its_account) if uploads else in_its_account

        @login_required
        @wraps(view)
        def wrapped(request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
            member, members = current(request)
            if member is None:
                return redirect("no_account")
            if allowed is not None and not any(map(allowed, members)):
                raise _forbidden()
            if uploads is not None and request.method == "POST":
                request.upload_handlers = [uploads(request)]
            request.member, request.members = member, members
            # Moments are shown as the clocks of the account show them.
            with timezone.override(member.account.zone):
                response = answer(request, *args, **kwargs)
            # Numbers and texts of other people: after signing out, "Back" must not show them to the next person.
            patch_cache_control(response, private=True, no_store=True)
            return response

        return csrf_exempt(wrapped) if uploads else wrapped

    return decorate


def _forbidden() -> PermissionDenied:
    return PermissionDenied(
        _(
            "Your role in this account does not allow this. Nothing was changed. An administrator of "
            "this installation can give you another role."
        )
    )


def button_of(
    page: str, *keys: str, place: str = "", silent: bool = False
) -> Callable[..., Callable[..., HttpResponse]]:
    """For what only a button does, inside `member_page`: who comes by the address alone goes back to its page.

    That is who pressed the button after the session had ended: the sign-in leads here, without what was posted, and so
    nothing is done. A notice says so, unless `silent`: then no person presses it, a page asks by itself. `page` is the
    name of the address, which takes those of this one's arguments that `keys` name, and `place` one within the page.
    """

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @require_http_methods(["GET", "HEAD", "POST"])
        @wraps(view)
        def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method == "POST":
                return view(request, *args, **kwargs)
            if not silent:
                messages.warning(
                    request, _("Nothing was changed: the page was opened without its button. Press the button again.")
                )
            return redirect(reverse(page, kwargs={key: kwargs[key] for key in keys}) + place)

        return wrapped

    return decorate
