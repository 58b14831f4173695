"""One assumption of the engine about the API, and what a run found out about it."""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from core.errors import ApiError, Blocked, NoResponse, RateLimited, SpendCapReached
from titan_console.verify_api.evidence import Evidence

# These say nothing about the call itself.
_ELSEWHERE = (Blocked, NoResponse, RateLimited, SpendCapReached)


class Verdict(StrEnum):
    """Whether the assumption held."""

    HELD = "held"
    NOT_HELD = "not_held"
    UNKNOWN = "unknown"  # could not be checked


class Finding(NamedTuple):
    """The verdict on an assumption, and what was seen."""

    verdict: Verdict
    seen: str


class Fact(NamedTuple):
    """An assumption, what the engine does where it does not hold, and its check."""

    id: str
    assumes: str
    otherwise: str
    check: Callable[[Evidence], Finding]


def held(seen: str) -> Finding:
    """It is as the engine assumes."""
    return Finding(Verdict.HELD, seen)


def not_held(seen: str) -> Finding:
    """It is not as the engine assumes."""
    return Finding(Verdict.NOT_HELD, seen)


def unknown(why: str) -> Finding:
    """It could not be checked."""
    return Finding(Verdict.UNKNOWN, why)


def verdict(is_so: bool, seen: str) -> Finding:
    """Held or not."""
    return held(seen) if is_so else not_held(seen)


def not_reached(evidence: Evidence, step: str) -> Finding | None:
    """Why a step says nothing: no answer, or one of an account that can do nothing now."""
    answer = evidence.answer(step)
    if answer is None:
        return unknown("the run did not get there")
    if answer.failure:
        return unknown(f"no answer: {answer.failure}")
    error = evidence.error(step)
    return unknown(str(error)) if error and says_nothing(error) else None


def says_nothing(error: ApiError) -> bool:
    """Whether any call could have failed in that way."""
    return isinstance(error, _ELSEWHERE)
