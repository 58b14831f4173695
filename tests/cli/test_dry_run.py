"""`titan-console submit --dry-run` as it is typed."""

import json
from pathlib import Path

from support.builders import some_requests
from support.processes.terminal import Terminal

LINES = "".join(json.dumps(request) + "\n" for request in some_requests(3))


def test_a_dry_run_shows_the_plan_and_leaves_nothing_behind(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home", api_key=None)
    shown = terminal.run("submit", "-", "--tag", "t", "--dry-run", stdin=LINES)
    assert shown.code == 0, shown.err
    assert "claude-sonnet-4-6: 3 requests, at most $0.00" in shown.out
    assert "Nothing was sent." in shown.out
    assert not (tmp_path / "home").exists()


def test_a_dry_run_over_budget_ends_with_2_and_the_numbers(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "titan.toml").write_text("[budgets]\nday_usd = 0.0001\n", "utf-8")
    terminal = Terminal(tmp_path / "home", api_key=None)
    for extra in (["--dry-run"], []):
        done = terminal.run("submit", "-", "--tag", "t", *extra, stdin=LINES)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
        assert "the limit is $0.0001. These requests are not sent." in done.err
