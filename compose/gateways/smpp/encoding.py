"""Text and `data_coding`: which octets stand for which characters.

Sources: SMPP 3.4 §5.2.19 (data_coding), 3GPP TS 23.038 §4 (coding groups) and §6.2.1 (GSM 7-bit alphabet,
here unpacked: one septet an octet). What goes out comes from `compose.segments`; what comes in is read here,
and whatever a peer wrote becomes some text.
"""

from functools import lru_cache
from typing import Final

from compose.segments import Encoding, Segmentation, segment

GSM, UCS2 = "gsm7", "ucs2"
# Message class of each choice (3GPP TS 23.038 §4): None is none.
CLASSES: Final[dict[str, int | None]] = {"standard": None, "flash": 0, "sim": 2}
# data_coding of each alphabet without a class, and with one in the general group (low two bits: the class).
PLAIN: Final[dict[str, int]] = {GSM: 0x00, UCS2: 0x08}
GENERAL: Final[dict[str, int]] = {GSM: 0x10, UCS2: 0x18}
# The group "data coding/message class" has no UCS-2, which stays in the general one.
GROUP_F: Final[dict[str, int]] = {GSM: 0xF0, UCS2: 0x18}
# dest_addr_subunit of each class (SMPP 3.4 §5.3.2.1): display, mobile equipment, smart card.
SUBUNITS: Final[dict[int, int]] = {0: 1, 1: 2, 2: 3}

# data_coding of received messages that are neither GSM, nor UCS-2, nor octets without an alphabet.
OTHERS: Final[dict[int, str]] = {
    0x01: "ascii",
    0x03: "latin-1",
    0x05: "shift_jis",
    0x06: "iso8859_5",
    0x07: "iso8859_8",
    0x0A: "iso2022_jp",
    0x0D: "euc_jp",
    0x0E: "euc_kr",
}

_ESCAPE: Final = 0x1B
_CHARACTERS: Final[dict[bytes, str]] = {
    segment(character).octets[0]: character
    for character in [*map(chr, range(0x400)), "€"]
    if segment(character).encoding == GSM
}
_BASIC: Final = "".join(_CHARACTERS.get(bytes([septet]), " ") for septet in range(128))


@lru_cache(maxsize=64)
def segmented(text: str) -> Segmentation:
    """The parts of a text; a chunk often holds the same one for each recipient. Raises segments.TooLong."""
    return segment(text)


def message_class(choice: str, standard_class: int | None) -> int | None:
    """The class to send; `standard_class` is that of a standard message, None for none."""
    return standard_class if choice == "standard" else CLASSES[choice]


def data_coding(encoding: Encoding, klass: int | None, class_coding: str) -> int:
    """The `data_coding` of a message; with `class_coding` "subunit" the class is not in it."""
    if klass is None or class_coding == "subunit":
        return PLAIN[encoding]
    return (GROUP_F if class_coding == "f0" else GENERAL)[encoding] | klass


def text_of(octets: bytes, coding: int, default: str) -> str:
    """The text of a received message. Never raises: what cannot be read becomes U+FFFD.

    `default` is what data_coding 0 means at this peer, "gsm" or "latin-1".
    """
    alphabet = _alphabet(coding)
    if alphabet == GSM:
        return octets.decode("latin-1") if coding == 0 and default == "latin-1" else gsm_text(octets)
    if alphabet == UCS2:
        # A part may begin or end inside a surrogate pair; the octets stay beside the text.
        return octets.decode("utf-16-be", "replace")
    return octets.decode(alphabet, "replace")


def receipt_text(octets: bytes, coding: int) -> str:
    """The text of a receipt: ASCII, whatever alphabet is said (`_` is no § there), unless it is UCS-2. Never raises."""
    return octets.decode("utf-16-be" if _alphabet(coding) == UCS2 else "latin-1", "replace")


def gsm_text(octets: bytes) -> str:
    """The text of unpacked septets. An escape before nothing known is a space (3GPP TS 23.038 §6.2.1.1)."""
    if _ESCAPE not in octets and max(octets, default=0) < 128:
        return octets.decode("latin-1").translate(dict(enumerate(_BASIC)))
    found, escaped = [], False
    for septet in octets:
        if septet > 127:
            found.append("\ufffd")
        elif escaped:
            found.append(_CHARACTERS.get(bytes([_ESCAPE, septet]), _BASIC[septet]))
        elif septet == _ESCAPE:
            escaped = True
            continue
        else:
            found.append(_BASIC[septet])
        escaped = False
    return "".join(found)


def _alphabet(coding: int) -> str:
    """GSM, UCS2 or the name of a codec; octets without an alphabet are read as Latin-1."""
    if coding in OTHERS:
        return OTHERS[coding]
    if coding == 0x08:
        return UCS2
    if coding == 0 or coding >> 4 in (0xC, 0xD):
        return GSM
    if coding >> 4 == 0xE:
        return UCS2
    if coding >> 4 == 0xF:
        return "latin-1" if coding & 0x04 else GSM
    if 0x10 <= coding <= 0x7F:
        return {0x00: GSM, 0x08: UCS2}.get(coding & 0x0C, "latin-1")
    return "latin-1"
