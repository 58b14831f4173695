"""What follows a failed create, and the backoff of reads, as tables."""

from datetime import timedelta

import pytest
from support.builders import START

from core.batches.create_error_policy import AfterCreate, CreateAction, after_create
from core.batches.holds import ACCOUNT_HOLD, SPEND_HOLD
from core.batches.read_retry import next_poll_at
from core.config.sending_settings import Recovery
from core.errors import (
    ApiError,
    Blocked,
    NoResponse,
    NotFound,
    RateLimited,
    Rejected,
    SpendCapReached,
    Unauthorized,
    Unreachable,
)

BLOCKED = AfterCreate(action=CreateAction.NOT_SENT, hold_s=900, hold=ACCOUNT_HOLD)
REJECTED = AfterCreate(action=CreateAction.REJECT, stop=False)
# Bytes of a small batch: no gateway refuses it for its size.
SMALL = 2_000
RECOVERY = Recovery(wait_after_timeout_s=1800, wait_after_error_s=300)


@pytest.mark.parametrize(
    ("error", "then"),
    [
        (Unreachable("x"), AfterCreate(action=CreateAction.NOT_SENT)),
        (Unauthorized("x", status=401), AfterCreate(action=CreateAction.NOT_SENT)),
        (NotFound("x", status=404), BLOCKED),
        (Blocked("requests.1: x", status=403), BLOCKED),
        (RateLimited("x", status=429), AfterCreate(action=CreateAction.NOT_SENT, hold_s=60)),
        (
            RateLimited("x", status=429, retry_after_s=3600),
            AfterCreate(action=CreateAction.NOT_SENT, hold_s=3600),
        ),
        (
            RateLimited("x", status=429, retry_after_s=0),
            AfterCreate(action=CreateAction.NOT_SENT, hold_s=60),
        ),
        (
            SpendCapReached("x", status=429),
            AfterCreate(action=CreateAction.NOT_SENT, hold_s=21_600, hold=SPEND_HOLD),
        ),
        (Rejected("x", status=400), BLOCKED),
        (Rejected("Too many requests are queued", status=400), BLOCKED),
        (Rejected("Upgrade to a newer version of your plan", status=422), BLOCKED),
        (
            Rejected("x", status=413, error_type="request_too_large"),
            AfterCreate(action=CreateAction.SPLIT, stop=False),
        ),
        (Rejected("<html>", status=413), BLOCKED),
        (
            Rejected("requests.12.params: bad", status=400),
            AfterCreate(action=CreateAction.DROP_ONE, stop=False, position=12),
        ),
        (
            NoResponse("x"),
            AfterCreate(action=CreateAction.UNCONFIRMED, stop=False, wait_s=1800),
        ),
        (
            NoResponse("x", status=529),
            AfterCreate(action=CreateAction.UNCONFIRMED, stop=False, wait_s=300),
        ),
        (ApiError("x"), AfterCreate(action=CreateAction.UNCONFIRMED, stop=False, wait_s=1800)),
    ],
)
def test_what_follows_from_a_failed_create(error: ApiError, then: AfterCreate) -> None:
    assert after_create(error, RECOVERY, body_bytes=SMALL) == then


@pytest.mark.parametrize(
    "message",
    [
        "requests: List should have at most 100000 items after validation, not 100001",
        "requests[3]: Field required",
        "custom_id's must be unique within a batch",
        "The request body is not valid JSON: trailing characters",
        "Unexpected value(s) `x` for the `anthropic-beta` header",
        'anthropic-version: "1" is not a valid version',
        "Request exceeds the maximum size",
        "The body is too large",
    ],
)
def test_a_rejection_that_is_about_the_batch_errors_its_requests(message: str) -> None:
    error = Rejected(f"The API answers 400: {message}", status=400)
    assert after_create(error, RECOVERY, body_bytes=SMALL) == REJECTED


@pytest.mark.parametrize(
    "message",
    [
        "The long context beta is not yet available for this subscription.",
        "Virtual key budget exceeded (json: cost 5.0, request version 2)",
        "You have used your monthly budget of requests: contact your admin",
        "Workspace is archived; size of budget too large",
        "The maximum number of seats is reached",
    ],
)
def test_words_of_a_batch_in_a_problem_of_the_account_hold_the_queue(message: str) -> None:
    error = Rejected(f"The API returned 400: {message}", status=400)
    found = after_create(error, RECOVERY, body_bytes=SMALL)
    assert (found.action, found.hold) == (CreateAction.NOT_SENT, ACCOUNT_HOLD)


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
def test_the_backoff_grows_and_respects_retry_after(
    failures: int, retry_after: float | None, seconds: float
) -> None:
    at = next_poll_at(START, failures=failures, retry_after_s=retry_after)
    assert at == START + timedelta(seconds=seconds)
