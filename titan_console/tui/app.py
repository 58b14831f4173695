"""The Textual app: watches the ledger, switches screens, routes keys."""

import gc
import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import App
from textual.binding import Binding, BindingType
from textual.events import Event, Key, Paste
from textual.filter import LineFilter
from textual.screen import Screen
from textual.widgets import Input

from core.clock import Clock, OffsetClock, SystemClock
from core.config import titan_file
from core.reporting.poller_health import silent_after
from state.files.folder import Folder
from state.model.ledger_url import LedgerUrl
from state.model.timestamps import from_text
from state.operations.commands import Action
from titan_console.session import console_crash_log
from titan_console.session.command_worker import CommandWorker
from titan_console.session.console_state import ConsoleState
from titan_console.session.ledger_watcher import LedgerWatcher
from titan_console.session.messages import LedgerChanged, LedgerLost, PollEnded
from titan_console.session.poll_helper import PollRunner
from titan_console.text.access import Access
from titan_console.text.command_labels import EXPLAINED, KEYS, LABELS, NO_TARGET, binding
from titan_console.text.notices import notices
from titan_console.text.safe_text import clean
from titan_console.tui.pages.dialog import DialogDrawn
from titan_console.tui.pages.page import Page
from titan_console.tui.pending_commands import PendingCommands
from titan_console.tui.screens.registry import FIRST, SCREENS, TABS
from titan_console.tui.theme import DARK, LIGHT, MONO, themes
from titan_console.tui.typed_ahead import TypedAhead
from titan_console.tui.widgets.command_bar import CommandBar
from titan_console.tui.widgets.line_filters import AsciiFilter, ControlFilter
from titan_console.tui.widgets.record_table import RecordTable
from titan_console.tui.widgets.tab_strip import TabStrip

if TYPE_CHECKING:
    from state.queries.console_snapshot import Snapshot
    from titan_console.tui.screens.alerts import AlertsPage

_PARENT_CHECK_S = 2.0
_COMMANDS_TICK_S = 0.5
# By then the first frame is drawn.
_STARTED_S = 2.0
_BETWEEN_BELLS_S = 300.0
_WIDEST_NOTICE = 120
_MILLISECOND = timedelta(milliseconds=1)
# Shown in the line of keys where there is no room for buttons.
_NAMED = (Action.REPLAY, Action.CANCEL, Action.SYNC)

# Each tool is the module of that name in `tui.tools`.
_TOOL_KEYS = (
    Binding("colon", "tool('go_to')", "Go to", key_display=":", id="tool.go_to"),
    Binding("ctrl+p", "tool('palette')", "Command palette", show=False, id="tool.palette"),
    Binding("y", "tool('copy')", "Copy", id="tool.copy"),
    Binding("e", "tool('export')", "Export", show=False, id="tool.export"),
    Binding("o", "tool('view')", "Open in a pager or an editor", show=False, id="tool.view"),
    Binding("ctrl+s", "tool('screenshot')", "Screenshot", show=False, id="tool.screenshot"),
    Binding("c", "tool('columns')", "Columns", show=False, id="tool.columns"),
    Binding(
        "asterisk",
        "tool('saved_filters')",
        "Saved filters",
        key_display="*",
        show=False,
        id="tool.saved_filters",
    ),
    Binding("d", "tool('compare')", "Compare", show=False, id="tool.compare"),
)


class TitanApp(App[None]):
    """Reads the ledger; other processes write it."""

    TITLE = "Titan Console"
    # Textual's own key would load it at startup; `tool.palette` opens it.
    ENABLE_COMMAND_PALETTE = False
    # Notices stand above the lists: below, they would hide the keys that are wanted just then.
    CSS = """
    CommandPalette SearchIcon { display: none; }
    ToastRack { dock: top; align: right top; }
    Toast { width: auto; max-width: 90%; }
    """
    DEFAULT_MODE = FIRST
    # A narrower list would lose its columns to the detail pane.
    HORIZONTAL_BREAKPOINTS: ClassVar = [(0, "-narrow"), (150, "-wide")]  # pyright: ignore[reportIncompatibleVariableOverride] - as below
    VERTICAL_BREAKPOINTS: ClassVar = [  # pyright: ignore[reportIncompatibleVariableOverride] - a class sets it
        (0, "-flat"),
        (20, "-low"),
        (30, "-high"),
    ]
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(tab.digit, f"go('{tab.mode}')", tab.name, show=False, id=f"go.{tab.mode}")
            for tab in TABS
        ),
        *(
            Binding(
                key,
                f"command('{action}')",
                binding(action),
                show=action in _NAMED,
                # With priority, so that the next key already goes to the opened dialog.
                priority=True,
                id=f"command.{action}",
                tooltip=EXPLAINED[action],
            )
            for action, key in KEYS.items()
        ),
        Binding(
            *("E", "edit", "Edit and replay"),
            show=False,
            priority=True,
            id="command.edit",
            tooltip="change the parameters of errored requests first",
        ),
        Binding(
            *("L", "poll_now", "Poll now"),
            show=False,
            id="command.poll",
            tooltip="without waiting for the scheduler",
        ),
        Binding(
            *("z", "withdraw", "Withdraw"),
            show=False,
            id="command.withdraw",
            tooltip="withdraw the last command during its countdown",
        ),
        *_TOOL_KEYS,
        Binding(
            "exclamation_mark", "alerts", "Alerts", key_display="!", show=False, id="go.alerts"
        ),
        Binding("minus", "go_last", "Previous screen", show=False, id="go.last"),
        Binding("escape,backspace", "step_back", "Back", show=False, id="go.back"),
        Binding("question_mark,f1", "help", "Help", key_display="?", id="app.help"),
        Binding("p", "freeze", "Freeze view", id="app.freeze"),
        Binding("r", "refresh_now", "Refresh", show=False, id="app.refresh"),
        Binding("t", "theme", "Theme", show=False, id="app.theme"),
        Binding("q,ctrl+c", "quit", "Quit", key_display="q", id="app.quit"),
    ]

    def __init__(
        self,
        home: Path,
        clock: Clock,
        *,
        read_only: bool = False,
        poll_runner: PollRunner | None = None,
        ascii_only: bool = False,
        access: Access | None = None,
        ledger_url: LedgerUrl | None = None,
        scheduler: Callable[[], str] = lambda: "cron",
    ) -> None:
        """`home` is TITAN_HOME; it may not exist yet. Read-only, no commands are accepted.

        `ledger_url` is the address of a ledger in PostgreSQL; without one it is in `home`.

        `poll_runner` runs the polls for commands; without it they wait for the scheduler's.
        `access` is what these polls reach the API with, `scheduler` names the usual one
        of this machine.
        """
        super().__init__()
        # Whether the API ends with the console.
        self.is_demo = False
        folder = Folder(home, ledger_url)
        self._home = home
        # That of the server, for a ledger in PostgreSQL.
        self._clock = clock = OffsetClock(clock)
        self._watcher = LedgerWatcher(folder, clock)
        self.state = ConsoleState(self._watcher, clock, TABS, read_only=read_only)
        self.state.access, self.state.scheduler = access, scheduler
        self._commands = PendingCommands(
            self, self.state, CommandWorker(folder, clock), poll_runner
        )
        self.state.command_lines = self._commands.lines
        self._typed_ahead = TypedAhead(self, super().on_event)
        self._mode_before = FIRST
        # Where Enter led from, to the list of another screen; Esc leads back.
        self._opened_from: str | None = None
        for entry in SCREENS:
            self.add_mode(entry.tab.mode, entry.opener(self.state))  # pyright: ignore[reportUnknownMemberType]
        titan_toml = titan_file.read(folder)
        self.state.silent_after = silent_after(titan_toml.alerts)
        self._wanted, self._wrong = titan_toml.console, titan_toml.console_problems
        for theme in themes(self._wanted.accent):
            self.register_theme(theme)
        self.state.name = self._wanted.ledger_name
        self._heard: Snapshot | None = None
        self._quiet_until_s = clock.monotonic()
        self._own_filters: list[LineFilter] = [ControlFilter()]
        if ascii_only or self._wanted.ascii:
            self._own_filters.append(AsciiFilter())
        self.theme = MONO.name if self.no_color else f"titan-{self._wanted.theme or 'dark'}"

    def on_mount(self) -> None:
        """Start to watch the ledger; a served console ends with its server."""
        if self.is_web:
            server = os.getppid()
            self.set_interval(_PARENT_CHECK_S, lambda: self._leave_without(server))
        self.run_worker(self._watcher.follow(self.post_message), name="watcher", exclusive=True)
        self.set_interval(_COMMANDS_TICK_S, self._tick_commands)
        self.set_timer(_STARTED_S, _collect_garbage)
        if self._wanted.keys or self._wrong:
            self.call_after_refresh(self._take_keys)

    def _take_keys(self) -> None:
        """Apply the keys of titan.toml, and show its mistakes."""
        from titan_console.tui import keymap  # noqa: PLC0415 - loads every screen

        checked = keymap.check(self._wanted.keys, keymap.key_bindings())
        self.set_keymap(dict(checked.keys))
        for problem in (*self._wrong, *checked.problems):
            self.notify(clean(problem), severity="warning", markup=False)

    def _tick_commands(self) -> None:
        """Show a poll as soon as it starts; it may end before the next redraw."""
        if self._commands.tick():
            self.show()

    def _leave_without(self, server: int) -> None:
        if os.getppid() != server:
            self.exit()

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's filters, the control character filter, and ASCII where configured."""
        return [*super().get_line_filters(), *self._own_filters]

    def on_ledger_changed(self, message: LedgerChanged) -> None:
        """The ledger has changed."""
        began = self._clock.monotonic()
        self._ring(list(notices(self._heard, message.snapshot)))
        self._heard = message.snapshot
        self.state.apply(message)
        self._commands.tick()
        self.show()
        self.call_after_refresh(self._painted, message, began)

    def _ring(self, found: Sequence[str]) -> None:
        """Tell the terminal, at most once in a while; the screen has the rest."""
        elapsed_s = self._clock.monotonic()
        if not found or elapsed_s < self._quiet_until_s:
            return
        self._quiet_until_s = elapsed_s + _BETWEEN_BELLS_S
        if self._wanted.bell:
            self.bell()
        if self._wanted.notify and self._driver is not None and not self.is_web:
            name = self._wanted.ledger_name or self.TITLE
            self._driver.write(f"\x1b]9;{clean(f'{name}: {found[0]}', _WIDEST_NOTICE)}\x07")

    def _painted(self, message: LedgerChanged, began: float) -> None:
        """The snapshot is on the screen; now the page may run its other queries."""
        page = self.page()
        if page is not None and not self.state.is_frozen:
            page.ledger_changed()
        metrics, written = self.state.metrics, message.snapshot.newest_event_ts
        metrics.record_frame(self._clock.monotonic() - began)
        if message.lag is not None and written is not None:
            metrics.seen.append(message.lag / _MILLISECOND)
            metrics.painted.append((self._clock.now() - from_text(written)) / _MILLISECOND)

    def on_ledger_lost(self, message: LedgerLost) -> None:
        """The ledger cannot be read."""
        self.state.apply(message)
        self.show()

    def on_poll_ended(self, message: PollEnded) -> None:
        """A poll that was started here has ended."""
        self._commands.poll_ended(message.result)
        self._watcher.refresh()
        self.show()

    def on_unmount(self) -> None:
        """Commands are in the ledger, and a running poll ends by itself."""
        self._commands.close()

    def _load_screen_css(self, screen: Screen[object]) -> None:
        """Style a new screen once: Textual would parse all CSS two more times for it."""
        super()._load_screen_css(screen)  # pyright: ignore[reportUnknownMemberType]
        # Textual has no public way.
        screen._css_update_count = self._css_update_count  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

    async def on_event(self, event: Event) -> None:
        """A key waits for the one before it, and for the dialog that it is meant for."""
        if isinstance(event, Key | Paste) and self.screen_stack:
            await self._typed_ahead.typed(event)
        else:
            await super().on_event(event)

    async def on_dialog_drawn(self, message: DialogDrawn) -> None:
        """A dialog is drawn."""
        await self._typed_ahead.opened(message.dialog)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """No commands in a read-only console."""
        if action in ("command", "edit", "withdraw", "poll_now") and self.state.read_only:
            return False
        if action == "command" and self._is_taken(str(parameters[0])):
            return False
        # Keys typed into an input are text, and a dialog has keys of its own.
        if action in ("command", "edit") and not self._takes_commands():
            return False
        if action == "tool" and parameters == ("view",) and not self.can_suspend():
            return False
        return super().check_action(action, parameters)

    def _takes_commands(self) -> bool:
        page = self.screen if self.screen_stack else None
        return isinstance(page, Page) and not isinstance(self.focused, Input)

    def _is_taken(self, name: str) -> bool:
        page = self.screen if self.screen_stack else None
        return isinstance(page, Page) and page.takes(Action(name))

    def page(self) -> Page | None:
        """The current page, or the one under a dialog."""
        pages = [screen for screen in self.screen_stack if isinstance(screen, Page)]
        return pages[-1] if pages else None

    def show(self) -> None:
        """Draw the current page."""
        page = self.page()
        if page is not None and page.is_mounted:
            page.show()

    def action_go(self, mode: str) -> None:
        """Go to a numbered screen as it was left; from there, to its list, and then to its top."""
        page = self.screen
        if not isinstance(page, Page):
            return
        if mode == self.current_mode:
            if len(self.screen_stack) == 1:
                page.focus_first_list()
            self._close_pages()
        else:
            self._switch(mode)

    def action_go_list(self, mode: str) -> None:
        """Go to the list of a numbered screen."""
        if isinstance(self.screen, Page):
            if mode != self.current_mode:
                self._switch(mode)
            self._close_pages()

    def action_open_list(self, mode: str) -> None:
        """Go to the list of a numbered screen; Esc leads back to where that was chosen."""
        before = self.current_mode
        self.action_go_list(mode)
        if self.current_mode != before:
            self._opened_from = before

    def action_go_last(self) -> None:
        """Go to the previous numbered screen."""
        if isinstance(self.screen, Page) and self._mode_before != self.current_mode:
            self._switch(self._mode_before)

    def _switch(self, mode: str) -> None:
        page = self.page()
        if page is not None:
            page.leave()
        self._mode_before, self._opened_from = self.current_mode, None
        self.state.mode = mode
        self.switch_mode(mode)

    def _close_pages(self) -> None:
        """Close the pages that were opened from the list of the current screen."""
        while len(self.screen_stack) > 1:
            self.pop_screen()

    def action_step_back(self) -> None:
        """Go back one page, or to where this list was opened from.

        A page first drops its input, filter and selection.

        A result or a problem of a command goes with it.
        """
        page = self.page()
        if self._commands.dismiss_message():
            self.show()
        if page is None or page.step_back():
            return
        if len(self.screen_stack) > 1:
            self.pop_screen()
        elif self._opened_from is not None:
            self._switch(self._opened_from)

    def action_command(self, name: str) -> None:
        """Show the preview of a command on the target of the page."""
        self._preview(Action(name))

    def action_edit(self) -> None:
        """Edit the parameters of the target of the page, then show the preview of its replay."""
        self._preview(Action.REPLAY, edit=True)

    def _preview(self, action: Action, *, edit: bool = False) -> None:
        page = self.screen
        if not isinstance(page, Page):
            return
        target = page.target(action)
        if target is None:
            name = "Edit" if edit else LABELS[action]
            self._commands.show_message(f"{name}: {NO_TARGET[action]}.")
            self.show()
        else:
            self._commands.preview(action, target, page.clear_selected_rows, edit=edit)

    async def action_quit(self) -> None:
        """Leave, and say what becomes of a pending command."""
        words = "\n".join(map(clean, self._commands.last_words(is_demo=self.is_demo).splitlines()))
        self.exit(message=Text(words) if words else None)

    def action_alerts(self) -> None:
        """Open the list of alerts."""
        from titan_console.tui.screens.alerts import AlertsPage  # noqa: PLC0415 - not for the first paint

        page = self.screen
        if isinstance(page, Page) and not isinstance(page, AlertsPage):
            self.push_screen(AlertsPage(self.state))

    def on_alerts_page_silenced(self, message: "AlertsPage.Silenced") -> None:
        """Alerts were acknowledged or muted."""
        self._commands.silence(message.ids, message.hours)

    def action_poll_now(self) -> None:
        """Run a poll at once."""
        self._commands.poll_now()
        self.show()

    def action_withdraw(self) -> None:
        """Withdraw the newest pending command."""
        self._commands.withdraw()
        self.show()

    def on_command_bar_pressed(self, message: CommandBar.Pressed) -> None:
        """A button was pressed."""
        self.action_command(message.action)

    def on_record_table_opened(self, message: RecordTable.Opened) -> None:
        """Open the record of the row."""
        from titan_console.tui.screens import navigation  # noqa: PLC0415 - not for the first paint

        page = self.screen
        if isinstance(page, Page):
            navigation.open_link(page, message.row.link, message.table)

    def on_tab_strip_chosen(self, message: TabStrip.Chosen) -> None:
        """A tab was clicked."""
        self.action_go(message.mode)

    def action_tool(self, name: str) -> None:
        """Run the tool of that name on the page."""
        page = self.screen
        if isinstance(page, Page):
            before = set(self.workers)
            import_module(f"titan_console.tui.tools.{name}").start(page)
            self._typed_ahead.wait_for(set(self.workers) - before)

    def can_suspend(self) -> bool:
        """Whether the terminal can be suspended for another program."""
        return self._driver is not None and self._driver.can_suspend

    def action_freeze(self) -> None:
        """Freeze the view, or resume it."""
        self.state.freeze(not self.state.is_frozen)
        page = self.page()
        if page is not None and not self.state.is_frozen:
            page.ledger_changed()
        self.show()

    def action_refresh_now(self) -> None:
        """Read the ledger again, changed or not."""
        self._watcher.refresh()

    def action_help(self) -> None:
        """Show keys and glyphs."""
        from titan_console.tui.pages.key_help import HelpScreen  # noqa: PLC0415 - not for the first paint

        page = self.page()
        if page is not None and page is self.screen:
            self.push_screen(HelpScreen(page))

    def action_theme(self) -> None:
        """Switch between dark and light; without colours there is one theme."""
        if not self.no_color:
            self.theme = LIGHT.name if self.theme == DARK.name else DARK.name
            for page in (screen for screen in self.screen_stack if isinstance(screen, Page)):
                page.redraw()

    def _fatal_error(self) -> None:
        """Print one line; Textual's traceback would show every local variable."""
        error = self._exception or RuntimeError("unknown")
        log = console_crash_log.write(self._home, error, self._clock.now())
        where = f" Details: {log}" if log else ""
        line = f"The console stopped. {console_crash_log.one_line(error)}.{where}"
        self._exit_renderables.append(Text(clean(line)))
        self._close_messages_no_wait()


def _collect_garbage() -> None:
    """Enable garbage collection, which startup delays, and freeze what is loaded."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def run(
    home: Path,
    *,
    read_only: bool = False,
    poll_runner: PollRunner | None = None,
    ascii_only: bool = False,
    access: Access | None = None,
    ledger_url: LedgerUrl | None = None,
    scheduler: Callable[[], str] = lambda: "cron",
    is_demo: bool = False,
) -> int:
    """Open the console on the ledger; the exit code."""
    app = TitanApp(
        home,
        SystemClock(),
        read_only=read_only,
        poll_runner=poll_runner,
        ascii_only=ascii_only,
        access=access,
        ledger_url=ledger_url,
        scheduler=scheduler,
    )
    app.is_demo = is_demo
    app.run(mouse=titan_file.read(Folder(home)).console.mouse)
    return app.return_code or 0
