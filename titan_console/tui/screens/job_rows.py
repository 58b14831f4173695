"""The rows of the Jobs screen, and which of them a filter finds. Pure."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from core.reporting.job_status import JobOverview, JobStatus, Mode
from core.text import pluralize
from state.model.filter_terms import Field, Term, ValuesTerm
from state.queries.job_runs import LATEST, LastCommand, RunRecord
from titan_console.text import format as fmt
from titan_console.text import job_labels, ledger_messages
from titan_console.text.format import Label, Tone
from titan_console.text.run_names import run_of
from titan_console.tui.pages.list_page import Sort
from titan_console.tui.widgets.row_drawing import Cell, Column, Row

JOB_COLUMNS = (
    Column("job", "Job", 18, 0, grow=3, widest=48, is_name=True),
    Column("outcomes", "Last runs", 14, 1, right=True),
    Column("failed", "Errored", 7, 2, right=True, usual=("0",)),
    Column("canceled", "Canceled", 8, 7, right=True, usual=("0",)),
    Column("mode", "Mode", 8, 5, usual=("· batch",)),
    Column("schedule", "Schedule", 9, 4),
    Column("submit", "Next submit", 13, 3),
    Column("sync_run", "Sync fallback", 20, 6),
    Column("delivery", "Delivery", 16, 7),
    Column("hook", "Hook", 11, 8),
    Column("workload", "Workload", 8, 9, grow=1, widest=14, is_extra=True),
)
RUN_COLUMNS = (
    Column("status", "Status", 14, 1),
    Column("run", "Run", 12, 0, grow=2, widest=48, keeps_end=True, is_name=True),
    Column("requests", "Requests", 8, 3, right=True),
    Column("failed", "Errored", 7, 2, right=True, usual=("0",)),
    Column("canceled", "Canceled", 8, 4, right=True, usual=("0",)),
    Column("replayed", "Replayed", 8, 4, right=True, usual=("0",)),
    Column("sync", "Sync runs", 9, 8, right=True, usual=("0",)),
    Column("took", "At API", 7, 6, right=True),
    Column("cost", "Cost", 9, 5, right=True),
    Column("saved", "Saved", 9, 4, right=True),
    Column("submitted", "Submitted", 9, 7, right=True),
    Column("delivery", "Delivery", 16, 9),
)
NEVER_COLUMNS = (
    Column("name", "Workflow", 28, 0, grow=2, widest=48),
    Column("why", "Reason", 20, 1, grow=3),
)
FIELDS = (Field.STATUS, Field.WORKFLOW, Field.MODEL, Field.TEXT)
_STATES: Mapping[str, Callable[[JobStatus], bool]] = {
    "failed": lambda line: line.failed > 0,
    "open": lambda line: any(run.finished_ts is None for run in line.runs),
    "paused": lambda line: line.pause is not None,
    "unused": lambda line: not line.runs,
    "batch": lambda line: line.mode == Mode.BATCH,
    "sync": lambda line: line.mode == Mode.SYNC,
}
STATES = tuple(_STATES)
SORTS = (
    Sort("f", "file", "as in titan.toml"),
    Sort("n", "name", "name", "job"),
    Sort("x", "failed", "most errored first", "failed"),
    Sort("d", "due", "next submission first", "submit"),
    Sort("l", "last", "last run first", "outcomes"),
)
_MODES: Mapping[Mode, Label] = {
    Mode.BATCH: Label("·", "batch", Tone.GOOD),
    Mode.SYNC: Label("·", "sync", Tone.DIM),
}
_PAUSED = Label("‖", "paused", Tone.WARN)
_NONE = Label("-", "", Tone.DIM)


def matching(lines: Sequence[JobStatus], terms: Sequence[Term]) -> list[JobStatus]:
    """The jobs that match all terms."""
    return [line for line in lines if all(_matches(line, term) for term in terms)]


def _matches(line: JobStatus, term: Term) -> bool:
    if not isinstance(term, ValuesTerm):
        return True
    if term.field == Field.STATUS:
        found = any(_STATES[value](line) for value in term.values)
    else:
        texts = {
            Field.WORKFLOW: " ".join(line.workflows),
            Field.MODEL: line.job.model if line.job else "",
        }
        note = line.job.note if line.job else ""
        text = texts.get(term.field, f"{line.name} {note} {line.workload}").lower()
        found = any(value.lower() in text for value in term.values)
    return found != term.is_not


def arranged(
    lines: Sequence[JobStatus], order: str, *, is_inverted: bool = False
) -> list[JobStatus]:
    """The jobs in that order."""
    found = list(lines)
    match order:
        case "name":
            found.sort(key=lambda line: line.name)
        case "failed":
            found.sort(key=lambda line: (-line.errored, -line.canceled))
        case "due":
            found.sort(
                key=lambda line: line.window.submit_from.timestamp() if line.window else 1e12
            )
        case "last":
            found.sort(key=lambda line: line.runs[0].created_ts if line.runs else "", reverse=True)
        case _:
            pass
    if is_inverted:
        found.reverse()
    return found


def job_rows(lines: Sequence[JobStatus], now: datetime) -> list[Row]:
    """One row per job."""
    return [_job_row(line, now) for line in lines]


def never_rows(board: JobOverview) -> list[Row]:
    """Workflows that are never batched, with the reason."""
    return [
        Row(
            key=name,
            cells={"name": Cell(name), "why": Cell(why, Tone.DIM)},
            about=f"{name}  ·  {why}",
        )
        for name, why in board.never.items()
    ]


def jobs_title(board: JobOverview) -> str:
    """The number of jobs, or what to do about titan.toml."""
    if board.problems:
        counted = pluralize(len(board.problems), "problem")
        return f"Jobs · {counted} in titan.toml: run titan-console jobs check"
    if not board.has_file:
        return "Jobs · no titan.toml yet: run titan-console jobs init"
    paused = sum(line.pause is not None for line in board.lines)
    errored = (
        f" · errored: requests of the last {LATEST} runs"
        if any(line.failed for line in board.lines)
        else ""
    )
    return f"Jobs {len(board.lines)}" + (f" · {paused} paused" if paused else "") + errored


def _job_row(line: JobStatus, now: datetime) -> Row:
    mode = _PAUSED if line.pause else _MODES[line.mode]
    handed = job_labels.delivery(line.runs[0] if line.runs else None, now)
    hook = job_labels.COMMANDS[line.command.state] if line.command else _NONE
    glyphs, tones = job_labels.strip(line.runs)
    return Row(
        key=line.name,
        cells={
            "job": Cell(line.name),
            "mode": Cell(str(mode), mode.tone),
            "workload": Cell(line.workload, Tone.DIM),
            "schedule": Cell(line.job.schedule if line.job else fmt.NOTHING, Tone.DIM),
            "outcomes": Cell(glyphs or fmt.NOTHING, tones=tones),
            "failed": Cell(fmt.count(line.errored), Tone.BAD if line.errored else Tone.DIM),
            "canceled": Cell(fmt.count(line.canceled), Tone.WARN),
            "submit": Cell(_submit(line, now)),
            "sync_run": Cell(_sync_run(line, now)),
            "delivery": Cell(str(handed), handed.tone),
            "hook": Cell(str(hook), hook.tone),
        },
        about=_about(line, now),
    )


def _submit(line: JobStatus, now: datetime) -> str:
    if line.window is None:
        if line.job is None:
            return fmt.NOTHING
        return "no deadline" if line.runs else "not run yet"
    due = line.window.submit_from
    return "now" if due <= now else job_labels.relative(due, now)


def _sync_run(line: JobStatus, now: datetime) -> str:
    """When the deadline guard runs the open run, else the next one."""
    at = job_labels.relative(line.sync_run_at, now)
    if line.sync_run_at is None:
        return at
    is_next = line.window is not None and line.sync_run_at == line.window.sync_run_at
    return f"{at} ({'next' if is_next else 'open'} run)"


def _about(line: JobStatus, now: datetime) -> str:
    last = line.runs[0] if line.runs else None
    parts = [
        line.name,
        ledger_messages.in_details(line.pause.text) if line.pause else "",
        f"deadline of the next run {fmt.local_moment(line.window.due)}" if line.window else "",
        f"last submitted {fmt.since(last.created_ts, now)} ago" if last else "never run",
        job_labels.counts(last) if last and last.failed else "",
        _problem(line.command),
        line.job.note if line.job else "not in titan.toml",
    ]
    return "  ·  ".join(part for part in parts if part)


def _problem(command: LastCommand | None) -> str:
    if command is None or not command.problem:
        return ""
    return f"on_delivery failed {pluralize(command.tries, 'time')}: {command.problem}"


def run_rows(runs: Sequence[RunRecord], now: datetime) -> list[Row]:
    """One row per run of a job."""
    return [_run_row(record, now) for record in runs]


def _run_row(record: RunRecord, now: datetime) -> Row:
    run = record.run
    label, handed = job_labels.outcome(run), job_labels.delivery(run, now)
    is_answered = record.cost_nano or record.sync_cost_nano
    saved = record.sync_cost_nano - record.cost_nano
    return Row(
        key=run.key,
        cells={
            "status": Cell(str(label), label.tone),
            "run": Cell(run_of(run.tag, run.workflow)),
            "requests": Cell(fmt.count(run.request_count)),
            "failed": Cell(fmt.count(run.errored), Tone.BAD if run.errored else Tone.DIM),
            "canceled": Cell(fmt.count(run.canceled), Tone.WARN),
            "replayed": Cell(fmt.count(record.replayed), Tone.WARN),
            "sync": Cell(fmt.count(record.sync_runs), Tone.WARN),
            "took": Cell(job_labels.run_took(record)),
            "cost": Cell(
                fmt.sum_of_money(record.cost_nano, record.unpriced) if is_answered else fmt.NOTHING
            ),
            "saved": Cell(fmt.money(saved) if is_answered else fmt.NOTHING, Tone.GOOD),
            "submitted": Cell(fmt.since(run.created_ts, now)),
            "delivery": Cell(str(handed), handed.tone),
        },
        about="  ·  ".join((run.tag, run.key, job_labels.counts(run))),
    )
