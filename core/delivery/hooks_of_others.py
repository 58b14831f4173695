"""Delivery hooks that another host has not run, where several share the ledger.

A host that is lost between a delivery and the end of its hook never runs it again. The host that
titan.toml names for the job takes it over: it delivers the file in its own folder, and runs the
hook there.
"""

from datetime import timedelta

from msgspec import Struct, field

from core.batches.engine_context import Context
from core.config.titan_file import read
from core.text import pluralize
from state.model.timestamps import from_text
from state.operations import delivery, hook_runs
from state.operations.hook_runs import HookRun, RunState

# Polls come every 15 minutes.
_LATE = timedelta(hours=2)

Day = tuple[str, str]


class HooksOfOthers(Struct, frozen=True):
    """The hooks that this host takes over, by workflow and date, and lines of those left late."""

    taken: dict[Day, list[HookRun]] = field(default_factory=dict[Day, list[HookRun]])
    late: list[str] = field(default_factory=list[str])


def find(context: Context) -> HooksOfOthers:
    """Those to take over by this host's titan.toml, and a problem for each host that is late.

    One that runs there is left until its limit.
    """
    runs, found = hook_runs.of_other_hosts(context.ledger), HooksOfOthers()
    if not runs:
        return found
    titan_toml, now, late = read(context.folder), context.clock.now(), dict[str, list[str]]()
    for run in runs:
        submissions = delivery.finished(context.ledger, run.workflow, run.work_date)
        job = titan_toml.job_named([n for s in submissions for n in (s.job, s.workflow, s.tag)])
        has_hook, since = bool(job and job.on_delivery), from_text(run.not_before_ts)
        if job and has_hook and job.host == context.ledger.host:
            if run.state != RunState.RUNNING or since < now:
                found.taken.setdefault((run.workflow, run.work_date), []).append(run)
        elif run.state != RunState.FAILED and (has_hook or run.tries) and since + _LATE < now:
            late.setdefault(run.host, []).append(run.not_before_ts)
    found.late.extend(
        f"on_delivery of {pluralize(len(since), 'delivered file')} of host {host} has not ended"
        f" since {min(since)}: only a poll of that host runs it. Where it is gone, set"
        f' host = "{context.ledger.host}" in their [jobs.NAME] of titan.toml on this host.'
        for host, since in late.items()
    )
    return found
