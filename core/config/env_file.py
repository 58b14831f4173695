"""Reads poller.env: `NAME=VALUE` lines, as sh and systemd take them, without running anything."""

import codecs
import re
from collections.abc import Mapping

from msgspec import Struct

_NAME = re.compile(r"[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_]\w*)=[ \t]*", re.ASCII)
_END = r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)"
# A quoted value may have several lines.
_DOUBLE = re.compile(rf'"(?P<text>(?:[^"\\]|\\.)*)"{_END}', re.DOTALL)
_SINGLE = re.compile(rf"'(?P<text>[^']*)'{_END}")
_ESCAPED = re.compile(r'\\(["\\$`n])')
_COMMENT = re.compile(r"\s+#.*")
_PLAIN = re.compile(r"[\w@%+=:,./\\~\[\]-]*")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class EnvFile(Struct, frozen=True):
    """The variables, and what could not be read: never with a part of a value."""

    values: Mapping[str, str]
    problems: tuple[str, ...] = ()


def text_of(raw: bytes) -> str:
    """The text, in the encoding that its mark names or UTF-8, with line ends of one character."""
    encoding = next((name for mark, name in _MARKS if raw.startswith(mark)), "utf-8")
    text = raw.decode(encoding, "replace" if encoding == "utf-16" else "surrogateescape")
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def parse(raw: bytes) -> EnvFile:
    r"""The variables of a file.

    >>> parse(b'\xef\xbb\xbfA=1\r\nexport B="x\\ny" # both\r\nnonsense\r\n').values
    {'A': '1', 'B': 'x\ny'}
    """
    text, values, problems = text_of(raw), dict[str, str](), list[str]()
    if "\0" in text:
        return EnvFile({}, ("it contains NUL characters: save it as UTF-8",))
    at = 0
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        line = text[at:end].strip()
        if named := _NAME.match(text, at, end):
            value, end = _value(text, named.end(), end)
            if value is None:
                problems.append(f"line {_line(text, at)}: a quote is not closed")
            else:
                values[named["name"]] = value
        elif line and not line.startswith("#"):
            problems.append(f"line {_line(text, at)} is not NAME=VALUE")
        at = end
    return EnvFile(values, tuple(problems))


def line(name: str, value: str) -> str:
    r"""The line for a variable, which sh and systemd read alike.

    >>> line("A", "https://h/x"), line("B", "a, b"), line("C", "it's\nhere")
    ('A=https://h/x', "B='a, b'", 'C="it\'s\\nhere"')
    """
    if _PLAIN.fullmatch(value):
        return f"{name}={value}"
    if "'" not in value and "\n" not in value:
        return f"{name}='{value}'"
    escaped = re.sub(r'(["\\$`])', r"\\\1", value).replace("\n", "\\n")
    return f'{name}="{escaped}"'


def _value(text: str, at: int, end: int) -> tuple[str | None, int]:
    """The value that begins there, and where the next line does; None where a quote is open."""
    if text[at : at + 1] not in ("'", '"'):
        return _COMMENT.sub("", text[at:end]).strip(), end
    quoted = (_DOUBLE if text[at] == '"' else _SINGLE).match(text, at)
    if quoted is None:
        return None, end
    if text[at] == "'":
        return quoted["text"], quoted.end()
    value = _ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], quoted["text"])
    return value, quoted.end()


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
