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


def test_a_dry_run_of_what_is_submitted_names_the_submission_and_no_price(tmp_path: Path) -> None:
    home = tmp_path / "home"
    terminal = Terminal(home, api_key=None)
    key = terminal.run("submit", "-", "--tag", "t", stdin=LINES).out.strip()
    (home / "titan.toml").write_text("[budgets]\nday_usd = 0.0001\n", "utf-8")
    again = ("submit", "-", "--tag", "t", "--dry-run")
    shown = terminal.run(*again, stdin=LINES)
    assert shown.code == 0, shown.err
    assert key in shown.out
    assert "a submit would send nothing" in shown.out
    assert "$" not in shown.out
    (plan,) = terminal.run(*again, "--json", stdin=LINES).lines()
    assert (plan["repeated"], plan["submission_id"], plan["request_count"]) == (True, key, 3)
    assert (plan["batches"], plan["batch_usd"], plan["sync_usd"], plan["models"]) == (0, 0, 0, [])


def test_what_is_submitted_on_another_lane_names_the_lane(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "titan.toml").write_text("[lanes.b]\nbase_url = 'http://127.0.0.1:9'\n", "utf-8")
    terminal = Terminal(home)
    key = terminal.run("submit", "-", "--tag", "t", "--lane", "b", stdin=LINES).out.strip()
    again = terminal.run("submit", "-", "--tag", "t", stdin=LINES)
    assert f"already submitted as {key} of lane b; nothing was sent." in again.err
    assert "are on lane b already; lane anthropic was not used" in again.err
    shown = terminal.run("submit", "-", "--tag", "t", "--dry-run", stdin=LINES)
    assert "lane        b\n" in shown.out


def test_a_dry_run_of_which_some_are_submitted_is_refused_as_submit_refuses_it(
    tmp_path: Path,
) -> None:
    terminal = Terminal(tmp_path / "home", api_key=None)
    key = terminal.run("submit", "-", "--tag", "t", stdin=LINES).out.strip()
    more = "".join(json.dumps(request) + "\n" for request in some_requests(4))
    for extra in ([], ["--dry-run"]):
        refused = terminal.run("submit", "-", "--tag", "t", *extra, "--json", stdin=more)
        assert (refused.code, refused.error_code()) == (2, "already_submitted")
        assert "3 of 4 requests are already under tag 't'" in refused.err
        assert key in refused.err
