"""The tables of titan.toml as records. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from core.config.alert_settings import AlertRules
from core.config.backup_settings import BackupSettings
from core.config.job import DEFAULT_MODEL, Job
from core.config.lanes import Lane, name_problems
from core.config.ledger_address import LedgerSettings
from core.config.money_settings import Budgets, OwnPrices, PriceRow, own_prices, repeated_days
from core.config.never_batch import NeverBatchList, without_date
from core.config.sending_settings import ApiSettings, BatchLimits, Recovery
from core.config.toml_reader import Amount, Count, Problem, Record, Text, load, read, with_lines
from state.model.records import DEFAULT_LANE

# It stands in the first line of each screen.
ShortText = Annotated[
    str,
    Meta(pattern=r"\S", max_length=24, description="a string of 1 to 24 characters, not empty"),
]
_LIMITING_TABLES = ("budgets", "never_batch", "prices")


class Planned(Record, frozen=True, kw_only=True):
    """The owner's own figures for a workload's month, shown beside the forecast."""

    tokens_in: Amount | None = None
    tokens_out: Amount | None = None
    sync_usd: Amount | None = None
    batch_usd: Amount | None = None

    def figures(self) -> dict[str, Decimal]:
        """Those that are set, by name."""
        found = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: figure for name, figure in found.items() if figure is not None}


class Workload(Record, frozen=True, kw_only=True):
    """A row of the forecast, `[workloads.NAME]`: the sum of its jobs, or planned monthly tokens."""

    name: str = ""
    title: Text = ""
    is_batched: bool = field(name="batched", default=True)
    model: Text = DEFAULT_MODEL
    month_in: Count | None = None
    month_out: Count | None = None
    planned: Planned = Planned()

    @staticmethod
    def old_names() -> Mapping[str, str]:
        """See `Record.old_names`."""
        return {"rounded": "planned"}

    def check(self, keys: set[str]) -> Iterator[tuple[str, str, str]]:
        """See `Record.check`."""
        if ("month_in" in keys) != ("month_out" in keys):
            yield "month_in", "key_missing", "month_in and month_out go together: set both."


class ConsoleSettings(Record, frozen=True, kw_only=True):
    """[console]: how the operator wants the console.

    `keys` maps ids of bindings to keys, unchecked. The console carries a command out after
    `countdown_s`, until then it can be withdrawn. The name and the `accent` tell
    the console of this ledger from those of others.
    """

    ledger_name: ShortText = field(name="name", default="")
    accent: Literal["red", "orange", "yellow", "green", "blue", "purple"] | None = None
    theme: Literal["dark", "light", "mono"] | None = None
    mouse: bool = True
    ascii: bool = False
    keys: dict[str, Text] = field(default_factory=dict[str, str])
    countdown_s: Annotated[int, Meta(ge=0, le=3600)] = 8
    # On the first failure, and on a deadline at risk.
    bell: bool = True
    notify: bool = True


class Document(Record, frozen=True, kw_only=True):
    """The whole file: its top-level tables."""

    workloads: dict[str, Workload] = field(default_factory=dict[str, Workload])
    jobs: dict[str, Job] = field(default_factory=dict[str, Job])
    never_batch: dict[str, Text] = field(default_factory=dict[str, str])
    prices: dict[str, tuple[PriceRow, ...]] = field(default_factory=dict[str, tuple[PriceRow, ...]])
    budgets: Budgets = Budgets()
    alerts: AlertRules = AlertRules()
    console: ConsoleSettings = ConsoleSettings()
    api: ApiSettings = ApiSettings()
    recovery: Recovery = Recovery()
    limits: BatchLimits = BatchLimits()
    backup: BackupSettings = BackupSettings()
    # `core.config.settings` reads it: it is needed before anything else.
    ledger: LedgerSettings = LedgerSettings()
    lanes: dict[str, Lane] = field(default_factory=dict[str, Lane])


class TitanToml(Struct, frozen=True, kw_only=True):
    """Everything that could be read, and each problem in the rest."""

    jobs: Mapping[str, Job] = field(default_factory=dict[str, Job])
    workloads: Mapping[str, Workload] = field(default_factory=dict[str, Workload])
    never_batch: NeverBatchList = field(default_factory=NeverBatchList)
    prices: OwnPrices = field(default_factory=dict)  # pyright: ignore[reportUnknownVariableType]
    budgets: Budgets = Budgets()
    alerts: AlertRules = AlertRules()
    console: ConsoleSettings = ConsoleSettings()
    api: ApiSettings = ApiSettings()
    recovery: Recovery = Recovery()
    limits: BatchLimits = BatchLimits()
    backup: BackupSettings = BackupSettings()
    ledger: LedgerSettings = LedgerSettings()
    lanes: Mapping[str, Lane] = field(default_factory=dict[str, Lane])
    problems: tuple[Problem, ...] = ()

    @property
    def console_problems(self) -> list[Problem]:
        """Those of [console], which no submission depends on."""
        return [problem for problem in self.problems if problem.path[:1] == ("console",)]

    @property
    def poll_problems(self) -> list[Problem]:
        """Those of what a poll uses: all but [console], and [workloads] of the forecast."""
        return [p for p in self.problems if p.path[:1] not in {("console",), ("workloads",)}]

    @property
    def limit_problems(self) -> list[Problem]:
        """Those of the whole file, of a limiting table, or of an unknown one, such as [budget]."""
        tables = Document.__struct_fields__
        return [
            problem
            for problem in self.problems
            if not problem.path
            or problem.path[0] in _LIMITING_TABLES
            or problem.path[0] not in tables
        ]

    @property
    def submit_problems(self) -> list[Problem]:
        """Those that stop submissions: of every job, or of the job they are in."""
        limiting = self.limit_problems
        return [p for p in self.problems if p in limiting or p.path[:1] in (("jobs",), ("lanes",))]

    def lane_problem(self, name: str) -> Problem | None:
        """The problem of the lane, or one that may hide the lane."""
        found = (p for p in self.problems if not p.path or p.path[:2] == ("lanes", name))
        return next(found, None)

    def prices_of(self, lane: str) -> OwnPrices:
        """Those of the lane before those of all."""
        found = self.lanes.get(lane)
        return {**self.prices, **own_prices(found.prices)} if found else self.prices

    def jobs_of(self, workload: str) -> list[Job]:
        """The jobs of one row of the forecast."""
        return [job for job in self.jobs.values() if job.workload == workload]

    def host_of(self, job: str | None) -> str:
        """The host that delivers the job's results, "" for the one that submits."""
        found = self.jobs.get(job) if job else None
        return found.host if found else ""

    def unbounded_nano(self, job: str | None) -> int | None:
        """What a budget counts for a request of the job whose cost has no upper bound."""
        found = self.jobs.get(job) if job else None
        return found.unbounded_nano if found else None

    def job_named(self, names: Iterable[str | None]) -> Job | None:
        """The job of the first name that is one; a date at the end of a name is left out."""
        plain = (without_date(name) for name in names if name)
        return next((self.jobs[name] for name in plain if name in self.jobs), None)


def parse(text: str) -> TitanToml:
    """Read titan.toml; invalid parts are listed in `problems`, the rest is valid."""
    document, problems = load(text)
    if problems:
        return TitanToml(problems=tuple(problems))
    found = read(Document, document, problems)
    never_batch = NeverBatchList(found.never_batch)
    for job in found.jobs.values():
        problems += _job_problems(job, found.workloads, never_batch)
        if job.lane not in (DEFAULT_LANE, *found.lanes):
            known = ", ".join((DEFAULT_LANE, *found.lanes))
            message = f"there is no table [lanes.{job.lane}]; known lanes: {known}."
            problems.append(Problem(("jobs", job.name, "lane"), message, "unknown_lane"))
    tables = [(("prices",), found.prices)]
    tables += [(("lanes", lane.name, "prices"), lane.prices) for lane in found.lanes.values()]
    for path, prices in tables:
        for model, day in repeated_days(prices):
            message = f"two rows begin on {day}: remove one."
            problems.append(Problem((*path, model, "from"), message, "repeated_price"))
    problems += name_problems(found.lanes)
    return TitanToml(
        jobs=found.jobs,
        workloads=found.workloads,
        never_batch=never_batch,
        prices=own_prices(found.prices),
        budgets=found.budgets,
        alerts=found.alerts,
        console=found.console,
        api=found.api,
        recovery=found.recovery,
        limits=found.limits,
        backup=found.backup,
        ledger=found.ledger,
        lanes=found.lanes,
        problems=with_lines(problems, text),
    )


def _job_problems(
    job: Job, workloads: Mapping[str, Workload], never_batch: NeverBatchList
) -> Iterator[Problem]:
    """Conflicts between a job and the other tables."""
    path = ("jobs", job.name)
    workload = workloads.get(job.workload)
    if workload is None:
        known = ", ".join(workloads) or "none; `titan-console jobs init` writes examples"
        missing = "is missing; set the name of a table [workloads.NAME]"
        cause = f"there is no table [workloads.{job.workload}]" if job.workload else missing
        message = f"{cause}; known workloads: {known}."
        yield Problem((*path, "workload"), message, "unknown_workload")
    elif workload.month_in is not None and job.tokens_in is not None:
        message = (
            f"would be counted twice: month_in of [workloads.{workload.name}] covers all its jobs;"
            " remove month_in once each of them has its own tokens."
        )
        yield Problem((*path, "tokens_in"), message, "tokens_counted_twice")
    denied = never_batch.reason_for([job.name])
    if denied:
        yield Problem(
            (*path, "schedule"), f"{job.name} is never batched: {denied[1]}.", "never_batched"
        )
