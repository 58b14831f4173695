"""The page of one job: its next run, budget, last failure and savings, and all its runs."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import ClassVar

from msgspec import to_builtins
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from core.reporting import job_records, job_report
from core.reporting.job_report import JobReport
from state.db.reader import Source
from state.operations.commands import Action
from titan_console.session.command_worker import Target
from titan_console.session.console_state import ConsoleState
from titan_console.text import job_document
from titan_console.text.filters import quoted
from titan_console.tui.pages import targets
from titan_console.tui.pages.page import Records
from titan_console.tui.pages.query_page import QueryPage
from titan_console.tui.screens import job_rows
from titan_console.tui.screens.requests import RequestListPage
from titan_console.tui.widgets.record_table import Key, RecordTable
from titan_console.tui.widgets.section import Section
from titan_console.tui.widgets.text_view import TextView


class JobPage(QueryPage):
    """Commands act on the job; Enter opens the requests of a run."""

    NAME = "Job"
    CSS = """
    JobPage {
        #totals { display: none; }
        #job-overview { height: auto; max-height: 50%; }
        #runs { height: 1fr; }
    }
    JobPage #job-overview:focus { background: $panel; }
    JobPage.-flat #job-overview { max-height: 5; }
    JobPage.-flat #job-overview:focus { max-height: 8; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "app.focus_next", "Next list", id="list.next"),
        Binding("shift+tab", "app.focus_previous", "Previous list", show=False, id="list.previous"),
    ]

    def __init__(self, state: ConsoleState, name: str) -> None:
        """`name` of the job or workflow."""
        super().__init__(state)
        self._name = name
        self._report: JobReport | None = None
        self._overview = TextView(id="job-overview")
        self._runs = Section("Not run yet.", job_rows.RUN_COLUMNS, id="runs")
        self.add_query(self._read, self._take)

    def content(self) -> ComposeResult:
        """The overview above the runs."""
        with Vertical(classes="content"):
            yield self._overview
            yield self._runs

    def breadcrumb(self) -> str:
        """Its name."""
        return self._name

    def on_mount(self) -> None:
        """Focus the runs."""
        self._runs.table.focus()

    def draw(self, now: datetime) -> None:
        """Fill both."""
        report = self._report
        if report is None:
            return
        self._overview.show(job_document.overview(report, now), keep_position=True)
        shown = len(report.runs)
        title = f"Latest {shown:,} runs" if shown == job_report.RUNS_SHOWN else f"Runs {shown:,}"
        self._runs.show(job_rows.run_rows(report.runs, now), title)

    def records(self, table: RecordTable, keys: Sequence[Key]) -> Records | None:
        """The runs, with times, counts and dollars."""
        del table
        runs = self._report.runs if self._report else ()
        return lambda _source: [
            to_builtins(job_records.run(one)) for one in runs if one.run.key in keys
        ]

    def target(self, action: Action) -> Target | None:
        """The job."""
        return targets.job(self._report.status, action) if self._report else None

    def workflows(self) -> Collection[str]:
        """Those of the job."""
        return targets.workflows_of_job(self._report.status) if self._report else ()

    def on_record_table_opened(self, message: RecordTable.Opened) -> None:
        """Open the requests of the run."""
        message.stop()
        runs = self._report.runs if self._report else ()
        run = next((one.run for one in runs if one.run.key == message.row.key), None)
        if run is not None:
            self.app.push_screen(RunPage(self.state, run.tag))  # pyright: ignore[reportUnknownMemberType]

    def _read(self, source: Source) -> JobReport | None:
        folder = self.state.folder
        return job_report.read(source, folder, self._name, self.state.now())

    def _take(self, report: JobReport | None) -> None:
        self._report = report


class RunPage(RequestListPage):
    """The requests of one run."""

    NAME = "Run"

    def __init__(self, state: ConsoleState, tag: str) -> None:
        """`tag` of the run."""
        super().__init__(state, table_id="run-table", filter_text=f"tag:{quoted(tag, whole=True)}")
        self._tag = tag

    def breadcrumb(self) -> str:
        """Its tag."""
        return self._tag
