from pathlib import Path

from support.console.console_builders import Failure, LedgerBuilder
from support.processes.terminal import Terminal


def test_errors_come_in_groups_for_people_and_for_programs(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    limits = [Failure("rate_limit_error", f"limit of {n} reached") for n in (5, 6)]
    made.collected("feed-1", 4, [*limits, Failure("invalid_request_error", "no\x1b[31m model")])
    cut = made.accept(made.submit("feed-2", 2))
    made.collect(cut, stop_reason="refusal")
    made.close()
    terminal = Terminal(tmp_path)

    limited, invalid, refused = terminal.run("errors", "--groups", "--json").lines()
    assert limited == {
        "workflow": "feed",
        "review": None,
        "outcome": "errored",
        "error_type": "rate_limit_error",
        "fingerprint": "limit of # reached",
        "count": 2,
        "next": "replay",
        "tags": ["feed-1"],
        "first_ts": "2026-05-02T12:00:00.000Z",
        "last_ts": "2026-05-02T12:00:00.000Z",
        "sample": limited["sample"],
    }
    assert limited["sample"] in ("limit of 5 reached", "limit of 6 reached")
    assert (invalid["error_type"], invalid["next"]) == ("invalid_request_error", "edit")
    assert (refused["review"], refused["error_type"], refused["next"]) == ("refusal", None, "look")

    shown = terminal.run("errors", "--groups")
    assert "rate_limit_error" in shown.out
    assert "\x1b" not in shown.out


def test_no_errors_make_no_groups(tmp_path: Path) -> None:
    LedgerBuilder(tmp_path).close()
    assert Terminal(tmp_path).run("errors", "--groups").out == "No errors.\n"
    assert Terminal(tmp_path).run("errors", "--groups", "--json").out == ""


def test_answers_to_review_are_not_listed_under_no_errors(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.collect(made.accept(made.submit("cut", 1)), stop_reason="refusal")
    made.close()
    shown = Terminal(tmp_path).run("errors").out.splitlines()
    assert shown[0].startswith("NEEDS REVIEW")
    assert len(shown) == 2
