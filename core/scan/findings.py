"""The result of a scan: each task with its verdict, and the tokens and dollars of its month."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from core.config.job import DEFAULT_MODEL
from core.config.never_batch import NeverBatchList
from core.config.scan_file import Basis
from core.money.pricing import PriceBook
from core.scan import score as scoring
from core.scan.attribution import Measured
from core.scan.score import Score, Verdict
from core.scan.task import Runner, Source, Task, Tokens

_PICO_PER_NANO = 1_000

_NAME_CHARS = 40


def job_name(name: str) -> str:
    """A name of letters, digits and dashes, as the custom_ids of a job begin with.

    >>> job_name("Nightly: mails/über")
    'Nightly-mails-uber'
    """
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_]+", "-", ascii_name).strip("-")[:_NAME_CHARS].strip("-") or "job"


class Workload(Struct, frozen=True, kw_only=True):
    """Tokens and synchronous list price of a month, in nano-dollars; None where it is unknown.

    `saving_nano` is half of the price: for an agent session the most that can be saved, since the
    session itself stays synchronous. `cache_read` tokens are not in `tokens_in`.
    """

    basis: Basis
    tokens_in: int
    tokens_out: int
    cache_read: int = 0
    runs: int | None = None
    cost_nano: int | None = None
    model: str | None = None

    @property
    def tokens(self) -> int:
        """Input and output."""
        return self.tokens_in + self.tokens_out

    @property
    def saving_nano(self) -> int | None:
        """What a batch of the same tokens saves."""
        return None if self.cost_nano is None else self.cost_nano // 2


class Finding(Struct, frozen=True, kw_only=True):
    """One task, its verdict, and its month where that is known."""

    task: Task
    score: Score
    month: Workload | None = None

    @property
    def is_session(self) -> bool:
        """Whether an agent runs it, so that only some of its steps can be requests of a batch."""
        return self.task.runner == Runner.AGENT

    @property
    def per_run(self) -> Tokens | None:
        """Tokens of one run, as measured or stated."""
        if self.month is None or self.month.runs is None:
            return self.task.stated
        runs = self.month.runs
        return Tokens(round(self.month.tokens_in / runs), round(self.month.tokens_out / runs))


def judge(
    tasks: Sequence[Task],
    measured: Mapping[str, Measured],
    never: NeverBatchList,
    prices: PriceBook,
    *,
    at: datetime,
    in_batches: frozenset[str] = frozenset(),
) -> list[Finding]:
    """Every task: what moves first, then what stays. `in_batches` are workflows that have moved."""
    found = list[Finding]()
    for task in tasks:
        month = _month(
            task, measured.get(task.name) or measured.get(job_name(task.name)), prices, at
        )
        judged = scoring.score(task, never, month.tokens if month else None)
        if {task.name, job_name(task.name)} & in_batches and judged.verdict == Verdict.MOVE:
            judged = Score(verdict=Verdict.MOVED, reason="its batches are in the ledger")
        found.append(Finding(task=task, score=judged, month=month))
    return sorted(found, key=_order)


def _order(finding: Finding) -> tuple[object, ...]:
    verdicts = (Verdict.MOVE, Verdict.MOVED, Verdict.STAY)
    cost = (finding.month.cost_nano or 0) if finding.month else 0
    is_skill = finding.task.source == Source.SKILL
    return (
        verdicts.index(finding.score.verdict),
        finding.score.tier or 0,
        is_skill,
        -cost,
        finding.task.name,
    )


def _month(
    task: Task, measured: Measured | None, prices: PriceBook, at: datetime
) -> Workload | None:
    if measured is not None:
        return Workload(
            basis=Basis.MEASURED,
            tokens_in=measured.tokens_in,
            tokens_out=measured.tokens_out,
            cache_read=measured.cache_read,
            runs=measured.runs or None,
            # A sum without the answers that have no price would be too small.
            cost_nano=None if measured.unpriced else measured.cost_nano,
            model=measured.model,
        )
    per_run, rhythm = task.stated, task.rhythm
    if per_run is None or rhythm is None or not rhythm.runs_a_month:
        return None
    tokens = [round(count * rhythm.runs_a_month) for count in per_run]
    model = task.model or DEFAULT_MODEL
    return Workload(
        basis=Basis.STATED,
        tokens_in=tokens[0],
        tokens_out=tokens[1],
        cost_nano=_cost(model, tokens[0], tokens[1], prices, at),
        model=model,
    )


def _cost(
    model: str, tokens_in: int, tokens_out: int, prices: PriceBook, at: datetime
) -> int | None:
    rates = prices.rates(model, prompt_tokens=0, at=at)
    if rates is None:
        return None
    pico = tokens_in * rates.input + tokens_out * rates.output
    return round(Decimal(pico) / _PICO_PER_NANO)


class Totals(Struct, frozen=True, kw_only=True):
    """Number of tasks and dollars of a month of one verdict; measured and stated apart."""

    tasks: int = 0
    measured_nano: int = 0
    stated_nano: int = 0
    unknown: int = 0


def totals(findings: Sequence[Finding], verdict: Verdict) -> Totals:
    """The sums of one verdict. `unknown`: tasks without a price."""
    chosen = [finding for finding in findings if finding.score.verdict == verdict]
    months = [finding.month for finding in chosen]

    def priced(basis: Basis) -> int:
        return sum(month.cost_nano or 0 for month in months if month and month.basis == basis)

    return Totals(
        tasks=len(chosen),
        measured_nano=priced(Basis.MEASURED),
        stated_nano=priced(Basis.STATED),
        unknown=sum(month is None or month.cost_nano is None for month in months),
    )
