"""The tokens of one run, where a task names them. Pure."""

import re

from core.scan.task import Tokens

_COUNT = r"(?<![\d.,_])(\d[\d.,_]{0,15})\s?([kKmM]?)"
_WORD = r"\s*(?:-?\s*tokens?)?\s*(?:of\s+)?"
_IN = r"(?:in(?:put)?|prompt|eingabe|entrada|entrée)\b"
_OUT = r"(?:out(?:put)?|answer|ausgabe|salida|sortie)\b"
_BETWEEN = r"[^\d\n]{1,20}?"
_FIRST_IN = re.compile(
    rf"{_COUNT}{_WORD}{_IN}(?:\s*tokens?)?{_BETWEEN}{_COUNT}{_WORD}{_OUT}", re.IGNORECASE
)
_NAMED = re.compile(
    rf"\btokens?[_ -]in\W{{1,4}}{_COUNT}.{{0,40}}?\btokens?[_ -]out\W{{1,4}}{_COUNT}",
    re.IGNORECASE | re.DOTALL,
)
_PAIR = re.compile(rf"(?<![/\d]){_COUNT}\s*/\s*{_COUNT}\s*tokens?\b", re.IGNORECASE)
_SCALE = {"": 1, "k": 1_000, "m": 1_000_000}
_MOST = 50_000_000


def stated_tokens(*texts: str) -> Tokens | None:
    """Input and output of one run, None unless a text names both.

    >>> stated_tokens("uses 25k in / 8k out"), stated_tokens("reads 1,200 articles")
    (Tokens(tokens_in=25000, tokens_out=8000), None)
    """
    for text in texts:
        for pattern in (_FIRST_IN, _NAMED, _PAIR):
            if found := pattern.search(text):
                counts = _number(found[1], found[2]), _number(found[3], found[4])
                if all(0 < count <= _MOST for count in counts):
                    return Tokens(*counts)
    return None


def _number(digits: str, scale: str) -> int:
    plain = digits.rstrip(".,_").replace("_", "")
    if re.fullmatch(r"\d{1,3}(?:[.,]\d{3})+", plain):
        return int(re.sub(r"[.,]", "", plain)) * _SCALE[scale.lower()]
    try:
        return round(float(plain.replace(",", ".")) * _SCALE[scale.lower()])
    except ValueError:
        return 0
