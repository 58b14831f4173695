"""`titan-console forecast` as it is typed."""

from pathlib import Path

import pytest
from support.processes.terminal import Terminal


def test_it_prints_the_missions_table_without_a_ledger(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home")
    shown = terminal.run("forecast")
    assert (shown.code, "jobs init" in shown.err) == (0, True)
    assert "2.43M     0.57M      $15.84      $7.92" in shown.out
    assert terminal.run("forecast", "--scale", "5", "--json").json()["total"]["sync_usd"] == 627.6
    cached = terminal.run("forecast", "--cache-share", "0.5", "--cache-hits", "0.9")
    assert "WITH 1H CACHE" in cached.out


def test_no_hit_rate_is_assumed(tmp_path: Path) -> None:
    for alone in (["--cache-share", "0.5"], ["--cache-hits", "0.9"]):
        done = Terminal(tmp_path / "home").run("forecast", *alone)
        assert (done.code, done.out) == (2, "")
        assert "go together: no hit rate is assumed" in done.err


@pytest.mark.parametrize(
    "option",
    [["--scale", "x"], ["--scale", "-1"], ["--cache-share", "1.1", "--cache-hits", "0"]],
)
def test_a_number_that_is_none_is_a_usage_error(tmp_path: Path, option: list[str]) -> None:
    done = Terminal(tmp_path / "home").run("forecast", *option)
    assert (done.code, done.out) == (2, "")
    assert option[0] in done.err


def test_a_titan_toml_with_mistakes_ends_with_2(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "titan.toml").write_text("[jobs]\na = 1\n", "utf-8")
    done = Terminal(tmp_path / "home").run("forecast")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "titan.toml line 2: jobs.a: must be a table" in done.err


def test_another_model_for_one_job_or_all(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home")
    one = terminal.run("forecast", "--model", "claude-haiku-4-5", "--job", "titan-daily-feed")
    assert "$2.93" in one.out
    assert "$0.98" in one.out
    assert "total" in terminal.run("forecast", "--model", "claude-haiku-4-5").out
    for wrong, said in (
        (["--job", "titan-daily-feed"], "--job needs --model"),
        (["--model", "x", "--scale", "2"], "--model cannot be combined"),
        (["--model", "claude-haiku-4-5", "--job", "nope"], "No job 'nope'"),
        (["--model", "claude-next-9"], "'claude-next-9' has no price"),
    ):
        done = terminal.run("forecast", *wrong)
        assert (done.code, done.out) == (2, "")
        assert said in done.err
