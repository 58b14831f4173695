"""The steps of a poll, in order: refresh, run commands, send, collect, deliver.

Each step survives a kill at any point, and the next poll finishes what this one began. A step
loads its modules only when it has work, since most polls find nothing to do.
"""

from collections.abc import Callable, Collection

from core.batches import priming_release
from core.batches.engine_context import Context
from core.batches.error_isolation import isolated, update_mirrors
from core.batches.lanes import for_each_lane
from core.batches.read_retry import is_due
from core.batches.refresh import refresh
from core.batches.unresolved import stuck_policy
from core.commands import auto_replay, deadline_guard, executor, follow_ups
from core.config import titan_file
from core.config.toml_reader import Problem
from core.poll.poll_summary import PollSummary
from core.reporting import notifier
from core.requests.model_limits import MAX_CALL_BYTES
from core.requests.payload import wire_overhead
from core.text import pluralize
from state.batches import batch_planning, remote_status, sending, stale_files, sync_runs
from state.batches.interrupted_results import finish_renames
from state.files import fallback_file
from state.model.records import Batch
from state.operations import commands, delivery, hook_runs
from state.queries import ledger_status

Step = Callable[[Context, PollSummary], None]


def _refresh(context: Context, summary: PollSummary) -> None:
    """Compare the ledger with the API's list of batches, lane by lane."""

    def run(lane: Context, problems: list[str]) -> None:
        summary.ended += refresh(lane, problems)

    for_each_lane(context, summary.problems, run)


def _import_fallback_files(context: Context, summary: PollSummary) -> None:
    """Import what jobs submitted while the ledger could not be used."""
    if fallback_file.pending(context.folder):
        from core.intake import fallback_files

        summary.problems += fallback_files.import_all(context)


def _finish_synchronous_runs(context: Context, summary: PollSummary) -> None:
    """Finish those whose process died."""
    if sync_runs.unfinished(context.ledger):
        from core.batches.synchronous.sync_run import finish_abandoned

        finish_abandoned(context, summary.problems)


def _guard_deadlines(context: Context, summary: PollSummary) -> None:
    """Write commands for submissions whose deadline is at risk."""
    summary.commands += deadline_guard.check_deadlines(context, summary.problems)


def _replay_failed(context: Context, summary: PollSummary) -> None:
    """Write commands for the automatic replays, and to ask again for incomplete answers."""
    summary.commands += auto_replay.replay_failed(context, summary.problems)
    summary.commands += follow_ups.follow_up(context, summary.problems)


def _run_commands(context: Context, summary: PollSummary) -> None:
    """Execute the commands of operators, deadlines and automatic replays."""
    for ended in executor.run_due(context, summary.problems):
        summary.commands.append(ended.line)
        summary.problems += [ended.line] if ended.is_failed else []
    if commands.due(context.ledger, now=context.clock.now()):
        from core.batches.synchronous.sync_run import hold_reason

        lanes = map(context.on, remote_status.lanes_in_use(context.ledger))
        summary.problems += filter(None, map(hold_reason, lanes))


def _release_primed(context: Context, _summary: PollSummary) -> None:
    """Let requests be sent that waited for the prompt cache."""
    priming_release.release_due(context)


def _send_primed(context: Context, summary: PollSummary) -> None:
    """Send what waited for requests that were collected now: a cache entry lives an hour."""
    if priming_release.release_due(context):
        _send(context, summary)
    summary.problems += priming_release.measure_finished(context)


def _send(context: Context, summary: PollSummary) -> None:
    """Put queued requests into batches, and send these, lane by lane."""

    def run(lane: Context, problems: list[str]) -> None:
        _send_of_lane(lane, summary, problems)

    for_each_lane(context, summary.problems, run)


def _send_of_lane(context: Context, summary: PollSummary, problems: list[str]) -> None:
    batch_planning.plan_queued(
        context.ledger,
        max_requests=context.limits.max_requests,
        max_bytes=context.limits.max_bytes,
        wire_overhead=wire_overhead(),
        max_call_bytes=MAX_CALL_BYTES,
        lane=context.lane,
    )
    queued = sending.queued(context.ledger, context.lane)
    if not queued:
        return
    from core.batches.send import send_queued

    try:
        problem = send_queued(context, queued, problems)
    finally:
        summary.sent += sending.count_accepted(context.ledger, queued)
    if problem:
        problems.append(problem)


def _collect(context: Context, summary: PollSummary) -> None:
    """Download the results of batches that ended."""
    finish_renames(
        context.ledger,
        context.folder.results,
        guard=lambda path: isolated(context, f"Cannot rename {path.name}", summary.problems),
    )
    ended = remote_status.to_collect(context.ledger)
    if not ended:
        return
    from core.batches.collect import collect_all

    # They are not tried now, but are still not collected.
    summary.problems += [_waiting(b) for b in ended if not is_due(b, context.clock.now())]
    for batch, collected in collect_all(context, summary.problems):
        if collected is None:
            why = remote_status.reload_batch(context.ledger, batch.id).last_error or ""
            said = f"{batch.key}: results are not available yet; will retry. {why}"
            summary.problems.append(said.rstrip())
            continue
        summary.results += collected.new
        if collected.complete:
            summary.collected += 1
            summary.collected_ids.append(batch.id)
        else:
            # The reason of the next try has their number.
            summary.problems.append(_waiting(remote_status.reload_batch(context.ledger, batch.id)))


def _waiting(batch: Batch) -> str:
    said = f"{batch.key}: results are not collected yet; next try at {batch.next_poll_ts}."
    return f"{said} {batch.last_error or ''}".rstrip()


def _missing(batch: Batch, count: int) -> str:
    return (
        f"{batch.key}: {pluralize(count, 'request')} ended as missing:"
        f" {batch.last_error or 'no result arrived.'}"
        f" `titan-console replay {batch.key}` sends them again."
    )


def _deliver(context: Context, summary: PollSummary) -> None:
    """Write the result files of finished submissions."""
    if not delivery.due(context.ledger) and not hook_runs.of_other_hosts(context.ledger):
        return
    from core.delivery.deliver import deliver_finished

    done = deliver_finished(context)
    summary.delivered, summary.elsewhere = done.files, done.elsewhere
    summary.problems += done.problems


def _run_hooks(context: Context, summary: PollSummary) -> None:
    """Run the jobs' delivery hooks; a poll inside a job leaves them to the poller."""
    if not context.runs_hooks or not hook_runs.has_unfinished(context.ledger):
        return
    from core.delivery.delivery_hooks import run_due

    for problems in run_due(context):
        summary.problems += problems


def _clean_up(context: Context, _summary: PollSummary) -> None:
    """Remove files of submissions that were never recorded, and of a rebuild that was killed.

    Where hosts share the ledger, also old copies of its files, and what was released in it.
    """
    now = context.clock.now()
    stale_files.sweep(context.ledger, context.folder.spool, now)
    stale_files.sweep_shared(context.ledger, context.folder, now, lambda: context.time.is_over)
    fresh = context.folder.fresh_ledger
    # None is being written: this process shares the lock that a rebuild holds alone.
    if fresh.exists():
        from state.recovery import rebuild

        rebuild.remove_fresh(fresh)


def _check_configuration(context: Context, summary: PollSummary) -> None:
    """Report the problems of titan.toml; first those that stop submissions, of all jobs or one.

    Where hosts share the ledger, also in which tables theirs differ.
    """
    titan_toml = titan_file.read(context.folder)
    stopping, found = titan_toml.submit_problems, titan_toml.poll_problems
    if found:
        more = f" {len(found) - 1:,} more: run `titan-console jobs check`." if found[1:] else ""
        first = min(stopping or found, key=lambda problem: problem.path[:1] == ("jobs",))
        summary.problems.append(f"{first} {_effect(first, stopping)} until it is fixed.{more}")
    if context.ledger.is_shared:
        from core.reporting import host_report

        summary.problems += host_report.note(context)


def _effect(problem: Problem, stopping: Collection[Problem]) -> str:
    """What it does to submissions, or to itself."""
    if problem not in stopping:
        return "The key is ignored"
    if problem.path[:1] == ("jobs",) and len(problem.path) > 1:
        return f"Submissions of job {problem.path[1]!r} are rejected"
    return "All submissions are rejected"


def _report_failed(context: Context, summary: PollSummary) -> None:
    """Count what failed in the collected batches, after the commands, which may have run it."""
    for batch_id in summary.collected_ids:
        failed, missing = remote_status.failures_of(context.ledger, batch_id)
        summary.failed += failed
        if failed:
            summary.canceled += ledger_status.canceled_in(context.ledger, batch_id)
        if missing:
            batch = remote_status.reload_batch(context.ledger, batch_id)
            summary.problems.append(_missing(batch, missing))


def _report_stuck(context: Context, summary: PollSummary) -> None:
    """Name each batch that is stuck still, after the commands."""
    summary.problems += stuck_policy.problems(context)


def _check_alerts(context: Context, summary: PollSummary) -> None:
    """Raise, clear and send alerts."""
    summary.problems += notifier.update_and_notify(context, summary.error)


def _update_mirrors(context: Context, summary: PollSummary) -> None:
    """Append new lines to the mirror files."""
    summary.problems += update_mirrors(context)


def _back_up(context: Context, summary: PollSummary) -> None:
    """Copy the ledger once a day."""
    if context.folder.has_backup_of(context.clock.now().date().isoformat()):
        return
    from core.maintenance import daily_backup

    problem = daily_backup.make_if_due(context)
    if problem is not None:
        summary.problems.append(problem)


# Commands run before the send, and again when the results that they wait for are collected.
_COMMAND_STEPS = (_guard_deadlines, _replay_failed, _run_commands)
STEPS: tuple[Step, ...] = (
    _refresh,
    _import_fallback_files,
    _finish_synchronous_runs,
    *_COMMAND_STEPS,
    _release_primed,
    _send,
    _collect,
    _send_primed,
    *_COMMAND_STEPS,
    _deliver,
    _run_hooks,
    _clean_up,
    _back_up,
    _check_configuration,
)
# What is this host's own where hosts share the ledger, also while another host polls.
OWN_STEPS: tuple[Step, ...] = (
    _import_fallback_files,
    _deliver,
    _run_hooks,
    _clean_up,
    _check_configuration,
    _update_mirrors,
)
# Run also after the time limit.
LAST_STEPS: tuple[Step, ...] = (_report_failed, _report_stuck, _check_alerts, _update_mirrors)
