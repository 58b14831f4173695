"""The ledger as metrics of Prometheus: what is open, the poller, money, and what stands still."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import product

from msgspec import Struct

from core.batches.holds import SEND_HOLDS, SYNC_HOLDS
from core.config.money_settings import Budgets
from core.money import budgets
from core.money.eta import Risk
from core.reporting.history import etas
from core.reporting.poller_health import PollerState, assess
from core.reporting.prometheus_text import (
    Metric,
    MetricType,
    dollars,
    earliest,
    first,
    one,
    summed,
)
from state.batches import orphans
from state.batches.budget_reservations import Scope
from state.batches.orphans import OrphanVerdict
from state.db.reader import Source
from state.files.folder import Folder
from state.model.records import Batch, BatchStatus, Outcome
from state.model.timestamps import from_text, to_text
from state.model.usage import TOKENS
from state.operations import hook_runs, pauses
from state.queries import batch_list, ledger_status, metric_figures
from state.queries.ledger_status import Poller
from state.queries.metric_figures import Submitted, WorkKey, WorkSums

# Workflows, and combinations of workflow, model and mode, with series of their own. Those that
# came later share the series of `OTHER`, so that the number of series has an upper bound.
MOST_WORKFLOWS, MOST_COMBINATIONS = 100, 200
# More than all of them can have.
MOST_SERIES = 5300
OTHER = "(other)"
_OPEN = tuple(
    status for status in BatchStatus if status not in (BatchStatus.NOT_SENT, BatchStatus.REJECTED)
)
_RISKS = tuple(risk for risk in Risk if risk != Risk.NONE)
_WORK = ("workflow", "model", "mode")


class Facts(Struct, frozen=True, kw_only=True):
    """What the ledger does not hold. `silent_after`: the longest time without a good poll."""

    version: str
    now: datetime
    silent_after: timedelta
    budgets: Budgets
    config_problems: int
    fallback_files: int


def unreadable(version: str) -> list[Metric]:
    """The metrics where there is no ledger, or one that cannot be read."""
    return list(_build(version, is_up=False))


def metrics(source: Source, folder: Folder, facts: Facts) -> list[Metric]:
    """All metrics; the time to read them does not grow with the number of requests."""
    batches = batch_list.open_batches(source)
    submitted, work = metric_figures.submitted(source), metric_figures.work(source)
    names = [
        *(row.workflow for row in submitted),
        *sorted({key.workflow for key in work} | {batch.workflow for batch in batches}),
    ]
    workflows = _Workflows(names)
    return [
        *_build(facts.version, is_up=True),
        *_poller(source, facts),
        *_open_batches(source, batches, workflows, facts.now),
        *_requests(source),
        *_submitted(submitted, workflows),
        *_counted(work),
        *_of_now(work),
        *_budgets(source, folder, facts),
        *_stopped(source, workflows, facts),
    ]


class _Workflows:
    """The values of the label `workflow`: the first workflows by name, then `OTHER`."""

    def __init__(self, names: Sequence[str]) -> None:
        self.label = first(names, MOST_WORKFLOWS, other=OTHER)
        self.labels = list(dict.fromkeys(self.label(name) for name in names))


def _build(version: str, *, is_up: bool) -> Iterator[Metric]:
    yield one("titan_up", "Whether the ledger could be read (1) or not (0).", int(is_up))
    yield Metric(
        name="titan_build_info",
        help="Version of titan-console; always 1.",
        labels=("version",),
        values={(version,): 1},
    )


def _poller(source: Source, facts: Facts) -> Iterator[Metric]:
    poller = ledger_status.poller(source)
    state = assess(poller, facts.now, facts.silent_after).state
    count, seconds = metric_figures.polls(source)
    yield Metric(
        name="titan_poller_state",
        help="State of the poller: 1 for the current one, 0 for the others.",
        labels=("state",),
        values={(name.value,): int(name == state) for name in PollerState},
    )
    yield one("titan_polls_total", "Polls that started.", count, is_counter=True)
    for name, text, moment in _times(poller):
        values = {(): from_text(moment).timestamp()} if moment else {}
        yield Metric(name=name, help=text, values=values)
    yield Metric(
        name="titan_last_poll_duration_seconds",
        help="Duration of the last poll that ended.",
        values={} if seconds is None else {(): seconds},
    )


def _times(poller: Poller) -> Iterator[tuple[str, str, str | None]]:
    yield (
        "titan_last_poll_timestamp_seconds",
        "Unix time at which the last poll ended.",
        poller.last_finished_ts,
    )
    yield (
        "titan_last_successful_poll_timestamp_seconds",
        "Unix time at which the last successful poll ended.",
        poller.last_success_ts,
    )
    yield (
        "titan_ledger_restored_timestamp_seconds",
        "Unix time at which the ledger was restored or rebuilt; absent otherwise.",
        poller.restored_ts,
    )


def _open_batches(
    source: Source, batches: Sequence[Batch], workflows: _Workflows, now: datetime
) -> Iterator[Metric]:
    label, found = workflows.label, etas(source, batches, now)
    none = [(key, 0) for key in product(workflows.labels, _OPEN)]
    safe = [(key, 0) for key in product(workflows.labels, _RISKS)]
    yield Metric(
        name="titan_open_batches",
        help="Open batches, synchronous runs included, by status.",
        labels=("workflow", "status"),
        values=summed([*none, *(((label(b.workflow), b.status), 1) for b in batches)]),
    )
    yield Metric(
        name="titan_open_batch_requests",
        help="Requests in open batches.",
        labels=("workflow",),
        values=summed(
            [
                *(((name,), 0) for name in workflows.labels),
                *(((label(b.workflow),), b.request_count) for b in batches),
            ]
        ),
    )
    yield Metric(
        name="titan_oldest_open_batch_timestamp_seconds",
        help="Unix time at which the oldest open batch was created; absent without one.",
        labels=("workflow",),
        values=earliest(
            ((label(b.workflow),), from_text(b.created_ts).timestamp()) for b in batches
        ),
    )
    yield Metric(
        name="titan_deadline_risk_batches",
        help="Open batches with a deadline, by the risk that they miss its guard.",
        labels=("workflow", "risk"),
        values=summed(
            [
                *safe,
                *(
                    ((label(b.workflow), found[b.key].risk), 1)
                    for b in batches
                    if found[b.key].risk != Risk.NONE
                ),
            ]
        ),
    )


def _requests(source: Source) -> Iterator[Metric]:
    totals = ledger_status.totals(source)
    yield Metric(
        name="titan_requests",
        help="Requests by status; errored: ended without an answer and not acknowledged.",
        labels=("status",),
        values={
            ("queued",): totals.queued_requests,
            ("in_flight",): totals.in_flight_requests,
            ("succeeded",): totals.succeeded,
            ("errored",): totals.failed_requests,
        },
    )
    yield one("titan_answers_to_review", "Answers that need review.", totals.reviews)
    oldest = metric_figures.oldest_queued(source)
    yield Metric(
        name="titan_oldest_queued_request_timestamp_seconds",
        help="Unix time at which the oldest queued request was submitted; absent without one.",
        values={(): from_text(oldest).timestamp()} if oldest else {},
    )


def _submitted(rows: Sequence[Submitted], workflows: _Workflows) -> Iterator[Metric]:
    yield Metric(
        name="titan_submissions_total",
        help="Submissions stored.",
        type=MetricType.COUNTER,
        labels=("workflow",),
        values=summed(((workflows.label(row.workflow),), row.submissions) for row in rows),
    )
    yield Metric(
        name="titan_submitted_requests_total",
        help="Requests stored.",
        type=MetricType.COUNTER,
        labels=("workflow",),
        values=summed(((workflows.label(row.workflow),), row.requests) for row in rows),
    )
    yield Metric(
        name="titan_next_deadline_timestamp_seconds",
        help="Unix time of the earliest deadline of an unfinished submission; absent without one.",
        labels=("workflow",),
        values=earliest(
            ((workflows.label(row.workflow),), from_text(row.deadline_ts).timestamp())
            for row in rows
            if row.deadline_ts
        ),
    )


def _labels(work: dict[WorkKey, WorkSums]) -> list[tuple[tuple[str, ...], WorkSums]]:
    """The sums with the values of their labels; the combinations that came first have their own."""
    own = set(list(work)[:MOST_COMBINATIONS])
    return [
        ((key.workflow, key.model, key.kind.value) if key in own else (OTHER,) * 3, sums)
        for key, sums in work.items()
    ]


def _counted(work: dict[WorkKey, WorkSums]) -> Iterator[Metric]:
    rows = _labels(work)
    yield Metric(
        name="titan_attempts_total",
        help="Attempts with a stored outcome; each replay of a request is one more.",
        type=MetricType.COUNTER,
        labels=(*_WORK, "outcome"),
        values=summed(
            ((*labels, outcome.value), sums.counted[outcome.value])
            for labels, sums in rows
            for outcome in Outcome
        ),
    )
    yield Metric(
        name="titan_tokens_total",
        help="Tokens billed for stored answers.",
        type=MetricType.COUNTER,
        labels=(*_WORK, "type"),
        values=summed(
            ((*labels, name.removesuffix("_tokens")), sums.counted[name])
            for labels, sums in rows
            for name in TOKENS
        ),
    )
    for name, column, text in (
        ("cost", "cost_nano", "Cost of stored answers, fees included."),
        ("sync_price", "sync_cost_nano", "What these answers would have cost synchronously."),
        ("fees", "fee_nano", "The part of the cost that is not for tokens, such as web searches."),
        ("duplicate_charges", "duplicate_nano", "Cost of answers that were billed twice."),
    ):
        found = summed((labels, sums.counted[column]) for labels, sums in rows)
        yield Metric(
            name=f"titan_{name}_dollars_total",
            help=f"{text} Answers without a known price are left out.",
            type=MetricType.COUNTER,
            labels=_WORK,
            values={labels: dollars(nano) for labels, nano in found.items()},
        )


def _of_now(work: dict[WorkKey, WorkSums]) -> Iterator[Metric]:
    rows = _labels(work)
    saved = summed((labels, sums.savings_nano) for labels, sums in rows)
    yield Metric(
        name="titan_savings_dollars",
        help="Synchronous price minus cost of all stored answers, after corrections.",
        labels=_WORK,
        values={labels: dollars(nano) for labels, nano in saved.items()},
    )
    yield Metric(
        name="titan_unpriced_answers",
        help="Stored answers whose cost is unknown.",
        labels=_WORK,
        values=summed((labels, sums.unpriced) for labels, sums in rows),
    )


def _budgets(source: Source, folder: Folder, facts: Facts) -> Iterator[Metric]:
    day, used = f"{facts.now:%Y-%m-%d}", budgets.used_in(source, folder)
    agents = facts.budgets.limits_of_agents(day)
    whole = [
        limit
        for limit in facts.budgets.limits_of(day=day, workflow="", tag="")
        if limit not in agents
    ]
    each = [
        ((name,), limit)
        for name in sorted(facts.budgets.workflows)[:MOST_WORKFLOWS]
        for limit in facts.budgets.limits_of(day=day, workflow=name, tag="")
        if limit.scope == Scope(day=day, workflow=name)
    ]
    for prefix, of, labels, rows in (
        ("daily", "the UTC day", (), [((), limit) for limit in whole]),
        ("workflow_daily", "a workflow's UTC day", ("workflow",), each),
        ("agents_daily", "agents on the UTC day", (), [((), limit) for limit in agents]),
    ):
        found = [(key, limit.nano, limit.scope) for key, limit in rows if limit.scope is not None]
        yield Metric(
            name=f"titan_{prefix}_budget_limit_dollars",
            help=f"Budget of {of} in titan.toml.",
            labels=labels,
            values={key: dollars(nano) for key, nano, _ in found},
        )
        yield Metric(
            name=f"titan_{prefix}_budget_used_dollars",
            help=f"Spent or reserved of the budget of {of}.",
            labels=labels,
            values={key: dollars(used(scope).nano) for key, _, scope in found},
        )


def _stopped(source: Source, workflows: _Workflows, facts: Facts) -> Iterator[Metric]:
    holds = {hold.name for hold in ledger_status.holds(source, now_ts=to_text(facts.now))}
    yield Metric(
        name="titan_hold",
        help="Whether a hold stops sending or synchronous calls (1) or not (0).",
        labels=("hold",),
        values={(name,): int(name in holds) for name in (*SEND_HOLDS, *SYNC_HOLDS)},
    )
    yield Metric(
        name="titan_paused_workflows",
        help="Workflows that an operator paused.",
        labels=("workflow",),
        values=summed(
            [
                *(((name,), 0) for name in workflows.labels),
                *(((workflows.label(row.workflow),), 1) for row in pauses.paused(source)),
            ]
        ),
    )
    alerts = metric_figures.alert_counts(source)
    yield Metric(
        name="titan_alerts",
        help="Alerts that are raised now.",
        labels=("rule",),
        values={(row.rule,): row.now for row in alerts},
    )
    yield Metric(
        name="titan_alerts_raised_total",
        help="Alerts that were raised.",
        type=MetricType.COUNTER,
        labels=("rule",),
        values={(row.rule,): row.ever for row in alerts},
    )
    yield Metric(
        name="titan_orphan_batches",
        help="Batches at the API that the ledger has no record of.",
        labels=("verdict",),
        values={
            (verdict.value,): orphans.count(source, verdict)
            for verdict in (OrphanVerdict.CANDIDATE, OrphanVerdict.UNKNOWN)
        },
    )
    failing = len(hook_runs.failing(source))
    yield one("titan_failing_delivery_hooks", "Delivery hooks that failed.", failing)
    yield one("titan_fallback_files", "Submissions not imported yet.", facts.fallback_files)
    yield one("titan_config_problems", "Problems in titan.toml.", facts.config_problems)
