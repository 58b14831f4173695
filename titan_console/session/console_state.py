"""The current state of the console, which the screens draw."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from core.clock import Clock
from core.config import titan_file
from core.config.settings import DEFAULT_NAME
from core.reporting.poller_health import SILENT_AFTER
from state.db.opening import ledger_name
from state.files.folder import Folder
from state.model.timestamps import from_text
from titan_console.session import preferences
from titan_console.session.ledger_watcher import LedgerWatcher
from titan_console.session.messages import LedgerChanged, LedgerLost, LedgerProblem
from titan_console.session.ui_metrics import UiMetrics
from titan_console.text import first_steps
from titan_console.text.links import Tab

if TYPE_CHECKING:
    from state.operations.commands import Command
    from state.queries.console_snapshot import Snapshot
    from titan_console.text.access import Access
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
        self.folder = watcher.folder
        self.preferences = preferences.read(watcher.folder.root)
        self.snapshot: Snapshot | None = None
        # Never frozen: a countdown goes on.
        self.commands: Sequence[Command] = ()
        self.reasons: Mapping[str, str] = {}
        # The lines about commands on every page.
        self.command_lines: Callable[[datetime], Sequence[Sequence[Part]]] = lambda _now: ()
        self.problem: LedgerProblem | None = None
        self.lag: timedelta | None = None
        self.is_frozen = False
        # What the polls of this console reach the API with; None where they are not its own.
        self.access: Access | None = None
        # The usual one of this machine.
        self.scheduler: Callable[[], str] = lambda: "cron"
        # The longest time without a successful poll.
        self.silent_after = SILENT_AFTER
        # Of this ledger in titan.toml; empty for none, where its folder names it.
        self.name = ""
        self.folder_name = _short_name(watcher.folder)
        self.ledger_path = _short(watcher.folder)  # as shown, with ~
        self._watcher = watcher
        self.clock = clock
        self._jobs: tuple[int, int] | None = None
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

    def guide(self, now: datetime, width: int) -> str:
        """The first-minute guide."""
        snapshot = self.snapshot
        started = snapshot.poller.last_started_ts if snapshot else None
        facts = first_steps.Facts(
            ledger=self.ledger_path,
            has_ledger=snapshot is not None,
            access=self.access,
            last_poll=now - from_text(started) if started else None,
            scheduler=self.scheduler(),
            has_schedule=snapshot is not None and snapshot.poll_interval is not None,
            jobs=self._count_jobs(),
            batches=snapshot.totals.batches if snapshot else 0,
        )
        return first_steps.guide(first_steps.steps(facts), width)

    def _count_jobs(self) -> int | None:
        """The jobs of titan.toml, which is read again when it changes; None without a file."""
        folder = self.folder
        try:
            stamp = titan_file.path_of(folder).stat().st_mtime_ns
        except OSError:
            return None
        if self._jobs is None or self._jobs[0] != stamp:
            self._jobs = stamp, len(titan_file.read(folder).jobs)
        return self._jobs[1]

    def _use(self, seen: LedgerChanged) -> None:
        self.snapshot, self.lag = seen.snapshot, seen.lag


def _short_name(folder: Folder) -> str:
    """What tells it from other ledgers; empty for the default folder."""
    if folder.ledger_url is not None:
        return ledger_name(folder)
    return "" if folder.root.name == DEFAULT_NAME else folder.root.name


def _short(folder: Folder) -> str:
    path = folder.ledger
    if folder.ledger_url is not None:
        return ledger_name(folder)
    try:
        return f"~/{path.relative_to(Path.home())}"
    except (ValueError, RuntimeError):
        return str(path)
