"""The doors of gateways as addresses: what vendors call with reports and received messages."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.utils import timezone
from django.utils.encoding import escape_uri_path, iri_to_uri
from django.views.decorators.csrf import csrf_exempt

from compose.gateways.base import Call
from inbox import doors

# A vendor says a few hundred events at once at the most: a megabyte, and so many fields.
LONGEST_BODY: Final = 1_000_000
MOST_FIELDS: Final = 10_000
CLOSED: Final = "This call does not come from the gateway. Nothing was changed.\n"
NOWHERE: Final = "No gateway that is called has this name. Nothing was changed.\n"
TOO_LARGE: Final = f"This call is larger than {LONGEST_BODY} octets. Nothing of it was kept.\n"
NO_LENGTH: Final = "This call does not say its length (Content-Length). Nothing of it was read.\n"
BROKEN_OFF: Final = "This call ended before all of it was here. Nothing was changed.\n"
AWAY: Final = "The call cannot be kept at the moment. Nothing was changed; call again.\n"


@csrf_exempt
def door(request: HttpRequest, name: str, what: str = "") -> HttpResponse:
    """Let a vendor's call in, keep what it says, and answer it. Which methods there are is the gateway's business.

    404 where no gateway is called, 403 for who is not the vendor, 411 for a body of unknown length, 413 for a megabyte,
    503 while the database is away.
    """
    try:
        return _through(request, doors.at(name), what)
    except doors.NoDoor:
        return _answer(404, NOWHERE)
    except doors.TryAgain:
        answer = _answer(503, AWAY)
        answer["Retry-After"] = "5"
        return answer


def _through(request: HttpRequest, found: doors.Door, what: str) -> HttpResponse:
    """The answer to a call at a door that there is. Raises TryAgain."""
    address = address_of(request)
    query = _fields(_query(request))
    header = request.headers.get(doors.KEY_HEADER)
    try:
        doors.admit(found, keys=[header] if header is not None else query.get(doors.KEY, []), address=address)
        if _length(request) > LONGEST_BODY:
            return _answer(413, TOO_LARGE)
        if request.headers.get("transfer-encoding") and not request.headers.get("content-length"):
            # WSGI says nothing of where such a body ends, so it would count as empty, and what it says be lost.
            return _answer(411, NO_LENGTH)
        heard = doors.hear(found, _call(request, found, what, query, address), now=timezone.now())
    except doors.Refused as why:
        doors.refused(found, why, address)
        return _answer(403, CLOSED)
    except UnreadablePostError:
        return _answer(400, BROKEN_OFF)
    return _answer(heard.status, heard.answer, heard.content_type)


def address_of(request: HttpRequest) -> str:
    """Where the call comes from. Behind our proxy: what the proxy, the last hop, wrote; what stands before that in
    X-Forwarded-For anybody can write.
    """
    if not settings.BEHIND_PROXY:
        return str(request.META.get("REMOTE_ADDR", ""))
    return str(request.META.get("HTTP_X_FORWARDED_FOR", "")).rpartition(",")[2].strip()


def _call(request: HttpRequest, found: doors.Door, what: str, query: Mapping[str, list[str]], address: str) -> Call:
    """The call as gateways know it. The key is ours: only `url` has it, which is what a vendor signs."""
    spelled = iri_to_uri(_query(request))
    path = escape_uri_path(request.path_info) + (f"?{spelled}" if spelled else "")
    base = settings.SMS_PUBLIC_URL or f"{request.scheme}://{request.get_host()}{request.META.get('SCRIPT_NAME', '')}"
    hidden = {doors.KEY} if found.key else set()
    body = request.body
    return Call(
        method=request.method or "GET",
        url=f"{base}{path}",
        what=what,
        query={name: values for name, values in query.items() if name not in hidden},
        form=_form(request, body),
        headers={name.lower(): value for name, value in request.headers.items() if name.lower() != doors.KEY_HEADER},
        body=body,
        address=address,
    )


def _query(request: HttpRequest) -> str:
    """The query as it was spelled. WSGI gives its octets as Latin-1 (PEP 3333)."""
    return str(request.META.get("QUERY_STRING", "")).encode("latin-1", "replace").decode("utf-8", "replace")


def _length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


def _fields(spelled: str, encoding: str = "utf-8") -> dict[str, list[str]]:
    """The values of each name in a query or a form; none at all of one that has too many."""
    try:
        return parse_qs(
            spelled, keep_blank_values=True, encoding=encoding, errors="replace", max_num_fields=MOST_FIELDS
        )
    except (ValueError, LookupError):
        return {}


def _form(request: HttpRequest, body: bytes) -> dict[str, list[str]]:
    """The fields of a form, however it is encoded. What is none has none: the gateway still has the body."""
    if request.content_type == "application/x-www-form-urlencoded":
        return _fields(body.decode("latin-1"), (request.content_params or {}).get("charset", "utf-8"))
    if request.content_type != "multipart/form-data":
        return {}
    try:
        return {str(name): [str(value) for value in values] for name, values in request.POST.lists()}
    except (MultiPartParserError, SuspiciousOperation):
        return {}


def _answer(status: int, text: str, content_type: str = "text/plain; charset=utf-8") -> HttpResponse:
    answer = HttpResponse(text, content_type=content_type, status=status)
    # Django writes a line of its log about every answer from 400 on, and from 500 on a letter with the query to the
    # administrators: a flood would multiply both, and the query has the key. doors.py writes what there is to say.
    answer._has_been_logged = True  # type: ignore[attr-defined]
    return answer
