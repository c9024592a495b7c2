"""The application of the whole, and Django's administration in its place."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.utils.translation import gettext_lazy as _


class SmsManagerConfig(AppConfig):
    name = "smsmanager"
    verbose_name = _("SMS manager")

    def ready(self) -> None:
        from smsmanager import causes, checks, gateway_checks, letters_checks  # noqa: F401  (checks register themselves)

        causes.register_all()


class AdministrationConfig(AdminConfig):
    default_site = "smsmanager.administration.Administration"
