"""Messages of the ledger in the console's words. Pure.

They name times in UTC, as `--json` does, and command lines. The console shows times relative in
lists, local with the zone in details, and its own screens and keys.
"""

import re
from datetime import datetime, timedelta

from state.model.timestamps import from_text
from titan_console.text import format as fmt

_TIME = re.compile(
    r"(?:\b(?P<word>is due at|until|at|after|since|from|not before|before|by) )?"
    r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z)"
)
_AHEAD = {
    "until": "for {}",
    "before": "within {}",
    "by": "within {}",
    "is due at": "is due in {}",
    "not before": "due in {}",
}
_BEHIND = {
    "since": "for {}",
    "from": "for {}",
    "is due at": "was due {} ago",
    "not before": "due {} ago",
    **{word: f"{word} {{}} ago" for word in ("until", "after", "before")},
}
# Command line -> screen and its key.
_SCREENS = {
    "status": "Batches (1)",
    "errors": "Errors (3)",
    "savings": "Savings (4)",
    "kpis": "KPIs (5)",
    "jobs": "Jobs (6)",
    "commands": "Events (7)",
    "doctor": "Doctor (8)",
}
_IN_PARENTHESES = re.compile(r"\(`titan-console (\w+)`\)")
_SCREEN = re.compile(r"`titan-console (\w+)`")
# Command lines that have a key in the console.
_KEYS = (
    (re.compile(r"; to do that now: `titan-console cancel [^`]+`"), "; C does that now"),
    (re.compile(r"; to continue: titan-console resume \S+"), "; resume it with P"),
    (re.compile(r"until `titan-console resume`"), "until you resume it (P)"),
    (re.compile(r"\(`titan-console replay [^`]+`\)"), "(R)"),
    (re.compile(r"run `titan-console replay [^`]+`"), "replay them (R)"),
    (re.compile(r"`titan-console replay [^`]+`"), "R"),
    (re.compile(r"\(--set\)"), "(e)"),
    (re.compile(r"\band pass --force\b"), "and turn on force (f)"),
    (re.compile(r"\bpass --force\b"), "press f"),
    (re.compile(r"\bPass the (body|bodies) with --edits\b"), r"To add the \1, press E"),
    (re.compile(r"\bPass any other parameter with --edits\b"), "E edits all parameters"),
    (re.compile(r"; pass (it|the whole request) with --edits\b"), r"; to add \1, press E"),
)


def in_list(text: str, now: datetime) -> str:
    """The message for a list, such as `on hold for 27m`."""
    shown = _with_keys(text)
    return _TIME.sub(lambda found: _relative(found, now), shown) if "Z" in shown else shown


def in_details(text: str) -> str:
    """The message for details, such as `on hold until Sat 02 May 2026, 12:27:00 +0000`."""
    shown = _with_keys(text)
    return _TIME.sub(_local, shown) if "Z" in shown else shown


def _with_keys(text: str) -> str:
    """The message with the keys and screens of the console for command lines."""
    if "titan-console" not in text and "--" not in text:
        return text
    for pattern, key in _KEYS:
        text = pattern.sub(key, text)
    text = _IN_PARENTHESES.sub(_screen_in_parentheses, text)
    return _SCREEN.sub(lambda found: _SCREENS.get(found[1], found[0]), text)


def _screen_in_parentheses(found: re.Match[str]) -> str:
    screen = _SCREENS.get(found[1])
    return f"({screen.replace(' (', ', key ')}" if screen else found[0]


def _relative(found: re.Match[str], now: datetime) -> str:
    word, moment = found["word"] or "", _moment(found["time"])
    if moment is None:
        return found[0]
    left = moment - now
    if left > timedelta(0):
        return _AHEAD.get(word, "in {}").format(fmt.span(left))
    return _BEHIND.get(word, "{} ago").format(fmt.span(-left))


def _local(found: re.Match[str]) -> str:
    moment = _moment(found["time"])
    word = f"{found['word']} " if found["word"] else ""
    try:
        return found[0] if moment is None else f"{word}{fmt.local_moment(moment)}"
    except (OverflowError, OSError):
        # A year that no local time has.
        return found[0]


def _moment(text: str) -> datetime | None:
    """The time; None for digits that are none, such as those of a month 13."""
    try:
        return from_text(text)
    except ValueError:
        return None
