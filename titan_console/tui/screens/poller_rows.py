"""The rows about the poller on the Doctor screen. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from core.reporting.poller_health import PollerHealth, PollerState
from core.text import pluralize
from state.model.timestamps import from_text
from state.queries.poll_history import PollRecord
from titan_console.text import format as fmt
from titan_console.text import ledger_messages
from titan_console.text.access import NO_KEY, Access, LaneAccess, no_server
from titan_console.text.format import Label, Tone
from titan_console.tui.widgets.row_drawing import Cell, Column, Row

POLLER_COLUMNS = (
    Column("health", "", 6, 0),
    Column("what", "Poller", 13, 1),
    Column("detail", "Detail", 20, 2, grow=1),
)
RECENT = 30
_OK, _WARN, _BAD = (
    Label("✓", "ok", Tone.GOOD),
    Label("!", "warn", Tone.WARN),
    Label("✗", "fail", Tone.BAD),
)
_NOTE = Label("·", "", Tone.DIM)


class PollerView(Struct, frozen=True):
    """The state of the poller, its latest polls, and the `interval` between them."""

    health: PollerHealth
    polls: Sequence[PollRecord]
    interval: timedelta | None
    has_open: bool


def poller_rows(view: PollerView, access: Access | None, now: datetime) -> list[Row]:
    """Last and next poll, the latest ones, and what they reach the API with."""
    return [
        *_last(view, now),
        _next(view, now),
        *([_recent(view.polls)] if view.polls else []),
        *_hosts(view.polls, now),
        *(_access(access) if access is not None else ()),
    ]


def title(rows: Sequence[Row]) -> str:
    """The title of the list, with the number of failures and warnings."""
    glyphs = [row.cells["health"].text[:1] for row in rows]
    return f"Poller{summary(glyphs.count(_BAD.glyph), glyphs.count(_WARN.glyph))}"


def summary(failed: int, warnings: int) -> str:
    """As in ` · 1 failed, 2 warnings`; empty where there are none."""
    parts = (
        f"{failed:,} failed" if failed else "",
        pluralize(warnings, "warning") if warnings else "",
    )
    found = ", ".join(filter(None, parts))
    return f" · {found}" if found else ""


def _access(access: Access) -> tuple[Row, ...]:
    return _key(access), _server(access), *map(_lane, access.lanes)


def _last(view: PollerView, now: datetime) -> list[Row]:
    """The latest poll; while one runs, that one and the last one that has finished."""
    if view.health.state != PollerState.RUNNING:
        return [_finished(view, now)]
    is_recorded = bool(view.polls) and view.polls[0].finished_ts is None
    by = f"  ·  by {view.polls[0].actor}" if is_recorded else ""
    current = _row("current poll", _NOTE, f"running{by}")
    earlier = next((poll for poll in view.polls if poll.finished_ts), None)
    if earlier is None:
        return [current]
    how = "failed " if earlier.error else ""
    parts = [
        f"{how}{fmt.since(earlier.finished_ts, now)} ago",
        earlier.error or "",
        _took(earlier),
        f"by {earlier.actor}",
    ]
    text = ledger_messages.in_list("  ·  ".join(part for part in parts if part), now)
    return [current, _row("last poll", _BAD if earlier.error else _OK, text)]


def _finished(view: PollerView, now: datetime) -> Row:
    label = fmt.poller_status(view.health, has_open=view.has_open)
    health = _OK if label.tone == Tone.GOOD else _BAD if label.tone == Tone.BAD else _WARN
    if label.tone in (Tone.DIM, Tone.BUSY):
        health = _NOTE
    last = view.polls[0] if view.polls else None
    parts = [
        label.word.removeprefix("last poll "),
        view.health.error or "",
        _took(last),
        f"by {last.actor}" if last else "",
    ]
    text = ledger_messages.in_list("  ·  ".join(part for part in parts if part), now)
    return _row("last poll", health, text)


def _took(last: PollRecord | None) -> str:
    if last is None or last.finished_ts is None:
        return ""
    return f"took {fmt.span(from_text(last.finished_ts) - from_text(last.started_ts))}"


def _next(view: PollerView, now: datetime) -> Row:
    interval, last = view.interval, view.polls[0] if view.polls else None
    how = "L polls now"
    if interval is None or last is None:
        return _row("next poll", _NOTE, f"no schedule known yet  ·  {how}")
    # A long poll delays the next one: the age of the last poll is since its end.
    left = from_text(last.finished_ts or last.started_ts) + interval - now
    every = f"polls come every {fmt.span(interval)} (median)"
    if view.health.state == PollerState.RUNNING:
        return _row("next poll", _NOTE, f"running now  ·  {every}")
    if left < -interval:
        return _row("next poll", _NOTE, f"was due {fmt.span(-left)} ago  ·  {every}  ·  {how}")
    due = f"in {fmt.span(left)}" if left > timedelta(0) else "due now"
    return _row("next poll", _NOTE, f"{due}  ·  {every}  ·  {how}")


def _recent(polls: Sequence[PollRecord]) -> Row:
    """The latest polls, the newest on the right."""
    labels = [_of_poll(poll, is_newest=not number) for number, poll in enumerate(polls)]
    labels.reverse()
    good = sum(label.tone in (Tone.GOOD, Tone.WARN) for label in labels)
    ended = sum(label.tone != Tone.BUSY for label in labels)
    counted = f"  {good} of {pluralize(ended, 'poll')} succeeded"
    glyphs = "".join(label.glyph for label in labels)
    tones = (*(label.tone for label in labels), *[Tone.PLAIN] * len(counted))
    health = _OK if good == ended else _WARN
    return _row("recent polls", health, glyphs + counted, tones)


def _hosts(polls: Sequence[PollRecord], now: datetime) -> list[Row]:
    """The hosts of these polls, the one that polled last first; none where it is one host."""
    latest = dict[str, PollRecord]()
    for poll in polls:
        latest.setdefault(fmt.host(poll.actor), poll)
    if len(latest) == 1 or not latest:
        return []
    ago = (f"{name} {fmt.since(poll.started_ts, now)} ago" for name, poll in latest.items())
    return [_row("hosts", _NOTE, "  ·  ".join(ago))]


def _of_poll(poll: PollRecord, *, is_newest: bool) -> Label:
    if poll.finished_ts is None:
        return Label("▸", "running", Tone.BUSY) if is_newest else Label("✗", "killed", Tone.BAD)
    if poll.error:
        return Label("✗", "failed", Tone.BAD)
    return Label("!", "problems", Tone.WARN) if poll.problems else Label("✓", "ok", Tone.GOOD)


def _key(access: Access) -> Row:
    if access.problem:
        text = f"{access.problem}; polls of this console send nothing: set it and start again"
        # As `doctor`: without a key requests are stored, a wrong one fails.
        return _row("key", _WARN if access.problem == NO_KEY else _BAD, text)
    return _row("key", _OK, f"{access.credential} is set (never displayed or stored)")


def _server(access: Access) -> Row:
    if access.only_host:
        return _row("server", _WARN, no_server(access.server, access.only_host))
    return _row("server", _NOTE, access.server)


def _lane(lane: LaneAccess) -> Row:
    if lane.problem:
        return _row("lane", _BAD, f"{lane.name}: {lane.problem}", key=f"lane {lane.name}")
    text = f"{lane.name}: {lane.credential}, {lane.platform} at {lane.server}"
    return _row("lane", _OK, text, key=f"lane {lane.name}")


def _row(
    what: str, health: Label, detail: str, tones: Sequence[Tone] = (), *, key: str = ""
) -> Row:
    tone = Tone.PLAIN if health.tone != Tone.GOOD else Tone.DIM
    return Row(
        key=key or what,
        cells={
            "health": Cell(str(health).strip(), health.tone),
            "what": Cell(what),
            "detail": Cell(detail, tone, tones),
        },
        about=f"{what}: {detail}",
    )
