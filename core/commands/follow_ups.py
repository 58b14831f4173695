"""Asks again for answers that are invalid, paused or cut off, as their submission wants it.

Each poll writes a replay command for each workflow and reason. Each request gets an edit, which
`follow_up_policy` makes of the body and the answer. How often that happened before is counted in
the attempts, so that it stays bounded however often a poll is killed. Invalid answers are subject
to the circuit breaker of automatic replays.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from core.api.result_schema import message_of
from core.batches import budget_admission
from core.batches.engine_context import Context
from core.batches.error_isolation import isolated
from core.commands import auto_replay, body_edits, follow_up_policy
from core.commands.body_edits import Params
from core.errors import OverBudget, PayloadError
from core.text import pluralize
from state.db.reader import Source
from state.files.results_file import read_result
from state.files.spool import LineReader
from state.model.errors import LedgerError
from state.model.records import INVALID, BatchKind, RequestStatus
from state.model.timestamps import to_text
from state.operations import command_effects, commands, follow_ups
from state.operations.commands import Action, NewCommand
from state.operations.follow_ups import IncompleteAnswer
from state.operations.selection import SelectedRequest

# As for automatic replays.
_MAX_AGE = timedelta(days=1)
_REASONS = {
    INVALID: "asked again with the error: the answers do not match their schema",
    "pause_turn": "continued: the answers ended with pause_turn",
    "max_tokens": "asked again with twice the max_tokens: the answers were cut off",
}
_Key = tuple[str, str]


def follow_up(context: Context, problems: list[str]) -> list[str]:
    """Write a replay command for each workflow and reason. Returns a line for each."""
    written: list[str] = []
    for (workflow, reason), answers in _to_command(context).items():
        with isolated(context, f"{workflow}: cannot ask again", problems):
            written += _ask_again(context, workflow, reason, answers, problems)
    return written


def due(source: Source, now: datetime, submission_id: int | None = None) -> list[IncompleteAnswer]:
    """The answers that polls ask for again, or have a command for; only those of the submission."""
    since = to_text(now - _MAX_AGE)
    found = follow_ups.incomplete(source, since_ts=since, submission_id=submission_id)
    wanted = [one for one in found if one.is_commanded or follow_up_policy.is_due(one)]
    invalid = {one.workflow for one in wanted if one.is_invalid}
    stopped = {workflow for workflow in invalid if auto_replay.is_stopped(source, workflow)}
    return [
        one
        for one in wanted
        if one.is_commanded or not (one.is_invalid and one.workflow in stopped)
    ]


def _to_command(context: Context) -> dict[_Key, list[IncompleteAnswer]]:
    """The answers that no command asks for yet, by workflow and reason."""
    found: dict[_Key, list[IncompleteAnswer]] = {}
    for answer in due(context.ledger, context.clock.now()):
        if not answer.is_commanded:
            found.setdefault((answer.workflow, answer.reason), []).append(answer)
    return found


def _ask_again(
    context: Context,
    workflow: str,
    reason: str,
    answers: list[IncompleteAnswer],
    problems: list[str],
) -> list[str]:
    skipped: list[str] = []
    edits = body_edits.write_edits(context, _edited(context, answers, skipped), skipped)
    if skipped:
        count = pluralize(len(skipped), "answer")
        problems.append(f"{workflow}: {count} cannot be asked for again: {skipped[0]}")
    if not edits:
        return []
    ids = [edit.request_id for edit in edits]
    new = NewCommand(
        action=Action.REPLAY,
        items=ids,
        reason=_REASONS[reason],
        not_before=context.clock.now(),
        edits=edits,
    )
    count = pluralize(len(ids), "request")
    try:
        command, _ = commands.enqueue(
            context.ledger, new, lambda number: _admit(context, ids, number)
        )
    except OverBudget as error:
        body_edits.delete_bodies(context, edits)
        problems.append(f"{workflow}: {count} not asked again. {error}")
        return []
    return [f"{workflow}: {count} {_REASONS[reason].partition(':')[0]} ({command.key})"]


def _admit(context: Context, ids: list[int], command_id: int) -> None:
    budget_admission.admit(context, ids, BatchKind.BATCH, command_id=command_id)


def _edited(
    context: Context, answers: list[IncompleteAnswer], skipped: list[str]
) -> Iterator[tuple[SelectedRequest, Params]]:
    """Each request with its next parameters; `skipped` gets why some have none."""
    ledger = context.ledger
    with (
        LineReader(context.folder.spool, context.ledger.files) as bodies,
        LineReader(context.folder.results, context.ledger.files) as results,
    ):
        for answer in answers:
            request = SelectedRequest(
                request_id=answer.request_id,
                custom_id=answer.custom_id,
                tag=answer.tag,
                status=RequestStatus.SUCCEEDED,
            )
            try:
                params = body_edits.params_of(context, bodies, request)
                line = read_result(
                    results, answer.batch_key, answer.result_offset, answer.result_length
                )
                message = message_of(line) or {}
            except (LedgerError, PayloadError, msgspec.DecodeError, ValueError) as error:
                skipped.append(str(error))
                continue
            betas = command_effects.betas_of(ledger, answer.request_id)
            changed = follow_up_policy.next_params(answer, params, message, betas)
            if changed is not None:
                yield request, changed
