"""Automatic replay for jobs with `replay = "auto"`, and its circuit breaker.

Requests that failed with an API error (overloaded, api_error, rate limit, timeout) or expired are
replayed, at most `replay_tries` times and within a day. The circuit breaker stops this for a
workflow whose last batches mostly failed; it closes when requests succeed again, for example in an
operator's replay.
"""

from collections import defaultdict
from datetime import timedelta

from msgspec import Struct, field

from core.batches import budget_admission
from core.batches.engine_context import Context
from core.batches.error_isolation import isolated
from core.config import titan_file
from core.config.job import Replay
from core.config.titan_tables import TitanToml
from core.text import pluralize
from state.db.reader import Source
from state.model.records import BatchKind
from state.model.timestamps import to_text
from state.operations import commands, failures
from state.operations.commands import Action, NewCommand
from state.operations.failures import RecentOutcomes

MIN_SUCCESS_RATE = 0.5
# Two batches with errors may be a coincidence.
_MIN_BATCHES = 3
# Older failures stay: setting a job to `auto` does not replay its past.
_MAX_AGE = timedelta(days=1)


class ReplayCandidates(Struct, kw_only=True):
    """The failed requests of one workflow that may be replayed, and its recent outcomes."""

    workflow: str
    recent: RecentOutcomes
    request_ids: list[int] = field(default_factory=list[int])

    @property
    def is_circuit_open(self) -> bool:
        """Whether the circuit breaker stops the replay."""
        return is_circuit_open(self.recent)


def is_circuit_open(recent: RecentOutcomes) -> bool:
    """Whether too few of the recent answers succeeded to replay."""
    is_enough = recent.batches >= _MIN_BATCHES
    return is_enough and recent.succeeded < MIN_SUCCESS_RATE * recent.answers


def is_stopped(source: Source, workflow: str) -> bool:
    """Whether the circuit breaker stops automatic replays of the workflow."""
    return is_circuit_open(failures.recent_outcomes(source, workflow, last=_MIN_BATCHES))


def replay_failed(context: Context, problems: list[str]) -> list[str]:
    """Write a replay command for each workflow with candidates. Returns a line for each."""
    written: list[str] = []
    for candidates in find_candidates(context, problems):
        with isolated(context, f"{candidates.workflow}: cannot replay", problems):
            if candidates.is_circuit_open:
                continue
            if held := held_by_budget(context, candidates):
                problems.append(held)
            else:
                written.append(_replay(context, candidates))
    return written


def held_by_budget(context: Context, candidates: ReplayCandidates) -> str | None:
    """Why the requests exceed a budget, so that nothing is replayed; None where they fit."""
    budget_admission.estimate_missing(context, candidates.request_ids)
    refused = budget_admission.refusal(context, candidates.request_ids, BatchKind.BATCH)
    failed = pluralize(len(candidates.request_ids), "failed request")
    return refused and f"{candidates.workflow}: {failed} not replayed. {refused}"


def find_candidates(context: Context, problems: list[str]) -> list[ReplayCandidates]:
    """The requests to replay by workflow, also those that the circuit breaker stops."""
    jobs = titan_file.read(context.folder)
    if all(job.replay == Replay.BY_HAND for job in jobs.jobs.values()):
        return []
    by_submission: defaultdict[int, list[failures.Failure]] = defaultdict(list)
    since = to_text(context.clock.now() - _MAX_AGE)
    for failure in failures.replayable(context.ledger, since_ts=since):
        by_submission[failure.submission_id].append(failure)
    found: dict[str, ReplayCandidates] = {}
    for submission_id, failed in by_submission.items():
        with isolated(context, f"Cannot replay submission {submission_id}", problems):
            _add_candidates(context, jobs, submission_id, failed, found)
    return list(found.values())


def _add_candidates(
    context: Context,
    jobs: TitanToml,
    submission_id: int,
    failed: list[failures.Failure],
    found: dict[str, ReplayCandidates],
) -> None:
    names = failures.names_of(context.ledger, submission_id)
    job, workflow = jobs.job_named(names), names[1] or ""
    if job is None or job.replay == Replay.BY_HAND:
        return
    ids = [failure.request_id for failure in failed if failure.tries <= job.replay_tries]
    if ids and workflow not in found:
        recent = failures.recent_outcomes(context.ledger, workflow, last=_MIN_BATCHES)
        found[workflow] = ReplayCandidates(workflow=workflow, recent=recent)
    if ids:
        found[workflow].request_ids += ids


def _replay(context: Context, candidates: ReplayCandidates) -> str:
    command, _ = commands.enqueue(
        context.ledger,
        NewCommand(
            action=Action.REPLAY,
            items=candidates.request_ids,
            reason='automatic replay: the job has replay = "auto"',
            not_before=context.clock.now(),
        ),
        lambda command_id: budget_admission.admit(
            context, candidates.request_ids, BatchKind.BATCH, command_id=command_id
        ),
    )
    failed = pluralize(len(candidates.request_ids), "failed request")
    return f"{candidates.workflow}: replaying {failed} ({command.key})"
