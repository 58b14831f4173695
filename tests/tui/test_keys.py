import json
from pathlib import Path

import pytest
from support.console.console_builders import Failure, LedgerBuilder
from support.console.console_pilot import app_of, lines, opened, shown, until, until_shown
from support.processes.terminal import Terminal
from textual.widgets import Input

from core.config.titan_tables import ConsoleSettings, parse
from titan_console.text.command_labels import KEYS
from titan_console.tui import keymap
from titan_console.tui.app import TitanApp
from titan_console.tui.keymap import KeyBinding, check
from titan_console.tui.pages import key_help
from titan_console.tui.pages.dialog import Menu
from titan_console.tui.pages.key_help import HelpScreen
from titan_console.tui.pages.page import Page
from titan_console.tui.widgets.record_table import RecordTable
from titan_console.tui.widgets.text_view import TextView

BINDINGS = [
    KeyBinding("tool.copy", ("y",), "Copy", TitanApp),
    KeyBinding("tool.export", ("e",), "Export", TitanApp),
    KeyBinding("list.select", ("space",), "Select", RecordTable),
    KeyBinding("text.down", ("j", "down"), "Down", TextView),
    KeyBinding("menu.back", ("escape",), "Back", Menu),
    KeyBinding("page.totals", ("ctrl+e",), "Toggle totals", Page),
]


@pytest.mark.parametrize(
    ("name", "key", "why"),
    [
        ("tool.copi", "c", "did you mean tool.copy?"),
        ("tool.copy", "e", "e is the key of tool.export (Export)."),
        ("tool.copy", "space", "space is the key of list.select (Select)."),
        ("tool.copy", "ctrl+", "'ctrl+' is not a key."),
        ("tool.copy", "c,,d", "'' is not a key."),
    ],
)
def test_a_key_that_cannot_be_remapped_is_ignored_and_reported(
    name: str, key: str, why: str
) -> None:
    made = check({name: key, "page.totals": "ctrl+f"}, BINDINGS)
    assert made.keys == {"page.totals": "ctrl+f"}
    (problem,) = made.problems
    assert problem.startswith(f"titan.toml: console.keys.{name}: ")
    assert why in problem


def test_a_former_id_still_names_its_binding() -> None:
    assert check({"list.mark": "m", "page.figures": "F"}, BINDINGS) == keymap.Keymap(
        {"list.select": "m", "page.totals": "F"}
    )
    assert set(keymap.RENAMED.values()) <= {one.name for one in keymap.key_bindings()}


def test_keys_may_change_places_and_be_those_of_what_is_elsewhere() -> None:
    swapped = {"tool.copy": "e", "tool.export": "y", "text.down": "space", "menu.back": "q"}
    made = check(swapped, BINDINGS)
    assert made.problems == ()
    assert made.keys == swapped
    assert keymap.keys_of(BINDINGS[3], made) == ("space",)
    assert check({"tool.copy": "?, c"}, BINDINGS).keys == {"tool.copy": "question_mark,c"}


def test_the_consoles_own_keys_do_not_clash() -> None:
    bindings = keymap.key_bindings()
    assert len({one.name for one in bindings}) > 60
    for one in bindings:
        assert check({one.name: ",".join(one.keys)}, bindings).problems == (), one


def test_mistakes_in_a_table_are_reported_and_the_rest_is_valid() -> None:
    text = '[console]\ntheme = "pink"\nmouse = false\nmous = 1\nkeys = {"tool.copy" = 3}\n'
    titan_toml = parse(text)
    found = titan_toml.console
    assert (found.theme, found.mouse, dict(found.keys)) == (None, False, {})
    assert len(titan_toml.console_problems) == 3
    assert parse("no toml [").console == ConsoleSettings()


async def test_the_name_and_the_accent_of_a_ledger_are_on_each_screen(tmp_path: Path) -> None:
    toml = '[console]\nname = "production [b]"\naccent = "red"\n'
    (tmp_path / "titan.toml").write_text(toml)
    made = LedgerBuilder(tmp_path)
    made.submit("one")
    async with opened(made) as pilot:
        for key in "12345678":
            await pilot.press(key)
            assert lines(pilot)[0].startswith(" TITAN   production [b]   ")
            assert "titan.db" not in lines(pilot)[0]
        assert pilot.app.current_theme.accent == "#ef6f64"
        await pilot.press("t")
        assert pilot.app.current_theme.accent == "#b0352b"


async def test_another_key_does_it_and_the_help_says_so(tmp_path: Path) -> None:
    toml = '[console]\ntheme = "light"\n[console.keys]\n"app.freeze" = "u"\n"no.such" = "x"\n'
    (tmp_path / "titan.toml").write_text(toml)
    made = LedgerBuilder(tmp_path)
    made.submit("one")
    async with opened(made) as pilot:
        assert pilot.app.theme == "titan-light"
        notices = pilot.app._notifications
        await until(pilot, lambda: any("no.such" in told.message for told in notices))
        await pilot.press("p")
        assert "FROZEN" not in shown(pilot)
        await pilot.press("u")
        await until_shown(pilot, "‖ FROZEN")
        await pilot.press("question_mark", *"freeze")
        await until_shown(pilot, "u                Freeze view")


async def test_the_help_shows_what_the_keys_do_here_and_is_searched_by_typing(
    tmp_path: Path,
) -> None:
    made = LedgerBuilder(tmp_path)
    made.submit("one")
    async with opened(made, (120, 60)) as pilot:
        await pilot.press("question_mark")
        await until_shown(pilot, "Select range")
        assert "F                Sync" in shown(pilot)
        assert "unconfirmed" in shown(pilot)
        await pilot.press(*"copy")
        await until(pilot, lambda: "Select range" not in shown(pilot))
        assert "y                Copy" in shown(pilot)
        await pilot.press(*"[/x]")
        await until_shown(pilot, "No matching key.")
        await pilot.press("escape")
        assert not isinstance(pilot.app.screen, HelpScreen)


async def test_the_key_of_the_help_also_closes_it_until_something_is_typed(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.submit("one")
    async with opened(made, (120, 60)) as pilot:
        await pilot.press("question_mark")
        await until_shown(pilot, "Select range")
        await pilot.press("question_mark")
        await until(pilot, lambda: not isinstance(pilot.app.screen, HelpScreen))
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
        await pilot.press("m", "question_mark")
        await until(pilot, lambda: pilot.app.screen.query_one(Input).value == "m?")


async def test_read_only_the_help_knows_no_orders(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.submit("one")
    app = TitanApp(tmp_path, made.clock, read_only=True)
    async with app.run_test(size=(120, 60)) as pilot:
        await pilot.press("question_mark")
        await until_shown(pilot, "Select range")
        assert "F                Sync" not in shown(pilot)
        page = app.page()
        assert page is not None
        await pilot.press("escape")
        assert not [one for one in key_help.actions_of(page) if one.name.startswith("command.")]
    made.close()


async def test_the_help_lists_only_keys_that_can_ever_apply(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.collect(made.accept(made.submit("feed")), [Failure()])
    (tmp_path / "titan.toml").write_text('[never_batch]\nalerting = "too slow"\n')

    def listed(of: str) -> set[str]:
        page = app_of(pilot).page()
        assert page is not None
        names = {one.name for one in key_help.actions_of(page)}
        return {name.split(".")[1] for name in names if name.startswith(f"{of}.")}

    always, every = {"poll", "withdraw"}, {*KEYS, "edit", "poll", "withdraw"}
    of_lists = {"go_to", "palette", "screenshot", "copy", "export", "columns"}
    async with opened(made) as pilot:
        await until_shown(pilot, "Ended 1")
        assert listed("command") == every
        assert listed("tool") >= of_lists | {"saved_filters", "compare"}
        await pilot.press("3")
        await until_shown(pilot, "1 group")
        # A request that has ended cannot be canceled.
        assert listed("command") == every - {"cancel"}
        assert "C Cancel" not in shown(pilot)
        assert "compare" not in listed("tool")
        for digit, has_filter in (("4", False), ("5", False), ("7", True), ("8", False)):
            await pilot.press(digit)
            await until(pilot, lambda: "1 group" not in shown(pilot))
            assert listed("command") == always
            assert listed("tool") == of_lists | ({"saved_filters"} if has_filter else set())
        await pilot.press("6")
        await until(pilot, lambda: bool(pilot.app.screen.query("#jobs")))
        assert listed("command") == every
        await pilot.press("n")
        await until_shown(pilot, "too slow")
        assert listed("command") == always
        assert listed("tool") == of_lists
        # The key explains itself where it does not apply.
        await pilot.press("C")
        await until_shown(pilot, "Cancel: ")


def test_the_keys_are_listed_for_people_and_programs(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    rows = {row["id"]: row for row in terminal.run("keys", "--json").lines()}
    assert rows["tool.copy"] == {
        "id": "tool.copy",
        "keys": ["y"],
        "default_keys": ["y"],
        "does": "Copy",
        "where": ["TitanApp"],
    }
    (tmp_path / "titan.toml").write_text('[console.keys]\n"tool.copy" = "u"\n"tool.cop" = "x"\n')
    listed = terminal.run("keys", "--json")
    assert listed.code == 1
    assert "did you mean tool.copy?" in listed.err
    assert {row["id"]: row for row in listed.lines()}["tool.copy"]["keys"] == ["u"]
    assert "tool.copy" in terminal.run("keys").out
    doctor = json.loads(terminal.run("doctor", "--json").out.splitlines()[0])
    assert doctor
    assert "did you mean tool.copy?" in terminal.run("doctor").out
