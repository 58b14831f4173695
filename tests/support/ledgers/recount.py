"""What savings are by the attempts themselves, to compare with the totals that reports read."""

from collections import Counter
from collections.abc import Callable, Iterator

from support.ledgers.ledger_views import request

from state.db.reader import Source
from state.model.records import Outcome
from state.model.usage import TOKENS, Tokens
from state.operations import selection
from state.operations.selection import Filter
from state.queries import cache_usage, spending
from state.queries.request_detail import AttemptRecord
from state.queries.spending import Spending, SumFilter

KEYS: dict[str, Callable[[AttemptRecord], str]] = {
    "workflow": lambda one: one.workflow,
    "model": lambda one: one.model or one.requested_model,
    "day": lambda one: (one.collected_ts or "")[:10],
    "tag": lambda one: one.tag,
    "batch": lambda one: one.batch_key,
    "kind": lambda one: one.kind,
}
_NAMES = tuple(
    name for name in Spending.__struct_fields__ if name not in ("name", "first_day", "kind")
)
# A long time ago, at midnight and not.
SINCE = ("2020-01-01T00:00:00.000Z", "2020-01-01T00:00:00.001Z")


def attempts(source: Source, *tags: str) -> Iterator[AttemptRecord]:
    """Every attempt of a collected batch, of requests with these tags."""
    for one in selection.requests(source, Filter(names=tags)):
        found = request(source, one.tag, one.custom_id).attempts
        yield from (attempt for attempt in found if attempt.collected_ts is not None)


def recount(
    source: Source, by: Callable[[AttemptRecord], str], *tags: str
) -> dict[str, Counter[str]]:
    """The sums over those attempts."""
    found: dict[str, Counter[str]] = {}
    for one in attempts(source, *tags):
        found.setdefault(by(one), Counter()).update(_counts(one))
    return found


def _counts(one: AttemptRecord) -> dict[str, int]:
    parts = (one.usage, *one.usage.iterations)
    return {
        "attempts": 1,
        "succeeded": one.outcome == Outcome.SUCCEEDED,
        "errored": one.outcome == Outcome.ERRORED,
        "lost": one.outcome in (Outcome.EXPIRED, Outcome.MISSING),
        "tokens_in": sum(_tokens(part) - part.output_tokens for part in parts),
        "tokens_out": sum(part.output_tokens for part in parts),
        "web_searches": one.usage.web_searches,
        "fee_nano": one.fee_nano,
        "cost_nano": one.cost_nano or 0,
        "sync_cost_nano": one.sync_cost_nano or 0,
        "duplicate_nano": (one.cost_nano or 0) * one.is_duplicate,
        "unpriced": one.outcome == Outcome.SUCCEEDED and one.cost_nano is None,
    }


def _tokens(part: Tokens) -> int:
    return sum(getattr(part, name) for name in TOKENS)


def counted(row: Spending) -> Counter[str]:
    """The same sums of a row of savings."""
    return Counter({name: getattr(row, name) for name in _NAMES})


def check_totals(source: Source, *tags: str) -> None:
    """All that reports read from totals is what the attempts say: nothing more, nothing less."""
    for by in spending.BY:
        expected = recount(source, KEYS[by], *tags)
        for since_ts in SINCE:
            rows = spending.spending(source, by, since_ts=since_ts)
            assert {row.name: counted(row) for row in rows} == expected
        if by in ("day", "workflow", "model"):
            for name in expected:
                _check_batches(source, SumFilter(by, name, ""), KEYS[by], *tags)
    _check_batches(source, SumFilter("all", "", ""), lambda _: "", *tags)
    used = Counter[tuple[object, ...]]()
    for use in cache_usage.since(source, ""):
        key = (use.model, use.inference_geo, use.service_tier, use.speed, use.prompt_tokens)
        for name in ("answers", "written_5m", "written_1h", "read"):
            used[use.batch_key, *key, name] += getattr(use, name)
    assert +used == _recounted_cache(source, *tags)


def _check_batches(
    source: Source, wanted: SumFilter, by: Callable[[AttemptRecord], str], *tags: str
) -> None:
    """A sum opens into the batches whose attempts it is made of."""
    expected = recount(source, lambda one: f"{by(one)} {one.batch_key}", *tags)
    for one in spending.batches_in_sum(source, wanted):
        sums = expected.pop(f"{wanted.value} {one.key}")
        for name in ("attempts", "cost_nano", "sync_cost_nano", "duplicate_nano", "unpriced"):
            assert getattr(one, name) == sums[name]
        models = {
            KEYS["model"](a)
            for a in attempts(source, *tags)
            if (a.batch_key, by(a)) == (one.key, wanted.value)
        }
        assert set(one.models) == models
    assert not [key for key in expected if key.startswith(f"{wanted.value} ")]


def _recounted_cache(source: Source, *tags: str) -> Counter[tuple[object, ...]]:
    found = Counter[tuple[object, ...]]()
    for one in attempts(source, *tags):
        if one.outcome != Outcome.SUCCEEDED:
            continue
        usage = one.usage
        for part in (usage, *usage.iterations):
            written = part.cache_write_5m_tokens, part.cache_write_1h_tokens
            prompt = part.input_tokens + sum(written) + part.cache_read_tokens
            size = 500_000 if prompt > 200_000 else 150_000 if prompt > 100_000 else 0
            model = getattr(part, "model", None) or one.model or one.requested_model
            key = (model, usage.inference_geo, usage.service_tier, usage.speed, size)
            counts = {"written_5m": written[0], "written_1h": written[1]}
            counts |= {"read": part.cache_read_tokens}
            counts |= {"answers": part is usage and any(counts.values())}
            for name, count in counts.items():
                found[one.batch_key, *key, name] += count
    return +found
