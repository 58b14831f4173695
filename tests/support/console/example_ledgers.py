"""Whole ledgers for the console's tests, each built once and then copied."""

from collections.abc import Callable
from contextlib import closing
from copy import deepcopy
from datetime import timedelta
from functools import wraps
from pathlib import Path
from random import Random

from support.console.console_builders import CENT, NOW, Failure, LedgerBuilder, repeatable_ids

from core.clock import ManualClock
from state.model.records import Outcome, Usage


def _built_once(
    build: Callable[[Path, Callable[[int], str]], LedgerBuilder],
) -> Callable[[Path], LedgerBuilder]:
    """Build the ledger in the first folder only, and put a copy of it into each later one."""
    kept: list[tuple[bytes, ManualClock, Random]] = []

    @wraps(build)
    def copied(home: Path) -> LedgerBuilder:
        if not kept:
            rng = Random(7)
            with closing(build(home, repeatable_ids(rng))) as made:
                pass
            kept.append((made.path.read_bytes(), made.clock, rng))
        else:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            (home / "titan.db").touch(0o600)
            (home / "titan.db").write_bytes(kept[0][0])
        _, clock, rng = kept[0]
        return LedgerBuilder(home, deepcopy(clock), new_id=repeatable_ids(deepcopy(rng)))

    return copied


@_built_once
def a_busy_ledger(home: Path, new_id: Callable[[int], str]) -> LedgerBuilder:
    """Something of everything, as on an ordinary bad day; it is `NOW` and a bit."""
    made = LedgerBuilder(home, ManualClock(NOW - timedelta(days=2)), new_id=new_id)

    def at(**before: int) -> None:
        made.clock.advance((NOW - timedelta(**before) - made.clock.now()).total_seconds())

    at(hours=40)
    made.collected("digest-weekly", 40, cost_nano=CENT)
    at(hours=30)
    made.collected("feed-classify-2026-05-01", 1200, [Failure(), Failure()], cost_nano=CENT // 4)
    at(hours=27)
    expired = Failure("expired", "the batch ended before this request ran", Outcome.EXPIRED)
    made.collected("translate-catalogue-nl", 312, [expired])
    at(hours=9)
    made.accept(made.submit("feed-classify-2026-05-02", 2400, due_in=timedelta(hours=24)))
    at(hours=7)
    made.refuse(made.submit("press-summaries", 2))
    made.collected("entities-backfill", 48, cost_nano=None)
    at(hours=5, minutes=12)
    slow = made.accept(made.submit("digest-daily", 40, due_in=timedelta(hours=6, minutes=20)))
    at(hours=3)
    made.look_failed(slow, "GET /v1/messages/batches: 529 overloaded_error, try again later")
    made.collected("alt-texts-1", 96, [Failure("rate_limit_error", "Slow down")])
    at(hours=2, minutes=40)
    made.end(made.accept(made.submit("moderation-sweep", 18_250)))
    at(minutes=22)
    made.lose_the_answer(made.submit("translate-catalogue-de", 310, due_in=timedelta(hours=30)))
    made.release(made.submit("entities-backfill-2", 5000))
    at(minutes=4)
    made.submit("alt-texts-2", 96)
    at(minutes=3)
    made.poll()
    made.hold("the API's queue is full (429)")
    at(seconds=9)
    made.sending(made.submit("press-summaries-2", 14))
    at()
    return made


@_built_once
def a_month(home: Path, new_id: Callable[[int], str]) -> LedgerBuilder:
    """Forty days of two workflows and a third of a week; it is `NOW`."""
    made = LedgerBuilder(home, ManualClock(NOW - timedelta(days=40, hours=1)), new_id=new_id)
    for day in range(41):
        sent = [made.accept(made.submit(f"feed-{day:02d}", 4, workflow="feed"))]
        if day % 3:
            sent.append(made.accept(made.submit(f"news-{day:02d}", 2, workflow="newsletter")))
        made.clock.advance(3600 * (1 + day % 5))
        for batch in sent:
            failures = [Failure()] if day % 10 == 0 else []
            made.collect(batch, failures, cost_nano=CENT * (5 + day % 7))
        made.clock.advance(3600 * (23 - day % 5) if day < 40 else 0)
    cached = Usage(input_tokens=100, cache_write_1h_tokens=1000, cache_read_tokens=9000)
    made.collected("cached", 3, workflow="dream", usage=cached)
    made.collected("odd-model", 2, workflow="dream", cost_nano=None)
    made.poll()
    return made
