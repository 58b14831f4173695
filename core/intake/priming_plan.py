"""Decides whether a new submission primes the prompt cache, and what that costs."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from msgspec import Struct, field

from core.batches.priming_release import describe_stop
from core.commands.deadline_policy import USUAL
from core.config.durations import DEADLINE_LEAD
from core.intake.options import ResolvedOptions
from core.money.cache_costs import expected_change
from core.money.estimate import Estimate, History
from core.requests.cache_control import CachePolicy
from core.requests.common_prefix import Prefix, PrefixFinder
from core.requests.model_limits import undated
from core.text import pluralize
from state.batches.priming_records import NewPrefix, NewPriming, Stop
from state.model.timestamps import to_text

# How long a cache entry lives after its last use.
_CACHE_LIFE = timedelta(hours=1)


class Primer(Struct, kw_only=True):
    """Looks for the common prefixes of a submission; `until` is how long the others wait."""

    until: datetime
    finder: PrefixFinder = field(default_factory=PrefixFinder)

    def priming(self) -> NewPriming | None:
        """What to store; None where no prefix is worth it."""
        prefixes = tuple(
            NewPrefix(head=one.head, blocks=one.blocks, position=one.position)
            for one in self.finder.prefixes()
        )
        return NewPriming(prefixes=prefixes, until_ts=to_text(self.until)) if prefixes else None

    def said(self) -> str:
        """One line: what is sent first, and when the others are."""
        found = self.finder.prefixes()
        if not found:
            return (
                "No cache_control was added: fewer than three requests share a prefix long enough"
                " to cache (tools, system prompt, first messages)."
            )
        others = self.finder.requests - len(found)
        return (
            f"{pluralize(len(found), 'request')} sent first to write the cache; the other"
            f" {others:,} wait for the result, until {to_text(self.until)} at most."
        )


def begin(
    resolved: ResolvedOptions, *, now: datetime, usual: timedelta | None, stop: Stop | None
) -> Primer | str | None:
    """The primer of a submission that asks for it, or why it is not primed; None unasked."""
    if resolved.cache != CachePolicy.PRIME:
        return None
    if stop is not None:
        return f"Not primed: {describe_stop(stop)}"
    until = wait_until(now, deadline=resolved.deadline, usual=usual)
    if until is None:
        return "Not primed: no time to send one request first before the deadline."
    return Primer(until=until)


def lines(primer: Primer | str | None) -> list[str]:
    """What there is to say about it."""
    said = primer.said() if isinstance(primer, Primer) else primer
    return [said] if said else []


def wait_until(
    now: datetime, *, deadline: datetime | None, usual: timedelta | None
) -> datetime | None:
    """How long requests submitted now wait for the first ones; None where there is no time.

    At most an hour, since an entry lives no longer; and a batch sent then still meets the deadline.
    """
    until = now + _CACHE_LIFE
    if deadline is not None:
        until = min(until, deadline - DEADLINE_LEAD - (usual or USUAL))
    return until if until > now else None


def expect(
    estimate: Estimate, prefixes: Iterable[Prefix], uncached: Estimate, history: History
) -> None:
    """Set what the primed requests are expected to cost: all but the first read the cache.

    A synchronous run of them uses no cache.
    """
    for model, sums in estimate.models.items():
        plain = uncached.models[model]
        sums.expected_batch_nano = plain.expected_batch_nano
        sums.expected_sync_nano = plain.expected_sync_nano
    for prefix in prefixes:
        sums, plain = estimate.models[prefix.model], uncached.models[prefix.model]
        if sums.expected_batch_nano is not None:
            sums.expected_batch_nano += expected_change(
                prefix,
                history.get(undated(prefix.model)),
                estimate.prices.rates(prefix.model, prompt_tokens=prefix.bytes, at=estimate.at),
                requests=plain.requests,
                tokens_in=plain.tokens_in,
            )
