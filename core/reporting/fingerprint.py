"""What an error message says, without what differs from one request to the next. Pure."""

import re

_LONGEST = 300
_VARYING = re.compile(
    r"""
    (?P<name>
        "[^"\n]*" | `[^`\n]*` | (?<!\w)'[^'\n]*'(?!\w)          # what is quoted
      | \b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b         # a UUID
      | \b0x[0-9a-f]+\b
      | \b(?=\w*\d)(?=\w*[^\W\d_])\w{6,}\b                      # an id: letters and digits
    )
  | \d+(?:[.,:/-]\d+)*                                          # a number, a date, a time
    """,
    re.VERBOSE | re.IGNORECASE,
)
_BLANKS = re.compile(r"\s+")


def fingerprint(message: str) -> str:
    """The message with numbers as #, and quoted parts and ids as …; at most 300 characters."""
    masked = _VARYING.sub(lambda found: "…" if found["name"] else "#", message)
    return _BLANKS.sub(" ", masked).strip()[:_LONGEST]
