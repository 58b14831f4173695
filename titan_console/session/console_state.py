"""The current state of the console, which the screens draw."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from core.clock import Clock
from titan_console.session.ledger_watcher import LedgerWatcher
from titan_console.session.messages import LedgerChanged, LedgerLost, LedgerProblem
from titan_console.session.ui_metrics import UiMetrics
from titan_console.text.links import Tab

if TYPE_CHECKING:
    from state.operations.commands import Command
    from state.queries.console_snapshot import Snapshot
    from titan_console.text.lines import Part


class ConsoleState:
    """The latest snapshot, or the frozen one; the pending commands; the current screen."""

    def __init__(
        self,
        watcher: LedgerWatcher,
        clock: Clock,
        tabs: Sequence[Tab] = (),
        *,
        read_only: bool = False,
    ) -> None:
        """Empty until the first snapshot. Read-only, no commands are accepted."""
        self.read_only = read_only
        self.metrics = UiMetrics()
        self.tabs = tabs
        self.mode = tabs[0].mode if tabs else ""
        self.path = watcher.path
        self.snapshot: Snapshot | None = None
        # Never frozen: a countdown goes on.
        self.commands: Sequence[Command] = ()
        # The lines about commands on every page.
        self.command_lines: Callable[[datetime], Sequence[Sequence[Part]]] = lambda _now: ()
        self.problem: LedgerProblem | None = None
        self.lag: timedelta | None = None
        self.paused = False
        self.first_revision = 0
        self.place = _short(watcher.path)
        self._watcher = watcher
        self.clock = clock
        self._held: LedgerChanged | None = None

    def now(self) -> datetime:
        """The current time."""
        return self.clock.now()

    def take(self, news: LedgerChanged | LedgerLost) -> None:
        """Apply a message of the watcher; while frozen, keep it for later."""
        if isinstance(news, LedgerLost):
            self.problem = news.problem
            return
        self.problem = None
        self.commands = news.snapshot.commands
        if self.paused and self.snapshot is not None:
            self._held = news
        else:
            self._draw_from(news)

    def pause(self, paused: bool) -> None:
        """Freeze the view, or show what has changed since."""
        self.paused = paused
        if not paused and self._held is not None:
            self._draw_from(self._held)
            self._held = None

    def changes_behind(self) -> int:
        """The number of changes since the view was frozen."""
        if self._held is None or self.snapshot is None:
            return 0
        return self._held.snapshot.revision - self.snapshot.revision

    def silent_for(self, now: datetime) -> timedelta | None:
        """The time since the watcher last read the ledger; None before the first."""
        return None if self._watcher.last_read_at is None else now - self._watcher.last_read_at

    def _draw_from(self, seen: LedgerChanged) -> None:
        if self.snapshot is None or seen.snapshot.revision < self.first_revision:
            self.first_revision = seen.snapshot.revision
        self.snapshot, self.lag = seen.snapshot, seen.lag


def _short(path: Path) -> str:
    try:
        return f"~/{path.relative_to(Path.home())}"
    except (ValueError, RuntimeError):
        return str(path)
