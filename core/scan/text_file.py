"""Reads a text of any encoding and size from a place that may hold anything else."""

import codecs
from pathlib import Path
from typing import NamedTuple

from state.files.regular_file import open_regular

# A task is a few kilobytes; of a longer text the beginning says what it does.
MOST_BYTES = 256_000
# A crontab or an export of the Task Scheduler has many tasks.
MOST_BYTES_OF_LIST = 4_000_000
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 4_096
# Control characters that texts have: tab, newline, form feed, carriage return, escape.
_USUAL = {0x09, 0x0A, 0x0C, 0x0D, 0x1B}
_MOST_CONTROLS = 0.05
_MOST_ZEROS = 0.8


class NotTextError(ValueError):
    """The file is binary."""


class Text(NamedTuple):
    """A text with line ends of one character; `is_cut`: the file has more."""

    text: str
    is_cut: bool


def read_text(path: Path, *, most: int = MOST_BYTES) -> Text:
    """The first `most` bytes of a file. Raises OSError or NotTextError."""
    with open_regular(path) as file:
        raw = file.read(most + 1)
    return Text(decoded(raw[:most]), is_cut=len(raw) > most)


def decoded(raw: bytes) -> str:
    r"""The text in the encoding of its mark, UTF-16 without one, UTF-8 or Windows-1252.

    Raises NotTextError.

    >>> decoded("é\r\n".encode("utf-16")), decoded(b"\xe9"), decoded("ab".encode("utf-16-le"))
    ('é\n', 'é', 'ab')
    """
    text = _decode(raw)
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def _decode(raw: bytes) -> str:
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return raw.decode(encoding, "replace")
    sample = raw[:_SAMPLE]
    if 0 in sample:
        return raw.decode(_unmarked_utf16(sample), "replace")
    controls = sum(byte < ord(" ") and byte not in _USUAL for byte in sample)
    if controls > _MOST_CONTROLS * len(sample):
        raise NotTextError("it is not a text")
    try:
        # A character may be cut at the end.
        return codecs.getincrementaldecoder("utf-8")().decode(raw)
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def _unmarked_utf16(sample: bytes) -> str:
    """Western texts in UTF-16 have a zero in every other byte. Raises NotTextError."""
    pairs = len(sample) // 2 or 1
    for encoding, zeros in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[::2])):
        others = sample[::2] if encoding == "utf-16-le" else sample[1::2]
        if zeros.count(0) > _MOST_ZEROS * pairs and not others.count(0):
            return encoding
    raise NotTextError("it is not a text")
