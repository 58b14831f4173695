"""Removes credentials from texts that come from outside: errors, output of commands, crashes.

The credentials in use are those that the environment or a client of this process was given. Any
text in their usual formats is removed too.
"""

import json
import re

# A shorter one is no real key, and its letters stand in ordinary words.
_SHORTEST = 8
_USUAL = re.compile(r"sk-ant-[\w-]+|(?<=Bearer )(?!\(key\))\S+", re.IGNORECASE)
HIDDEN = "(key)"
_in_use: set[str] = set()


def remember(*secrets: str | None) -> None:
    """Hide these from now on."""
    for secret in secrets:
        if secret and len(secret) >= _SHORTEST:
            # In an error text that is JSON, the key is escaped.
            _in_use.update((secret, json.dumps(secret)[1:-1]))


def forget() -> None:
    """Keep no secret in memory any longer."""
    _in_use.clear()


def redact(text: str) -> str:
    """The text without credentials.

    >>> redact("x-api-key: sk-ant-api03-abc, Bearer xyz")
    'x-api-key: (key), Bearer (key)'
    """
    # The longest first: one may begin with another.
    for secret in sorted(_in_use, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _USUAL.sub(HIDDEN, text)


def redact_bytes(raw: bytes) -> bytes:
    """The UTF-8 text without credentials; the very same bytes where it has none."""
    text = raw.decode("utf-8", "surrogateescape")
    redacted = redact(text)
    return raw if redacted == text else redacted.encode("utf-8", "surrogateescape")
