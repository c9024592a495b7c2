"""Django's administration under the product's name, signed in to through the product's own page."""

from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _


class Administration(AdminSite):
    """The administration of the installation."""

    site_title = _("SMS manager")
    site_header = _("SMS manager: administration")
    index_title = _("Administration")

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Whoever is not signed in goes to the product's page; whoever may not be here is told so."""
        if request.user.is_authenticated:
            raise PermissionDenied(_("Only administrators of the installation come here."))
        return redirect_to_login(request.get_full_path(), settings.LOGIN_URL)
