"""Messages of the ledger, as lists and details of the console show them."""

import time
from collections.abc import Generator
from datetime import UTC, datetime

import pytest

from titan_console.text import ledger_messages

NOW = datetime(2026, 5, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def _in_new_york(  # pyright: ignore[reportUnusedFunction]
    monkeypatch: pytest.MonkeyPatch,
) -> Generator[None]:
    if not hasattr(time, "tzset"):
        pytest.skip("local times cannot be set here")
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("on hold until 2026-05-02T12:27:00.000Z: 429", "on hold for 27m: 429"),
        ("paused since 2026-05-02T09:00:00.000Z by ops", "paused for 3h 00m by ops"),
        ("next try at 2026-05-02T12:00:40.000Z.", "next try in 40s."),
        ("seen 2026-05-02T11:59:00Z", "seen 1m ago"),
        ("28 items, not before 2026-05-02T12:00:08.000Z", "28 items, due in 8s"),
        ("28 items, not before 2026-05-02T11:59:00.000Z", "28 items, due 1m ago"),
        ("a poll after 2026-05-02T12:08:00.000Z decides", "a poll in 8m decides"),
        ("until 2026-05-01T12:00:00.000Z", "until 1d 00h ago"),
        ("x is due at 2026-04-25T12:00:00.000Z.", "x was due 7d 00h ago."),
        ("x is due at 2026-05-02T13:00:00.000Z.", "x is due in 1h 00m."),
        ("no time in here", "no time in here"),
        ("2026-13-40T99:00:00.000Z", "2026-13-40T99:00:00.000Z"),
    ],
)
def test_in_lists_times_are_relative(text: str, shown: str) -> None:
    assert ledger_messages.in_list(text, NOW) == shown


@pytest.mark.usefixtures("_in_new_york")
def test_in_details_they_are_local_with_the_zone() -> None:
    said = ledger_messages.in_details("on hold until 2026-05-02T12:27:00.000Z: 429")
    assert said == "on hold until Sat 02 May 2026, 08:27:00 -0400: 429"
    for far in ("0001-01-01T00:00:00.000Z", "9999-99-99T00:00:00.000Z"):
        assert ledger_messages.in_details(far) == far


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("6 errored; see `titan-console errors`.", "6 errored; see Errors (3)."),
        (
            "Fix the cause (`titan-console errors`), then run `titan-console replay --workflow a`.",
            "Fix the cause (Errors, key 3), then replay them (R).",
        ),
        ("Replay them (`titan-console replay tb_1`).", "Replay them (R)."),
        ("lost; to do that now: `titan-console cancel tb_1`.", "lost; C does that now."),
        ("paused; to continue: titan-console resume a-b", "paused; resume it with P"),
        (
            "1 request needs an edit (--set). To replay it unchanged, pass --force.",
            "1 request needs an edit (e). To replay it unchanged, press f.",
        ),
        (
            "To replay it, edit it (--set) and pass --force.",
            "To replay it, edit it (e) and turn on force (f).",
        ),
        ("Pass the body with --edits.", "To add the body, press E."),
        (
            "Unknown parameter 'modell' (similar: model). Pass any other parameter with --edits.",
            "Unknown parameter 'modell' (similar: model). E edits all parameters.",
        ),
        (
            "adopted without its body; pass the whole request with --edits.",
            "adopted without its body; to add the whole request, press E.",
        ),
        ("run `titan-console orphans`", "run `titan-console orphans`"),
        ("`titan-console jobs check` -- lists them", "`titan-console jobs check` -- lists them"),
    ],
)
def test_command_lines_that_have_a_key_here_are_named_by_it(text: str, shown: str) -> None:
    assert ledger_messages.in_list(text, NOW) == shown
    assert ledger_messages.in_details(text) == shown
