"""What is known of models: their names, and how much each may be asked to write."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache

EXTENDED_OUTPUT_BETA = "output-300k-2026-03-24"
_EXTENDED_OUTPUT = 300_000
# The API's ceilings for max_tokens; other models pass, and the API judges them.
_CEILINGS = (("claude-haiku-4-5", 64_000), ("claude-", 128_000))
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
_DATE = re.compile(r"-\d{8}$")
_NEAR = 0.75


# A submission has many requests, of few models.
@lru_cache
def max_tokens_limit(model: str, betas: tuple[str, ...]) -> int | None:
    """The most tokens that the model may be asked for, None where that is not known."""
    if EXTENDED_OUTPUT_BETA in betas and model.startswith(_EXTENDED_MODELS):
        return _EXTENDED_OUTPUT
    return next((most for prefix, most in _CEILINGS if model.startswith(prefix)), None)


@lru_cache
def betas_for(model: str, max_tokens: int, betas: tuple[str, ...]) -> tuple[str, ...]:
    """The betas that such a request is sent with: that of the long output only where it needs it.

    For a model that has no long output, or is not known, the betas as they were given.
    """
    if not model.startswith(_EXTENDED_MODELS):
        return betas
    others = tuple(beta for beta in betas if beta != EXTENDED_OUTPUT_BETA)
    ceiling = max_tokens_limit(model, ())
    needs_more = ceiling is not None and max_tokens > ceiling
    return (*others, EXTENDED_OUTPUT_BETA) if needs_more else others


def needs_batch(betas: tuple[str, ...]) -> bool:
    """Whether only a batch can answer it: the API gives the long output nowhere else."""
    return EXTENDED_OUTPUT_BETA in betas


def unknown(models: Iterable[str], also_known: Iterable[str] = ()) -> list[str]:
    """One line for each model that nobody here has heard of, with the name it may mean."""
    known = [*KNOWN, *also_known]
    return [
        _warning(model, known)
        for model in sorted(set(models))
        if model not in known and _DATE.sub("", model) not in known
    ]


def _warning(model: str, known: list[str]) -> str:
    near = get_close_matches(_DATE.sub("", model), known, n=1, cutoff=_NEAR)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"Model {model!r} is not known here; the API will judge it.{hint}"
