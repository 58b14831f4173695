"""Delivers finished submissions as `staging/<workflow>-results-<date>.jsonl`, atomically."""

import os
from pathlib import Path

from core.batches.engine_context import Context
from core.batches.error_isolation import isolated
from core.delivery.result_writer import lines
from state.files.folder import delivered_name, make_private, open_private, replace
from state.operations import delivery, hook_runs

_OWN_LENGTH = 8


def deliver_finished(context: Context) -> tuple[list[str], list[str]]:
    """Write the file of each workflow and date with finished submissions that are not delivered.

    The file has every finished submission of that workflow and date, in input order; a replay
    that changes one rewrites it. Returns the names of the files, and the problems of those that
    could not be written: they stay due, and the others do not wait for them.
    """
    delivered: list[str] = []
    problems: list[str] = []
    due = delivery.due(context.ledger)
    for workflow, date in context.time.items("deliver", due, " ".join):
        with isolated(context, f"Cannot deliver {workflow} of {date}", problems):
            name = _deliver(context, workflow, date)
            delivered += [name] if name else []
    return delivered, problems


def _deliver(context: Context, workflow: str, date: str) -> str | None:
    """The file's name; None where another process changed it, or what it is made of."""
    submissions = delivery.finished(context.ledger, workflow, date)
    if not submissions:
        # A replay was given meanwhile: its end makes the file due again.
        return None
    target = context.folder.staging / delivered_name(workflow, date)
    make_private(context.folder.staging)
    for left in target.parent.glob(f"{target.name}.*.part"):
        left.unlink(missing_ok=True)
    # Two polls that write the same file must not share a part file.
    part = target.with_suffix(f".jsonl.{context.ledger.new_id(_OWN_LENGTH)}.part")
    with open_private(part) as file:
        for submission in submissions:
            file.writelines(lines(context, submission))
        file.flush()
        os.fsync(file.fileno())
    try:
        is_recorded = delivery.record_delivery(
            context.ledger,
            submissions,
            target.name,
            publish=lambda: _publish(context, part, target, workflow, date),
        )
    except FileNotFoundError:
        return None
    if not is_recorded:
        part.unlink(missing_ok=True)
        return None
    return target.name


def _publish(context: Context, part: Path, target: Path, workflow: str, date: str) -> None:
    context.ledger.crash_point("staging:rename")
    replace(part, target)
    hook_runs.enqueue(context.ledger, workflow, date, target.name)
