"""Django's administration under the product's name, signed in to through the product's own page."""

import logging
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _

from credits import letters

log = logging.getLogger(__name__)
View = TypeVar("View", bound=Callable[..., Any])
# The pages of which Django saves all or nothing (`ModelAdmin`); an action of a list may have done a part.
WHOLE = ("add_view", "change_view", "delete_view")
# What a row breaks that somebody else has written or removed meanwhile: the codes of PostgreSQL (its appendix "Error
# Codes", class 23), and how SQLite's texts begin.
UNIQUE_OR_FOREIGN_KEY = ("23505", "23503")
NOT_UNIQUE_OR_NO_ROW = ("UNIQUE constraint failed", "FOREIGN KEY constraint failed")
# The key of a row.
KEY = re.compile("[0-9]{1,18}")


class Administration(AdminSite):
    """The administration of the installation."""

    site_title = _("SMS manager")
    site_header = _("SMS manager: administration")
    index_title = _("Administration")

    def index(self, request: HttpRequest, extra_context: Any = None) -> TemplateResponse:
        """The first page, with a note where letters to the administrators reach nobody."""
        note = {"letters_reach_nobody": not letters.administrators()}
        return super().index(request, note | (extra_context or {}))

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Each page of the administration; those that save a row say so where something else was there first."""
        of_a_row = isinstance(getattr(view, "__self__", None), ModelAdmin) and view.__name__ in WHOLE
        return super().admin_view(_readable(_saying_what_was_first(view) if of_a_row else view), cacheable)

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Whoever is not signed in goes to the product's page; whoever may not be here is told so."""
        back = request.GET.get(REDIRECT_FIELD_NAME, "")
        # Asked back to this very page it would never end.
        endless = back.partition("?")[0] == request.path
        if endless or not url_has_allowed_host_and_scheme(
            back, {request.get_host()}, require_https=request.is_secure()
        ):
            back = reverse("admin:index", current_app=self.name)
        if not request.user.is_authenticated:
            return redirect_to_login(back, settings.LOGIN_URL)
        if not self.has_permission(request):
            raise PermissionDenied(_("Only administrators of the installation come here."))
        return HttpResponseRedirect(back)


def _readable(view: View) -> View:
    """What no page of the administration links to or ticks is a bad request: a NUL in an address, which PostgreSQL
    has in no text, and a row without a key. What is typed into a form, the form refuses beside its field.
    """

    @wraps(view)
    def looked_at(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        asked = [value for _name, values in request.GET.lists() for value in values]
        ticked = request.POST.getlist(ACTION_CHECKBOX_NAME)
        if any("\0" in value for value in asked) or any(KEY.fullmatch(one) is None for one in ticked):
            raise BadRequest("This is no address or form of the administration.")
        return view(request, *args, **kwargs)

    return cast(View, looked_at)


def _saying_what_was_first(view: View) -> View:
    """Who removes a member while a message for them arrives, or adds what somebody else has just added, may try again.

    The forms have looked, and the database, which looks last, still refused: nothing of it was saved. What it refuses
    for another reason, which would be the same the next time, is raised.
    """

    @wraps(view)
    def looked_at(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return view(request, *args, **kwargs)
        except IntegrityError as error:
            if request.method != "POST" or not _somebody_was_first(error):
                raise
            # Should it come again and again, it is a mistake of the program.
            log.warning("The database refused what %s asked for", request.path, exc_info=error)
            sentence = _(
                "Something else changed this at the same moment, so nothing was saved. Look at what is there now, "
                "and try again."
            )
            messages.error(request, sentence)
            return HttpResponseRedirect(request.get_full_path())

    return cast(View, looked_at)


def _somebody_was_first(error: IntegrityError) -> bool:
    """Whether the database refused because of another row, which may come and go; not what Django itself refuses."""
    refused = error.__cause__
    if refused is None:
        return False
    state = getattr(refused, "sqlstate", None)
    return state in UNIQUE_OR_FOREIGN_KEY if state else str(refused).startswith(NOT_UNIQUE_OR_NO_ROW)
