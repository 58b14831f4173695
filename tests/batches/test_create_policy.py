"""What follows from what was seen, as tables."""

from datetime import timedelta

import pytest
from support.builders import START

from core.batches.create_policy import AfterCreate, Recovery, Verdict, after_create, next_look
from core.errors import (
    ApiError,
    NotFound,
    Refused,
    SpendCapReached,
    Throttled,
    Unanswered,
    Unauthorized,
    Unreachable,
)

RECOVERY = Recovery(settle_after_timeout_s=1800, settle_after_error_s=300)


@pytest.mark.parametrize(
    ("error", "then"),
    [
        (Unreachable("x"), AfterCreate(verdict=Verdict.RELEASE)),
        (Unauthorized("x", status=401), AfterCreate(verdict=Verdict.RELEASE)),
        (NotFound("x", status=404), AfterCreate(verdict=Verdict.RELEASE)),
        (Throttled("x", status=429), AfterCreate(verdict=Verdict.RELEASE, hold_s=60)),
        (
            Throttled("x", status=429, retry_after_s=3600),
            AfterCreate(verdict=Verdict.RELEASE, hold_s=3600),
        ),
        (
            Throttled("x", status=429, retry_after_s=0),
            AfterCreate(verdict=Verdict.RELEASE, hold_s=60),
        ),
        (SpendCapReached("x", status=429), AfterCreate(verdict=Verdict.RELEASE, hold_s=21_600)),
        (Refused("x", status=400), AfterCreate(verdict=Verdict.REFUSE, stop=False)),
        (Refused("x", status=413), AfterCreate(verdict=Verdict.HALVE, stop=False)),
        (
            Refused("requests.12.params: bad", status=400),
            AfterCreate(verdict=Verdict.DROP_ONE, stop=False, position=12),
        ),
        (
            Unanswered("x"),
            AfterCreate(verdict=Verdict.UNCERTAIN, stop=False, settle_s=1800),
        ),
        (
            Unanswered("x", status=529),
            AfterCreate(verdict=Verdict.UNCERTAIN, stop=False, settle_s=300),
        ),
        (ApiError("x"), AfterCreate(verdict=Verdict.UNCERTAIN, stop=False, settle_s=1800)),
    ],
)
def test_what_follows_from_a_failed_create(error: ApiError, then: AfterCreate) -> None:
    assert after_create(error, RECOVERY) == then


@pytest.mark.parametrize(
    ("failures", "retry_after", "seconds"),
    [
        (0, None, 60),
        (1, None, 120),
        (5, None, 1920),
        (6, None, 3600),
        (10_000, None, 3600),
        (0, 10, 60),
        (0, 900, 900),
        (0, 86_400, 86_400),
    ],
)
def test_the_next_look_is_later_each_time_and_never_before_the_api_wishes(
    failures: int, retry_after: float | None, seconds: float
) -> None:
    at = next_look(START, failures=failures, retry_after_s=retry_after)
    assert at == START + timedelta(seconds=seconds)
