"""Hands finished work on: `staging/<workflow>-results-<date>.jsonl`, whole or not at all."""

import os
from pathlib import Path

from core.batches.context import Context
from core.delivery.result_writer import lines
from state.files.folder import delivered_name, make_private, open_private, replace
from state.model.errors import FileMissing, LedgerUnusable
from state.operations import delivery, hook_runs

_OWN_LENGTH = 8


def deliver_finished(context: Context) -> tuple[list[str], list[str]]:
    """Write the file of each workflow and date that has something finished and not handed on.

    It holds every finished submission of that workflow and date, in input order; a replay that
    changes one has the file written anew. Returns the names of the files, and in words what could
    not be written because answers are lost from the disk. Raises LedgerUnusable where a file
    cannot be written; it stays due.
    """
    delivered: list[str] = []
    problems: list[str] = []
    for workflow, date in delivery.due(context.ledger):
        try:
            name = _deliver(context, workflow, date)
        except FileMissing as error:
            problems.append(f"{workflow} of {date} cannot be delivered: {error}")
        except OSError as error:
            raise LedgerUnusable(
                f"Cannot write into {context.folder.staging}: {error.strerror or error}."
                " The results are safe; the next poll writes the file."
            ) from error
        else:
            delivered += [name] if name else []
    return delivered, problems


def _deliver(context: Context, workflow: str, date: str) -> str | None:
    """The file's name; None where another poll has been at it, and it is still to be looked at."""
    submissions = delivery.finished(context.ledger, workflow, date)
    target = context.folder.staging / delivered_name(workflow, date)
    make_private(context.folder.staging)
    for left in target.parent.glob(f"{target.name}.*.part"):
        left.unlink(missing_ok=True)
    # Another poll may be writing the same file: neither may end up in the other's.
    part = target.with_suffix(f".jsonl.{context.ledger.word(_OWN_LENGTH)}.part")
    with open_private(part) as file:
        for submission in submissions:
            file.writelines(lines(context, submission))
        file.flush()
        os.fsync(file.fileno())
    try:
        is_placed = delivery.record_delivery(
            context.ledger,
            submissions,
            target.name,
            place=lambda: _place(context, part, target, workflow, date),
        )
    except FileNotFoundError:
        return None
    if not is_placed:
        part.unlink(missing_ok=True)
        return None
    return target.name


def _place(context: Context, part: Path, target: Path, workflow: str, date: str) -> None:
    context.ledger.crash_point("staging:rename")
    replace(part, target)
    hook_runs.enqueue(context.ledger, workflow, date, target.name)
