"""Hands finished work on: `staging/<workflow>-results-<date>.jsonl`, whole or not at all."""

import os

import msgspec

from core.answers import results
from core.context import Context
from state import delivery
from state.folder import make_private, open_private, replace, safe_name
from state.records import Submission


def deliver_finished(context: Context) -> list[str]:
    """Write the file of each workflow and date that has something finished and not handed on.

    It holds every finished submission of that workflow and date, in input order; a replay that
    changes one has the file written anew. Returns the names of the files.
    """
    return [_deliver(context, workflow, date) for workflow, date in delivery.due(context.ledger)]


def _deliver(context: Context, workflow: str, date: str) -> str:
    submissions = delivery.finished(context.ledger, workflow, date)
    target = context.folder.staging / f"{safe_name(workflow)}-results-{safe_name(date)}.jsonl"
    part = target.with_suffix(".jsonl.part")
    make_private(context.folder.staging)
    with open_private(part) as file:
        for submission in submissions:
            for line in _lines(context, submission):
                file.write(line)
        file.flush()
        os.fsync(file.fileno())
    context.ledger.step("staging:rename")
    replace(part, target)
    delivery.delivered(context.ledger, submissions, target.name)
    return target.name


def _lines(context: Context, submission: Submission) -> "list[bytes]":
    return [msgspec.json.encode(result) + b"\n" for result in results(context, submission)]
