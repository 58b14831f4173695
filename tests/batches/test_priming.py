"""Cache priming: one request first, the others when it has ended, measured, and stopped."""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.builders import START, Bench, a_bench, a_request
from support.lifecycle import batches, check_once, poll_until_done, requests, results

from core.config import titan_file
from core.intake.options import SubmitOptions
from core.intake.submit import SubmitResult
from core.money.cache_gain import CacheGain, gains
from core.reporting import cache_report
from core.reporting.queued_reason import QueuedReasons
from core.requests.cache_control import CachePolicy
from state.batches import priming_records
from state.model.records import OnFailure, RequestStatus
from state.operations import pauses
from state.queries import batch_detail, cache_usage
from titan_console.sandbox.faults.profile import Faults
from titan_console.sandbox.model.timing import Plan
from titan_console.text import batch_documents, ledger_messages

WORKFLOW = "feed-classify"
# 4,000 tokens for the sandbox with its overhead; Sonnet 4.6 caches from 2,048 on.
TOKENS = 4_000
PREFIX = ("A rule that every request repeats. " * 460)[: 4 * TOKENS - 32]
# Nano-dollars a token in a batch: a read saves 1.50 - 0.15 dollars a million, a write of an hour
# costs 3.00 - 1.50 more than plain input.
READ, WRITE = 1_350, 1_500


def primed(count: int, day: str = "2026-11-22", **overrides: Any) -> list[dict[str, object]]:
    return [
        a_request(f"{WORKFLOW}-{day}-{number:05d}", system=PREFIX, **overrides)
        for number in range(1, count + 1)
    ]


def submit(bench: Bench, count: int = 25, day: str = "2026-11-22", **options: Any) -> SubmitResult:
    given: dict[str, Any] = {"tag": day, "cache": CachePolicy.PRIME, **options}
    return bench.engine.submit(primed(count, day), SubmitOptions(**given))


def sent(bench: Bench) -> list[int]:
    """The number of requests of each batch that was sent."""
    return [batch.request_count for batch in batches(bench) if batch.sent_ts]


def state(bench: Bench) -> list[str]:
    return [row[0] for row in bench.engine.context.ledger.rows("SELECT state FROM primings")]


def measured(bench: Bench) -> list[CacheGain]:
    context = bench.engine.context
    return gains(cache_usage.since(context.ledger, ""), context.prices)


def marked(bench: Bench) -> list[int]:
    rows = bench.engine.context.ledger.rows("SELECT cache_marks FROM batches ORDER BY id")
    return [row[0] for row in rows]


def test_one_request_is_sent_first_and_the_others_read_what_it_wrote(bench: Bench) -> None:
    submitted = submit(bench)
    assert sent(bench) == [1]
    assert submitted.problem is None
    [warning] = submitted.warnings
    assert warning.startswith("1 request sent first to write the cache; the other 24 wait")
    assert warning.endswith("until 2026-11-22T07:00:00.000Z at most.")
    bench.poll_after(30)
    assert sent(bench) == [1]
    # Ended, collected, and the others sent within one poll.
    assert bench.poll_after(60).sent == 1
    assert sent(bench) == [1, 24]
    poll_until_done(bench)
    assert state(bench) == ["primed"]
    check_once(bench, 25)
    ids = [row["custom_id"] for row in results(bench, "2026-11-22")]
    assert ids == [str(request["custom_id"]) for request in primed(25)]


@pytest.mark.parametrize(
    ("cache", "reads"),
    [
        # The primer writes; all others read, or none does.
        ("always", 24),
        ("across", 24),
        ("never", 0),
        ("1", 24),
        ("0", 0),
        ("0.4", None),
    ],
)
def test_the_gain_is_measured_whatever_the_cache_does(
    tmp_path: Path, cache: str, reads: int | None
) -> None:
    with a_bench(tmp_path / "titan", cache=cache) as bench:
        submit(bench)
        poll_until_done(bench)
        check_once(bench, 25)
        rest, first = measured(bench)
        if reads is None:
            reads = rest.read_tokens // TOKENS
            assert 0 < reads < 24
        assert (first.hit_rate, first.gain_nano) == (0, -TOKENS * WRITE)
        gain = reads * TOKENS * READ - (24 - reads) * TOKENS * WRITE
        assert (rest.hit_rate, rest.gain_nano) == (reads / 24, gain)
        assert rest.uncached_nano == rest.cost_nano + gain
        [stored] = bench.engine.context.ledger.rows("SELECT gain_nano FROM primings")
        assert stored[0] == gain - TOKENS * WRITE
        # 123,600,000 nano-dollars gained, or 150,000,000 lost.
        assert reads not in (0, 24) or stored[0] == {24: 123_600_000, 0: -150_000_000}[reads]


def test_marks_without_a_first_batch_lose_where_rows_do_not_read_each_other(tmp_path: Path) -> None:
    """What priming is for: 25 cold writes cost what the arithmetic says."""
    mark = {"type": "ephemeral", "ttl": "1h"}
    system = [{"type": "text", "text": PREFIX, "cache_control": mark}]
    with a_bench(tmp_path / "titan", cache="across") as bench:
        rows = [a_request(f"cold-2026-11-22-{n:05d}", system=system) for n in range(25)]
        bench.engine.submit(rows, SubmitOptions(tag="cold"))
        poll_until_done(bench)
        [cold] = measured(bench)
        assert (cold.hit_rate, cold.gain_nano, cold.is_primed) == (0, -25 * TOKENS * WRITE, False)


def test_two_losses_stop_priming_and_a_resume_allows_it(tmp_path: Path) -> None:
    with a_bench(tmp_path / "titan", cache="never") as bench:
        submit(bench, 3, "2026-11-22")
        poll_until_done(bench)
        assert priming_records.stops(bench.engine.context.ledger) == []
        submit(bench, 3, "2026-11-23")
        poll_until_done(bench)
        # Each of the six rows wrote 4,000 tokens at 1,500 nano-dollars more than input.
        [stop] = priming_records.stops(bench.engine.context.ledger)
        assert (stop.losses, stop.lost_nano) == (2, 6 * TOKENS * WRITE)
        [alert] = bench.engine.context.ledger.rows(
            "SELECT message FROM alerts WHERE rule = 'priming' AND cleared_ts IS NULL"
        )
        assert "2 primed submissions cost $0.0360 more than without a cache" in alert[0]
        third = submit(bench, 3, "2026-11-24")
        assert third.warnings[0].startswith("Not primed: priming of feed-classify stopped")
        assert sent(bench)[-1] == 3
        poll_until_done(bench)
        assert measured(bench)[0].tag == "2026-11-23"
        pauses.resume(bench.engine.context.ledger, [WORKFLOW], reason="")
        bench.engine.poll()
        assert not bench.engine.context.ledger.rows(
            "SELECT 1 FROM alerts WHERE rule = 'priming' AND cleared_ts IS NULL"
        )
        submit(bench, 3, "2026-11-25")
        assert sent(bench)[-1] == 1
        assert priming_records.stops(bench.engine.context.ledger) == []


def test_the_poll_that_measures_the_second_loss_says_so(tmp_path: Path) -> None:
    with a_bench(tmp_path / "titan", cache="never", plan=Plan.instant()) as bench:
        said: list[str] = []
        for day in ("2026-11-22", "2026-11-23"):
            submit(bench, 3, day)
            said += [line for _ in range(4) for line in bench.poll_after(60).problems]
        assert [line[:35] for line in said] == ["priming of feed-classify stopped at"]


def test_a_gain_between_two_losses_does_not_forget_the_first(bench: Bench) -> None:
    ledger = bench.engine.context.ledger
    for number, gain in enumerate((-5, 100, -7), 1):
        ledger.connection.execute("PRAGMA foreign_keys=off")
        ledger.execute("INSERT INTO primings VALUES (?, 'primed', '[]', '', NULL)", number)
        stopped = priming_records.record_gain(ledger, number, "tb_1", WORKFLOW, gain)
        assert stopped == (number == 3)
        assert not priming_records.record_gain(ledger, number, "tb_1", WORKFLOW, gain)
    [stop] = priming_records.stops(ledger)
    assert (stop.losses, stop.lost_nano) == (2, 12)


def the_rest_is_sent_without_marks(bench: Bench) -> None:
    """All 24 others ran, none of them marked, and nothing twice."""
    poll_until_done(bench)
    assert state(bench) == ["unprimed"]
    rest = [row for row in bench.engine.context.ledger.rows("SELECT * FROM batches") if row[0] > 1]
    assert [(row["request_count"], row["cache_marks"]) for row in rest] == [(24, 0)]
    assert requests(bench)[RequestStatus.SUCCEEDED] >= 24
    billed = [row.custom_id for row in bench.sandbox.billing_log().billed()]
    assert len(billed) == len(set(billed))


def test_the_rest_goes_unmarked_when_the_first_request_fails(tmp_path: Path) -> None:
    faults = Faults.parse(["row:overloaded:id=*-00001*"])
    with a_bench(tmp_path / "titan", faults=faults) as bench:
        submit(bench)
        the_rest_is_sent_without_marks(bench)


def test_the_rest_goes_unmarked_when_the_first_batch_is_canceled(tmp_path: Path) -> None:
    with a_bench(tmp_path / "titan", plan=Plan.seconds(3000, 3000)) as bench:
        submit(bench)
        [first] = [batch for batch in batches(bench) if batch.remote_id]
        bench.api().cancel(str(first.remote_id))
        the_rest_is_sent_without_marks(bench)


def test_the_rest_goes_unmarked_when_the_first_batch_is_rejected(tmp_path: Path) -> None:
    faults = Faults.parse(["create:413:times=1"])
    with a_bench(tmp_path / "titan", faults=faults) as bench:
        submit(bench)
        the_rest_is_sent_without_marks(bench)


@pytest.mark.parametrize("what", ["vanish:seconds=1", "endless", "drop"])
def test_the_rest_waits_an_hour_at_most(tmp_path: Path, what: str) -> None:
    faults = Faults.parse([f"create:{what}:times=1" if ":" not in what else f"create:{what}"])
    plan = Plan.manual() if what == "drop" else Plan.seconds(60, 60)
    with a_bench(tmp_path / "titan", faults=faults, plan=plan) as bench:
        submit(bench)
        for _ in range(3):
            bench.poll_after(1190)
        assert sum(sent(bench)) == 1
        faults.clear()
        bench.poll_after(40)
        assert sum(sent(bench)) == 25
        assert state(bench) == ["unprimed"]
        assert marked(bench) == [1, 0]


def test_the_first_batch_that_was_not_sent_is_sent_again_first(tmp_path: Path) -> None:
    faults = Faults.parse(["create:connect:times=1"])
    with a_bench(tmp_path / "titan", faults=faults) as bench:
        submitted = submit(bench)
        assert submitted.problem is not None
        assert sum(sent(bench)) <= 1
        bench.poll_after(60)
        poll_until_done(bench)
        assert state(bench) == ["primed"]
        check_once(bench, 25)
        assert [batch.request_count for batch in batches(bench)] == [1, 24, 1]


def test_a_deadline_shortens_the_wait_and_a_near_one_leaves_priming_out(bench: Bench) -> None:
    near = submit(bench, 3, "2026-11-22", deadline=START + timedelta(hours=3))
    assert near.warnings[-1] == (
        "Not primed: no time to send one request first before the deadline."
    )
    assert sent(bench) == [3]
    # Guard of two hours, and an hour for the rest: half an hour is left.
    later = submit(bench, 3, "2026-11-23", deadline=START + timedelta(hours=3, minutes=30))
    assert "until 2026-11-22T06:30:00.000Z at most" in later.warnings[-1]
    assert sent(bench) == [3, 1]


def test_what_was_written_too_long_ago_is_not_marked(tmp_path: Path) -> None:
    """A pause outlasts the cache: the others are sent at the plain price."""
    with a_bench(tmp_path / "titan", plan=Plan.instant()) as bench:
        submit(bench)
        ledger = bench.engine.context.ledger
        pauses.pause(ledger, [WORKFLOW], who="test", reason="")
        bench.poll_after(60)
        assert state(bench) == ["primed"]
        bench.clock.advance(3600)
        pauses.resume(ledger, [WORKFLOW], reason="")
        poll_until_done(bench)
        assert marked(bench) == [1, 0]
        check_once(bench, 25)


def test_the_same_call_again_is_the_same_submission_in_every_state(tmp_path: Path) -> None:
    with a_bench(tmp_path / "titan", cache="never") as bench:
        first = submit(bench)
        for policy in (CachePolicy.PRIME, CachePolicy.NONE, CachePolicy.HOUR):
            again = submit(bench, cache=policy)
            assert (again.repeated, again.submission.key) == (True, first.submission.key)
        bench.poll_after(90)
        bench.poll_after(90)
        assert submit(bench).repeated
        assert sum(sent(bench)) == 25


def test_rows_without_a_common_prefix_are_sent_at_once(bench: Bench) -> None:
    rows = [a_request(f"plain-2026-11-22-{number:05d}") for number in range(5)]
    done = bench.engine.submit(rows, SubmitOptions(tag="t", cache=CachePolicy.PRIME))
    assert done.warnings[0].startswith("No cache_control was added")
    assert sent(bench) == [5]
    assert state(bench) == []


def test_a_job_can_ask_for_it_and_a_call_can_refuse(bench: Bench) -> None:
    titan_file.path_of(bench.folder).write_text(
        '[workloads.t]\n[jobs.feed-classify]\nworkload = "t"\nschedule = "daily"\n'
        'model = "claude-sonnet-4-6"\ncache = "prime"\n',
        "utf-8",
    )
    submit(bench, 3, cache=None)
    assert sent(bench) == [1]
    submit(bench, 3, "2026-11-23", cache=CachePolicy.NONE)
    assert sent(bench) == [1, 3]


def test_each_prefix_sends_one_request_first(bench: Bench) -> None:
    rows = [
        a_request(f"two-2026-11-22-{number:05d}", system=f"{number % 2} {PREFIX}")
        for number in range(10)
    ]
    bench.engine.submit(rows, SubmitOptions(tag="two", cache=CachePolicy.PRIME))
    assert sent(bench) == [2]
    bench.poll_after(90)
    poll_until_done(bench)
    check_once(bench, 10)
    rest, first = measured(bench)
    assert (first.hit_rate, rest.hit_rate) == (0, 1)


def test_a_synchronous_run_of_the_first_request_warms_nothing(tmp_path: Path) -> None:
    faults = Faults.parse(["create:connect:times=1"])
    with a_bench(tmp_path / "titan", faults=faults) as bench:
        submit(bench, 5, on_failure=OnFailure.SYNC)
        poll_until_done(bench)
        assert state(bench) == ["unprimed"]
        assert marked(bench)[-1] == 0
        assert requests(bench) == {RequestStatus.SUCCEEDED: 5}
        assert len(list(bench.sandbox.billing_log().billed())) == 5


class KilledError(BaseException):
    pass


@pytest.mark.parametrize("step", ["begin", "commit", "done"])
@pytest.mark.parametrize("name", ["release_primed", "prime_gain"])
def test_a_kill_at_each_step_loses_and_repeats_nothing(
    tmp_path: Path, name: str, step: str
) -> None:
    with a_bench(tmp_path / "titan", plan=Plan.instant()) as bench:
        killed = 0

        def die(point: str) -> None:
            nonlocal killed
            if point == f"{name}:{step}" and killed < 2:
                killed += 1
                raise KilledError(point)

        submit(bench, 5)
        for number in range(5):
            engine = bench.new_engine(f"process-{number}")
            engine.context.ledger.crash_point = die
            bench.clock.advance(1000)
            with suppress(KilledError):
                engine.poll()
        assert killed >= 1
        check_once(bench, 5)
        [row] = bench.engine.context.ledger.rows("SELECT state, gain_nano FROM primings")
        gain = 4 * TOKENS * READ - TOKENS * WRITE
        assert (row["state"], row["gain_nano"]) == ("primed", gain)


def test_a_budget_reserves_what_priming_costs_if_nothing_is_read(tmp_path: Path) -> None:
    with a_bench(tmp_path / "titan", cache="never") as bench:
        submit(bench, 5)
        ledger = bench.engine.context.ledger
        [(reserved,)] = ledger.rows("SELECT sum(reserved_nano) FROM batches")
        poll_until_done(bench)
        [(cost,)] = ledger.rows("SELECT sum(cost_nano) FROM batches")
        # Five cold writes of 4,000 tokens at 3,000 nano-dollars, and a little more.
        assert 5 * TOKENS * 3_000 < cost <= reserved


def test_the_batch_page_shows_the_wait_the_hits_and_the_gain(tmp_path: Path) -> None:
    with a_bench(tmp_path / "titan", cache="never") as bench:
        submit(bench, 5)
        context = bench.engine.context
        first, rest = batches(bench)
        assert priming_records.waits_until(context.ledger, first) is None
        why = QueuedReasons(context.ledger, context.ledger.now_text()).of_batch(rest)
        waits = batch_documents.overview(rest, bench.clock.now(), {}, queued_because=why).text()
        assert why is not None
        assert why.startswith("waits for the prompt cache, until 2026-11-22")
        assert ledger_messages.in_details(why) in waits
        poll_until_done(bench)
        assert priming_records.waits_until(context.ledger, batches(bench)[1]) is None
        key = batches(bench)[1].key
        sums = batch_detail.sums_of(context.ledger, key)
        cache = cache_report.of_batch(context.ledger, context.prices, key)
        cost = batch_documents.cost(batches(bench)[1], sums, cache).text()
        # Four cold writes.
        assert "0.0% of 16,000 tokens, primed" in cost
        assert "Cache loss" in cost
        assert "$0.0240; $" in cost
