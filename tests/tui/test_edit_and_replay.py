"""`E`: the parameters of failed requests in an editor, the difference shown, then a replay."""

import stat
import sys
from collections.abc import Generator
from contextlib import nullcontext
from pathlib import Path

import msgspec
import pytest
from support.builders import Bench, a_bench
from support.console.command_pilot import SMALL, console, failed, given
from support.console.console_pilot import lines, shown, until, until_shown
from textual.pilot import Pilot
from textual.widgets import TextArea

from core.commands import params_edit
from core.commands.params_edit import EditableParams
from core.errors import PayloadError
from titan_console.sandbox.model.timing import Plan
from titan_console.text.safe_text import harmless_json
from titan_console.tui.pages.editor import EditorFailed, TextEditor, edit_outside
from titan_console.tui.pages.preview_dialog import PreviewDialog


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Bench, None, None]:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        yield bench


async def edited(pilot: Pilot[None], before: str, after: str) -> None:
    """Put other words into the open editor, and save."""
    await until(pilot, lambda: isinstance(pilot.app.screen, TextEditor))
    await until(pilot, lambda: bool(pilot.app.screen.query(TextArea)))
    area = pilot.app.screen.query_one(TextArea)
    assert before in area.text
    area.load_text(area.text.replace(before, after))
    await pilot.press("ctrl+s")


def bodies(bench: Bench) -> list[dict[str, object]]:
    """The parameters that the command sends."""
    (edit,) = bench.folder.spool.glob("edit_*")
    return [msgspec.json.decode(line)["params"] for line in edit.read_bytes().splitlines()]


async def test_a_failed_request_is_edited_and_replayed_with_five_keys(bench: Bench) -> None:
    failed(bench, 1, "row:invalid:p=1")
    async with console(bench, SMALL) as pilot:
        await pilot.press("3")
        await until_shown(pilot, "invalid_request_error")
        await pilot.press("enter")
        await until_shown(pilot, "✗ errored")
        await pilot.press("E")
        await edited(pilot, '"max_tokens": ', '"max_tokens": 9')
        await until_shown(pilot, "max_tokens: ")
        await until_shown(pilot, "Replay 1 request ")
        await pilot.press("y")
        await until_shown(pilot, "Replay 1 request in 8s")
    (command,) = given(bench)
    assert command.item_count == 1
    (sent,) = bodies(bench)
    assert str(sent["max_tokens"]).startswith("9")


async def test_one_edit_changes_a_whole_group_and_is_shown_on_three_samples(bench: Bench) -> None:
    failed(bench, 5, "row:invalid:p=1")
    async with console(bench) as pilot:
        await pilot.press("3")
        await until_shown(pilot, "invalid_request_error")
        await pilot.press("E")
        await until(pilot, lambda: isinstance(pilot.app.screen, TextEditor))
        text = pilot.app.screen.query_one(TextArea).text
        assert "and kept unless you set it here: messages." in text
        assert '"messages"' not in text
        await edited(pilot, '"max_tokens": ', '"system": "Be brief.", "max_tokens": ')
        await until_shown(pilot, "Replay 5 requests")
        await until_shown(pilot, 'system: "Be brief." (added)')
        assert sum('system: "Be brief." (added)' in line for line in shown(pilot).split("\n")) == 3
        await until_shown(pilot, "--set=system=Be brief.")
        await pilot.press("y")
        await until_shown(pilot, "Replay 5 requests in 8s")
    sent = bodies(bench)
    assert [one["system"] for one in sent] == ["Be brief."] * 5
    assert len({str(one["messages"]) for one in sent}) == 5


async def test_what_is_no_valid_request_is_explained_and_edited_again(bench: Bench) -> None:
    failed(bench, 1, "row:invalid:p=1")
    async with console(bench, SMALL) as pilot:
        await pilot.press("3")
        await until_shown(pilot, "invalid_request_error")
        await pilot.press("E")
        await edited(pilot, '"max_tokens": ', '"max_tokens": x')
        await until_shown(pilot, "Invalid parameters: line ")
        await pilot.press("y")
        assert given(bench) == []
        await pilot.press("E")
        await edited(pilot, '"max_tokens": x', '"max_tokns": ')
        await until_shown(pilot, "Unknown parameter 'max_tokns' (similar: max_tokens")
        await pilot.press("E")
        # The letters of commands are text in the editor.
        await until(pilot, lambda: bool(pilot.app.screen.query(TextArea)))
        await pilot.press(*"RCFXPE")
        area = pilot.app.screen.query_one(TextArea)
        assert area.text.startswith("RCFXPE")
        area.load_text(area.text.removeprefix("RCFXPE"))
        await edited(pilot, '"max_tokns": ', '"max_tokens": -')
        await until_shown(pilot, "max_tokens")
        await pilot.press("y")
        assert given(bench) == []
        await pilot.press("E")
        await edited(pilot, '"max_tokens": -', '"max_tokens": 7')
        await until_shown(pilot, "Replay 1 request ")
        await pilot.press("y")
        await until_shown(pilot, "in 8s")
    assert len(given(bench)) == 1


@pytest.mark.parametrize("leaves", ["escape", "ctrl+s"])
async def test_an_editor_left_without_a_change_replays_nothing(bench: Bench, leaves: str) -> None:
    failed(bench, 1, "row:invalid:p=1")
    async with console(bench, SMALL) as pilot:
        await pilot.press("3")
        await until_shown(pilot, "invalid_request_error")
        await pilot.press("E")
        await until(pilot, lambda: isinstance(pilot.app.screen, TextEditor))
        await pilot.press(leaves)
        await until(pilot, lambda: not isinstance(pilot.app.screen, TextEditor | PreviewDialog))
        told = [one.message for one in pilot.app._notifications]
        assert told == ["The parameters were not changed: nothing is replayed."]
    assert given(bench) == []


@pytest.mark.parametrize("leaves", ["escape", "enter"])
async def test_a_preview_left_after_an_edit_says_that_nothing_is_replayed(
    bench: Bench, leaves: str
) -> None:
    failed(bench, 1, "row:invalid:p=1")
    async with console(bench, SMALL) as pilot:
        await pilot.press("3")
        await until_shown(pilot, "invalid_request_error")
        await pilot.press("E")
        await edited(pilot, '"max_tokens": ', '"max_tokens": 9')
        await until_shown(pilot, "Replay 1 request ")
        await pilot.press(leaves)
        await until(pilot, lambda: not isinstance(pilot.app.screen, TextEditor | PreviewDialog))
        told = [one.message for one in pilot.app._notifications]
        assert told == ["The edit is dropped: nothing is replayed."]
    assert given(bench) == []


async def test_a_row_without_a_failed_request_has_nothing_to_edit(bench: Bench) -> None:
    async with console(bench, SMALL) as pilot:
        await pilot.press("3")
        await pilot.press("E")
        await until_shown(pilot, "Edit: select ")


def in_python(code: str) -> list[str]:
    return [sys.executable, "-c", f"import os, sys, pathlib; path = sys.argv[1]; {code}"]


def test_the_file_of_an_editor_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    code = (
        "pathlib.Path(path + '~').write_text('a copy');"
        "modes = [oct(os.stat(p).st_mode) for p in (path, os.path.dirname(path))];"
        f"pathlib.Path({str(seen)!r}).write_text('\\n'.join([path, *modes]));"
        "open(path, 'a').write(' edited')"
    )
    assert edit_outside(nullcontext, in_python(code), "text") == "text edited"
    path, file_mode, folder_mode = seen.read_text().splitlines()
    assert not Path(path).parent.exists()
    if sys.platform != "win32":
        assert (stat.S_IMODE(int(file_mode, 8)), stat.S_IMODE(int(folder_mode, 8))) == (
            0o600,
            0o700,
        )


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("sys.exit(3)", "exit code 3"),
        ("os.kill(os.getpid(), 9)", "signal 9"),
        ("os.unlink(path)", "No such file"),
        ("open(path, 'wb').write(b'\\xff\\xfe\\x00')", "not UTF-8"),
    ],
)
def test_an_editor_that_fails_changes_nothing(code: str, said: str) -> None:
    with pytest.raises(EditorFailed, match=said):
        edit_outside(nullcontext, in_python(code), "text")
    with pytest.raises(EditorFailed, match="no-such-editor"):
        edit_outside(nullcontext, ["no-such-editor"], "text")


# An editor takes settings from lines near both ends of a file, and obeys control characters.
HOSTILE = EditableParams(
    {"system": "\x1b]52;c;x\x07 vim: set makeprg=evil: \u202e \x9b31m", "max_tokens": 1},
    (),
    2,
)


def test_no_request_can_set_the_editor_or_the_terminal() -> None:
    text = harmless_json(params_edit.to_text(HOSTILE))
    lines = text.splitlines()
    assert all(line.startswith("#") for line in (*lines[:5], *lines[-5:]))
    assert not any("vim:" in line for line in (*lines[:5], *lines[-5:]))
    assert "#" not in lines
    assert all(character.isprintable() for line in lines for character in line)
    assert params_edit.changes_in(HOSTILE, text) == {}
    assert params_edit.is_untouched(HOSTILE, text)


def test_the_text_names_the_parameters_that_differ() -> None:
    differs, equal, one = (
        params_edit.to_text(EditableParams({"max_tokens": 1}, names, count)).splitlines()[3]
        for names, count in ((("messages", "system"), 3), ((), 3), ((), 1))
    )
    assert differs == (
        "# Different in each request, and kept unless you set it here: messages, system."
    )
    assert equal == "# These are equal in all of these requests."
    assert one == "# These are all of its parameters."


async def test_the_editor_moves_by_lines_counts_them_and_wraps_them_on_request(
    bench: Bench,
) -> None:
    failed(bench, 1, "row:invalid:p=1")
    async with console(bench, SMALL) as pilot:
        pilot.app.push_screen(TextEditor("a " * 200 + "\nsecond\nthird"))
        await until_shown(pilot, "1 of 3, column 1 ")
        area = pilot.app.screen.query_one(TextArea)
        await pilot.press("down")
        await until_shown(pilot, "line 2 of 3, column 1 ")
        assert area.cursor_location == (1, 0)
        await pilot.press("end", "down", "up", "up")
        assert area.cursor_location[0] == 0
        await pilot.press("f2")
        await until(pilot, lambda: area.soft_wrap)
        assert sum("a a a" in line for line in lines(pilot)) > 3


@pytest.mark.parametrize(("count", "source"), [(100, "."), (101, ", read from the first 100.")])
def test_the_text_says_from_how_many_requests_it_was_read(count: int, source: str) -> None:
    first, *_ = params_edit.to_text(EditableParams({}, (), count, "a")).splitlines()
    assert first == f"# Parameters of {count} requests, as JSON{source}"


@pytest.mark.parametrize(
    ("custom_id", "named"), [("news-1", "news-1"), ("vim: set modeline:", "1 request")]
)
def test_the_text_names_its_one_request(custom_id: str, named: str) -> None:
    first, *_ = params_edit.to_text(EditableParams({}, (), 1, custom_id)).splitlines()
    assert first == f"# Parameters of {named}, as JSON."


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ('{"max_tokens": 1, "stream": 1}', {"stream": 1}),
        ('{"max_tokens": 1.0, "stream": true}', {"max_tokens": 1.0}),
        ('# a comment\n{"max_tokens": 1}\n#', {"stream": None}),
        ("{}", {"max_tokens": None, "stream": None}),
    ],
)
def test_only_what_was_changed_travels(text: str, changes: dict[str, object]) -> None:
    editable = EditableParams({"max_tokens": 1, "stream": True}, (), 1)
    found = params_edit.changes_in(editable, text)
    assert msgspec.json.encode(found) == msgspec.json.encode(changes)


@pytest.mark.parametrize(
    "text",
    [
        *("nonsense", "[1]", '{"max_tokens": NaN}', '{"max_tokens": 1, "max_tokens": 2}'),
        *('{"a":' * 100_000, '{"max_tokens": 1} {}', '{"max_tokens": ' + "9" * 5000 + "}"),
    ],
)
def test_nonsense_from_an_editor_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(PayloadError) as refused:
        params_edit.changes_in(EditableParams({"max_tokens": 1}, (), 1), text)
    assert refused.value.code == "invalid_edit"
    assert "\n" not in str(refused.value)
