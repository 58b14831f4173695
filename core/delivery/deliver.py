"""Delivers finished submissions as `staging/<workflow>-results-<date>.jsonl`, atomically."""

import os
from pathlib import Path

from msgspec import Struct, field

from core.batches.engine_context import Context
from core.batches.error_isolation import isolated
from core.delivery import hooks_of_others
from core.delivery.owner import Owner
from core.delivery.result_writer import chunks
from state.db.ledger import Transaction
from state.files.folder import delivered_name, make_private, new_file, replace
from state.operations import delivery, hook_runs
from state.operations.hook_runs import HookRun

_OWN_LENGTH = 8


class Deliveries(Struct, frozen=True):
    """The names of the files that were written, what other hosts deliver, and the problems."""

    files: list[str] = field(default_factory=list[str])
    elsewhere: list[str] = field(default_factory=list[str])
    problems: list[str] = field(default_factory=list[str])


def deliver_finished(context: Context) -> Deliveries:
    """Write the file of each workflow and date with finished submissions that are not delivered.

    The file has every finished submission of that workflow and date, in input order; a replay
    that changes one rewrites it. Where several hosts share the ledger, each writes those that are
    its own, and those whose hook it takes over. A file that could not be written is a problem: it
    stays due, and the others do not wait for it.
    """
    waiting, owner = delivery.waiting(context.ledger), Owner(context)
    elsewhere, late = owner.elsewhere(waiting)
    hooks = hooks_of_others.find(context)
    done = Deliveries(elsewhere=elsewhere, problems=[*late, *hooks.late])
    own = {(s.workflow, s.work_date): True for s in waiting if owner.is_here(s)}
    due = list(own | dict.fromkeys(hooks.taken, False))
    for workflow, date in context.time.items("deliver", due, " ".join):
        day = workflow, date
        with isolated(context, f"Cannot deliver {workflow} of {date}", done.problems):
            name = _deliver(context, day, owner, hooks.taken.get(day, []), is_own=day in own)
            done.files.extend([name] if name else [])
    return done


def _deliver(
    context: Context, day: tuple[str, str], owner: Owner, left: list[HookRun], *, is_own: bool
) -> str | None:
    """The file's name; None where another process changed it, or what it is made of.

    `left` are the hooks to take over; without `is_own`, nothing else makes the file due.
    """
    workflow, date = day
    submissions = [
        found for found in delivery.finished(context.ledger, workflow, date) if owner.is_here(found)
    ]
    if not submissions:
        # A replay was given meanwhile: its end makes the file due again.
        return None
    target = context.folder.staging / delivered_name(workflow, date)
    make_private(context.folder.staging)
    for stale in target.parent.glob(f"{target.name}.*.part"):
        stale.unlink(missing_ok=True)
    # Two polls that write the same file must not share a part file.
    part = target.with_suffix(f".jsonl.{context.ledger.new_id(_OWN_LENGTH)}.part")
    with new_file(part) as file:
        for submission in submissions:
            for chunk in chunks(context.ledger, context.folder, submission):
                file.write(chunk.lines)
        file.flush()
        os.fsync(file.fileno())
    try:
        is_recorded = delivery.record_delivery(
            context.ledger,
            submissions,
            target.name,
            publish=lambda: _publish(context, part, target, workflow, date),
            is_ours=owner.is_here,
            is_due=lambda tx: _take_over(context, tx, left) or is_own,
        )
    except FileNotFoundError:
        return None
    finally:
        part.unlink(missing_ok=True)
    return target.name if is_recorded else None


def _take_over(context: Context, tx: Transaction, left: list[HookRun]) -> bool:
    """Whether this host has any of the hooks now."""
    taken = [run for run in left if hook_runs.take_over(context.ledger, tx, run)]
    return bool(taken)


def _publish(context: Context, part: Path, target: Path, workflow: str, date: str) -> None:
    context.ledger.crash_point("staging:rename")
    replace(part, target)
    hook_runs.enqueue(context.ledger, workflow, date, target.name)
