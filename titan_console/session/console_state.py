"""The current state of the console, which the screens draw."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from core.clock import Clock
from core.reporting.poller_health import SILENT_AFTER
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
        self.reasons: Mapping[str, str] = {}
        # The lines about commands on every page.
        self.command_lines: Callable[[datetime], Sequence[Sequence[Part]]] = lambda _now: ()
        self.problem: LedgerProblem | None = None
        self.lag: timedelta | None = None
        self.is_frozen = False
        # The longest time without a successful poll.
        self.silent_after = SILENT_AFTER
        self.ledger_path = _short(watcher.path)  # as shown, with ~
        self._watcher = watcher
        self.clock = clock
        self._pending_update: LedgerChanged | None = None

    def now(self) -> datetime:
        """The current time."""
        return self.clock.now()

    def apply(self, message: LedgerChanged | LedgerLost) -> None:
        """Apply a message of the watcher; while frozen, keep it for later."""
        if isinstance(message, LedgerLost):
            self.problem = message.problem
            return
        self.problem = None
        self.commands, self.reasons = message.snapshot.commands, message.snapshot.reasons
        if self.is_frozen and self.snapshot is not None:
            self._pending_update = message
        else:
            self._use(message)

    def freeze(self, frozen: bool) -> None:
        """Freeze the view, or show what has changed since."""
        self.is_frozen = frozen
        if not frozen and self._pending_update is not None:
            self._use(self._pending_update)
            self._pending_update = None

    def changes_behind(self) -> int:
        """The number of changes since the view was frozen."""
        if self._pending_update is None or self.snapshot is None:
            return 0
        return self._pending_update.snapshot.revision - self.snapshot.revision

    def silent_for(self, now: datetime) -> timedelta | None:
        """The time since the watcher last read the ledger; None before the first."""
        return None if self._watcher.last_read_at is None else now - self._watcher.last_read_at

    def _use(self, seen: LedgerChanged) -> None:
        self.snapshot, self.lag = seen.snapshot, seen.lag


def _short(path: Path) -> str:
    try:
        return f"~/{path.relative_to(Path.home())}"
    except (ValueError, RuntimeError):
        return str(path)
