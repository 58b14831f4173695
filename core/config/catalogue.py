"""The jobs that are served, as titan.toml tells of them: a pure reading of its text."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from core.config import time_of_day
from core.config.alert_settings import Rules, parse_alerts
from core.config.budget_limits import Budgets, parse_budgets
from core.config.denylist import Denylist, without_date
from core.config.own_prices import OwnPrices, PriceRow, parse_prices
from core.config.time_of_day import TimeOfDay
from core.config.toml_reader import Mistake, Section, load, with_lines
from core.requests.cache_control import CachePolicy
from core.requests.models import EXTENDED_OUTPUT_BETA, max_tokens_limit
from state.model.records import OnFailure

# How often in a month of the mission: 30 days, 4 weeks, 120 times six hours.
RUNS_A_MONTH: Mapping[str, Decimal] = {
    "hourly": Decimal(720),
    "every-6h": Decimal(120),
    "daily": Decimal(30),
    "nightly": Decimal(30),
    "weekly": Decimal(4),
    "monthly": Decimal(1),
    "quarterly": Decimal(1) / 3,
}
DEFAULT_MODEL = "claude-sonnet-4-6"
COUNTDOWN_S = 8
_LATEST_DEADLINE_H = 24 * 366
# What others read in titan.toml, so that it is no slip of the keyboard here.
_ELSEWHERE = ("recovery", "limits", "fallback", "console")


class Latency(StrEnum):
    """How soon a job's results are wanted."""

    SOFT = "soft"
    HARD_BATCH = "hard-batch"
    CADENCE = "cadence"


class Replay(StrEnum):
    """Who asks again what the API failed at: an operator, or the polls by themselves."""

    BY_HAND = "by-hand"
    AUTO = "auto"


class Job(Struct, frozen=True, kw_only=True):
    """One scheduled job. Tokens are those of one run; None where they are not known yet."""

    name: str
    workload: str
    schedule: str
    latency: Latency
    model: str
    tokens_in: int | None
    tokens_out: int | None
    # Hours after the submission at which the results are needed; or the local time of day.
    deadline_h: int | None
    deadline_at: TimeOfDay | None
    on_failure: OnFailure
    cache: CachePolicy
    betas: tuple[str, ...]
    # The most output tokens that one of its requests asks for.
    max_tokens: int | None
    # What to run when its file was delivered: a program and its arguments, never a shell's line.
    on_settled: tuple[str, ...]
    on_settled_timeout_s: int
    replay: Replay
    # How often polls ask the same request again.
    replay_tries: int
    note: str

    @property
    def runs_a_month(self) -> Decimal:
        """How often it runs in a month of 30 days and 4 weeks."""
        return RUNS_A_MONTH[self.schedule]

    def deadline_after(self, now: datetime) -> datetime | None:
        """When the results of what is submitted now are needed; None where nobody said."""
        if self.deadline_at is not None:
            return self.deadline_at.after(now)
        return None if self.deadline_h is None else now + timedelta(hours=self.deadline_h)


class Workload(Struct, frozen=True, kw_only=True):
    """A row of the forecast: the sum of its jobs, or monthly tokens as they are planned.

    `rounded` are the owner's own figures: tokens in and out, dollars sync and batch.
    """

    name: str
    title: str
    is_batched: bool
    model: str
    month_in: int | None
    month_out: int | None
    rounded: Mapping[str, Decimal]


class Catalogue(Struct, frozen=True, kw_only=True):
    """Everything that was understood, and each mistake in the rest."""

    jobs: Mapping[str, Job] = field(default_factory=dict[str, Job])
    workloads: Mapping[str, Workload] = field(default_factory=dict[str, Workload])
    denylist: Denylist = field(default_factory=Denylist)
    prices: OwnPrices = field(default_factory=dict[str, tuple[PriceRow, ...]])
    budgets: Budgets = field(default_factory=Budgets)
    alerts: Rules = field(default_factory=Rules)
    # How long the console waits before what was ordered there is carried out.
    countdown_s: int = COUNTDOWN_S
    # The whole document, for those who read its other tables.
    document: Mapping[str, Any] = field(default_factory=dict[str, Any])
    mistakes: tuple[Mistake, ...] = ()

    def jobs_of(self, workload: str) -> list[Job]:
        """The jobs of one row of the forecast."""
        return [job for job in self.jobs.values() if job.workload == workload]

    def job_named(self, names: Iterable[str | None]) -> Job | None:
        """The first job that one of the names means; a date at a name's end is left out."""
        plain = (without_date(name) for name in names if name)
        return next((self.jobs[name] for name in plain if name in self.jobs), None)


def parse(text: str) -> Catalogue:
    """Read titan.toml; what is wrong is listed in `mistakes`, and the rest holds."""
    document, mistakes = load(text)
    if mistakes:
        return Catalogue(mistakes=tuple(mistakes))
    root = Section(document, (), mistakes)
    for name in _ELSEWHERE:
        root.table(name)
    denylist = Denylist(_denylist(root.table("never_batch")))
    workloads = {name: _workload(name, table) for name, table in root.table("workloads").tables()}
    jobs = {
        name: _job(name, table, workloads, denylist) for name, table in root.table("jobs").tables()
    }
    prices = parse_prices(root.table("prices"))
    budgets = parse_budgets(root.table("budgets"))
    alerts = parse_alerts(root.table("alerts"))
    countdown_s = root.table("console").whole("countdown_s", most=3600)
    root.finish()
    _check_plans(jobs, workloads, mistakes)
    return Catalogue(
        jobs=jobs,
        workloads=workloads,
        denylist=denylist,
        prices=prices,
        budgets=budgets,
        alerts=alerts,
        countdown_s=COUNTDOWN_S if countdown_s is None else countdown_s,
        document=document,
        mistakes=with_lines(mistakes, text),
    )


def _denylist(table: Section) -> dict[str, str]:
    return {name: reason for name in table.values if (reason := table.text(name))}


def _workload(name: str, table: Section) -> Workload:
    found = Workload(
        name=name,
        title=table.text("title", name),
        is_batched=table.flag("batched", default=True),
        model=table.text("model", DEFAULT_MODEL),
        month_in=table.whole("month_in"),
        month_out=table.whole("month_out"),
        rounded=_rounded(table.table("rounded")),
    )
    if ("month_in" in table.values) != ("month_out" in table.values):
        table.wrong("month_in", "month_in and month_out go together.")
    table.finish()
    return found


def _rounded(table: Section) -> dict[str, Decimal]:
    names = ("tokens_in", "tokens_out", "sync_usd", "batch_usd")
    found = {name: number for name in names if (number := table.number(name)) is not None}
    table.finish()
    return found


def _job(name: str, table: Section, workloads: Mapping[str, Workload], denylist: Denylist) -> Job:
    tier = table.text("workload")
    if tier not in workloads:
        known = ", ".join(workloads) or "none yet"
        table.wrong("workload", f"names a table [workloads.{tier}]; known are: {known}.")
    job = Job(
        name=name,
        workload=tier,
        schedule=table.choice("schedule", tuple(RUNS_A_MONTH), "daily"),
        latency=Latency(table.choice("latency", tuple(Latency), Latency.SOFT)),
        model=table.text("model", DEFAULT_MODEL),
        tokens_in=table.whole("tokens_in"),
        tokens_out=table.whole("tokens_out"),
        deadline_h=table.whole("deadline_h", least=1, most=_LATEST_DEADLINE_H),
        deadline_at=_deadline_at(table),
        on_failure=OnFailure(table.choice("on_failure", tuple(OnFailure), OnFailure.QUEUE)),
        cache=CachePolicy(table.choice("cache", tuple(CachePolicy), CachePolicy.NONE)),
        betas=table.texts("betas"),
        max_tokens=table.whole("max_tokens", least=1),
        on_settled=table.texts("on_settled"),
        on_settled_timeout_s=table.whole("on_settled_timeout_s", least=1, most=600) or 300,
        replay=Replay(table.choice("replay", tuple(Replay), Replay.BY_HAND)),
        replay_tries=table.whole("replay_tries", least=1, most=10) or 2,
        note=table.text("note"),
    )
    _check_job(job, table, denylist)
    table.finish()
    return job


def _deadline_at(table: Section) -> TimeOfDay | None:
    text = table.text("deadline_at")
    found = time_of_day.parse(text) if text else None
    if text and found is None:
        table.wrong("deadline_at", f"must be '07:00' or 'tomorrow 07:00', not {text!r:.40}.")
    if "deadline_at" in table.values and "deadline_h" in table.values:
        table.wrong("deadline_at", "and deadline_h say the same thing twice: keep one.")
    return found


def _check_job(job: Job, table: Section, denylist: Denylist) -> None:
    if "schedule" not in table.values:
        table.wrong("schedule", f"is missing; one of {', '.join(RUNS_A_MONTH)}.")
    if ("tokens_in" in table.values) != ("tokens_out" in table.values):
        table.wrong("tokens_in", "tokens_in and tokens_out go together.")
    ceiling = max_tokens_limit(job.model, job.betas)
    if job.max_tokens is not None and ceiling is not None and job.max_tokens > ceiling:
        hint = "" if EXTENDED_OUTPUT_BETA in job.betas else f'; betas = ["{EXTENDED_OUTPUT_BETA}"]'
        table.wrong("max_tokens", f"is over {job.model}'s limit of {ceiling:,}{hint}.")
    refused = denylist.reason_for([job.name])
    if refused:
        table.wrong("schedule", f"{job.name} is never batched: {refused[1]}.")


def _check_plans(
    jobs: Mapping[str, Job], workloads: Mapping[str, Workload], mistakes: list[Mistake]
) -> None:
    """A month that is planned as a whole and jobs with tokens of their own would count twice."""
    for job in jobs.values():
        workload = workloads.get(job.workload)
        if workload and workload.month_in is not None and job.tokens_in is not None:
            mistakes.append(
                Mistake(
                    ("jobs", job.name, "tokens_in"),
                    f"would count twice: [workloads.{workload.name}] plans month_in as a whole;"
                    " remove it there once every job has tokens of its own.",
                )
            )
