"""Django's administration under the product's name, signed in to through the product's own page."""

from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _

from credits import letters


class Administration(AdminSite):
    """The administration of the installation."""

    site_title = _("SMS manager")
    site_header = _("SMS manager: administration")
    index_title = _("Administration")

    def index(self, request: HttpRequest, extra_context: Any = None) -> TemplateResponse:
        """The first page, with a note where letters to the administrators reach nobody."""
        note = {"letters_reach_nobody": not letters.administrators()}
        return super().index(request, note | (extra_context or {}))

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
