"""Reads fallback files as the ledger would report them once they are imported."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from core.api.result_schema import BadLineError, decode
from core.delivery.results import Result, to_result
from core.money.pricing import PriceBook
from state.db.reader import Source
from state.files import fallback_file
from state.files.fallback_file import FallbackFile, Header
from state.files.folder import Folder
from state.model.errors import FileUnusable, LedgerUnusable
from state.model.records import BatchKind, CollectedResult, Outcome, RequestStatus
from state.model.timestamps import from_text
from state.queries.result_rows import ResultRow
from state.recovery import fallback_import

Answer = tuple[CollectedResult, bytes]


def decoded_answers(file: FallbackFile) -> dict[str, Answer]:
    """Each answered request's result and its line, by custom_id; unreadable lines are left out."""
    found: dict[str, Answer] = {}
    for custom_id, line in file.answers():
        try:
            found[custom_id] = (decode(line), line)
        except BadLineError:
            continue
    return found


def results(file: FallbackFile) -> list[Result] | None:
    """What `poll_and_collect` returns before the import; None while an answer is missing."""
    try:
        answers, prices = decoded_answers(file), PriceBook()
        ids = [custom_id for custom_id, _ in file.requests()]
        header = file.header()
    except (FileNotFoundError, FileUnusable):
        if file.is_there:
            raise
        return None  # a poll has just imported it
    if not answers.keys() >= set(ids):
        return None
    return [_result(file.key, header, answers[custom_id], prices) for custom_id in ids]


def named(folder: Folder, name: str) -> list[FallbackFile]:
    """The fallback files with that key or tag."""
    return [file for file in fallback_file.pending(folder) if name in {file.key, _tag_of(file)}]


def waiting(source: Source, folder: Folder, name: str) -> list[FallbackFile]:
    """Those of them that no poll has imported yet."""
    return [
        file for file in named(folder, name) if not fallback_import.is_imported(source, file.key)
    ]


def described(file: FallbackFile) -> str:
    """The message about a fallback file that is not imported yet."""
    return f"{file.key} is in the fallback file {file.path}; the next poll imports it."


def tag_summary(folder: Folder, tag: str, problem: str) -> dict[str, Any]:
    """The keys of `reconcile` while the ledger cannot be read; `problem` says why.

    It counts what is in fallback files alone: nothing is reported as finished, no cost is known.
    """
    known: dict[str, Any] = {
        "tag": tag,
        "submissions": [],
        "requests": 0,
        "by_status": dict.fromkeys((status.value for status in RequestStatus), 0),
        "finished": False,
        "settled": False,
        "batches": [],
        "cost_usd": None,
        "savings_usd": None,
        "problem": problem,
        # The old name, kept for one release.
        "trouble": problem,
    }
    return with_files(known, named(folder, tag))


def with_files(summary: dict[str, Any], files: list[FallbackFile]) -> dict[str, Any]:
    """The summary of a tag, and in it the requests of files that are not imported yet."""
    files = [file for file in files if _tag_of(file) == summary["tag"]]
    counts: dict[str, int] = dict(summary["by_status"])
    for file in files:
        for status, count in statuses(file).items():
            counts[status.value] += count
    return summary | {
        "submissions": [*summary["submissions"], *(file.key for file in files)],
        "requests": summary["requests"] + sum(counts.values()) - sum(summary["by_status"].values()),
        "by_status": counts,
        "finished": summary["finished"] and not files,
        "settled": summary["settled"] and not files,
    }


def statuses(file: FallbackFile) -> Mapping[RequestStatus, int]:
    """Number of its requests in each status. Raises FileNotFoundError where a poll imported it."""
    answers = decoded_answers(file)
    return Counter(
        RequestStatus(answers[custom_id][0].outcome)
        if custom_id in answers
        else RequestStatus.QUEUED
        for custom_id, _ in file.requests()
    )


def _tag_of(file: FallbackFile) -> str | None:
    try:
        return file.header().tag
    except LedgerUnusable:
        return None


def _result(key: str, header: Header, answer: Answer, prices: PriceBook) -> Result:
    found, line = answer
    cost = 0
    if found.outcome == Outcome.SUCCEEDED:
        at = from_text(header.created_ts)
        cost, _ = prices.price(found.model, found.usage, at=at, kind=BatchKind.SYNC)
    row = ResultRow(
        request_id=0,
        custom_id=found.custom_id,
        tag=header.tag,
        status=RequestStatus(found.outcome),
        batch_key=key,
        outcome=found.outcome,
        error_type=found.error_type,
        error_message=found.error_message,
        stop_reason=found.stop_reason,
        invalid=None,
        model=found.model,
        cost_nano=cost,
        result_offset=None,
        result_length=None,
    )
    return to_result(row, line)
