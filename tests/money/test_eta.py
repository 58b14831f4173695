"""ETA and deadline risk of a batch, from how long earlier batches took."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins
from msgspec.structs import replace
from support.builders import START

from core.money.eta import Eta, Risk, Stage, by_risk, estimate_eta, report
from state.model.records import Batch, BatchKind, BatchStatus, CollectionStatus, Counts
from state.model.timestamps import to_text

HOUR = 3600.0
TEN = [HOUR * n for n in range(1, 11)]


def a_batch(
    *,
    age_h: float = 0.0,
    due_in_h: float | None = None,
    status: BatchStatus = BatchStatus.IN_PROGRESS,
    kind: BatchKind = BatchKind.BATCH,
) -> Batch:
    """A batch that the API took in so long ago, seen at START."""
    accepted = to_text(START - timedelta(hours=age_h))
    due = None if due_in_h is None else to_text(START + timedelta(hours=due_in_h))
    return Batch(
        **dict.fromkeys(
            (
                *(
                    "account",
                    "submission_id",
                    "duplicate_of",
                    "remote_id",
                    "identified_by",
                    "watermark_id",
                ),
                *("watermark_ts", "owner", "sent_ts", "ended_ts", "collected_ts", "expires_ts"),
                *(
                    "cancel_ts",
                    "next_poll_ts",
                    "not_found_ts",
                    "stuck_ts",
                    "last_error",
                    "cost_nano",
                    "sync_cost_nano",
                ),
            )
        ),  # pyright: ignore[reportArgumentType]
        **dict.fromkeys(
            (
                *("id", "request_count", "bytes", "failures", "collect_tries", "results_bytes"),
                *("unpriced", "duplicate_nano"),
            ),
            1,
        ),  # pyright: ignore[reportArgumentType]
        **dict.fromkeys(("key", "nonce", "tag", "workflow", "model", "lane"), "feed"),  # pyright: ignore[reportArgumentType]
        kind=kind,
        status=status,
        collection=CollectionStatus.NOT_READY,
        counts=Counts(),
        betas=(),
        created_ts=accepted,
        accepted_ts=accepted,
        deadline_ts=due,
    )


def hours(moment: datetime | None) -> float:
    assert moment is not None
    return (moment - START) / timedelta(hours=1)


def test_a_new_batch_is_estimated_from_all_earlier_ones() -> None:
    found = estimate_eta(a_batch(), TEN, START)
    assert (hours(found.p50), hours(found.p95), found.comparable) == (5, 10, 10)
    assert (found.risk, found.late_probability) == (Risk.NONE, None)


def test_only_batches_that_took_longer_than_its_age_are_comparable() -> None:
    found = estimate_eta(a_batch(age_h=7.5), TEN, START)
    assert (hours(found.p50), hours(found.p95), found.comparable) == (1.5, 2.5, 3)


def test_a_batch_that_exceeds_all_history_has_no_estimate() -> None:
    found = estimate_eta(a_batch(age_h=11, due_in_h=20), TEN, START)
    assert found.exceeds_history
    assert (found.p50, found.p95, found.risk) == (None, None, Risk.HIGH)


@pytest.mark.parametrize(
    ("age_h", "due_in_h", "risk", "late_probability"),
    [
        pytest.param(11, 24, Risk.HIGH, 1 / 3, id="as long again is too long"),
        pytest.param(11, 321, Risk.LOW, 1 / 30, id="thirty times as long is not"),
        pytest.param(11, 13, Risk.HIGH, 0.5, id="near the guard"),
        pytest.param(11, 2, Risk.PAST, 1.0, id="the guard fires now"),
    ],
)
def test_the_risk_beyond_all_history_is_the_share_of_its_age(
    age_h: float, due_in_h: float, risk: Risk, late_probability: float
) -> None:
    found = estimate_eta(a_batch(age_h=age_h, due_in_h=due_in_h), TEN, START)
    assert found.exceeds_history
    assert (found.risk, found.late_probability) == (risk, pytest.approx(late_probability))


@pytest.mark.parametrize(
    ("age_h", "due_in_h", "risk", "late_probability"),
    [
        pytest.param(0, 13, Risk.LOW, 0.0, id="all had ended by T-2h"),
        pytest.param(0, 11, Risk.MEDIUM, 0.1, id="one of ten had not"),
        pytest.param(0, 8, Risk.HIGH, 0.4, id="four of ten had not"),
        pytest.param(6, 5, Risk.MEDIUM, 0.25, id="of those at its age"),
        pytest.param(0, 2, Risk.PAST, 1.0, id="the guard fires now"),
        pytest.param(0, -1, Risk.PAST, 1.0, id="late already"),
    ],
)
def test_the_risk_is_the_share_that_ended_after_the_guard(
    age_h: float, due_in_h: float, risk: Risk, late_probability: float
) -> None:
    found = estimate_eta(a_batch(age_h=age_h, due_in_h=due_in_h), TEN, START)
    assert (found.risk, found.late_probability) == (risk, late_probability)


@pytest.mark.parametrize("history", [TEN, TEN[:4]])
def test_a_passed_deadline_is_late(history: Sequence[float]) -> None:
    assert not estimate_eta(a_batch(due_in_h=1), history, START).is_late
    assert not estimate_eta(a_batch(), history, START).is_late
    assert estimate_eta(a_batch(due_in_h=0), history, START).is_late


def test_too_little_history_says_so() -> None:
    found = estimate_eta(a_batch(due_in_h=9), TEN[:4], START)
    assert (found.p50, found.p95, found.risk, found.known) == (None, None, Risk.UNKNOWN, 4)
    assert estimate_eta(a_batch(due_in_h=1), TEN[:4], START).risk == Risk.PAST


@pytest.mark.parametrize("status", [BatchStatus.QUEUED, BatchStatus.UNCONFIRMED])
def test_a_batch_not_sent_yet_counts_from_now(status: BatchStatus) -> None:
    found = estimate_eta(a_batch(age_h=5, due_in_h=11, status=status), TEN, START)
    assert (found.stage, hours(found.p50), found.late_probability) == (Stage.NOT_SENT, 5, 0.1)


@pytest.mark.parametrize(
    "batch",
    [
        a_batch(status=BatchStatus.CANCELING, due_in_h=9),
        a_batch(status=BatchStatus.ENDED, due_in_h=9),
        a_batch(kind=BatchKind.SYNC, status=BatchStatus.SENDING, due_in_h=9),
    ],
)
def test_an_ending_batch_is_not_estimated(batch: Batch) -> None:
    assert estimate_eta(batch, TEN, START) == Eta(stage=Stage.ENDING, known=10, risk=Risk.LOW)


def test_the_riskiest_come_first_when_sorted() -> None:
    batches = [
        replace(a_batch(due_in_h=due), key=key)
        for key, due in (("low", 20), ("none", None), ("past", 1), ("some", 11), ("high", 6))
    ]
    found = [(batch, estimate_eta(batch, TEN, START)) for batch in batches]
    assert [batch.key for batch, _ in sorted(found, key=lambda pair: by_risk(*pair))] == [
        *("past", "high", "some", "low", "none")
    ]


def test_json_has_the_percentiles_the_probability_and_their_basis() -> None:
    assert to_builtins(report(estimate_eta(a_batch(due_in_h=11), TEN, START))) == {
        "stage": "running",
        "p50_ts": to_text(START + timedelta(hours=5)),
        "p95_ts": to_text(START + timedelta(hours=10)),
        "history": 10,
        "comparable": 10,
        "like_it": 10,
        "risk": "medium",
        "late_probability": 0.1,
        "miss_chance": 0.1,
    }


def test_all_history_is_comparable_before_a_batch_starts() -> None:
    found = estimate_eta(a_batch(due_in_h=5, status=BatchStatus.QUEUED), [0.0] * 5, START)
    assert (found.comparable, found.risk) == (5, Risk.LOW)


@given(
    history=st.lists(st.floats(0, 1e6), max_size=30),
    age_h=st.floats(0, 100),
    due_in_h=st.floats(-50, 50),
)
def test_the_percentiles_are_in_the_future_and_the_probability_is_a_share(
    history: list[float], age_h: float, due_in_h: float
) -> None:
    found = estimate_eta(a_batch(age_h=age_h, due_in_h=due_in_h), history, START)
    if found.p50 and found.p95:
        # Times are kept to the millisecond.
        assert START - timedelta(milliseconds=1) <= found.p50 <= found.p95
    assert found.late_probability is None or 0 <= found.late_probability <= 1
