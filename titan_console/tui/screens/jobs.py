"""The jobs of titan.toml: what each did last, when it is due next, and what is never batched."""

from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from core.config import titan_file
from core.reporting import job_status
from core.reporting.job_status import JobBoard
from state.db.reader import Source
from state.files.folder import Folder
from titan_console.session.console_state import View
from titan_console.tui.screens import job_rows as rows
from titan_console.tui.screens.query_page import AskingPage
from titan_console.tui.widgets.section import Section

Stamp = tuple[int, int] | None


class JobsScreen(AskingPage):
    """Two lists; titan.toml is read again when it changes."""

    WORD = "Jobs"
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

    def __init__(self, view: View) -> None:
        """`view` is what the app knows of the ledger."""
        super().__init__(view)
        self._folder = Folder(view.path.parent)
        self._board: JobBoard | None = None
        self._stamp: Stamp = None
        self._jobs = Section(
            "No job and no workflow is known yet: titan-console jobs init",
            rows.JOB_COLUMNS,
            id="jobs",
        )
        self._never = Section("Nothing is refused.", rows.NEVER_COLUMNS, id="never")
        self._board_answers = self.keep_answered(self._read, self._take)
        self._file_answers = self.keep_answered(self._look, self._looked)

    def content(self) -> ComposeResult:
        """The jobs above, what is never batched below."""
        with Vertical(classes="content"):
            yield self._jobs
            yield self._never

    def on_mount(self) -> None:
        """Begin on the jobs."""
        self._jobs.table.focus()

    def tick(self) -> None:
        """See whether titan.toml is another."""
        super().tick()
        if self.is_current and not self.view.paused:
            self._file_answers.changed()

    def draw(self, now: datetime) -> None:
        """Fill both lists."""
        if self._board is not None:
            self._jobs.show(rows.job_rows(self._board, now), rows.jobs_title(self._board))
            self._never.show(rows.never_rows(self._board), "Never batched, always refused")

    def _read(self, source: Source) -> JobBoard:
        return job_status.read(source, self._folder, self.view.now())

    def _take(self, board: JobBoard) -> None:
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
