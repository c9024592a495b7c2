"""Who calls: the signature that Twilio puts on every call (twilio.com/docs/usage/webhooks/webhooks-security)."""

import base64
import hmac
import re
from collections.abc import Iterator
from hashlib import sha1, sha256
from urllib.parse import parse_qs, urlsplit

from compose.gateways.base import Call


def is_signed(call: Call, token: str) -> bool:
    """Whether the call bears a signature that only who knows the account's auth token can make.

    It is the HMAC-SHA1 of the whole address and, of a form, each name with its values, sorted. The body of anything
    else is named by its SHA-256 in the address. The address is signed with or without its port, whichever way Twilio
    came by it ("Secure webhooks").
    """
    given = call.headers.get("x-twilio-signature", "")
    if not given or not given.isascii():
        return False
    text = ""
    if call.form:
        text = "".join(f"{name}{value}" for name in sorted(call.form) for value in sorted(set(call.form[name])))
    elif call.body and not _is_named(call):
        return False
    matches = [
        hmac.compare_digest(base64.b64encode(_mac(token, url + text)).decode(), given) for url in _spellings(call.url)
    ]
    return any(matches)


def _mac(token: str, text: str) -> bytes:
    return hmac.new(token.encode(), text.encode("utf-8", "surrogatepass"), sha1).digest()


def _is_named(call: Call) -> bool:
    named = parse_qs(urlsplit(call.url).query).get("bodySHA256", [""])[0]
    return hmac.compare_digest(sha256(call.body).hexdigest(), named.lower() if named.isascii() else "")


def _spellings(url: str) -> Iterator[str]:
    """The address as it is, and with its port when it has none, without when it has one."""
    yield url
    scheme, colon, rest = url.partition("://")
    host, end = re.match(r"([^/?#]*)(.*)\Z", rest, re.DOTALL).groups()  # type: ignore[union-attr]  # it always matches
    bare = re.sub(r":\d+\Z", "", host)
    port = "443" if scheme == "https" else "80"
    yield f"{scheme}{colon}{bare if bare != host else f'{host}:{port}'}{end}"
