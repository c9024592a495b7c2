"""What a supporting document really is, by its content: a file's name and the type that a browser says prove nothing.

Pure: works on an open file, in bounded memory.
"""

import struct
import zlib
from typing import BinaryIO, Final

PDF, JPEG, PNG = "application/pdf", "image/jpeg", "image/png"
_PDF_BEGINS: Final = (b"%PDF-1.", b"%PDF-2.")
# Where a reader looks for the end of a PDF (ISO 32000-1, annex H.3, note 18).
_PDF_END: Final = 1024
_PNG_BEGINS: Final = b"\x89PNG\r\n\x1a\n"
_LARGEST_CHUNK: Final = 16 * 1024 * 1024
# Chunks of a PNG, markers of a JPEG: far more than a picture has. A file made of the smallest ones, or of filling,
# would keep whoever looks at it busy for long.
_MOST_STEPS: Final = 20_000
# JPEG markers without a length (ITU-T T.81, table B.1), and those of a frame, whose size follows.
_BARE: Final = frozenset({0x01, *range(0xD0, 0xD8)})
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def type_of(file: BinaryIO) -> str | None:
    """PDF, JPEG or PNG (a media type), None for anything else. Leaves the file at its beginning."""
    try:
        return next((name for name, check in _CHECKS.items() if check(file)), None)
    finally:
        file.seek(0)


def _is_pdf(file: BinaryIO) -> bool:
    file.seek(0)
    if not file.read(8).startswith(_PDF_BEGINS):
        return False
    size = file.seek(0, 2)
    file.seek(max(0, size - _PDF_END))
    return b"%%EOF" in file.read()


def _is_png(file: BinaryIO) -> bool:
    """Every chunk whole, with its checksum, from IHDR to IEND (ISO/IEC 15948, clause 5)."""
    file.seek(0)
    if file.read(8) != _PNG_BEGINS:
        return False
    first = True
    for _step in range(_MOST_STEPS):
        head = file.read(8)
        if len(head) < 8:
            return False
        length, name = struct.unpack(">I4s", head)
        if length > _LARGEST_CHUNK or first != (name == b"IHDR"):
            return False
        body, checksum = file.read(length), file.read(4)
        if len(body) != length or checksum != struct.pack(">I", zlib.crc32(name + body)):
            return False
        if name == b"IEND":
            return True
        first = False
    return False


def _is_jpeg(file: BinaryIO) -> bool:
    """From its start, marker by marker, over a frame with a size to the first scan (ITU-T T.81, annex B)."""
    file.seek(0)
    if file.read(2) != b"\xff\xd8":
        return False
    framed = False
    for _step in range(_MOST_STEPS):
        mark = file.read(2)
        if len(mark) < 2 or mark[0] != 0xFF:
            return False
        if mark[1] == 0xFF:
            # Filling before a marker.
            file.seek(-1, 1)
            continue
        if mark[1] in _BARE:
            continue
        size = file.read(2)
        if len(size) < 2 or (length := struct.unpack(">H", size)[0]) < 2:
            return False
        body = file.read(length - 2)
        if len(body) < length - 2:
            return False
        if mark[1] in _FRAMES:
            framed = len(body) >= 6 and body[1:3] != b"\0\0" and body[3:5] != b"\0\0"
        if mark[1] == 0xDA:
            return framed
    return False


_CHECKS: Final = {PDF: _is_pdf, PNG: _is_png, JPEG: _is_jpeg}
