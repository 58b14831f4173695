"""The Jobs screen: the jobs of titan.toml, their latest runs, and when they are due."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from core.config import titan_file
from core.reporting import job_records, job_status
from core.reporting.job_status import JobOverview, JobStatus
from state.db.reader import Source
from state.operations.commands import Action
from titan_console.session.command_worker import Target
from titan_console.session.console_state import ConsoleState
from titan_console.text.filters import Vocabulary
from titan_console.tui.pages import targets
from titan_console.tui.pages.list_page import FilteredPage
from titan_console.tui.pages.page import Page, Records
from titan_console.tui.screens import job_rows
from titan_console.tui.screens.job_page import JobPage
from titan_console.tui.widgets.record_table import Key, RecordTable
from titan_console.tui.widgets.section import Section

Stamp = tuple[int, int] | None


class JobsScreen(FilteredPage):
    """Enter opens a job, commands act on it; titan.toml is read again when it changes."""

    NAME = "Jobs"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "never", "Never batched", id="jobs.never"),
    ]
    VOCABULARY = Vocabulary(job_rows.FIELDS, job_rows.STATES)
    SORTS = job_rows.SORTS

    def __init__(self, state: ConsoleState) -> None:
        """`state` is the state of the console."""
        super().__init__(state)
        self._folder = state.folder
        self._board: JobOverview | None = None
        self._stamp: Stamp = None
        self._jobs = Section(
            "No jobs yet: run titan-console jobs init", job_rows.JOB_COLUMNS, id="jobs"
        )
        self._board_answers = self.add_query(self._read, self._take)
        self._file_answers = self.add_query(self._look, self._looked)

    def content(self) -> ComposeResult:
        """The list."""
        with Vertical(classes="content"):
            yield self._jobs
        yield self.filter_line

    def on_mount(self) -> None:
        """Focus the jobs."""
        self._jobs.table.focus()

    def tick(self) -> None:
        """Check whether titan.toml has changed."""
        super().tick()
        if self.is_current and not self.state.is_frozen:
            self._file_answers.changed()

    def draw(self, now: datetime) -> None:
        """Fill the list."""
        if self._board is None:
            return
        found = job_rows.matching(self._board.lines, self.filter.terms)
        lines = job_rows.arranged(found, self.sort.name, is_inverted=self.is_inverted)
        note = "No match. Esc clears the filter." if self.filter.terms else ""
        self._jobs.show(job_rows.job_rows(lines, now), job_rows.jobs_title(self._board), note)

    def narrow(self) -> None:
        """The next redraw shows what matches."""
        self._jobs.table.measure_again()

    def matches(self) -> int | None:
        """The number of matching jobs."""
        if self._board is None:
            return None
        return len(job_rows.matching(self._board.lines, self.filter.terms))

    def main_table(self) -> RecordTable:
        """The jobs."""
        return self._jobs.table

    def target(self, action: Action) -> Target | None:
        """The job under the cursor."""
        line = self._line()
        return targets.job(line, action) if line else None

    def workflows(self) -> Collection[str]:
        """Those of the job under the cursor."""
        line = self._line()
        return targets.workflows_of_job(line) if line else ()

    def _line(self) -> JobStatus | None:
        key = self._jobs.table.current_key()
        lines = self._board.lines if self._board else ()
        return next((line for line in lines if line.name == key), None)

    def records(self, table: RecordTable, keys: Sequence[Key]) -> Records | None:
        """The jobs, as in `jobs --json`."""
        del table
        found = {line.name: line for line in self._board.lines} if self._board else {}
        return lambda _source: [job_records.record(found[str(k)]) for k in keys if k in found]

    def on_record_table_opened(self, message: RecordTable.Opened) -> None:
        """Open the job."""
        message.stop()
        self.app.push_screen(JobPage(self.state, str(message.row.key)))  # pyright: ignore[reportUnknownMemberType]

    def action_never(self) -> None:
        """List the workflows that are never batched."""
        if self._board is not None:
            self.app.push_screen(NeverBatched(self.state, self._board))  # pyright: ignore[reportUnknownMemberType]

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


class NeverBatched(Page):
    """Workflows that are never batched, with the reason."""

    NAME = "Never batched"

    def __init__(self, state: ConsoleState, board: JobOverview) -> None:
        """`board` as the Jobs screen has it."""
        super().__init__(state)
        self._board = board
        self._list = Section(
            "No workflow is excluded from batching.", job_rows.NEVER_COLUMNS, id="never"
        )
        self._list.add_class("content")

    def content(self) -> ComposeResult:
        """One list."""
        yield self._list

    def on_mount(self) -> None:
        """Focus the list."""
        self._list.table.focus()

    def records(self, table: RecordTable, keys: Sequence[Key]) -> Records | None:
        """The workflows with the reason, as in `never_batch` of `jobs --json`."""
        del table
        never = self._board.never
        return lambda _source: [{"workflow": k, "reason": never[str(k)]} for k in keys]

    def draw(self, now: datetime) -> None:
        """Fill it."""
        del now
        rows = job_rows.never_rows(self._board)
        self._list.show(rows, f"Never batched {len(rows)} · [never_batch] in titan.toml")
