"""The last line of a spool file: the lane of its submission, for a rebuild of the ledger.

It is written with the bodies, before the ledger has the submission, and only where titan.toml names
lanes. Mirror files name the lane of a batch later.
"""

from collections import deque
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from state.files import archive


class _LaneLine(Struct, forbid_unknown_fields=True):
    lane: str


def lane_line(lane: str) -> bytes:
    """The line that names the lane, without its newline."""
    return msgspec.json.encode(_LaneLine(lane))


def parse_lane(line: bytes) -> str | None:
    """The lane that the line names; None for a request, or what cannot be read."""
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return msgspec.json.decode(line, type=_LaneLine).lane
    return None


def lane_of(spool: Path) -> str | None:
    """The lane that the spool file names; None where it names none."""
    last = deque(archive.lines(spool), maxlen=1)
    return parse_lane(last[0]) if last else None
