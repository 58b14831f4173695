"""Text as it leaves the console for a clipboard or a pager: nothing in it drives a terminal."""

import re

# Newlines and tabs stay. What is left of C0, DEL and C1 is what terminals obey.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_PICTURES, _DELETE = 0x2400, 0x7F


def harmless(text: str) -> str:
    """The text with a visible stand-in for each control character but newline and tab."""
    return _CONTROLS.sub(lambda found: _picture(ord(found.group())), text.replace("\r\n", "\n"))


def harmless_json(text: str) -> str:
    """JSON that means the same, with each control character in its strings escaped."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def _picture(code: int) -> str:
    if code < ord(" "):
        return chr(_PICTURES + code)
    return "\u2421" if code == _DELETE else "\ufffd"
