"""The text of a file as spreadsheets and other programs write it, whatever its encoding.

Pure: no database, no request.
"""

import codecs
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    # What gettext_lazy returns, for the type checker only.
    from django.utils.functional import _StrPromise

# How a workbook begins: .xlsx and .ods are ZIP archives, .xls is an OLE compound file.
_WORKBOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_UTF_16: Final = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_CONTROLS: Final = frozenset(map(chr, range(32))) - frozenset("\t\n\v\f\r")
_MARK: Final = "\ufeff"


class NotText(ValueError):
    """The file holds no text that can be read. ``message`` is the sentence for the person."""

    def __init__(self, message: "_StrPromise") -> None:
        super().__init__(str(message))
        self.message = message


def decode(data: bytes) -> str:
    """The text of a file: UTF-8 or UTF-16, with or without byte order mark, else Windows-1252.

    What no encoding explains is not guessed further: the digits of a number are the same in all of them.
    Raises NotText for a workbook, an image and whatever else is not text.
    """
    if data.startswith(_WORKBOOKS):
        raise NotText(
            _(
                "This is a workbook, not a text file. Nothing was added. In your spreadsheet choose Save as, then CSV, "
                "and choose that file here."
            )
        )
    text = _decoded(data).removeprefix(_MARK)
    # Where old programs let a text end.
    text = text.removesuffix("\x1a")
    if not _CONTROLS.isdisjoint(text):
        raise NotText(
            _("This file holds no text. Nothing was added. Choose a text or CSV file with one number a line.")
        )
    return text


def _decoded(data: bytes) -> str:
    encoding = _UTF_16.get(data[:2]) or _utf_16_without_mark(data)
    if encoding is not None:
        return data.decode(encoding, "replace")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _utf_16_without_mark(data: bytes) -> str | None:
    """The encoding in which every second byte of a list of numbers is zero."""
    zeros = (data[::2].count(0), data[1::2].count(0))
    if max(zeros) * 4 < len(data):
        return None
    return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
