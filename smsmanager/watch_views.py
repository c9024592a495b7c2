"""What machines ask that watch the installation: is it ready, and how much is there."""

import secrets

from django.conf import settings
from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from smsmanager import metrics, readiness


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Whether the installation can do its work: 200 or 503, and a line for each check, as JSON. No session."""
    lines = readiness.look()
    ready = all(line.ok for line in lines)
    said = {"ready": ready, "checks": {line.check: {"ok": line.ok, "says": line.says} for line in lines}}
    return _unlogged(JsonResponse(said, status=200 if ready else 503, json_dumps_params={"indent": 2}))


@never_cache
@require_safe
def metrics_page(request: HttpRequest) -> HttpResponse:
    """The metrics for who has the token (RFC 6750 section 2.1); no such page where the installation has none."""
    wanted = settings.SMS_METRICS_TOKEN
    if not wanted:
        raise Http404
    scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
    # Compared as bytes: compare_digest takes no text beyond ASCII.
    if scheme.lower() != "bearer" or not secrets.compare_digest(token.strip().encode(), wanted.encode()):
        refused = HttpResponse("The token is missing or wrong.\n", content_type="text/plain", status=401)
        refused.headers["WWW-Authenticate"] = 'Bearer realm="metrics"'
        return refused
    try:
        text = metrics.in_time()
    except TimeoutError:
        said = f"The database did not answer within {metrics.SECONDS:.0f} s.\n"
        return _unlogged(HttpResponse(said, content_type="text/plain", status=503))
    except Error:
        return _unlogged(HttpResponse("The database does not answer.\n", content_type="text/plain", status=503))
    return HttpResponse(text, content_type=metrics.CONTENT_TYPE)


def _unlogged(answer: HttpResponse) -> HttpResponse:
    """Without Django's line of the log, which from 500 on is a letter to the administrators, every few seconds."""
    answer._has_been_logged = True  # type: ignore[attr-defined]
    return answer
