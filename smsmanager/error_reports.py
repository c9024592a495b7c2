"""What Django's pages and letters about errors never show of the settings."""

import re

from django.views.debug import SafeExceptionReporterFilter


class ErrorReportFilter(SafeExceptionReporterFilter):
    """Hides gateways, payments and addresses that hold passwords too, whose names do not sound like secrets."""

    hidden_settings = re.compile(
        SafeExceptionReporterFilter.hidden_settings.pattern + r"|GATEWAYS|PAYMENTS|REDIS_URL|BROKER_URL|DATABASES",
        flags=re.IGNORECASE,
    )
