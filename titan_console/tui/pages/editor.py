"""Edits a text in the operator's editor, while the console is suspended, or in one of its own."""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult, SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Label, TextArea

from core.config import settings
from titan_console.tui.pages.dialog import Dialog

if TYPE_CHECKING:
    from textual.app import App

_LARGEST = 64 << 20
_KEYS = "ctrl+s saves · esc leaves without a change · f2 wraps long lines"


class EditorFailed(Exception):
    """The editor could not be started, ended with an error, or left no text."""


async def edit(app: "App[None]", text: str) -> str | None:
    """The edited text; None where the operator gave up. Raises EditorFailed."""
    program = settings.editor()
    if program and app._driver is not None and app._driver.can_suspend:  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        try:
            return edit_outside(app.suspend, program, text)
        except SuspendNotSupported:
            pass
    return await app.push_screen_wait(TextEditor(text))


def edit_outside(
    suspend: Callable[[], AbstractContextManager[None]], program: Sequence[str], text: str
) -> str:
    """The text as that program leaves it. Raises EditorFailed.

    The file has a folder of its own, so that copies that an editor leaves go with it.
    """
    folder = Path(tempfile.mkdtemp(prefix="titan-"))
    try:
        path = folder / "params.json"
        path.touch(mode=0o600)
        path.write_bytes(text.encode("utf-8", "replace"))
        with suspend():
            code = run_program(program, path)
        if code:
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise EditorFailed(f"{program[0]} ended with {how}: nothing is changed.")
        return _text_of(path)
    except OSError as error:
        raise EditorFailed(f"{program[0]}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _text_of(path: Path) -> str:
    if path.stat().st_size > _LARGEST:
        raise EditorFailed("The edited file is too large.")
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise EditorFailed("The edited file is not UTF-8: nothing is changed.") from None


def run_program(program: Sequence[str], path: Path) -> int:
    """Run the program on the file until it ends; its exit code, negative for a signal.

    Raises OSError where it cannot be started.
    """
    with _interrupts_are_the_programs():
        return subprocess.run([*program, str(path)], check=False).returncode  # noqa: S603 - the operator's own program


@contextmanager
def _interrupts_are_the_programs() -> Generator[None]:
    """Leave Ctrl-C to the pager; otherwise it would end the console."""
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        yield
    finally:
        with suppress(TypeError):
            signal.signal(signal.SIGINT, before)


class TextEditor(Dialog[str | None]):
    """The editor where VISUAL and EDITOR are not set, or the terminal cannot be suspended."""

    CSS = """
    TextEditor {
        align: center middle; background: $background 60%;
        #editor {
            width: 96%; height: 94%; background: $panel; border: round $accent 80%;
            border-title-color: $accent; border-subtitle-color: $secondary;
        }
        TextArea { height: 1fr; border: none; background: $background; }
        Label { color: $secondary; padding: 0 1; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", "Save", priority=True, id="editor.save"),
        Binding("f2", "wrap", "Wrap lines", priority=True, id="editor.wrap"),
        Binding("escape", "dismiss", "Back", priority=True, id="editor.close"),
    ]

    def __init__(self, text: str) -> None:
        """`text` is edited."""
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """The text above the keys."""
        with Vertical(id="editor") as box:
            box.border_title = " Parameters "
            yield TextArea(self._text, show_line_numbers=True, soft_wrap=False)
            yield Label(_KEYS, markup=False)

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one(TextArea).focus()
        self.on_text_area_selection_changed()

    def on_text_area_selection_changed(self) -> None:
        """Show where the cursor is."""
        area = self.query_one(TextArea)
        (row, column), number = area.cursor_location, area.document.line_count
        place = f" line {row + 1:,} of {number:,}, column {column + 1:,} "
        self.query_one("#editor").border_subtitle = place

    def action_wrap(self) -> None:
        """Wrap long lines, or no longer."""
        area = self.query_one(TextArea)
        area.soft_wrap = not area.soft_wrap

    def action_save(self) -> None:
        """Return the text."""
        self.dismiss(self.query_one(TextArea).text)
