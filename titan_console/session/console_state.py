"""What the console knows of the ledger right now; screens draw it."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from core.clock import Clock
from titan_console.session.ledger_watcher import LedgerWatcher
from titan_console.session.messages import LedgerLost, LedgerProblem, LedgerSeen
from titan_console.session.ui_metrics import UiMetrics
from titan_console.text.links import Tab

if TYPE_CHECKING:
    from state.operations.commands import Command
    from state.queries.console_snapshot import Snapshot
    from titan_console.text.lines import Part


class ConsoleState:
    """The latest picture, or the one it was paused at; and where in the console one is."""

    def __init__(
        self,
        watcher: LedgerWatcher,
        clock: Clock,
        tabs: Sequence[Tab] = (),
        *,
        read_only: bool = False,
    ) -> None:
        """Empty, until the watcher has looked. Read-only, nothing can be asked for."""
        self.read_only = read_only
        self.metrics = UiMetrics()
        self.tabs = tabs
        self.mode = tabs[0].mode if tabs else ""
        self.path = watcher.path
        self.snapshot: Snapshot | None = None
        # What is to be done is never paused: a countdown runs on.
        self.commands: Sequence[Command] = ()
        # What every page says of it.
        self.command_lines: Callable[[datetime], Sequence[Sequence[Part]]] = lambda _now: ()
        self.trouble: LedgerProblem | None = None
        self.lag: timedelta | None = None
        self.paused = False
        self.first_revision = 0
        self.place = _short(watcher.path)
        self._watcher = watcher
        self.clock = clock
        self._held: LedgerSeen | None = None

    def now(self) -> datetime:
        """The time."""
        return self.clock.now()

    def take(self, news: LedgerSeen | LedgerLost) -> None:
        """Take in what the watcher tells; while paused, keep it for later."""
        if isinstance(news, LedgerLost):
            self.trouble = news.trouble
            return
        self.trouble = None
        self.commands = news.snapshot.commands
        if self.paused and self.snapshot is not None:
            self._held = news
        else:
            self._draw_from(news)

    def pause(self, paused: bool) -> None:
        """Stand still, or catch up."""
        self.paused = paused
        if not paused and self._held is not None:
            self._draw_from(self._held)
            self._held = None

    def changes_behind(self) -> int:
        """How many changes the paused picture lacks."""
        if self._held is None or self.snapshot is None:
            return 0
        return self._held.snapshot.revision - self.snapshot.revision

    def silent_for(self, now: datetime) -> timedelta | None:
        """How long ago the watcher last had an answer; None before the first."""
        return None if self._watcher.last_read_at is None else now - self._watcher.last_read_at

    def _draw_from(self, seen: LedgerSeen) -> None:
        if self.snapshot is None or seen.snapshot.revision < self.first_revision:
            self.first_revision = seen.snapshot.revision
        self.snapshot, self.lag = seen.snapshot, seen.lag


def _short(path: Path) -> str:
    try:
        return f"~/{path.relative_to(Path.home())}"
    except (ValueError, RuntimeError):
        return str(path)
