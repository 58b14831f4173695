"""The Doctor screen: the checks of `doctor`, and the latencies of this console."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from core.config.settings import Settings
from core.text import pluralize
from state.db.reader import Source
from state.model.errors import TitanError
from titan_console.doctor import checks, ledger_checks
from titan_console.doctor.finding import Finding, Health
from titan_console.session import ui_metrics
from titan_console.session.console_state import ConsoleState
from titan_console.session.ui_metrics import UiMetrics
from titan_console.text import format as fmt
from titan_console.text.format import Label, Tone
from titan_console.tui import keymap
from titan_console.tui.pages.query_page import QueryPage
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
# The console has no key and calls no server; `titan-console doctor` makes these checks.
_NOT_OURS = ("server", "key", "environment")
_MORE = "titan-console doctor also checks key and server"


def finding_rows(findings: Sequence[Finding]) -> list[Row]:
    """Failed checks first, then warnings."""
    ordered = sorted(findings, key=lambda finding: _WORST_FIRST.index(finding.health))
    return [_finding_row(number, finding) for number, finding in enumerate(ordered)]


def _finding_row(number: int, finding: Finding) -> Row:
    label = _HEALTH[finding.health]
    return Row(
        key=number,
        cells={
            "health": Cell(str(label), label.tone),
            "what": Cell(finding.what),
            "detail": Cell(finding.detail, Tone.PLAIN if label.tone != Tone.GOOD else Tone.DIM),
        },
        about=f"{finding.what}: {finding.detail}",
    )


def findings_title(findings: Sequence[Finding]) -> str:
    """The number of failed checks and warnings."""
    bad = sum(finding.health == Health.BAD for finding in findings)
    warnings = sum(finding.health == Health.WARN for finding in findings)
    result = f"{bad} failed, {pluralize(warnings, 'warning')}" if bad or warnings else "all ok"
    return f"Checks {len(findings)} · {result} · r: check again · {_MORE}"


def metric_rows(measured: UiMetrics) -> list[Row]:
    """The latencies of the console."""
    values = {
        "change until read": ui_metrics.percentiles(measured.seen),
        "change until shown": ui_metrics.percentiles(measured.painted),
        "time to draw": ui_metrics.percentiles(measured.drawn),
        "time to query": ui_metrics.percentiles(measured.answered),
        "redraws": fmt.count(measured.frames),
    }
    return [
        Row(key=name, cells={"what": Cell(name), "detail": Cell(text)}, about=f"{name}: {text}")
        for name, text in values.items()
    ]


class DoctorScreen(QueryPage):
    """The checks above, the console's latencies below."""

    NAME = "Doctor"
    NEEDS_LEDGER = False
    CSS = """
    DoctorScreen {
        #checks { height: 1fr; }
        #metrics { height: 7; }
    }
    DoctorScreen.-flat { #checks, #metrics { height: 1; } }
    DoctorScreen.-flat { #checks:focus-within, #metrics:focus-within { height: 1fr; } }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "check_again", "Check again", id="doctor.again"),
        Binding("tab", "app.focus_next", "Next list", id="list.next"),
        Binding("shift+tab", "app.focus_previous", "Previous list", show=False, id="list.previous"),
    ]

    def __init__(self, state: ConsoleState) -> None:
        """`state` is the state of the console."""
        super().__init__(state)
        self._standing: Sequence[Finding] = ()
        self._moving: Sequence[Finding] = ()
        self._checks = Section("Checking…", FINDING_COLUMNS, id="checks")
        self._metrics = Section("No measurements yet.", METRIC_COLUMNS, id="metrics")
        self.add_query(self._read, self._take)

    def content(self) -> ComposeResult:
        """Two lists."""
        with Vertical(classes="content"):
            yield self._checks
            yield self._metrics

    def on_mount(self) -> None:
        """Start the checks."""
        self._checks.table.focus()
        self.action_check_again()

    def draw(self, now: datetime) -> None:
        """Fill both lists."""
        del now
        findings = (*self._standing, *self._moving)
        if findings:
            self._checks.show(finding_rows(findings), findings_title(findings))
        self._metrics.show(metric_rows(self.state.metrics), "This console")

    def action_check_again(self) -> None:
        """Run all checks again."""
        self.run_worker(self._check(), group="checks", exclusive=True)
        self.ledger_changed()

    async def _check(self) -> None:
        settings = Settings(home=self.state.path.parent)
        try:
            found = await asyncio.to_thread(
                lambda: list(
                    checks.static_findings(settings, thorough=False, check_keys=keymap.problems_in)
                )
            )
        except (TitanError, OSError) as error:
            self.show_problem(str(error))
            return
        self._standing = [finding for finding in found if finding.what not in _NOT_OURS]
        self.show()

    def _read(self, source: Source) -> Sequence[Finding]:
        return list(ledger_checks.findings(source, self.state.now(), self.state.silent_after))

    def _take(self, found: Sequence[Finding]) -> None:
        self._moving = found
