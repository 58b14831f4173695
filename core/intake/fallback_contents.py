"""What lies in rescue files, told as the ledger would tell it once it has them."""

from typing import Any

from core.api.result_schema import BadLineError, decode
from core.delivery.results import Result, to_result
from core.money.pricing import PriceBook
from state.files import fallback_file
from state.files.fallback_file import Header, RescueFile
from state.files.folder import Folder
from state.model.errors import LedgerUnusable
from state.model.records import CollectedResult, Kind, Outcome, RequestStatus, Usage
from state.model.timestamps import from_text
from state.queries.views import ResultRow


def results(file: RescueFile) -> list[Result] | None:
    """What `poll_and_collect` gives before the ledger has it; None while an answer is lacking."""
    answers = dict(file.answers())
    header, prices = file.header(), PriceBook()
    found = [
        _result(file.key, header, custom_id, answers.get(custom_id), prices)
        for custom_id, _ in file.requests()
    ]
    return None if any(result["outcome"] is None for result in found) else found


def tag_summary(folder: Folder, tag: str, trouble: str) -> dict[str, Any]:
    """The keys of `reconcile` while the ledger cannot be read, `trouble` saying why.

    It counts what is in rescue files alone: nothing is said to be finished, and no cost is known.
    """
    counts = dict.fromkeys((status.value for status in RequestStatus), 0)
    keys: list[str] = []
    for file in fallback_file.waiting(folder):
        if _tag_of(file) == tag:
            keys.append(file.key)
            for status in _statuses(file):
                counts[status.value] += 1
    return {
        "tag": tag,
        "submissions": keys,
        "requests": sum(counts.values()),
        "by_status": counts,
        "finished": False,
        "settled": False,
        "batches": [],
        "cost_usd": None,
        "savings_usd": None,
        "trouble": trouble,
    }


def _tag_of(file: RescueFile) -> str | None:
    try:
        return file.header().tag
    except LedgerUnusable:
        return None


def _statuses(file: RescueFile) -> list[RequestStatus]:
    answers = dict(file.answers())
    return [_status(answers.get(custom_id)) for custom_id, _ in file.requests()]


def _status(answer: bytes | None) -> RequestStatus:
    found = _decoded(answer)
    return RequestStatus(found.outcome) if found else RequestStatus.WAITING


def _result(
    key: str, header: Header, custom_id: str, line: bytes | None, prices: PriceBook
) -> Result:
    found = _decoded(line)
    cost = 0
    if found and found.outcome == Outcome.SUCCEEDED:
        at = from_text(header.created_ts)
        cost, _ = prices.price(found.model or header.model, found.usage, at=at, kind=Kind.SYNC)
    row = ResultRow(
        request_id=0,
        custom_id=custom_id,
        tag=header.tag,
        status=RequestStatus.WAITING,
        batch_key=key if found else None,
        outcome=found.outcome if found else None,
        error_type=found.error_type if found else None,
        error_message=found.error_message if found else None,
        stop_reason=found.stop_reason if found else None,
        model=found.model if found else None,
        usage=found.usage if found else Usage(),
        cost_nano=cost if found else None,
        result_offset=None,
        result_length=None,
    )
    return to_result(row, line if found else None)


def _decoded(line: bytes | None) -> CollectedResult | None:
    try:
        return decode(line) if line else None
    except BadLineError:
        return None
