"""The overview of a job as a document. Pure."""

from datetime import datetime

from core.money.kpis import percentile
from core.reporting.job_report import BudgetUse, JobReport
from core.text import pluralize
from titan_console.text import format as fmt
from titan_console.text import job_labels, ledger_messages
from titan_console.text.charts import sparkline
from titan_console.text.document import Document, DocumentBuilder
from titan_console.text.format import Tone
from titan_console.text.lines import Part

# With the percentiles in 80 columns.
_TREND = 12
_NEARLY_USED = 0.8


def overview(report: JobReport, now: datetime) -> Document:
    """Schedule, next run, budget, last failure, API time and savings."""
    builder, status = DocumentBuilder(), report.status
    job = status.job
    facts = [status.mode.value, job.schedule.value] if job else ["not in titan.toml"]
    builder.field("Mode", "  ·  ".join((*facts, *((job.note,) if job and job.note else ()))))
    _model(builder, report)
    if status.pause:
        builder.field(
            "Paused",
            ledger_messages.in_details(status.pause.text).removeprefix("paused "),
            Tone.WARN,
        )
    _next_run(builder, report, now)
    for budget in report.budgets:
        builder.field("Budget", _budget(budget), _budget_tone(budget))
    if not report.budgets:
        builder.field("Budget", "none; set one in [budgets] of titan.toml", Tone.DIM)
    _failure(builder, report, now)
    _api_time(builder, report)
    _savings(builder, report)
    return builder.build()


def _model(builder: DocumentBuilder, report: JobReport) -> None:
    """The model of the latest run; that of titan.toml where it is another, or nothing ran yet."""
    job, used = report.status.job, ", ".join(report.models)
    if job is None or used == job.model:
        builder.field("Model", used)
    elif used:
        builder.field("Model", f"{used} in the latest run; {job.model} in titan.toml", Tone.WARN)
    else:
        builder.field("Model", job.model)


def _next_run(builder: DocumentBuilder, report: JobReport, now: datetime) -> None:
    window, sync_run_at = report.status.window, report.status.sync_run_at
    if window is None:
        builder.field("Next run", "no deadline" if report.runs else "not run yet")
        return
    builder.field("Next submit", job_labels.local(window.submit_from, now))
    builder.field("Next run due", job_labels.local(window.due, now))
    if sync_run_at is not None:
        # A daily job submits its next run just when the open one would run synchronously.
        is_next = sync_run_at == window.sync_run_at
        which = "the next run" if is_next else "the open run"
        at = job_labels.local(sync_run_at, now)
        builder.field("Sync fallback", f"{at}, of {which} if it has not ended by then")


def _budget(budget: BudgetUse) -> str:
    share = budget.used_nano / budget.limit_nano if budget.limit_nano else 1.0
    used = f"{fmt.money(budget.used_nano)} of {fmt.money(budget.limit_nano)}"
    return f"{used} used today ({share:.0%}): {budget.name}"


def _budget_tone(budget: BudgetUse) -> Tone:
    if budget.used_nano >= budget.limit_nano:
        return Tone.BAD
    nearly = budget.used_nano >= _NEARLY_USED * budget.limit_nano
    return Tone.WARN if nearly else Tone.PLAIN


def _failure(builder: DocumentBuilder, report: JobReport, now: datetime) -> None:
    failure = report.failure
    if failure is None:
        builder.field("Last error", "none", Tone.DIM)
        return
    kind = failure.error_type or fmt.outcome(failure.outcome).word
    message = f": {failure.error_message}" if failure.error_message else ""
    ago = f"{fmt.since(failure.ended_ts, now)} ago"
    builder.field("Last error", f"{ago}  ·  {kind}{message}  ·  {failure.custom_id}", Tone.BAD)


def _api_time(builder: DocumentBuilder, report: JobReport) -> None:
    seconds = report.api_times_s
    p50, p95 = percentile(seconds, 50), percentile(seconds, 95)
    if p50 is None or p95 is None:
        builder.field("At the API", "no batch has ended yet", Tone.DIM)
        return
    text = f"p50 {job_labels.took(p50)}, p95 {job_labels.took(p95)}"
    batches = pluralize(len(seconds), "batch", "batches")
    trend = sparkline(list(reversed(seconds[:_TREND])))
    builder.line(
        Part(f"{'At the API':<16}", Tone.DIM),
        Part(f"{text}, of {batches}  "),
        Part(trend, Tone.BUSY),
        hang=16,
    )


def _savings(builder: DocumentBuilder, report: JobReport) -> None:
    cost = sum(one.cost_nano for one in report.costs)
    sync_cost = sum(one.sync_cost_nano for one in report.costs)
    if not report.costs:
        builder.field("Saved", "nothing answered in 90 days", Tone.DIM)
        return
    answers = pluralize(sum(one.answers for one in report.costs), "answer")
    saved = f"{fmt.money(sync_cost - cost)} in 90 days"
    builder.field(
        "Saved",
        f"{saved}: {answers} for {fmt.money(cost)} instead of {fmt.money(sync_cost)}",
        Tone.GOOD if sync_cost > cost else Tone.PLAIN,
    )
