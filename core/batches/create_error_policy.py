"""Decides what follows a failed create: a 429, a full queue, a rejection, or no response.

What a 429 does; `docs/lifecycle.md` has the other responses to a create:

- Create, the spend limit is reached: `not_sent`, and no create for six hours (hold `spend_cap`).
- Create, the queue is full: `not_sent`, and no create until a batch of ours has ended or an hour is
  over. From 2,000 requests on, two new rows get half of the requests each (`send.py`).
- Create, any other 429: `not_sent`, and no create before `retry-after`, or for a minute.
- Read: repeated within seconds where `retry-after` allows it, otherwise at a later poll with
  exponential backoff (`read_retry.py`).
- Synchronous call: the call is repeated and fewer run at once; after repeated 429s or with a
  `retry-after` over 30 seconds, the rest waits for a later poll
  (`synchronous/concurrency_limiter.py`).
"""

import re
from enum import StrEnum

from msgspec import Struct

from core.batches.holds import ACCOUNT_HOLD, CREATE_HOLD, SPEND_HOLD
from core.config.sending_settings import Recovery
from core.errors import (
    ApiError,
    Blocked,
    NotFound,
    RateLimited,
    Rejected,
    SpendCapReached,
    Unauthorized,
    Unreachable,
)
from state.model.records import Hold
from state.model.timestamps import from_text

_RATE_LIMIT_HOLD_S = 60.0
_SPEND_LIMIT_HOLD_S = 6 * 3600.0
# An operator may fix the account at any time, and a try costs one upload.
ACCOUNT_HOLD_S = 900.0
_LONGEST_ACCOUNT_HOLD_S = 3600.0
# While the queue is full and one of our batches is in it: its end lifts the hold earlier.
_QUEUE_HOLD_S = 3600.0
# Splitting smaller batches would not get them into a full queue any sooner.
_SPLIT_FROM_REQUESTS = 2_000
_TOO_LARGE = 413
# The smallest usual limit of a gateway: nginx's default `client_max_body_size`.
_SMALLEST_GATEWAY_LIMIT = 1 << 20
_REQUEST_INDEX = re.compile(r"\brequests\.(\d{1,6})[.:]")
# Parts of a rejection that is about the batch: a request, the JSON, a beta, a version, a size.
_ABOUT_THE_BATCH = re.compile(
    r"\brequests(?:\.\d|\[)|(?:^|: )requests: |\bcustom_id|\bvalid json\b"
    r"|\banthropic-(?:beta|version)\b|\bvalid version\b"
    r"|\b(?:request|body|batch) (?:is |was )?too (?:large|long|big)\b"
    r"|\bmaximum (?:allowed |request )?size\b",
    re.IGNORECASE,
)


class CreateAction(StrEnum):
    """What to do with a batch after a failed create."""

    NOT_SENT = "not_sent"
    SPLIT = "split"
    QUEUE_FULL = "queue_full"
    DROP_ONE = "drop_one"
    REJECT = "reject"
    UNCONFIRMED = "unconfirmed"


class AfterCreate(Struct, frozen=True, kw_only=True):
    """The decision on a failed create."""

    #: What to do with the batch.
    action: CreateAction
    #: Seconds in which nothing is sent; 0 for none.
    hold_s: float = 0.0
    #: Name of the hold for these seconds.
    hold: str = CREATE_HOLD
    #: Whether the next create would fail for the same reason.
    stop: bool = True
    #: Seconds in which the API may still accept an unconfirmed create.
    wait_s: float = 0.0
    #: Index of the request that the API named as invalid.
    position: int = 0


_BLOCKED = AfterCreate(action=CreateAction.NOT_SENT, hold_s=ACCOUNT_HOLD_S, hold=ACCOUNT_HOLD)


def is_about_size(error: ApiError, body_bytes: int) -> bool:
    """Whether the body is too large: the API says so itself, or a gateway's page can mean it.

    The page of a gateway that refuses a small body is a problem of the gateway.
    """
    is_own = error.error_type is not None
    return error.status == _TOO_LARGE and (is_own or body_bytes >= _SMALLEST_GATEWAY_LIMIT)


def after_create(error: ApiError, recovery: Recovery, *, body_bytes: int) -> AfterCreate:
    """Decide whether the API has the batch (no, never, or unknown) and what follows."""
    match error:
        case Blocked() | NotFound():
            return _BLOCKED
        case Unreachable() | Unauthorized():
            return AfterCreate(action=CreateAction.NOT_SENT)
        case RateLimited():
            return _after_rate_limit(error)
        case SpendCapReached():
            return AfterCreate(
                action=CreateAction.NOT_SENT, hold_s=_SPEND_LIMIT_HOLD_S, hold=SPEND_HOLD
            )
        case Rejected():
            return _after_rejection(error, body_bytes)
        case _:
            pass
    has_status = error.status is not None
    wait_s = recovery.wait_after_error_s if has_status else recovery.wait_after_timeout_s
    return AfterCreate(action=CreateAction.UNCONFIRMED, stop=False, wait_s=wait_s)


def _after_rate_limit(error: RateLimited) -> AfterCreate:
    if _is_queue_full(error):
        return AfterCreate(action=CreateAction.QUEUE_FULL)
    seconds = error.retry_after_s or _RATE_LIMIT_HOLD_S
    return AfterCreate(action=CreateAction.NOT_SENT, hold_s=seconds)


def _is_queue_full(error: RateLimited) -> bool:
    """Whether a 429 means a full queue, not too many calls a minute; only its message differs."""
    return "queue" in str(error).lower()


def _after_rejection(error: Rejected, body_bytes: int) -> AfterCreate:
    """Split a body that is too large; drop the one invalid request where the API names it.

    Requests are errored only by a rejection that is about their batch. After any other rejection,
    the API may accept the same batch later.
    """
    if is_about_size(error, body_bytes):
        return AfterCreate(action=CreateAction.SPLIT, stop=False)
    if error.status == _TOO_LARGE:
        return _BLOCKED
    named = _REQUEST_INDEX.search(str(error))
    if named:
        return AfterCreate(action=CreateAction.DROP_ONE, stop=False, position=int(named[1]))
    if _ABOUT_THE_BATCH.search(str(error)):
        return AfterCreate(action=CreateAction.REJECT, stop=False)
    return _BLOCKED


def repeated_hold_s(previous: Hold | None, reason: str) -> float:
    """How long to hold after equal rejections, in seconds: longer while they continue."""
    if previous is None or previous.reason != reason:
        return ACCOUNT_HOLD_S
    lasted = from_text(previous.until_ts) - from_text(previous.since_ts)
    return min(2 * lasted.total_seconds(), _LONGEST_ACCOUNT_HOLD_S)


def queue_hold_s(*, retry_after_s: float | None, own_open: int) -> float:
    """How long to hold while the queue is full, in seconds.

    The hold is shorter without an open batch of our own, since no end of one can shorten it.
    """
    return _QUEUE_HOLD_S if own_open else retry_after_s or _RATE_LIMIT_HOLD_S


def is_worth_splitting(requests: int) -> bool:
    """Whether to split a batch of so many requests that did not fit into the queue."""
    return requests >= _SPLIT_FROM_REQUESTS
