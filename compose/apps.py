from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ComposeConfig(AppConfig):
    name = "compose"
    verbose_name = _("Messages")

    def ready(self) -> None:
        from compose import triggers  # noqa: F401  (registers what the database refuses)
