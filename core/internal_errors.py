"""Describes an unexpected exception by its type and place, never by its values."""

import traceback
from pathlib import Path

# The frames that are kept of a recursion.
_FIRST, _LAST = 10, 30


def describe(error: BaseException) -> str:
    """Type, file and line of the innermost frame: prompts, answers and keys stay out."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].name}:{frames[-1].lineno}" if frames else ""
    return f"internal error: {type(error).__name__}{where}"


def trace(error: BaseException) -> str:
    """The types of the error and its causes, and the frames of each, one a line; no values."""
    lines: list[str] = []
    seen: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in seen:
        seen.append(at)
        lines += [type(at).__name__, *_frames(at)]
        at = at.__cause__ or at.__context__
    return "\n".join(lines) + "\n"


def _frames(error: BaseException) -> list[str]:
    frames = [
        f"  {Path(frame.filename).name}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    left_out = len(frames) - _FIRST - _LAST
    if left_out <= 0:
        return frames
    return [*frames[:_FIRST], f"  ... {left_out} more ...", *frames[-_LAST:]]
