from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class CreditsConfig(AppConfig):
    name = "credits"
    verbose_name = _("Accounts and credits")

    def ready(self) -> None:
        from credits import checks, triggers  # noqa: F401  (checks registers itself)

        post_migrate.connect(triggers.after_migrate, sender=self, dispatch_uid="credits.triggers")
