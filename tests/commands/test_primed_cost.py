"""The costs of a command by the prompt cache, where its requests were primed."""

from pathlib import Path

import pytest
from support.builders import Bench, a_bench, a_request
from support.lifecycle import poll_until_done

from core.commands import planner
from core.commands.planner import CommandRequest
from core.commands.preview import Preview
from core.intake.options import SubmitOptions
from core.money.estimate import Estimate
from core.money.pricing import PriceBook
from core.requests.cache_control import CachePolicy
from core.requests.payload import Limits, to_line
from state.operations.commands import Action
from state.operations.selection import Filter
from titan_console.text.preview_text import cost_by_cache, facts

PREFIX = ("A rule that every request repeats. " * 460)[: 16_000 - 32]
# The block that is compared is the text with its quotes.
BYTES = len(PREFIX) + 2
# Sonnet 4.6 in a batch, in nano-dollars a token and at most 10 % more in the US: a one-hour write
# costs 3.00 - 1.50 dollars a million more than plain input, a read 1.50 - 0.15 less.
WRITE, READ = 1_650, 1_485
ROWS = [a_request(f"feed-2026-11-22-{number:05d}", system=PREFIX) for number in range(10)]


def a_primed_run(bench: Bench) -> None:
    """Primed and collected; four of the rows that read the cache failed."""
    bench.faults.add("row:overloaded:id=*-0000[6-9]-*")
    bench.engine.submit(ROWS, SubmitOptions(tag="t", workflow="feed", cache=CachePolicy.PRIME))
    poll_until_done(bench)


def previewed(bench: Bench, action: Action) -> Preview:
    wanted = Filter(names=("t",), error_type="overloaded_error")
    request = CommandRequest(action=action, wanted=wanted)
    return planner.plan(bench.engine.context, request).preview


def uncached(bench: Bench, count: int) -> int:
    found = Estimate.begin(PriceBook(), bench.clock.now())
    for row in ROWS[:count]:
        found.add(to_line(row, position=1, model="claude-sonnet-4-6", betas=(), limits=Limits()))
    return found.batch_nano


def test_a_replay_shows_the_costs_uncached_cold_and_primed(tmp_path: Path) -> None:
    with a_bench(tmp_path / "titan") as bench:
        a_primed_run(bench)
        plain = uncached(bench, 4)
        soon = previewed(bench, Action.REPLAY)
        assert soon.count == 4
        assert soon.cache is not None
        assert soon.cache.uncached_nano == plain
        assert soon.cache.cold_nano == plain + 4 * BYTES * WRITE
        # The cache is written: all of them read it.
        assert soon.cache.primed_nano == plain - 4 * BYTES * READ
        assert any("before 2026-11-22T07:00:00.000Z get cache_control" in n for n in soon.notes)
        assert cost_by_cache(soon).startswith("in a batch at most: $0.11 without a cache")
        labels = [fact.label for fact in facts(soon, "t", bench.clock.now())]
        assert "cache" in labels
        assert set(soon.as_json()["cache"]) == {"uncached_usd", "cold_usd", "primed_usd"}  # pyright: ignore[reportArgumentType]
        bench.clock.advance(3600)
        late = previewed(bench, Action.REPLAY)
        assert late.cache is not None
        # Without an entry that lives one of them would write it again.
        assert late.cache.primed_nano == plain + BYTES * WRITE - 3 * BYTES * READ
        assert any("has expired" in note for note in late.notes)
        assert soon.expected_batch_nano is not None
        assert late.expected_batch_nano is not None
        # 4,000 tokens of each are the prefix for the sandbox, which counts four bytes as one.
        read = late.expected_batch_nano - soon.expected_batch_nano
        assert read == pytest.approx(4 * 4_000 * READ / 1.1, rel=0.03)  # pyright: ignore[reportUnknownMemberType]


def test_a_synchronous_run_costs_the_uncached_price(tmp_path: Path) -> None:
    with a_bench(tmp_path / "titan") as bench:
        a_primed_run(bench)
        found = previewed(bench, Action.SYNC)
        assert found.cache is not None
        assert any("does not use the prompt cache" in note for note in found.notes)
        assert found.expected_sync_nano is not None
        replay = previewed(bench, Action.REPLAY)
        assert replay.expected_batch_nano is not None
        assert found.expected_sync_nano > 2 * replay.expected_batch_nano


def test_what_was_not_primed_has_one_cost(tmp_path: Path) -> None:
    with a_bench(tmp_path / "titan") as bench:
        bench.faults.add("row:overloaded:p=1")
        bench.engine.submit(ROWS, SubmitOptions(tag="t", workflow="feed"))
        poll_until_done(bench)
        found = previewed(bench, Action.REPLAY)
        assert (found.count, found.cache, cost_by_cache(found)) == (10, None, "")
