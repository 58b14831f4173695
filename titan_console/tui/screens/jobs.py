"""The jobs of titan.toml: their latest runs, when they are due, and what is never batched."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from core.config import titan_file
from core.reporting import job_status
from core.reporting.job_status import JobOverview, JobStatus, Mode
from core.text import pluralize
from state.db.reader import Source
from state.files.folder import Folder
from state.operations.hook_runs import RunState
from state.queries.job_runs import JobRun, LastCommand
from titan_console.session.console_state import ConsoleState
from titan_console.text import format as fmt
from titan_console.text.format import Label, Tone
from titan_console.tui.pages.query_page import QueryPage
from titan_console.tui.widgets.row_drawing import Cell, Column, Row
from titan_console.tui.widgets.section import Section

JOB_COLUMNS = (
    Column("job", "Job", 18, 0, grow=3, widest=34),
    Column("mode", "Mode", 8, 2),
    Column("workload", "Workload", 8, 8, grow=1, widest=14),
    Column("schedule", "Schedule", 9, 6),
    Column("outcomes", "Last runs", 14, 1, right=True),
    Column("submit", "Submit by", 13, 3),
    Column("sync_run", "Sync run at", 12, 4),
    Column("delivery", "Delivery", 16, 5),
    Column("hook", "Hook", 11, 7),
)
NEVER_COLUMNS = (
    Column("name", "Workflow", 28, 0, grow=2, widest=48),
    Column("why", "Reason", 20, 1, grow=3),
)
_MODES: Mapping[Mode, Label] = {
    Mode.BATCH: Label("·", "batch", Tone.GOOD),
    Mode.SYNC: Label("·", "sync", Tone.DIM),
}
_PAUSED = Label("‖", "paused", Tone.WARN)
_COMMANDS: Mapping[RunState, Label] = {
    RunState.DUE: Label("◔", "due", Tone.BUSY),
    RunState.RUNNING: Label("▸", "running", Tone.BUSY),
    RunState.DONE: Label("✓", "done", Tone.GOOD),
    RunState.FAILED: Label("✗", "failed", Tone.BAD),
    RunState.NONE: Label("-", "", Tone.DIM),
}


def job_rows(board: JobOverview, now: datetime) -> list[Row]:
    """One row per job."""
    return [_row(line, now) for line in board.lines]


def never_rows(board: JobOverview) -> list[Row]:
    """Workflows that are never batched, with the reason."""
    return [
        Row(
            key=name,
            cells={"name": Cell(name), "why": Cell(why, Tone.DIM)},
            about=f"{name}  ·  {why}",
        )
        for name, why in board.never.items()
    ]


def jobs_title(board: JobOverview) -> str:
    """The number of jobs, or what to do about titan.toml."""
    if board.problems:
        counted = pluralize(len(board.problems), "problem")
        return f"Jobs · {counted} in titan.toml: run titan-console jobs check"
    if not board.has_file:
        return "Jobs · no titan.toml yet: run titan-console jobs init"
    paused = sum(line.pause is not None for line in board.lines)
    return f"Jobs {len(board.lines)}" + (f" · {paused} paused" if paused else "")


def outcome(run: JobRun) -> str:
    """One character for the result of a run."""
    if run.finished_ts is None:
        return "▸" if run.is_sent else "◦"
    if not run.failed:
        return "✓"
    return "✗" if run.failed >= run.request_count else "!"


def strip(runs: Sequence[JobRun]) -> str:
    """One character per run, the newest on the right."""
    return "".join(outcome(run) for run in reversed(runs))


def local(moment: datetime | None, now: datetime) -> str:
    """A local time with the weekday, or the date where it is far away."""
    if moment is None:
        return fmt.NOTHING
    is_near = abs((moment - now).days) < 6  # noqa: PLR2004 - a week names each day once
    return f"{moment.astimezone():{'%a %H:%M' if is_near else '%b %d %H:%M'}}"


def delivery(run: JobRun | None, now: datetime) -> Label:
    """Whether the results of the latest run were delivered."""
    if run is None:
        return Label("-", "", Tone.DIM)
    if run.delivered_ts:
        return Label("✓", f"{fmt.since(run.delivered_ts, now)} ago", Tone.GOOD)
    if run.finished_ts:
        return Label("◔", "at next poll", Tone.BUSY)
    return Label("▸", "no results yet", Tone.BUSY)


def _row(line: JobStatus, now: datetime) -> Row:
    mode = _PAUSED if line.pause else _MODES[line.mode]
    last = line.runs[0] if line.runs else None
    handed = delivery(last, now)
    hook = _COMMANDS[line.command.state] if line.command else Label("-", "", Tone.DIM)
    return Row(
        key=line.name,
        cells={
            "job": Cell(line.name),
            "mode": Cell(str(mode), mode.tone),
            "workload": Cell(line.workload, Tone.DIM),
            "schedule": Cell(line.job.schedule if line.job else fmt.NOTHING, Tone.DIM),
            "outcomes": Cell(strip(line.runs) or fmt.NOTHING, _tone(last)),
            "submit": Cell(_submit(line, now)),
            "sync_run": Cell(local(line.sync_run_at, now)),
            "delivery": Cell(str(handed), handed.tone),
            "hook": Cell(str(hook), hook.tone),
        },
        about=_about(line, now),
    )


def _submit(line: JobStatus, now: datetime) -> str:
    if line.window is None:
        if line.job is None:
            return fmt.NOTHING
        return "no deadline" if line.runs else "not run yet"
    return "now" if line.window.submit_from <= now else local(line.window.submit_from, now)


def _tone(last: JobRun | None) -> Tone:
    if last is None or last.finished_ts is None:
        return Tone.BUSY if last else Tone.DIM
    return Tone.BAD if last.failed else Tone.GOOD


def _about(line: JobStatus, now: datetime) -> str:
    last = line.runs[0] if line.runs else None
    parts = [
        line.name,
        line.pause.text if line.pause else "",
        f"results due {_whole(line.window.due)}" if line.window else "",
        f"last submitted {fmt.since(last.created_ts, now)} ago" if last else "never run",
        f"{fmt.count(last.failed)} of {fmt.count(last.request_count)} errored"
        if last and last.failed
        else "",
        _problem(line.command),
        line.job.note if line.job else "not in titan.toml",
    ]
    return "  ·  ".join(part for part in parts if part)


def _whole(moment: datetime) -> str:
    return f"{moment.astimezone():%a %b %d %H:%M %z}"


def _problem(command: LastCommand | None) -> str:
    if command is None or not command.problem:
        return ""
    return f"on_delivery failed {pluralize(command.tries, 'time')}: {command.problem}"


Stamp = tuple[int, int] | None


class JobsScreen(QueryPage):
    """Jobs above, never batched workflows below; titan.toml is read again when it changes."""

    NAME = "Jobs"
    CSS = """
    JobsScreen {
        #jobs { height: 2fr; }
        #never { height: 1fr; }
        #jobs.-empty { height: 3; }
    }
    JobsScreen.-flat {
        #jobs, #never { height: 1; }
        #jobs:focus-within, #never:focus-within { height: 1fr; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "app.focus_next", "Next list", id="list.next"),
        Binding("shift+tab", "app.focus_previous", "Previous list", show=False, id="list.previous"),
    ]

    def __init__(self, state: ConsoleState) -> None:
        """`state` is the state of the console."""
        super().__init__(state)
        self._folder = Folder(state.path.parent)
        self._board: JobOverview | None = None
        self._stamp: Stamp = None
        self._jobs = Section(
            "No jobs yet: run titan-console jobs init",
            JOB_COLUMNS,
            id="jobs",
        )
        self._never = Section("No workflow is excluded from batching.", NEVER_COLUMNS, id="never")
        self._board_answers = self.add_query(self._read, self._take)
        self._file_answers = self.add_query(self._look, self._looked)

    def content(self) -> ComposeResult:
        """Two lists."""
        with Vertical(classes="content"):
            yield self._jobs
            yield self._never

    def on_mount(self) -> None:
        """Focus the jobs."""
        self._jobs.table.focus()

    def tick(self) -> None:
        """Check whether titan.toml has changed."""
        super().tick()
        if self.is_current and not self.state.is_frozen:
            self._file_answers.changed()

    def draw(self, now: datetime) -> None:
        """Fill both lists."""
        if self._board is not None:
            self._jobs.show(job_rows(self._board, now), jobs_title(self._board))
            self._never.show(never_rows(self._board), "Never batched")

    def _read(self, source: Source) -> JobOverview:
        return job_status.read(source, self._folder, self.state.now())

    def _take(self, board: JobOverview) -> None:
        self._board = board

    def _look(self, _source: Source) -> Stamp:
        try:
            status = titan_file.path_of(self._folder).stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size

    def _looked(self, stamp: Stamp) -> None:
        if stamp != self._stamp:
            self._stamp = stamp
            self._board_answers.changed()
