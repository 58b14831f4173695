"""The base of every page: the lines around its content, and its refresh."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.events import Click, DescendantFocus
from textual.geometry import Size
from textual.screen import Screen
from textual.widgets import Static

from state.db.reader import Source
from state.operations.commands import Action
from titan_console.session import preferences
from titan_console.session.command_worker import Target
from titan_console.session.console_state import ConsoleState
from titan_console.text.command_labels import KEYS
from titan_console.text.format import Tone
from titan_console.text.lines import Part
from titan_console.text.safe_text import cells, clean
from titan_console.tui.pages import status_lines
from titan_console.tui.widgets.command_bar import CommandBar
from titan_console.tui.widgets.lines import CommandLines, KeyLine, Line, TotalsStrip
from titan_console.tui.widgets.record_table import Key, RecordTable
from titan_console.tui.widgets.tab_strip import TabStrip
from titan_console.tui.widgets.virtual_table import VirtualTable

# Data of rows, and texts by name; they are read on another thread.
Records = Callable[[Source], Iterable[Mapping[str, object]]]
Parts = Callable[[Source], Mapping[str, str]]
_TICK_S = 1.0
# A column that was empty at two of these ticks is left out.
_COLUMNS_TICK_S = 30.0
_ROOM_FOR_ALL = 110
# The others apply to every page.
_TOOLS_OF_SOME = frozenset(("copy", "export", "columns", "view", "compare", "saved_filters"))
# The padding of the first line, and a space before its right part.
_MARGIN = 3
# Of the first line, names have at most that share where the state of the poller needs room.
_NAMES_OF_FIVE = 4
# Smaller terminals leave a list no rows between the lines.
_LEAST = Size(50, 14)


class Page(Screen[None]):
    """Shows the state of the console; redraws every second, so that ages are current.

    A subclass defines `content`, and fills it in `draw`, which is called whenever something it
    shows may have changed.
    """

    # The name of the page in tabs, breadcrumbs and on the `:` line.
    NAME: ClassVar[str] = ""
    # Whether the page is empty without a ledger.
    NEEDS_LEDGER: ClassVar[bool] = True
    # The tools that can ever apply, beside those of the console.
    TOOLS: ClassVar[frozenset[str]] = frozenset(("copy", "export", "columns"))
    DEFAULT_CSS = """
    Page {
        background: $background;
        #holds, #notice, #problem { display: none; }
        #holds.-shown, #problem.-shown { display: block; }
        #notice { height: 1fr; content-align: center middle; text-align: center; }
        &.-nothing-yet { #notice { display: block; } .content, #totals, #about { display: none; } }
        .content { height: 1fr; margin: 1 0 0 0; }
        #about { background: $panel; }
        KeyLine { background: $background; padding: 0 1 0 0; }
    }
    Page.-low, Page.-flat { .content { margin: 0; } }
    Page.-flat { #tabs, #commands { display: none; } }
    Page.-tiny {
        #totals, #holds.-shown, #about, #pending, KeyLine { display: none; }
        .content { margin: 0; }
    }
    Page.-read-only #commands, Page.-no-commands #commands { display: none; }
    Page.-no-totals #totals { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+e", "totals", "Toggle totals", show=False, id="page.totals"),
    ]

    def __init__(self, state: ConsoleState) -> None:
        """`state` is the state of the console."""
        # From the start: with the first drawing, every widget would be styled again.
        is_empty = state.snapshot is None and self.NEEDS_LEDGER
        super().__init__(classes="-nothing-yet" if is_empty else None)
        self.state = state
        self._top = Line(id="top")
        self._tabs = TabStrip(state.tabs, id="tabs")
        self._totals = TotalsStrip(id="totals")
        self._holds = Line(id="holds")
        self._notice = Static(id="notice", markup=False)
        self._problem = Line(id="problem")
        self._reason = ""
        self._about = Line(id="about")
        self._command_lines = CommandLines(id="pending")
        self._command_bar = CommandBar(id="commands")
        self._status = Line(id="status")
        self._list_in_use: RecordTable | None = None

    # Subclasses define

    def content(self) -> ComposeResult:
        """The widgets between the lines; the outermost has the class `content`."""
        raise NotImplementedError

    def draw(self, now: datetime) -> None:
        """Fill the content as of `now`."""
        raise NotImplementedError

    def breadcrumb(self) -> str:
        """Its name in the breadcrumbs."""
        return self.NAME

    def about(self) -> tuple[Part, ...]:
        """The line below the content: the record under the cursor, in full."""
        table = self.list_in_use()
        row = table.current() if table else None
        return (Part(row.about, Tone.DIM),) if row else ()

    def badges(self) -> tuple[Part, ...]:
        """The badges of the status line: filter, sort, selection."""
        count = sum(len(table.selection) for table in self.query(RecordTable))
        unlisted = sum(table.unlisted_selected() for table in self.query(RecordTable))
        aside = f", {unlisted:,} of them not in the list" if unlisted else ""
        return (Part(f"  ● {count:,} selected{aside}", Tone.BUSY),) if count else ()

    def target(self, action: Action) -> Target | None:
        """The target of a command: the selection, else the row; None where it does not fit.

        Called at each redraw, so it must be fast.
        """
        del action
        return None

    def workflows(self) -> Collection[str]:
        """The workflows that a pause would apply to; empty where that is not known at once."""
        return ()

    def records(self, table: RecordTable, keys: Sequence[Key]) -> Records | None:
        """The rows of a list as `--json` prints them; None where the rows have links, or no data.

        The result is called on another thread.
        """
        del table, keys
        return None

    def parts(self, table: RecordTable) -> Parts | None:
        """What else can be copied of the row under the cursor, beside its data, by name."""
        del table
        return None

    def takes(self, action: Action) -> bool:
        """Whether the key of this command means something else on this page."""
        del action
        return False

    def commands(self) -> Sequence[Action]:
        """The commands that can ever apply, in the order of their buttons."""
        return () if type(self).target is Page.target else tuple(KEYS)

    # Common to all

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield self._top
        yield self._tabs
        yield self._totals
        yield self._holds
        yield self._notice
        yield from self.content()
        yield self._problem
        yield self._about
        yield self._command_lines
        yield self._command_bar
        yield self._status
        yield KeyLine()

    def on_mount(self) -> None:
        """Start the timer that redraws ages."""
        for table in self.query(VirtualTable):  # pyright: ignore[reportUnknownVariableType] - whatever it lists
            table.record_times(self.state.metrics.record_query)
        for table in self.query(RecordTable):
            choice = self.state.preferences.columns_of(list_name(self, table))
            if choice:
                table.choose_columns(choice)
        self.set_class(self.state.read_only, "-read-only")
        self.set_class(not self.commands(), "-no-commands")
        self._command_bar.actions = self.commands()
        self.show()
        self.set_interval(_TICK_S, self.tick)
        self.set_interval(_COLUMNS_TICK_S, self._drop_empty_columns)

    def on_screen_resume(self) -> None:
        """Catch up with changes while another screen was shown."""
        self.redraw()
        self.ledger_changed()
        self.show()

    def leave(self) -> None:
        """Another screen is shown: at the next visit the columns are fitted anew.

        Lists that the operator has not moved in show their newest rows then.
        """
        for table in self.query(RecordTable):
            table.measure_again()
        for table in self.query(VirtualTable):  # pyright: ignore[reportUnknownVariableType] - whatever it lists
            table.show_top_again()

    def _drop_empty_columns(self) -> None:
        if self.is_current and not self.state.is_frozen:
            for table in self.query(RecordTable):
                table.drop_empty_columns()

    def ledger_changed(self) -> None:
        """The ledger has changed while this page is shown."""

    def list_in_use(self) -> RecordTable | None:
        """The list with the focus, or the last one that had it."""
        if isinstance(self.focused, RecordTable):
            self._list_in_use = self.focused
        return self._list_in_use

    def step_back(self) -> bool:
        """Drop one thing that the page holds, such as its selection; whether there was one."""
        return self.clear_selected_rows()

    def focus_first_list(self) -> None:
        """Focus the first list with rows."""
        lists = (table for table in self.query(RecordTable) if table.row_count and table.focusable)
        first = next(lists, None)
        if first is not None:
            first.focus()

    def clear_selected_rows(self) -> bool:
        """Clear what is selected in its lists; whether anything was."""
        selected = [table for table in self.query(RecordTable) if table.selection]
        for table in selected:
            table.action_clear_selection()
        return bool(selected)

    def tick(self) -> None:
        """Redraw, so that ages are current."""
        if self.is_current:
            self.show()

    def show(self) -> None:
        """Draw everything as of now."""
        now = self.state.now()
        snapshot = self.state.snapshot
        self.set_class(snapshot is None and self.NEEDS_LEDGER, "-nothing-yet")
        self._show_lines(now)
        self._show_problem()
        if snapshot is None:
            self._notice.update(self._ledger_notice(now))
            if self.NEEDS_LEDGER:
                return
        else:
            self._totals.totals = status_lines.totals(snapshot)
        self.draw(now)
        self.show_about()
        self._show_commands()

    def show_about(self) -> None:
        """Show the record under the cursor."""
        self._about.left = self.about()

    def show_problem(self, reason: str) -> None:
        """Show why this page cannot be refreshed; an empty reason hides it."""
        self._reason = reason
        self._show_problem()

    def _show_problem(self) -> None:
        """A problem of the whole ledger is shown by the notice or the status line."""
        problem = self.state.problem
        reason = "" if problem and problem.reason == self._reason else self._reason
        self._problem.left = (Part(f"! {reason}", Tone.BAD),) if reason else ()
        self._problem.set_class(bool(reason), "-shown")

    def redraw(self) -> None:
        """Redraw everything in the current theme."""
        for table in self.query(RecordTable):
            table.redraw()
        for line in self.query(Line):
            line.refresh()
        self._totals.refresh()
        self._tabs.refresh()

    def action_totals(self) -> None:
        """Hide or show the totals."""
        self.toggle_class("-no-totals")

    def save_preferences(self) -> None:
        """Remember what was chosen; a console that cannot write goes on without."""
        try:
            preferences.write(self.state.folder.root, self.state.preferences)
        except OSError as error:
            reason = error.strerror or str(error)
            self.notify(f"Not remembered: {reason}.", severity="warning", markup=False)

    def on_record_table_moved(self) -> None:
        """The cursor is on another record."""
        self.show_about()
        self._show_commands()

    def on_record_table_selection_changed(self) -> None:
        """Update the count in the status line."""
        self._show_lines(self.state.now())
        self._show_commands()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Another list has the focus."""
        if isinstance(event.widget, RecordTable):
            for table in self.query(RecordTable):
                table.was_left = table is not event.widget and table.cursor_row > 0
        self.show_about()
        self._show_commands()

    async def on_click(self, event: Click) -> None:
        """The line of alerts opens them."""
        if event.widget is self._holds:
            await self.run_action("app.alerts")

    def on_resize(self) -> None:
        """Without room for the buttons, the line of keys shows the commands."""
        self.set_class(self.size.width < _LEAST.width or self.size.height < _LEAST.height, "-tiny")
        self.refresh_bindings()
        self.show()

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """Textual's bindings, without those that can never apply to this page.

        Commands that have buttons are left out of the line of keys.
        """
        never = self._never_applying()
        active = {
            key: held
            for key, held in super().active_bindings.items()
            if held.binding.action not in never
        }
        if self.has_class("-flat"):
            return active
        return {
            key: held._replace(binding=replace(held.binding, show=False))
            if held.binding.action.startswith("command(")
            else held
            for key, held in active.items()
        }

    def _never_applying(self) -> set[str]:
        """The actions of the keys that can never apply to this page."""
        commands = self.commands()
        never = {f"command('{action}')" for action in KEYS if action not in commands}
        never |= {f"tool('{name}')" for name in _TOOLS_OF_SOME - self.TOOLS}
        return never if Action.REPLAY in commands else never | {"edit"}

    def _show_commands(self) -> None:
        if not self.state.read_only:
            paused = self.state.snapshot.paused if self.state.snapshot else ()
            names = self.workflows()
            self._command_bar.resumes = bool(names) and all(name in paused for name in names)
            self._command_bar.offered = frozenset(action for action in KEYS if self.target(action))

    def _show_lines(self, now: datetime) -> None:
        state, crumbs = self.state, [page.breadcrumb() for page in self._stack()]
        badge = (Part(" RO ", Tone.WARN, strong=True), Part(" ")) if state.read_only else ()
        if self.app.is_web:  # pyright: ignore[reportUnknownMemberType]
            badge = (Part("web view ", Tone.DIM), *badge)
        is_tiny = self.has_class("-tiny")
        poller = (
            ()
            if is_tiny
            else status_lines.poller_status(
                *(state.snapshot, now, state.silent_after, state.access),
                has_room=self.size.width >= _ROOM_FOR_ALL,
            )
        )
        self._top.right = badge + poller
        title = (
            Part("TITAN", Tone.PLAIN, strong=True),
            *((Part("  "), Part(f" {state.name} ", Tone.MARK)) if state.name else ()),
        )
        room = self.size.width - _MARGIN - cells_of((*title, *badge, *poller))
        place = (*title, *_breadcrumbs(shortened(crumbs, room)))
        self._top.kept = min(cells_of(place), self.size.width * _NAMES_OF_FIVE // 5)
        self._top.left = (
            *place,
            *(() if state.name or len(crumbs) > 1 else self._place()),
        )
        self._command_lines.show(state.command_lines(now))
        self._tabs.current = self.state.mode
        self._holds.left = status_lines.holds(state.snapshot, now)
        self._holds.right = status_lines.alerts_hint(state.snapshot, now)
        self._holds.set_class(bool(self._holds.left), "-shown")
        pulse = status_lines.live_status(
            problem=state.problem,
            is_explained=self.has_class("-nothing-yet"),
            frozen_changes=state.changes_behind() if state.is_frozen else None,
            silent_for=state.silent_for(now),
            lag=state.lag,
            was_read=state.snapshot is not None,
        )
        badges = self.badges()
        if is_tiny:
            self._status.left = (pulse[0], Part("  terminal too small", Tone.WARN), *badges)
            return
        # Badges are worth more room than the latency.
        is_crowded = bool(badges) and state.problem is None
        self._status.left = (pulse[:1] if is_crowded else pulse) + badges

    def _place(self) -> tuple[Part, ...]:
        """The folder of the ledger where it is not the usual one, once there is a ledger."""
        name, problem = self.state.folder_name, self.state.problem
        is_missing = problem is not None and problem.missing and self.state.snapshot is None
        return () if is_missing or not name else (Part(f"ledger {name}", Tone.DIM),)

    def _stack(self) -> "list[Page]":
        stack: list[Screen[object]] = self.app.screen_stack  # pyright: ignore[reportUnknownMemberType]
        return [screen for screen in stack if isinstance(screen, Page)]

    def _ledger_notice(self, now: datetime) -> str:
        problem = self.state.problem
        if problem is None:
            return "Opening the ledger…"
        return self.state.guide(now, self.size.width) if problem.missing else clean(problem.reason)


def list_name(page: Page, table: RecordTable) -> str:
    """The name of a list in the preferences, such as `batches.open`."""
    return f"{page.NAME.lower()}.{(table.id or '').removesuffix('-table')}"


def cells_of(parts: Sequence[Part]) -> int:
    """The width of these parts."""
    return sum(cells(part.text) for part in parts)


def shortened(names: Sequence[str], room: int) -> list[str]:
    """The names of pages; the first ones give way to an ellipsis where they do not fit."""
    kept = list(names)
    while (
        len(kept) > 1
        and cells_of(_breadcrumbs(kept if len(kept) == len(names) else ["…", *kept])) > room
    ):
        kept.pop(0)
    return kept if len(kept) == len(names) else ["…", *kept]


def _breadcrumbs(names: Sequence[str]) -> tuple[Part, ...]:
    *before, last = [f"  {name}" for name in names] or [""]
    return (*(Part(f"{name} >", Tone.DIM) for name in before), Part(f"{last}  ", Tone.BUSY))
