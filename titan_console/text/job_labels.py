"""What the screens of jobs say of runs, deliveries and times. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from state.model.timestamps import from_text
from state.operations.hook_runs import RunState
from state.queries.job_runs import JobRun, RunRecord
from titan_console.text import format as fmt
from titan_console.text.format import Label, Tone

COMMANDS: Mapping[RunState, Label] = {
    RunState.DUE: Label("◔", "due", Tone.BUSY),
    RunState.RUNNING: Label("▸", "running", Tone.BUSY),
    RunState.DONE: Label("✓", "done", Tone.GOOD),
    RunState.FAILED: Label("✗", "failed", Tone.BAD),
    RunState.NONE: Label("-", "", Tone.DIM),
}


def outcome(run: JobRun) -> Label:
    """The result of a run."""
    if run.finished_ts is None:
        if run.is_sent:
            return Label("▸", "open", Tone.BUSY)
        return Label("◦", "queued", Tone.DIM)
    if not run.failed:
        return Label("✓", "finished", Tone.GOOD)
    word = "errored" if run.errored else "canceled"
    if run.failed >= run.request_count:
        return Label("✗", word, Tone.BAD) if run.errored else Label("⊘", word, Tone.WARN)
    return Label("!", f"some {word}", Tone.WARN)


def counts(run: JobRun) -> str:
    """Such as `3 errored, 14 canceled of 20`."""
    canceled = f", {run.canceled:,} canceled" if run.canceled else ""
    return f"{run.errored:,} errored{canceled} of {run.request_count:,}"


def strip(runs: Sequence[JobRun]) -> tuple[str, tuple[Tone, ...]]:
    """One character per run, the newest on the right, and the tone of each."""
    labels = [outcome(run) for run in reversed(runs)]
    return "".join(label.glyph for label in labels), tuple(label.tone for label in labels)


def relative(moment: datetime | None, now: datetime) -> str:
    """When that is, for a list, such as `in 2h 10m`."""
    if moment is None:
        return fmt.NOTHING
    left = moment - now
    return f"in {fmt.span(left)}" if left > timedelta(0) else f"{fmt.span(-left)} ago"


def local(moment: datetime, now: datetime) -> str:
    """When that is, for details: the local time with the zone, and how far away."""
    return f"{fmt.local_moment(moment)} ({relative(moment, now)})"


def delivery(run: JobRun | None, now: datetime) -> Label:
    """Whether the results of the latest run were delivered."""
    if run is None:
        return Label("-", "", Tone.DIM)
    if run.delivered_ts:
        return Label("✓", f"{fmt.since(run.delivered_ts, now)} ago", Tone.GOOD)
    if run.finished_ts:
        return Label("◔", "at next poll", Tone.BUSY)
    return Label("▸", "no results yet", Tone.BUSY)


def took(seconds: float) -> str:
    """How long a run or a batch took."""
    return fmt.span(timedelta(seconds=seconds))


def run_took(record: RunRecord) -> str:
    """From the API's first accept to the last end; of an open run nothing."""
    if record.began_ts is None or record.ended_ts is None or record.run.finished_ts is None:
        return fmt.NOTHING
    return fmt.span(from_text(record.ended_ts) - from_text(record.began_ts))
