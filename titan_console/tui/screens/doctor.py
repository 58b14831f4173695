"""The Doctor screen: the checks of `doctor`, and the latencies of this console."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from msgspec import to_builtins
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from core.config.settings import Settings
from core.reporting.poller_health import PollerHealth, PollerState, assess
from state.db.reader import Source
from state.model.errors import TitanError
from state.queries import batch_list, ledger_status, poll_history
from titan_console.doctor import checks, host_checks, lane_checks, ledger_checks
from titan_console.doctor.finding import Finding, Health, isolated
from titan_console.session import ui_metrics
from titan_console.session.console_state import ConsoleState
from titan_console.session.ui_metrics import UiMetrics
from titan_console.text import format as fmt
from titan_console.text import ledger_messages
from titan_console.text.format import Label, Tone
from titan_console.tui import keymap
from titan_console.tui.pages.page import Records
from titan_console.tui.pages.query_page import QueryPage
from titan_console.tui.screens import poller_rows
from titan_console.tui.screens.poller_rows import PollerView
from titan_console.tui.widgets.record_table import Key, RecordTable
from titan_console.tui.widgets.row_drawing import Cell, Column, Row
from titan_console.tui.widgets.section import Section

FINDING_COLUMNS = (
    Column("health", "", 6, 0),
    Column("what", "Check", 11, 1),
    Column("detail", "Detail", 20, 2, grow=1),
)
METRIC_COLUMNS = (
    Column("what", "This console", 24, 0),
    Column("detail", "Measured", 20, 1, grow=1),
)
_HEALTH = {
    Health.OK: Label("✓", "ok", Tone.GOOD),
    Health.WARN: Label("!", "warn", Tone.WARN),
    Health.BAD: Label("✗", "fail", Tone.BAD),
}
_WORST_FIRST = (Health.BAD, Health.WARN, Health.OK)
# The console has no key; the rows of the poller have what its polls reach the API with.
_NOT_OURS = ("server", "key", "environment", "lane")
# The poller has rows of its own.
_OF_POLLER = ("poller", "poll interval", "lease")
# Of a ledger that does not exist yet.
_NO_POLL = PollerView(
    health=PollerHealth(state=PollerState.NEVER_RAN), polls=(), interval=None, has_open=False
)
_CHECK_EVERY = timedelta(seconds=30)


def finding_rows(findings: Sequence[Finding], now: datetime) -> list[Row]:
    """Failed checks first, then warnings."""
    return [
        _finding_row(number, finding, now) for number, finding in enumerate(worst_first(findings))
    ]


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """Failed checks first, then warnings."""
    return sorted(findings, key=lambda finding: _WORST_FIRST.index(finding.health))


def _finding_row(number: int, finding: Finding, now: datetime) -> Row:
    label = _HEALTH[finding.health]
    detail = ledger_messages.in_list(finding.detail, now)
    return Row(
        key=number,
        cells={
            "health": Cell(str(label), label.tone),
            "what": Cell(finding.what),
            "detail": Cell(detail, Tone.PLAIN if label.tone != Tone.GOOD else Tone.DIM),
        },
        about=f"{finding.what}: {ledger_messages.in_details(finding.detail)}",
    )


def findings_title(findings: Sequence[Finding], checked: timedelta | None = None) -> str:
    """The number of failed checks and warnings, and when they were made."""
    bad = sum(finding.health == Health.BAD for finding in findings)
    warnings = sum(finding.health == Health.WARN for finding in findings)
    result = poller_rows.summary(bad, warnings) or " · all ok"
    ago = f" · checked {fmt.span(checked)} ago" if checked is not None else ""
    return f"Checks {len(findings)}{result}{ago} · r: check again"


def metric_rows(measured: UiMetrics) -> list[Row]:
    """The latencies of the console."""
    values = {
        "read delay": ui_metrics.percentiles(measured.seen),
        "display delay": ui_metrics.percentiles(measured.painted),
        "drawing time": ui_metrics.percentiles(measured.drawn),
        "query time": ui_metrics.percentiles(measured.answered),
        "redraws": fmt.count(measured.frames),
    }
    return [
        Row(key=name, cells={"what": Cell(name), "detail": Cell(text)}, about=f"{name}: {text}")
        for name, text in values.items()
    ]


class DoctorScreen(QueryPage):
    """The poller and the checks above, the console's latencies below.

    Checks run again by themselves while the screen is shown.
    """

    NAME = "Doctor"
    NEEDS_LEDGER = False
    CSS = """
    DoctorScreen {
        #poller { height: auto; max-height: 40%; }
        #poller-table { height: auto; max-height: 100%; }
        #checks { height: 1fr; }
        #metrics { height: 1; }
        #metrics:focus-within { height: 7; }
    }
    DoctorScreen.-flat { #poller, #checks, #metrics { height: 1; } #poller-table { height: 1fr; } }
    DoctorScreen.-flat {
        #poller:focus-within, #checks:focus-within, #metrics:focus-within {
            height: 1fr; max-height: 100%;
        }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "check_again", "Check again", id="doctor.again"),
        Binding("tab", "app.focus_next", "Next list", id="list.next"),
        Binding("shift+tab", "app.focus_previous", "Previous list", show=False, id="list.previous"),
    ]

    def __init__(self, state: ConsoleState) -> None:
        """`state` is the state of the console."""
        super().__init__(state)
        folder = state.folder
        self._settings = Settings(home=folder.root, ledger_url=folder.ledger_url)
        self._standing: Sequence[Finding] = ()
        self._moving: Sequence[Finding] = ()
        self._view: PollerView | None = None
        # In seconds of the machine.
        self._checked_s: float | None = None
        self._poller = Section("Reading the polls…", poller_rows.POLLER_COLUMNS, id="poller")
        self._checks = Section("Checking…", FINDING_COLUMNS, id="checks")
        self._metrics = Section("No measurements yet.", METRIC_COLUMNS, id="metrics")
        self.add_query(self._read, self._take)

    def content(self) -> ComposeResult:
        """Three lists."""
        with Vertical(classes="content"):
            yield self._poller
            yield self._checks
            yield self._metrics

    def on_mount(self) -> None:
        """Start the checks."""
        self._checks.table.focus()

    def on_screen_resume(self) -> None:
        """Check again whenever the screen is shown."""
        super().on_screen_resume()
        self.action_check_again()

    def tick(self) -> None:
        """Check again from time to time."""
        super().tick()
        ago = self._checked_ago()
        if self.is_current and ago is not None and ago >= _CHECK_EVERY:
            self.action_check_again()

    def draw(self, now: datetime) -> None:
        """Fill the lists."""
        problem = self.state.problem
        view = self._view or (_NO_POLL if problem is not None and problem.missing else None)
        if view is not None:
            rows = poller_rows.poller_rows(view, self.state.access, now)
            self._poller.show(rows, poller_rows.title(rows))
        findings = self._findings()
        if findings:
            title = findings_title(findings, self._checked_ago())
            self._checks.show(finding_rows(findings, now), title)
        self._metrics.show(metric_rows(self.state.metrics), "This console")

    def _checked_ago(self) -> timedelta | None:
        if self._checked_s is None:
            return None
        return timedelta(seconds=self.state.clock.monotonic() - self._checked_s)

    def _findings(self) -> Sequence[Finding]:
        moving = [finding for finding in self._moving if finding.what not in _OF_POLLER]
        return (*self._standing, *moving)

    def records(self, table: RecordTable, keys: Sequence[Key]) -> Records | None:
        """The checks, as in `doctor --json`; other rows likewise, without a result."""
        if table is self._checks.table:
            found = worst_first(self._findings())
            return lambda _source: [to_builtins(found[int(key)]) for key in keys]
        rows = [row for key in keys if (row := table.row_of(key))]
        return lambda _source: [
            {name: row.cells[name].text for name in ("what", "detail")} for row in rows
        ]

    def action_check_again(self) -> None:
        """Run all checks again."""
        self._checked_s = self.state.clock.monotonic()
        self.run_worker(self._check, group="checks", exclusive=True)
        self.ledger_changed()

    async def _check(self) -> None:
        try:
            found = await asyncio.to_thread(
                lambda: list(
                    checks.static_findings(
                        self._settings, thorough=False, check_keys=keymap.problems_in
                    )
                )
            )
        except (TitanError, OSError) as error:
            self.show_problem(str(error))
            return
        self._standing = [finding for finding in found if finding.what not in _NOT_OURS]
        self.show()

    def _read(self, source: Source) -> tuple[Sequence[Finding], PollerView]:
        now, silent_after = self.state.now(), self.state.silent_after
        view = PollerView(
            health=assess(ledger_status.poller(source), now, silent_after),
            polls=poll_history.latest(source, limit=poller_rows.RECENT),
            interval=ledger_status.median_poll_interval(source),
            has_open=bool(batch_list.count_open(source)),
        )
        found = [
            *ledger_checks.findings(source, now, silent_after),
            *lane_checks.removed(source, self._settings),
            *isolated("hosts", lambda: host_checks.findings(source, self._settings, now)),
        ]
        return found, view

    def _take(self, found: tuple[Sequence[Finding], PollerView]) -> None:
        self._moving, self._view = found
