"""Automatic replay, for jobs that say `replay = "auto"`, and the breaker that stops it.

What the API failed at (overloaded, an error of its own, throttled, expired) is asked again, a few
times and within a day. Where the last batches of a workflow brought few good answers, that would
only add to the trouble: it stops until good answers return, such as those of an operator's replay.
"""

from collections import defaultdict
from datetime import timedelta

from msgspec import Struct, field

from core.batches.context import Context
from core.config import titan_file
from core.config.catalogue import Replay
from core.text import counted
from state.model.timestamps import to_text
from state.operations import commands, failures
from state.operations.commands import Action, NewCommand
from state.operations.failures import RecentOutcomes

LEAST_GOOD = 0.5
_LAST_BATCHES = 3
# What failed longer ago is history: a job that is set to `auto` today brings none of it back.
_WITHIN = timedelta(days=1)


class Due(Struct, kw_only=True):
    """The failed requests of one workflow that may be asked again, and how it has fared."""

    workflow: str
    recent: RecentOutcomes
    request_ids: list[int] = field(default_factory=list[int])

    @property
    def is_stopped(self) -> bool:
        """Whether the breaker is open."""
        return is_open(self.recent)


def is_open(recent: RecentOutcomes) -> bool:
    """Whether the last batches were bad enough to stop; two of them may be bad luck."""
    return recent.batches >= _LAST_BATCHES and recent.good < LEAST_GOOD * recent.answers


def retry_failed(context: Context) -> list[str]:
    """Give a replay for what may be asked again, workflow by workflow; in words."""
    return [_give(context, due) for due in find_due(context) if not due.is_stopped]


def find_due(context: Context) -> list[Due]:
    """What jobs want asked again by itself, whether the breaker lets it or not."""
    jobs = titan_file.read(context.folder)
    if all(job.replay == Replay.BY_HAND for job in jobs.jobs.values()):
        return []
    by_submission: defaultdict[int, list[failures.Failure]] = defaultdict(list)
    since = to_text(context.clock.now() - _WITHIN)
    for failure in failures.retryable(context.ledger, since_ts=since):
        by_submission[failure.submission_id].append(failure)
    due: dict[str, Due] = {}
    for submission_id, failed in by_submission.items():
        names = failures.names_of(context.ledger, submission_id)
        job, workflow = jobs.job_named(names), names[1] or ""
        if job is None or job.replay == Replay.BY_HAND:
            continue
        ids = [failure.request_id for failure in failed if failure.tries <= job.replay_tries]
        if ids:
            due.setdefault(workflow, Due(workflow=workflow, recent=_recent(context, workflow)))
            due[workflow].request_ids += ids
    return list(due.values())


def _recent(context: Context, workflow: str) -> RecentOutcomes:
    return failures.recent_outcomes(context.ledger, workflow, last=_LAST_BATCHES)


def _give(context: Context, due: Due) -> str:
    command, _ = commands.enqueue(
        context.ledger,
        NewCommand(
            action=Action.REPLAY,
            items=due.request_ids,
            reason='the API failed at them, and the job says replay = "auto"',
            not_before=context.clock.now(),
        ),
    )
    failed = counted(len(due.request_ids), "failed request")
    return f"{due.workflow}: asked again, {failed} ({command.key})"
