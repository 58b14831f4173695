"""Cache priming as it is typed: the plan, the submission, and what it gained."""

import json
from pathlib import Path

import pytest
from support.builders import a_request
from support.processes.terminal import Terminal, a_server

from titan_console.sandbox.model.timing import Plan

PRIMED = ("submit", "-", "--tag", "t", "--cache", "prime")
# 4,000 tokens for the sandbox, of which Sonnet 4.6 caches 2,048 and more.
PREFIX = ("A rule that every request repeats. " * 460)[: 16_000 - 32]
LINES = "".join(
    json.dumps(a_request(f"feed-classify-2026-11-22-{number:05d}", system=PREFIX)) + "\n"
    for number in range(5)
)


@pytest.fixture
def worked(tmp_path: Path) -> Terminal:
    with a_server(Plan.instant()) as (_, address):
        terminal = Terminal(tmp_path / "home", address)
        sent = terminal.run(*PRIMED, stdin=LINES)
        assert "1 request sent first to write the cache; the other 4 wait" in sent.err
        assert "Sent 1 request in 1 batch." in sent.err
        terminal.run("--poll")
        terminal.run("--poll")
    return terminal


def test_what_the_cache_gained_is_shown_by_batch(worked: Terminal) -> None:
    rest, first = worked.run("savings", "--cache", "--json").lines()
    assert (first["primed"], first["hit_rate"], first["tokens_written"]) == (True, 0, 4000)
    assert (rest["primed"], rest["hit_rate"], rest["tokens_read"]) == (True, 1, 16_000)
    # A read saves $1.35 a million tokens in a batch, a write costs $1.50 more than plain input.
    assert (first["gain_usd"], rest["gain_usd"]) == (-0.006, 0.0216)
    assert rest["uncached_usd"] == pytest.approx(rest["cost_usd"] + 0.0216)
    shown = worked.run("savings", "--cache").out
    assert "100.0%" in shown
    assert "80.0%" in shown.splitlines()[-1]
    assert worked.run("savings", "--cache", "--month").code == 2


def test_what_is_not_primed_is_expected_to_cost_what_it_does_without_a_cache(
    worked: Terminal,
) -> None:
    rest, first = worked.run("savings", "--cache", "--json").lines()
    uncached = first["uncached_usd"] + rest["uncached_usd"]
    again = LINES.replace("11-22", "11-23")
    plain = worked.run("submit", "-", "--tag", "u", "--dry-run", "--json", stdin=again).json()
    assert plain["expected_batch_usd"] == pytest.approx(uncached, abs=1e-6)
    assert plain["expected_sync_usd"] == pytest.approx(2 * uncached, abs=1e-6)
    replay = ("replay", "t", "--set", "max_tokens=99", "--force", "--dry-run", "--json")
    preview = worked.run(*replay).json()
    assert preview["expected_batch_usd"] == plain["expected_batch_usd"]
    assert preview["expected_sync_usd"] == plain["expected_sync_usd"]
    # As the last time, but for what a byte of the prefix has of its tokens.
    primed = worked.run(*PRIMED, "--dry-run", "--json", stdin=again).json()
    cost = first["cost_usd"] + rest["cost_usd"]
    assert primed["expected_batch_usd"] == pytest.approx(cost, rel=0.05)
    assert primed["expected_sync_usd"] == plain["expected_sync_usd"]


def test_without_a_cache_there_is_nothing_to_show(tmp_path: Path) -> None:
    with a_server(Plan.instant()) as (_, address):
        terminal = Terminal(tmp_path / "home", address)
        terminal.run("submit", "-", "--tag", "t", stdin=json.dumps(a_request()))
        terminal.run("--poll")
    assert "No batch wrote or read the prompt cache" in terminal.run("savings", "--cache").out


def test_the_plan_shows_the_cost_without_a_cache_cold_and_primed(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home")
    found = terminal.run(*PRIMED, "--dry-run", "--json", stdin=LINES).json()
    cache = found["cache"]
    assert cache["primed_usd"] < cache["uncached_usd"] < cache["cold_usd"] <= found["batch_usd"]
    # Nearly all of a request is the prefix.
    assert cache["cold_usd"] == pytest.approx(found["batch_usd"], rel=0.1)
    assert found["batches"] == 2
    shown = terminal.run(*PRIMED, "--dry-run", stdin=LINES).out
    for name in ("uncached", "cold cache", "primed"):
        assert f"\n{name} " in shown
    plain = terminal.run("submit", "-", "--tag", "t", "--dry-run", "--json", stdin=LINES).json()
    assert plain["cache"] is None
    assert plain["batch_usd"] == cache["uncached_usd"]
