"""`titan-console jobs` as it is typed."""

from pathlib import Path

from support.processes.terminal import Terminal


def test_jobs_are_shown_begun_checked_and_edited(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home")
    shown = terminal.run("jobs")
    assert "nightly-pmf-d7" in shown.out
    assert "titan-heartbeat-monitor-15m" in shown.out
    assert "jobs init" in shown.err
    begun = terminal.run("jobs", "init")
    assert len(begun.out.splitlines()) == 15
    assert "remove those that you do not have" in begun.err
    assert "15 jobs, no problems" in terminal.run("jobs", "check").out
    assert "every job of the template" in terminal.run("jobs", "init").err
    assert terminal.run("jobs", "set", "titan-daily-feed", "tokens_in", "30000").code == 0
    replaced = terminal.run("jobs", "set", "titan-daily-feed", "deadline_at", "07:00")
    assert "deadline_h is removed" in replaced.err
    report = terminal.run("jobs", "--json").json()
    assert report["jobs"][0]["tokens_in"] == 30_000
    assert "/api/voice" in report["never_batch"]


def test_an_unknown_model_of_a_job_is_a_warning(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home")
    terminal.run("jobs", "init")
    assert "nosuch" in terminal.run("jobs", "set", "titan-daily-feed", "model", "nosuch").err
    for command in ("check", "set titan-daily-feed tokens_in 5"):
        done = terminal.run("jobs", *command.split())
        assert (done.code, done.err.count("nosuch")) == (0, 1), command
    other = terminal.run("jobs", "set", "nightly-pmf-d7", "tokens_in", "5")
    assert (other.code, other.err.count("\n"), other.err.count("nosuch")) == (0, 1, 0)
    assert terminal.run("jobs", "set", "titan-daily-feed", "max_tokens", "9").code == 0
    unset = terminal.run("jobs", "unset", "titan-daily-feed", "max_tokens")
    assert (unset.code, "max_tokens" in unset.err) == (0, True)


def test_typos_end_with_2_and_name_line_and_key(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home")
    terminal.run("jobs", "init")
    path = tmp_path / "home" / "titan.toml"
    path.write_text(path.read_text("utf-8").replace("deadline_h = 24", "deadlin_h = 24"), "utf-8")
    checked = terminal.run("jobs", "check")
    assert checked.code == 2
    assert "jobs.claude-code-audit-every-6h.deadlin_h: unknown key" in checked.err
    shown = terminal.run("jobs")
    assert (shown.code, shown.out, shown.err.count("\n")) == (2, "", 1)
    assert "titan.toml line " in shown.err


def test_a_submission_under_a_forbidden_name_ends_with_2(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home")
    line = '{"custom_id": "a", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}'
    done = terminal.run("submit", "-", "--tag", "titan-inbox-watch", stdin=line)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "never batched: it reacts to incoming messages" in done.err
