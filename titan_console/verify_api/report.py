"""The report on a run: each fact with its verdict, and what is left at the account."""

from collections.abc import Iterator

from msgspec import Struct

from core.money.pricing import PriceBook, usd
from state.model.records import BatchKind, Outcome
from titan_console.verify_api.answer_facts import ANSWER_FACTS
from titan_console.verify_api.call_facts import CALL_FACTS
from titan_console.verify_api.evidence import Evidence
from titan_console.verify_api.fact import Fact, Verdict

FACTS: tuple[Fact, ...] = (*CALL_FACTS, *ANSWER_FACTS)


class FactReport(Struct, frozen=True, kw_only=True):
    """One fact: `verdict` is held, not_held or unknown; `engine` is what it does otherwise."""

    fact: str
    assumes: str
    verdict: str
    seen: str
    engine: str


class RunBatch(Struct, frozen=True, kw_only=True):
    """A batch of the run that has not ended."""

    name: str
    remote_id: str
    requests: int


class VerifyReport(Struct, frozen=True, kw_only=True):
    """A run. `cost_usd` is that of the answers so far, None where one has no known price."""

    recording: str
    model: str
    complete: bool
    limit_usd: float | None
    max_usd: float | None
    cost_usd: float | None
    held: int
    not_held: int
    unknown: int
    facts: list[FactReport]
    open_batches: list[RunBatch]


def report(evidence: Evidence, recording: str, prices: PriceBook) -> VerifyReport:
    """The verdicts of that recording."""
    facts = [_checked(fact, evidence) for fact in FACTS]
    count = {verdict: sum(1 for one in facts if one.verdict == verdict) for verdict in Verdict}
    return VerifyReport(
        recording=recording,
        model=evidence.run.model,
        complete=evidence.is_complete,
        limit_usd=usd(evidence.run.limit_nano),
        max_usd=usd(evidence.run.max_nano),
        cost_usd=usd(_cost_nano(evidence, prices)),
        held=count[Verdict.HELD],
        not_held=count[Verdict.NOT_HELD],
        unknown=count[Verdict.UNKNOWN],
        facts=facts,
        open_batches=list(open_batches(evidence)),
    )


def open_batches(evidence: Evidence) -> Iterator[RunBatch]:
    """The batches that the API has not ended, as far as the recording shows."""
    for name, requests in evidence.plan.batches.items():
        remote_id = evidence.id_of(name)
        if remote_id and not evidence.ended(name) and not evidence.answer(f"abandon {name}"):
            yield RunBatch(name=name, remote_id=remote_id, requests=len(requests))


def _checked(fact: Fact, evidence: Evidence) -> FactReport:
    found = fact.check(evidence)
    return FactReport(
        fact=fact.id,
        assumes=fact.assumes,
        verdict=found.verdict,
        seen=found.seen,
        engine=fact.otherwise,
    )


def _cost_nano(evidence: Evidence, prices: PriceBook) -> int | None:
    """Of all answers; None where one of them has no known price."""
    total = 0
    for result in evidence.all_results():
        if result.outcome != Outcome.SUCCEEDED:
            continue
        at = evidence.at("list before")
        charge = prices.charge(result.model, result.usage, at=at, kind=BatchKind.BATCH)
        if charge.cost_nano is None:
            return None
        total += charge.cost_nano
    return total
