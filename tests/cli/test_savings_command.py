"""`titan-console savings` as it is typed."""

import re
from pathlib import Path

import pytest
from support.processes.terminal import Terminal, a_server

from core.clock import SystemClock

HEADER = (
    "usage_date_utc,model_version,usage_type,usage_input_tokens_no_cache,"
    "usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,"
    "usage_input_tokens_cache_read,usage_output_tokens"
)


@pytest.fixture
def worked(tmp_path: Path) -> Terminal:
    with a_server() as (_, address):
        terminal = Terminal(tmp_path / "home", address)
        terminal.submit_and_poll(tag="t")
    return terminal


def test_savings_are_shown_explained_and_checked(worked: Terminal, tmp_path: Path) -> None:
    status = worked.run("status", "--json").json()
    for by in ("workflow", "model", "day", "tag", "batch"):
        (row,) = worked.run("savings", "--since", "today", "--by", by, "--json").lines()
        assert row["savings_usd"] == status["savings_usd"]
    table = worked.run("savings").out
    assert "feed-classify" in table
    assert re.match(r"Results since 20\d\d-\d\d-\d\dT\d\d:\d\dZ \(--since 30d\)\n", table)
    period = "since 2035-01-01T00:00Z (--since 2035-01-01).\n"
    for command, nothing in (("savings", "No results"), ("events", "No events")):
        assert worked.run(command, "--since", "2035-01-01").out == f"{nothing} {period}"
    shown = worked.run("savings", "--explain", "feed-classify-2026-11-22-00001").out
    assert "cost = sum / 2; sync = sum; saved = sync - cost" in shown
    assert "matches" in shown
    named = worked.run("savings", "--explain", "t/feed-classify-2026-11-22-00001").out
    assert named == shown
    explained = worked.run("savings", "--explain", row["batch"], "--json").lines()
    assert sum(line["savings_usd"] for line in explained) == pytest.approx(status["savings_usd"])  # pyright: ignore[reportUnknownMemberType]

    day = SystemClock().now().date().isoformat()
    export = tmp_path / "usage.csv"
    counts = f"batch,{row['tokens_in']},0,0,0,{row['tokens_out']}"
    export.write_text(f"{HEADER}\n{day},claude-sonnet-4-6,{counts}\n", "utf-8")
    checked = worked.run("savings", "--check", str(export))
    assert checked.code == 0, checked.err
    assert "all match" in checked.err
    export.write_text(f"{HEADER}\n{day},claude-sonnet-4-6,{counts}1\n", "utf-8")
    checked = worked.run("savings", "--check", str(export), "--json")
    assert checked.code == 1
    assert "1 differ" in checked.err
    assert checked.lines()[0]["same"] is False


def test_bad_questions_are_one_line_and_end_with_2(worked: Terminal, tmp_path: Path) -> None:
    export = tmp_path / "usage.csv"
    export.write_text("a,b\n1,2\n", "utf-8")
    for arguments, said in (
        (["--since", "soon"], "--since 'soon' is not a time"),
        (["--explain", "nobody"], "'nobody'"),
        (["--check", str(export)], "lacks the columns usage_date_utc"),
    ):
        done = worked.run("savings", *arguments)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1), done.err
        assert said in done.err


@pytest.mark.parametrize(
    "options",
    [
        *(("--by", "day", "--month"), ("--by", "day", "--cache"), ("--since", "1h", "--month")),
        *(("--since", "1h", "--explain", "a"), ("--by", "day", "--check-log")),
        *(("--since", "1h", "--recompute"),),
    ],
)
def test_an_option_without_effect_is_refused(tmp_path: Path, options: tuple[str, ...]) -> None:
    ended = Terminal(tmp_path).run("savings", *options, "--json")
    assert (ended.code, ended.error_code()) == (2, "usage")
