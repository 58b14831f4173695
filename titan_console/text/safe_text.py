"""Makes text from outside safe to show or to copy: nothing in it drives a terminal."""

import re
import unicodedata
from itertools import chain

ELLIPSIS = "…"
UNPRINTABLE = "\ufffd"
_CONTROL_PICTURES = 0x2400
_DELETE = 0x7F
# What terminals obey of C0, DEL and C1; newlines and tabs are left.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Also those that change the direction of a text.
_ORDERS = re.compile(f"{_CONTROLS.pattern}|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# Printable by Unicode's tables, and yet drawn as nothing or as part of a neighbour.
_INVISIBLE = frozenset(
    chain(
        (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),
        range(0x180B, 0x1810),
        range(0xFE00, 0xFE10),
        range(0xE0100, 0xE01F0),
    )
)
# Longer than any cell: the rest of a text is not examined.
_CHARACTERS_PER_CELL = 4
# In fewer cells, neither a beginning nor an end is readable.
_ROOM_FOR_BOTH = 12


def clean(text: object, width: int | None = None) -> str:
    """One line in which each control, bidi or invisible character has a visible stand-in.

    With a width, it ends in an ellipsis where it would take more terminal cells than that.
    """
    raw = str(text)
    if width is not None:
        raw = raw[: max(0, width) * _CHARACTERS_PER_CELL + 1]
    plain = raw
    if not (raw.isascii() and raw.isprintable()):
        plain = "".join(map(_stand_in, raw))
    return plain if width is None else _cut(plain, width)


def clean_lines(text: str) -> str:
    """The text with its line ends; each line is cleaned."""
    return "\n".join(map(clean, text.replace("\r\n", "\n").split("\n")))


def cells(text: str) -> int:
    """How many terminal cells the text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - the CLI's plain output never needs rich

    return cell_len(text)


def pad(text: str, width: int, *, right: bool = False, keeps_end: bool = False) -> str:
    """The cleaned text in exactly that many cells; names that differ at their end keep it."""
    cut = _cut_within(clean(_both_ends(text, width)), width) if keeps_end else clean(text, width)
    blank = " " * (width - cells(cut))
    return blank + cut if right else cut + blank


def _stand_in(character: str) -> str:
    code = ord(character)
    if character in "\n\t" or unicodedata.category(character) == "Zs":
        return " "
    if character.isprintable() and code not in _INVISIBLE:
        return character
    return _picture(code)


def _picture(code: int) -> str:
    if code < ord(" "):
        return chr(_CONTROL_PICTURES + code)
    return "\u2421" if code == _DELETE else UNPRINTABLE


def _both_ends(text: str, width: int) -> str:
    """The text without the middle that no cell of that width can show."""
    most = max(0, width) * _CHARACTERS_PER_CELL + 1
    return text if len(text) <= 2 * most else text[:most] + text[-most:]


def _cut_within(text: str, width: int) -> str:
    """As in `daily-feed-2026…000012`: the last third is the end of the text."""
    if cells(text) <= width or width < _ROOM_FOR_BOTH:
        return _cut(text, width)
    end = text[-(width // 3) :]
    while cells(end) > width // 3:
        end = end[1:]
    return _cut(text, width - cells(end)) + end


def _cut(text: str, width: int) -> str:
    if cells(text) <= width:
        return text
    if width < 1:
        return ""
    from rich.cells import set_cell_size  # noqa: PLC0415 - as above

    return set_cell_size(text, width - 1).rstrip() + ELLIPSIS


def harmless(text: str) -> str:
    """The text with a visible stand-in for each control character but newline and tab."""
    return _CONTROLS.sub(lambda found: _picture(ord(found.group())), text.replace("\r\n", "\n"))


def harmless_json(text: str) -> str:
    """JSON that means the same, with each control character in its strings escaped."""
    return _ORDERS.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
