"""What pages and letters about errors never show: secrets of the settings, and what came to a gateway's door."""

import re
from typing import Any, Final

from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

DOORS: Final = "/gateways/"
HIDDEN: Final = "…"


class ErrorReportFilter(SafeExceptionReporterFilter):
    """Hides gateways, payments and addresses that hold passwords too, whose names do not sound like secrets."""

    hidden_settings = re.compile(
        SafeExceptionReporterFilter.hidden_settings.pattern + r"|GATEWAYS|PAYMENTS|REDIS_URL|BROKER_URL|DATABASES",
        flags=re.IGNORECASE,
    )


class ErrorReporter(ExceptionReporter):
    """Shows of a call at a gateway's door no query and no form: the key is there, and what people write."""

    def get_traceback_data(self) -> dict[str, Any]:
        data: dict[str, Any] = super().get_traceback_data()
        if self.request is None or not self.request.path_info.startswith(DOORS):
            return data
        query = str(self.request.META.get("QUERY_STRING", ""))
        meta = data["request_meta"].items()
        # Servers write the address into variables of their own, too.
        data["request_meta"] = {
            name: value.replace(query, HIDDEN) if query and isinstance(value, str) else value for name, value in meta
        }
        data["request_insecure_uri"] = data["request_insecure_uri"].partition("?")[0]
        data["request_GET_items"] = data["filtered_POST_items"] = []
        # They hold the call.
        for frame in data["frames"]:
            frame["vars"] = []
        return data
