"""How many synchronous calls may run at once, as tables of what happened and what is permitted."""

import pytest

from core.batches.synchronous.concurrency_limiter import FEWEST, ConcurrencyLimiter, Permit

MOST = 58
# An event: a number of successes, or a rejection while a number of others run.
Event = tuple[str, int]


def after(*events: Event) -> ConcurrencyLimiter:
    """A limiter that has seen these events, after a first success if there are any."""
    limiter = ConcurrencyLimiter(MOST)
    if events:
        limiter.on_success(1)
    for kind, number in events:
        if kind == "success":
            limiter.on_success(number)
        elif kind == "rejection":
            limiter.on_rejection(0.0, running=number, retry_after_s=None)
        else:
            for _ in range(number):
                limiter.permit(running=0, retries=1)
    return limiter


@pytest.mark.parametrize(
    ("events", "limit"),
    [
        pytest.param([], FEWEST, id="starts with a few"),
        pytest.param([("success", 1)], MOST, id="the first success permits the most"),
        pytest.param([("success", 1000)], MOST, id="never exceeds it"),
        pytest.param([("rejection", 20)], 20, id="drops to what runs"),
        pytest.param([("rejection", 0)], FEWEST, id="never below a few"),
        pytest.param([("rejection", 20), ("rejection", 40)], 20, id="a rejection never raises it"),
        pytest.param([("rejection", 20), ("success", 19)], 20, id="a round is not full"),
        pytest.param([("rejection", 20), ("success", 20)], 21, id="one more for a full round"),
        pytest.param(
            [("rejection", 20), ("success", 19), ("rejection", 20), ("success", 1)],
            20,
            id="a rejection begins a new round",
        ),
    ],
)
def test_the_limit_follows_what_the_api_takes(events: list[Event], limit: int) -> None:
    assert after(*events).limit == limit


def test_a_rejection_before_the_first_success_keeps_it_to_a_few() -> None:
    limiter = ConcurrencyLimiter(MOST)
    limiter.on_rejection(0.0, running=20, retry_after_s=None)
    limiter.on_success(1)
    assert limiter.limit == FEWEST


def test_before_the_first_success_the_first_round_of_probes_is_long() -> None:
    limiter = ConcurrencyLimiter(MOST)
    limiter.on_rejection(0.0, running=0, retry_after_s=None)
    permits = [limiter.permit(running=0, retries=1) for _ in range(MOST + FEWEST + 1)]
    assert permits == [Permit.PROBE] * (MOST + FEWEST) + [Permit.GIVE_UP]


@pytest.mark.parametrize(
    ("events", "running", "retries", "expected"),
    [
        pytest.param([], 0, 0, Permit.START, id="at first"),
        pytest.param([], MOST, 0, Permit.WAIT, id="at the limit"),
        pytest.param([("rejection", 9)], 9, 1, Permit.WAIT, id="at the lower limit"),
        pytest.param([("rejection", 9)], 8, 1, Permit.WAIT, id="blocked: running calls end first"),
        pytest.param([("rejection", 9)], 8, 0, Permit.START, id="no call waits for a retry"),
        pytest.param([("rejection", 9), ("success", 1)], 8, 1, Permit.START, id="not blocked"),
        pytest.param([("rejection", 0)], 0, 1, Permit.PROBE, id="first probe"),
        pytest.param([("rejection", 0), ("probe", 1)], 1, 1, Permit.PROBE, id="second probe"),
        pytest.param([("rejection", 0), ("probe", 8)], 7, 1, Permit.WAIT, id="one round at a time"),
        pytest.param([("rejection", 0), ("probe", 8)], 0, 1, Permit.PROBE, id="second round"),
        pytest.param([("rejection", 0), ("probe", 16)], 0, 1, Permit.GIVE_UP, id="both in vain"),
        pytest.param(
            [("rejection", 0), ("probe", 16), ("success", 1)], 0, 1, Permit.START, id="success"
        ),
    ],
)
def test_what_is_permitted(
    events: list[Event], running: int, retries: int, expected: Permit
) -> None:
    assert after(*events).permit(running=running, retries=retries) is expected


@pytest.mark.parametrize(
    ("events", "retry_after_s", "retry_at"),
    [
        ([], None, 101.0),
        ([], 0.5, 101.0),
        ([], 20.0, 120.0),
        ([("rejection", 0), ("probe", 1)], None, 104.0),
        ([("rejection", 0), ("probe", 9)], None, 104.0),
        ([("rejection", 0), ("probe", 9), ("success", 1)], None, 101.0),
    ],
)
def test_the_retry_time_of_a_rejected_call(
    events: list[Event], retry_after_s: float | None, retry_at: float
) -> None:
    limiter = after(*events)
    assert limiter.on_rejection(100.0, running=0, retry_after_s=retry_after_s)
    assert limiter.retry_at == retry_at


def test_a_long_retry_after_ends_the_run() -> None:
    assert not after().on_rejection(0.0, running=0, retry_after_s=31.0)
