"""Reads JSON that a strict decoder rejects, so that a paid answer with odd content is kept."""

import json
import math
import re
from typing import Any

# Below the limit that CPython allows a program to set (640).
_MOST_DIGITS = 600
# Far below what Python's and msgspec's decoders stand, from wherever they are called.
_MOST_DEPTH = 200
# A text, or a bracket outside of texts.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)


def load(line: bytes) -> Any:  # noqa: ANN401 - JSON of any shape
    """The value, as any JSON encoder can write it. Raises ValueError.

    Invalid characters and unpaired surrogates become `?` or U+FFFD, NaN and infinities None; very
    long numbers and values nested too deep are given as their JSON text.
    """
    value = json.loads(
        _flattened(line.decode("utf-8", "replace")),
        parse_int=_integer,
        parse_float=_float,
        parse_constant=lambda _: None,
        strict=False,
    )
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def _flattened(text: str) -> str:
    """The same JSON with each value that is nested too deep as a string of its text."""
    pieces, depth, done, start = list[str](), 0, 0, 0
    for found in _TOKEN.finditer(text):
        match found[0]:
            case "[" | "{":
                depth += 1
                if depth == _MOST_DEPTH:
                    start = found.start()
            case "]" | "}":
                if depth == _MOST_DEPTH:
                    pieces += (text[done:start], json.dumps(text[start : found.end()]))
                    done = found.end()
                depth -= 1
            case _:
                pass
    return "".join((*pieces, text[done:]))


def _integer(digits: str) -> int | str:
    """Python refuses to convert very long numbers; a billed message may have one."""
    return int(digits) if len(digits) <= _MOST_DIGITS else digits


def _float(digits: str) -> float | None:
    found = float(digits)
    return found if math.isfinite(found) else None
