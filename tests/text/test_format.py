from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.cells import cell_len
from support.console.console_builders import NOW, Failure, LedgerBuilder

from core.money.pricing import dollars_text
from core.poll.poll_summary import PollSummary
from core.reporting.poller_health import assess
from state.model.records import Batch, BatchKind, BatchStatus, CollectionStatus, Outcome
from state.model.timestamps import to_text
from state.operations import command_effects
from state.queries.ledger_status import Poller
from titan_console.text import format as fmt
from titan_console.text import poll_summary
from titan_console.text.format import Tone

HOUR = timedelta(hours=1)


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    made = LedgerBuilder(tmp_path)
    accepted = made.accept(made.submit("feed", 3))
    made.close()
    return accepted


@pytest.mark.parametrize(
    ("nano", "shown"),
    [
        (12_340_000_000, "$12.34"),
        (1_234_567_890_000_000, "$1,234,567.89"),
        (4_200_000, "$0.0042"),
        (99_999_999, "$0.1000"),
        (100_000_000, "$0.10"),
        (10_000, "<$0.0001"),
        (50_000, "$0.0001"),
        (125_000_000, "$0.13"),
        (51_000, "$0.0001"),
        (0, "$0.00"),
        (-420_000_000, "-$0.42"),
        (-1, "-<$0.0001"),
        (None, "unpriced"),
    ],
)
def test_money(nano: int | None, shown: str) -> None:
    assert fmt.money(nano) == shown
    assert nano is None or dollars_text(nano) == shown


@given(st.integers(min_value=-(10**20), max_value=10**20))
def test_money_is_never_off_by_more_than_its_last_digit(nano: int) -> None:
    shown = fmt.money(nano)
    if "<" in shown:
        assert 0 < abs(nano) < 100_000
        return
    digits = shown.replace("$", "").replace(",", "").replace("-", "")
    whole, places = digits.split(".")
    scale = 10 ** (9 - len(places))
    assert abs(int(whole + places) * scale - abs(nano)) * 2 <= scale


@pytest.mark.parametrize(
    ("nano", "unpriced", "shown"),
    [
        pytest.param(5_000_000_000, 0, "$5.00", id="all priced"),
        pytest.param(5_000_000_000, 2, "$5.00+?", id="some have no price"),
        pytest.param(0, 2, "unpriced", id="none has one"),
        pytest.param(0, 0, "$0.00", id="nothing bought"),
    ],
)
def test_what_has_no_price_is_never_shown_as_zero(nano: int, unpriced: int, shown: str) -> None:
    assert fmt.sum_of_money(nano, unpriced) == shown


@pytest.mark.parametrize(
    ("time", "shown"),
    [
        (timedelta(seconds=-5), "0s"),
        (timedelta(seconds=59), "59s"),
        (timedelta(minutes=59, seconds=59), "59m"),
        (timedelta(hours=2, minutes=5), "2h 05m"),
        (timedelta(days=3, hours=4), "3d 04h"),
    ],
)
def test_spans(time: timedelta, shown: str) -> None:
    assert fmt.span(time) == shown


@pytest.mark.parametrize("status", list(BatchStatus))
@pytest.mark.parametrize("collected", list(CollectionStatus))
def test_each_status_has_a_narrow_glyph_and_a_word(
    batch: Batch, status: BatchStatus, collected: CollectionStatus
) -> None:
    label = fmt.status(replace(batch, status=status, collection=collected))
    assert cell_len(label.glyph) == 1
    assert ord(label.glyph) < 0x10000
    assert label.word
    assert cell_len(str(label)) <= 20


@pytest.mark.parametrize("value", list(Outcome))
def test_each_outcome_has_a_narrow_glyph_and_a_word(value: Outcome) -> None:
    label = fmt.outcome(value)
    assert cell_len(label.glyph) == 1
    assert label.word


def test_an_uncertain_batch_says_so_and_when_it_is_decided(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    lost = made.lose_the_answer(made.submit("feed"))
    made.close()
    assert str(fmt.status(lost)) == "? unconfirmed"
    assert fmt.problem(lost, NOW) == "resolves within 30m: read timeout after 600 s"
    assert fmt.problem(lost, NOW + timedelta(hours=1)).startswith("resolves at next poll: ")


def test_a_batch_canceled_before_it_was_sent_says_so(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    batch = made.submit("a", 2)
    command_effects.cancel_unsent(made.ledger, batch, "no longer needed")
    canceled = made.batch(batch.key)
    made.close()
    assert str(fmt.status(canceled)) == "⊘ canceled"
    assert fmt.failed(canceled) == 2


def test_a_collected_batch_with_failures_is_marked_apart(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    good, bad = made.collected("a"), made.collected("b", 3, [Failure()])
    made.close()
    assert (fmt.status(good).glyph, fmt.failed(good)) == ("✓", 0)
    assert (fmt.status(bad).glyph, fmt.failed(bad)) == ("!", 1)
    canceled = replace(bad, counts=replace(bad.counts, errored=0, canceled=1))
    assert str(fmt.status(canceled)) == "⊘ collected"


def test_cost_and_savings_are_known_once_collected(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    batch = made.accept(made.submit("a"))
    assert (fmt.cost(batch), fmt.saved(batch)) == ("-", "-")
    batch = made.collect(batch)
    made.close()
    assert (fmt.cost(batch), fmt.saved(batch)) == ("$0.0300", "$0.0300")
    assert fmt.saved(replace(batch, kind=BatchKind.SYNC)) == "$0.00"
    assert fmt.cost(replace(batch, cost_nano=0, unpriced=3)) == "unpriced"


@pytest.mark.parametrize(
    ("left", "shown", "tone"),
    [
        pytest.param(timedelta(hours=9), "in 9h 00m", Tone.PLAIN, id="far"),
        pytest.param(timedelta(minutes=90), "in 1h 30m", Tone.WARN, id="soon"),
        pytest.param(timedelta(minutes=-5), "late 5m", Tone.BAD, id="late"),
    ],
)
def test_a_deadline_comes_before_the_expiry(
    batch: Batch, left: timedelta, shown: str, tone: Tone
) -> None:
    due = fmt.due(replace(batch, deadline_ts=to_text(NOW + left)), NOW)
    assert due == (shown, tone)


def test_a_collected_batch_says_how_far_from_its_deadline_it_was(batch: Batch) -> None:
    collected = replace(batch, collected_ts=to_text(NOW), deadline_ts=to_text(NOW + HOUR))
    long_after = NOW + timedelta(days=3)
    assert fmt.due(collected, long_after) == ("collected 1h 00m before it", Tone.PLAIN)
    late = replace(collected, deadline_ts=to_text(NOW - HOUR))
    assert fmt.due(late, long_after) == ("collected 1h 00m after it", Tone.BAD)


def test_without_a_deadline_the_expiry_is_shown(batch: Batch) -> None:
    assert fmt.due(batch, NOW) == ("expires 24h", Tone.DIM)
    assert fmt.due(batch, NOW + timedelta(hours=23)) == ("expires 1h", Tone.WARN)
    assert fmt.due(batch, NOW + timedelta(hours=25)) == ("expired", Tone.BAD)
    assert fmt.due(replace(batch, expires_ts=None), NOW) == ("-", Tone.DIM)


def a_poller(
    started: timedelta | None = None,
    finished: timedelta | None = None,
    lease: timedelta | None = None,
    error: str | None = None,
    restored: timedelta | None = None,
) -> Poller:
    return Poller(
        last_started_ts=to_text(NOW - started) if started is not None else None,
        last_finished_ts=to_text(NOW - finished) if finished is not None else None,
        last_success_ts=to_text(NOW - finished) if finished is not None and not error else None,
        last_error=error,
        last_summary={},
        lease_holder="x" if lease is not None else None,
        lease_expires_ts=to_text(NOW + lease) if lease is not None else None,
        restored_ts=to_text(NOW - restored) if restored is not None else None,
    )


@pytest.mark.parametrize(
    ("poller", "shown"),
    [
        (a_poller(), "◦ no poll yet"),
        (a_poller(timedelta(minutes=4), timedelta(minutes=3)), "✓ last poll 3m ago"),
        (a_poller(timedelta(hours=2), timedelta(hours=2)), "! last poll 2h 00m ago (overdue)"),
        (a_poller(timedelta(seconds=4), None, timedelta(minutes=1)), "▸ poll running"),
        (
            a_poller(timedelta(minutes=9), None, -timedelta(minutes=1)),
            "! poll interrupted 9m ago",
        ),
        (
            a_poller(timedelta(minutes=9), timedelta(minutes=24)),
            "! poll interrupted 9m ago",
        ),
        (a_poller(timedelta(hours=1), timedelta(hours=2)), "! no successful poll for 2h 00m"),
        (
            a_poller(timedelta(minutes=4), timedelta(minutes=3), error="The key is rejected."),
            "! poll failed 3m ago",
        ),
        (
            a_poller(timedelta(hours=9), timedelta(hours=9), restored=timedelta(minutes=1)),
            f"◦ ledger restored at {to_text(NOW - timedelta(minutes=1))}, no poll since",
        ),
        (
            a_poller(timedelta(hours=9), timedelta(hours=9), restored=timedelta(hours=2)),
            f"! ledger restored at {to_text(NOW - timedelta(hours=2))}, no poll since (overdue)",
        ),
    ],
)
def test_the_poller_heartbeat(poller: Poller, shown: str) -> None:
    assert str(fmt.poller_status(assess(poller, NOW))) == shown


def test_counts_and_sizes() -> None:
    assert fmt.count(1234567) == "1,234,567"
    assert fmt.size(3 << 20) == "3.0 MiB"


def test_a_poll_counts_canceled_requests_apart() -> None:
    found = PollSummary(failed=12, canceled=10, results=12)
    assert poll_summary.one_line(found) == "0 open batches; 12 results, 2 errored, 10 canceled."
    counts = fmt.poll_counts(found.as_row())
    assert (counts["failed"], counts["canceled"]) == (2, 10)
    assert fmt.poll_counts({"failed": 3}) == {"failed": 3}


def test_the_counts_of_a_poll_have_the_terms_of_the_screens() -> None:
    counts = {"open": 1, "failed": 2, "collected": 3}
    assert [fmt.poll_count(number, name) for name, number in counts.items()] == [
        *("1 open batch", "2 errored", "3 collected")
    ]
