"""Sessions in the database, for keys that can be one."""

import re

from django.contrib.sessions.backends import db

# What Django's `_get_new_session_key` makes: letters and digits, no more than the column holds.
KEY = re.compile(r"[A-Za-z0-9]{8,40}")


class SessionStore(db.SessionStore):
    """Django's own, but a cookie that nobody here has made is not looked up: PostgreSQL refuses a NUL byte."""

    def _validate_session_key(self, key: str | None) -> bool:
        return KEY.fullmatch(key or "") is not None
