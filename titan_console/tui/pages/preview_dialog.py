"""The confirmation dialog: effect and cost of a command, and its options."""

import re
from typing import TYPE_CHECKING, ClassVar, cast

from msgspec.structs import replace
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
from titan_console.session.command_worker import CommandDraft, CommandOptions, CommandWorker
from titan_console.text import edit_text, ledger_messages, preview_text
from titan_console.text.command_labels import LABELS, noun, phrase
from titan_console.text.format import Tone
from titan_console.text.safe_text import clean, harmless_json
from titan_console.tui.pages.dialog import Dialog
from titan_console.tui.theme import tones_of
from titan_console.tui.widgets.form_fields import NumberField, Toggle

if TYPE_CHECKING:
    from textual.app import App
    from textual.timer import Timer

    from core.commands.params_edit import EditableParams, EditSample
    from core.commands.planner import Plan

# Edits are planned once typing has stopped for that long.
_TYPING_S = 0.25
_LABEL_WIDTH = 9
# Lines of the box beside the facts: its border and the buttons.
_FRAME = 3
_MIN_FACTS = 3
_BETWEEN_SETTINGS = re.compile(r"\s+(?=[A-Za-z_]\w*=)")
_PLANNING = "Calculating…"


class PreviewDialog(Dialog["Plan | None"]):
    """Plans a command, shows the preview, and returns the plan once it is confirmed."""

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
        /* Wide enough for each of its labels, so that another label needs no new layout. */
        #buttons #confirm { width: 18; }
        #buttons Button:focus { text-style: bold reverse; }
    }
    """
    # Not the first field: keys that come early would be typed into it.
    AUTO_FOCUS = "#cancel"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Back", id="preview.close"),
        Binding("y", "confirm", "Confirm", id="preview.confirm"),
        Binding("c", "turn('canary')", "Canary: send one request first", id="preview.canary"),
        Binding("f", "turn('force')", "Force: include skipped requests", id="preview.force"),
        Binding("e", "edits", "Edit by name", id="preview.edits"),
        Binding("E", "edit", "Edit the parameters", id="preview.edit"),
        Binding("l", "copy", "Copy the command line", id="preview.copy"),
    ]

    def __init__(
        self, draft: CommandDraft, worker: CommandWorker, clock: Clock, *, edit: bool = False
    ) -> None:
        """`draft` is planned on the worker, again whenever an option changes.

        `edit`: the parameters are edited first.
        """
        super().__init__()
        self._draft = draft
        self._worker = worker
        self._clock = clock
        self._edits_first = edit
        self._editable: EditableParams | None = None
        self._text = ""
        self._plan: Plan | None = None
        self._samples: tuple[EditSample, ...] = ()
        self._planned = CommandOptions()
        # Typed before the preview is drawn.
        self._early_digits = ""
        self._is_confirmed_early = False
        # Whether an Enter behind these digits may be on its way to the button that had the focus.
        self._is_number_early = False
        # Counts the plans asked for; an older one that arrives late is discarded.
        self._number = 0
        self._typing: Timer | None = None

    def compose(self) -> ComposeResult:
        """The facts above the fields above the buttons."""
        with Vertical(id="preview") as box:
            box.border_title = f" {LABELS[self._draft.action]} "
            with VerticalScroll(id="facts-pane", can_focus=False):
                yield Static(_PLANNING, id="facts", markup=False)
                yield Static(id="command-line", markup=False)
                yield Static(id="problem", markup=False)
            yield from self._fields()
            with Horizontal(id="buttons"):
                yield Button("Back  esc", id="cancel", compact=True)
                yield Button(_PLANNING, id="confirm", compact=True, disabled=True)

    def _fields(self) -> ComposeResult:
        if self._draft.action == Action.REPLAY:
            hint = "e.g. max_tokens=4096; E edits all parameters"
            with Horizontal(classes="field"):
                yield Label("e edit")
                yield Input(placeholder=hint, id="edits", compact=True)
            with Horizontal(classes="field"):
                yield Label("")
                yield Toggle("c canary: send one request first", id="canary")
            with Horizontal(classes="field"):
                yield Label("")
                yield Toggle("f force: include skipped requests", id="force")
        with Horizontal(classes="field"):
            yield Label("reason")
            yield Input(placeholder="optional, for the event log", id="reason", compact=True)
        with Horizontal(classes="field", id="number-field"):
            yield Label("confirm")
            yield NumberField(id="number")

    def on_mount(self) -> None:
        """Start to plan."""
        if self._edits_first:
            self.action_edit()
        else:
            self._start_plan()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only a replay has these options."""
        if action in ("turn", "edits", "edit") and self._draft.action != Action.REPLAY:
            return False
        return super().check_action(action, parameters)

    def on_resize(self) -> None:
        """Facts that do not fit are scrolled; the fields and buttons stay visible."""
        fields = sum(field.display for field in self.query(".field"))
        room = self.size.height - _FRAME - fields
        self.query_one("#facts-pane").styles.max_height = max(_MIN_FACTS, room)

    # Actions of the operator

    def action_close(self) -> None:
        """Leave without a command."""
        if self._plan is not None:
            self._worker.discard(self._plan)
        if self._editable is not None and self.is_current:
            self.notify("The edit is dropped: nothing is replayed.", markup=False)
        self._leave(None)

    def action_confirm(self) -> None:
        """Return the plan, once it is shown and the number is typed where one is asked for."""
        plan = self._plan
        if plan is None or self._options() != self._planned:
            self._is_confirmed_early = self.query_one("#confirm").visible
            return
        field = self.query_one("#number", Input)
        if self._must_type(plan) and field.value != str(plan.preview.count):
            self._show_problem_line(f"Type {plan.preview.count} to confirm.")
            self.set_focus(field)
            return
        reason = self.query_one("#reason", Input).value.strip()
        self._leave(replace(plan, request=replace(plan.request, reason=reason)))

    def action_copy(self) -> None:
        """Copy the command line to the clipboard."""
        line, why_none = self._command_line()
        if why_none:
            self.notify(f"Nothing to copy: {why_none.removeprefix('none: ')}.", markup=False)
        if line:
            self.app.copy_to_clipboard(line)  # pyright: ignore[reportUnknownMemberType]
            self._show_command_line(aside="copied")

    def action_turn(self, name: str) -> None:
        """Turn an option on or off."""
        self.query_one(f"#{name}", Toggle).action_turn()

    def action_edits(self) -> None:
        """Type edits by name."""
        self.query_one("#edits").focus()

    def action_edit(self) -> None:
        """Edit the parameters in an editor."""
        self.app.run_worker(self._edit(), name="edit", group="edit", exclusive=True)  # pyright: ignore[reportUnknownMemberType]

    def on_key(self, event: Key) -> None:
        """A digit goes into the number field, unless another field has the focus."""
        digit = event.character or ""
        if not digit.isdecimal():
            return
        event.stop()
        if self._plan is None:
            self._early_digits += digit
        elif self.query_one("#number-field").display:
            self._type_number(digit)

    def on_mouse_down(self) -> None:
        """A click is no Enter."""
        self._is_number_early = False

    def _type_number(self, digits: str) -> None:
        field = self.query_one("#number", Input)
        field.value += digits
        field.cursor_position = len(field.value)
        self.set_focus(field)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A button does the same as its key."""
        event.stop()
        is_early = self._is_number_early or (self._plan is None and bool(self._early_digits))
        if event.button.id == "confirm" or is_early:
            self._is_number_early = False
            self.action_confirm()
        else:
            self.action_close()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in the number field confirms; elsewhere it moves to the next field."""
        event.stop()
        if event.input.id == "number":
            self.action_confirm()
        else:
            self.focus_next()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Other edits need another plan."""
        if event.input.id == "edits":
            self._plan_soon()
        elif event.input.id == "reason":
            self._show_command_line()

    def on_toggle_changed(self) -> None:
        """So does a toggle."""
        self._plan_soon()

    # The plan

    def _plan_soon(self) -> None:
        self._discard_plan()
        if self._typing is not None:
            self._typing.stop()
        self._typing = self.set_timer(_TYPING_S, self._start_plan)

    def _discard_plan(self) -> None:
        """The preview on the screen is out of date, so it cannot be confirmed."""
        self._number += 1
        if self._plan is not None:
            self._worker.discard(self._plan)
            self._plan = None
        confirm = self.query_one("#confirm", Button)
        confirm.visible, confirm.disabled, confirm.label = True, True, _PLANNING

    def _start_plan(self) -> None:
        work = self._make_plan(self._number, self._options())
        self.app.run_worker(work, name="plan")  # pyright: ignore[reportUnknownMemberType]

    def _options(self) -> CommandOptions:
        if self._draft.action != Action.REPLAY:
            return CommandOptions()
        edits = self.query_one("#edits", Input).value.strip()
        return CommandOptions(
            settings=tuple(_BETWEEN_SETTINGS.split(edits)) if edits else (),
            edited=(self._editable, self._text) if self._editable else None,
            canary=self.query_one("#canary", Toggle).value,
            force=self.query_one("#force", Toggle).value,
        )

    async def _make_plan(self, number: int, options: CommandOptions) -> None:
        try:
            plan, samples = await self._worker.plan(self._draft, options)
        except (TitanError, OSError) as error:
            if number == self._number:
                self._show_problem(str(error))
            return
        if number != self._number:
            self._worker.discard(plan)
            return
        self._plan, self._samples, self._planned = plan, samples, options
        self._show(plan)
        self._replay_early_keys()

    def _replay_early_keys(self) -> None:
        """Keys that were typed before the preview was drawn count now."""
        digits, self._early_digits = self._early_digits, ""
        if digits and self.query_one("#number-field").display:
            self._type_number(digits)
            self._is_number_early = True
        if self._is_confirmed_early:
            self._is_confirmed_early = False
            self.action_confirm()

    async def _edit(self) -> None:
        """Ask for the parameters, then plan; without a change, the first edit ends the dialog."""
        from titan_console.tui.pages import editor  # noqa: PLC0415 - only for an edit

        is_first = self._editable is None
        try:
            if self._editable is None:
                editable = await self._worker.editable(self._draft)
                if not self.is_current:
                    return
                text = harmless_json(_editor_text(editable))
            else:
                editable, text = self._editable, self._text
            edited = await editor.edit(cast("App[None]", self.app), text)  # pyright: ignore[reportUnknownMemberType]
        except (TitanError, OSError, editor.EditorFailed) as error:
            self._show_problem(str(error))
            return
        if edited is None or _is_untouched(editable, edited):
            if is_first:
                self.notify("The parameters were not changed: nothing is replayed.", markup=False)
                self._leave(None)
            return
        self._editable, self._text = editable, edited
        self._discard_plan()
        self._start_plan()

    def _leave(self, answer: "Plan | None") -> None:
        self._number += 1
        self.dismiss(answer)

    # Drawing

    def _show(self, plan: "Plan") -> None:
        preview = plan.preview
        facts = [
            *preview_text.facts(preview, self._draft.target.label, self._clock.now()),
            *edit_text.facts(self._samples, preview.count),
        ]
        self._title(f" {phrase(preview.action, preview.count)} ")
        self.query_one("#facts").display = self.query_one("#command-line").display = True
        self.query_one("#facts", Static).update(self._table(facts))
        self._show_problem_line("")
        self._show_command_line()
        confirm = self.query_one("#confirm", Button)
        why = self._must_type(plan)
        # "Cancel" alone would read as "do not".
        label = "Cancel batch" if preview.action == Action.CANCEL else LABELS[preview.action]
        confirm.disabled, confirm.label = False, label if why else f"{label}  y"
        confirm.variant = "warning"
        self.query_one("#number-field").display = bool(why)
        hint = f"type {preview.count}, the number of {noun(preview.action, 2)} ({why})"
        self.query_one("#number", Input).placeholder = hint if why else ""
        self.on_resize()

    def _show_problem(self, reason: str) -> None:
        self._early_digits, self._is_confirmed_early = "", False
        shown = ledger_messages.in_details(reason)
        hint = "" if "(e)" in shown else self._edit_hint()
        self._show_problem_line(f"{shown}{hint}")
        self.query_one("#facts").display = self.query_one("#command-line").display = False
        self.query_one("#confirm", Button).visible = False

    def _edit_hint(self) -> str:
        """How the edit that cannot be planned is corrected; empty without one."""
        if self._draft.action != Action.REPLAY:
            return ""
        if self.query_one("#edits", Input).value.strip():
            return " Press e to correct it."
        return " Press E to correct it." if self._editable else ""

    def _title(self, text: str) -> None:
        self.query_one("#preview", Vertical).border_title = text

    def _show_problem_line(self, problem: str) -> None:
        line = self.query_one("#problem", Static)
        line.update(clean(problem))
        line.display = bool(problem)

    def _show_command_line(self, aside: str = "l copies it") -> None:
        line, why_none = self._command_line()
        from core.commands.command_request import shortened  # noqa: PLC0415 - the plan has loaded it

        text = f"{shortened(line)}  ({aside})" if line else why_none
        facts = [preview_text.Fact("command", text, Tone.DIM)]
        self.query_one("#command-line", Static).update(self._table(facts) if text else "")

    def _command_line(self) -> tuple[str, str]:
        """The command line that does the same, and why there is none; both empty without a plan."""
        if self._plan is None:
            return "", ""
        from core.commands.command_request import with_option  # noqa: PLC0415 - the plan has loaded it

        reason = clean(self.query_one("#reason", Input).value.strip())
        line, why_none = preview_text.command_line(self._plan.preview)
        return with_option(line, "--reason", reason), why_none

    def _must_type(self, plan: "Plan") -> str:
        return preview_text.must_type(plan.preview)

    def _table(self, facts: list[preview_text.Fact]) -> Table:
        styles = tones_of(self)
        table = Table.grid(padding=(0, 1))
        table.add_column(width=_LABEL_WIDTH, style=styles[Tone.DIM])
        table.add_column(ratio=1)
        for fact in facts:
            table.add_row(Text(fact.label), Text(clean(fact.text), styles[fact.tone]))
        return table


def _editor_text(editable: "EditableParams") -> str:
    from core.commands import params_edit  # noqa: PLC0415 - the worker has loaded it

    return params_edit.to_text(editable)


def _is_untouched(editable: "EditableParams", text: str) -> bool:
    from core.commands import params_edit  # noqa: PLC0415 - the worker has loaded it

    return params_edit.is_untouched(editable, text)
