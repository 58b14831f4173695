"""The receipt before the purchase: what a verb would do and cost, and the question."""

import re
from typing import TYPE_CHECKING, ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.events import Key
from textual.widgets import Button, Input, Label, Static

from core.clock import Clock
from state.model.errors import TitanError
from state.operations.commands import Action
from titan_console.session.command_worker import (
    CommandDraft,
    CommandOptions,
    CommandWorker,
    ConfirmedCommand,
)
from titan_console.text import preview_text
from titan_console.text.command_labels import LABELS, phrase
from titan_console.text.format import Tone
from titan_console.text.safe_text import clean
from titan_console.tui.pages.dialog import Dialog
from titan_console.tui.theme import tones_of
from titan_console.tui.widgets.form_fields import NumberField, Toggle

if TYPE_CHECKING:
    from textual.timer import Timer

    from core.commands.planner import Plan

# While somebody types, what is half written is not worth a plan.
_TYPING_S = 0.25
_LABEL_WIDTH = 9
# Lines of the box that are no paper: its border and the buttons.
_FRAME = 3
_LEAST_PAPER = 3
_BETWEEN_SETTINGS = re.compile(r"\s+(?=[A-Za-z_]\w*=)")


class PreviewDialog(Dialog[ConfirmedCommand | None]):
    """Asks for the plan of a verb, shows it, and gives it back once it is confirmed."""

    CSS = """
    PreviewDialog {
        align: center middle; background: $background 60%;
        #preview {
            width: 78; max-width: 100%; height: auto; max-height: 100%; padding: 0 1;
            background: $panel; border: round $accent 80%;
            border-title-color: $accent; border-title-style: bold;
        }
        #facts-pane { height: auto; background: $panel; scrollbar-size-vertical: 1; }
        #problem { color: $error; display: none; text-style: bold; }
        .field { height: 1; }
        .field Label { width: 10; color: $secondary; }
        .field Input { width: 1fr; background: $background; }
        #number-field { display: none; }
        #buttons { height: 1; align-horizontal: right; }
        #buttons Button { margin: 0 0 0 2; min-width: 12; }
        /* Room for each of its labels: another label does not lay it out anew. */
        #buttons #confirm { width: 18; }
        #buttons Button:focus { text-style: bold reverse; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Back", id="preview.close"),
        Binding("y", "confirm", "Confirm", id="preview.confirm"),
        Binding("c", "copy", "Copy the command line", id="preview.copy"),
    ]

    def __init__(self, question: CommandDraft, worker: CommandWorker, clock: Clock) -> None:
        """`question` is planned on the worker, again whenever what is asked changes."""
        super().__init__()
        self._question = question
        self._worker = worker
        self._clock = clock
        self._planned: Plan | None = None
        self._number = 0
        self._typing: Timer | None = None

    def compose(self) -> ComposeResult:
        """The paper above the fields above the buttons."""
        with Vertical(id="preview") as box:
            box.border_title = f" {LABELS[self._question.action]} "
            with VerticalScroll(id="facts-pane", can_focus=False):
                yield Static("Working it out.", id="facts", markup=False)
                yield Static(id="twin", markup=False)
                yield Static(id="problem", markup=False)
            yield from self._fields()
            with Horizontal(id="buttons"):
                yield Button("Back  esc", id="cancel", compact=True)
                yield Button("Working it out", id="confirm", compact=True, disabled=True)

    def _fields(self) -> ComposeResult:
        if self._question.action == Action.REPLAY:
            hint = "max_tokens=4096 model=claude-sonnet-4-6"
            with Horizontal(classes="field"):
                yield Label("edits")
                yield Input(placeholder=hint, id="edits", compact=True)
            with Horizontal(classes="field"):
                yield Label("")
                yield Toggle("canary: one first", id="canary")
                yield Toggle("force", id="force")
        with Horizontal(classes="field"):
            yield Label("reason")
            yield Input(placeholder="kept in the event log", id="reason", compact=True)
        with Horizontal(classes="field", id="number-field"):
            yield Label("type")
            yield NumberField(id="number")

    def on_mount(self) -> None:
        """Begin on the way back, and work it out."""
        self.query_one("#cancel").focus()
        self._plan()

    def on_resize(self) -> None:
        """What does not fit on the paper is scrolled; the fields and buttons stay in sight."""
        fields = sum(field.display for field in self.query(".field"))
        room = self.size.height - _FRAME - fields
        self.query_one("#facts-pane").styles.max_height = max(_LEAST_PAPER, room)

    # What the operator does

    def action_close(self) -> None:
        """Nothing was ordered."""
        if self._planned is not None:
            self._worker.discard(self._planned)
        self._leave(None)

    def action_confirm(self) -> None:
        """Order it, once the receipt is there and the number right."""
        planned = self._planned
        if planned is None:
            return
        field = self.query_one("#number", Input)
        if self._must_type(planned) and field.value != str(planned.preview.count):
            self._say(f"Type {planned.preview.count} to confirm.")
            self.set_focus(field)
            return
        reason = self.query_one("#reason", Input).value.strip()
        self._leave(ConfirmedCommand(planned=planned, reason=reason))

    def action_copy(self) -> None:
        """Put the command line on the clipboard."""
        line = self._twin()
        if line:
            self.app.copy_to_clipboard(line)  # pyright: ignore[reportUnknownMemberType]
            self._show_twin(aside="copied")

    def on_key(self, event: Key) -> None:
        """A number goes into its field, wherever the focus is but in another field."""
        field = self.query_one("#number", Input)
        digit = event.character or ""
        if digit.isdecimal() and self.query_one("#number-field").display:
            event.stop()
            field.value += digit
            field.cursor_position = len(field.value)
            self.set_focus(field)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A button does what its key does."""
        event.stop()
        if event.button.id == "confirm":
            self.action_confirm()
        else:
            self.action_close()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in the number's field confirms; elsewhere it goes on to the next."""
        event.stop()
        if event.input.id == "number":
            self.action_confirm()
        else:
            self.focus_next()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Other edits make another plan."""
        if event.input.id == "edits":
            self._plan_soon()
        elif event.input.id == "reason":
            self._show_twin()

    def on_toggle_changed(self) -> None:
        """So does a toggle."""
        self._plan_soon()

    # The plan

    def _plan_soon(self) -> None:
        self._forget_plan()
        if self._typing is not None:
            self._typing.stop()
        self._typing = self.set_timer(_TYPING_S, self._plan)

    def _forget_plan(self) -> None:
        """The receipt that is shown is not what would be done any more."""
        self._number += 1
        if self._planned is not None:
            self._worker.discard(self._planned)
            self._planned = None
        confirm = self.query_one("#confirm", Button)
        confirm.disabled, confirm.label = True, "Working it out"

    def _plan(self) -> None:
        work = self._work_out(self._number, self._how())
        self.app.run_worker(work, name="plan")  # pyright: ignore[reportUnknownMemberType]

    def _how(self) -> CommandOptions:
        if self._question.action != Action.REPLAY:
            return CommandOptions()
        edits = self.query_one("#edits", Input).value.strip()
        return CommandOptions(
            settings=tuple(_BETWEEN_SETTINGS.split(edits)) if edits else (),
            canary=self.query_one("#canary", Toggle).value,
            force=self.query_one("#force", Toggle).value,
        )

    async def _work_out(self, number: int, how: CommandOptions) -> None:
        try:
            planned = await self._worker.plan(self._question, how)
        except (TitanError, OSError) as error:
            if number == self._number:
                self._show_problem(str(error))
            return
        if number != self._number:
            self._worker.discard(planned)
            return
        self._planned = planned
        self._show(planned)

    def _leave(self, answer: ConfirmedCommand | None) -> None:
        self._number += 1
        self.dismiss(answer)

    # What is shown

    def _show(self, planned: "Plan") -> None:
        preview = planned.preview
        words = self._question.target.words
        facts = preview_text.facts(preview, words, self._clock.now())
        self._title(f" {phrase(preview.action, preview.count)} ")
        self.query_one("#facts", Static).update(self._table(facts))
        self._say("")
        self._show_twin()
        confirm = self.query_one("#confirm", Button)
        confirm.disabled, confirm.label = False, f"{LABELS[preview.action]}  y"
        confirm.variant = "warning"
        why = self._must_type(planned)
        self.query_one("#number-field").display = bool(why)
        hint = f"{preview.count} to confirm: {why}" if why else ""
        self.query_one("#number", Input).placeholder = hint
        self.on_resize()

    def _show_problem(self, reason: str) -> None:
        self._say(reason)
        self.query_one("#facts", Static).update("Nothing was changed.")
        self.query_one("#twin", Static).update("")
        self.query_one("#confirm", Button).label = LABELS[self._question.action]

    def _title(self, text: str) -> None:
        self.query_one("#preview", Vertical).border_title = text

    def _say(self, problem: str) -> None:
        said = self.query_one("#problem", Static)
        said.update(clean(problem))
        said.display = bool(problem)

    def _show_twin(self, aside: str = "c copies") -> None:
        line = self._twin()
        facts = [preview_text.Fact("same as", f"{line}  ({aside})", Tone.DIM)]
        self.query_one("#twin", Static).update(self._table(facts) if line else "")

    def _twin(self) -> str:
        """The command line that asks for the same, with nothing in it that a terminal obeys."""
        if self._planned is None:
            return ""
        from core.commands.request import with_reason  # noqa: PLC0415 - the plan has loaded it

        reason = self.query_one("#reason", Input).value.strip()
        return clean(with_reason(self._planned.preview.cli, reason))

    def _must_type(self, planned: "Plan") -> str:
        return preview_text.must_type(planned.preview, is_all=self._question.target.is_all)

    def _table(self, facts: list[preview_text.Fact]) -> Table:
        styles = tones_of(self)
        table = Table.grid(padding=(0, 1))
        table.add_column(width=_LABEL_WIDTH, style=styles[Tone.DIM])
        table.add_column(ratio=1)
        for fact in facts:
            table.add_row(Text(fact.label), Text(clean(fact.text), styles[fact.tone]))
        return table
