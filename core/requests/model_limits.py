"""Known models: their names, and the largest max_tokens of each."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache

EXTENDED_OUTPUT_BETA = "output-300k-2026-03-24"
# The most bytes of a synchronous call: 32 MB, and whether that is 2^20 is not documented.
MAX_CALL_BYTES = 32_000_000
_EXTENDED_OUTPUT = 300_000
# The API's limits of max_tokens; for other models the API decides.
_LIMITS = (("claude-haiku-4-5", 64_000), ("claude-", 128_000))
_EXTENDED_MODELS = (
    *("claude-opus-5", "claude-opus-4-8", "claude-opus-4-7", "claude-opus-4-6"),
    *("claude-sonnet-5", "claude-sonnet-4-6", "claude-haiku-5-5"),
)
KNOWN = (
    *("claude-fable-5-2", "claude-fable-5-1", "claude-fable-5"),
    *("claude-mythos-5-2", "claude-mythos-5-1", "claude-mythos-5", "claude-mythos-preview"),
    *("claude-opus-5-5", "claude-opus-5", "claude-opus-4-8", "claude-opus-4-7"),
    *("claude-opus-4-6", "claude-opus-4-5", "claude-sonnet-5-5", "claude-sonnet-5"),
    *("claude-sonnet-4-6", "claude-sonnet-4-5", "claude-haiku-5-5", "claude-haiku-4-5"),
)
# Up to the 4.5 generation an assistant message at the end is continued; up to 4.8 thinking has a
# budget.
_PREFILL = ("claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5")
_THINKING_BUDGET = (*_PREFILL, "claude-opus-4-", "claude-sonnet-4-")
# The fewest tokens that the API caches: it ignores the mark of a shorter prefix.
_CACHE_MINIMA = (
    *(("claude-haiku-5-5", 512), ("claude-sonnet-4-5", 1024), ("claude-sonnet-5", 1024)),
    *(("claude-opus-5", 1024), ("claude-sonnet-4-6", 2048), ("claude-fable-5", 2048)),
    ("claude-mythos-5", 2048),
)
_LARGEST_CACHE_MINIMUM = 4096
_DATE = re.compile(r"-\d{8}$")
_NEAR = 0.75


def undated(model: str) -> str:
    """The name without the date of a dated one: answers have it, requests as a rule do not."""
    return _DATE.sub("", model)


# Cached: a submission has many requests of few models.
@lru_cache
def max_tokens_limit(model: str, betas: tuple[str, ...]) -> int | None:
    """The largest max_tokens of the model, None where it is not known."""
    if EXTENDED_OUTPUT_BETA in betas and model.startswith(_EXTENDED_MODELS):
        return _EXTENDED_OUTPUT
    return next((most for prefix, most in _LIMITS if model.startswith(prefix)), None)


@lru_cache
def takes_prefill(model: str) -> bool | None:
    """Whether the last message may be the assistant's; None for an unknown model."""
    return model.startswith(_PREFILL) if undated(model) in KNOWN else None


@lru_cache
def takes_thinking_budget(model: str) -> bool | None:
    """Whether thinking may be `enabled` with a budget; None for an unknown model."""
    return model.startswith(_THINKING_BUDGET) if undated(model) in KNOWN else None


def cache_minimum(model: str) -> int:
    """The fewest tokens of a prefix that the model caches; the largest known for other models."""
    found = (least for prefix, least in _CACHE_MINIMA if model.startswith(prefix))
    return next(found, _LARGEST_CACHE_MINIMUM)


@lru_cache
def betas_for(model: str, max_tokens: int, betas: tuple[str, ...]) -> tuple[str, ...]:
    """The beta headers of such a request: that of extended output only where max_tokens needs it.

    The betas unchanged for a model without extended output and for an unknown one.
    """
    if not model.startswith(_EXTENDED_MODELS):
        return betas
    others = tuple(beta for beta in betas if beta != EXTENDED_OUTPUT_BETA)
    limit = max_tokens_limit(model, ())
    needs_more = limit is not None and max_tokens > limit
    return (*others, EXTENDED_OUTPUT_BETA) if needs_more else others


def needs_batch(betas: tuple[str, ...], size: int) -> bool:
    """Whether a request of so many bytes can run only in a batch, since a call is smaller.

    The API has extended output nowhere else.
    """
    return EXTENDED_OUTPUT_BETA in betas or size > MAX_CALL_BYTES


def warnings_for(models: Iterable[str], also_known: Iterable[str] = ()) -> list[str]:
    """One line for each unknown model, with the known name it resembles."""
    known = [*KNOWN, *also_known]
    return [
        _warning(model, known)
        for model in sorted(set(models))
        if model not in known and undated(model) not in known
    ]


def _warning(model: str, known: list[str]) -> str:
    near = get_close_matches(undated(model), known, n=1, cutoff=_NEAR)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"Unknown model {model!r}; the API decides whether it exists.{hint}"
