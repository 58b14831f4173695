"""Prices collected answers again, from their stored results and with the prices of their day."""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from core.api.result_schema import BadLineError, Succeeded, parse
from core.api.usage_schema import read_usage
from core.money.pricing import PriceBook
from core.requests.payload import parse_line
from state.batches import repricing
from state.batches.repricing import CollectedAnswer
from state.db.ledger import Ledger
from state.db.reader import Source
from state.files.folder import Folder
from state.files.results_file import file_name
from state.files.spool import LineReader
from state.model.errors import FileMissing, TitanError
from state.model.records import Batch
from state.model.timestamps import from_text
from state.model.usage import Usage

_PAGE = 1000


class Recomputed(Struct, kw_only=True):
    """Answers of one batch, or of all, before and after. Money in nano-dollars."""

    batch_key: str
    workflow: str
    answers: int = 0
    changed: int = 0
    old_cost_nano: int = 0
    new_cost_nano: int = 0
    old_unpriced: int = 0
    new_unpriced: int = 0

    def add(self, old: CollectedAnswer, new: CollectedAnswer) -> None:
        """Count one answer."""
        self.answers += 1
        self.changed += old != new
        self.old_cost_nano += old.cost_nano or 0
        self.new_cost_nano += new.cost_nano or 0
        self.old_unpriced += old.cost_nano is None
        self.new_unpriced += new.cost_nano is None


def recompute(
    source: Source,
    folder: Folder,
    prices: PriceBook,
    *,
    to: Ledger | None = None,
) -> Iterator[Recomputed]:
    """Price every answer again, one batch after the other; `to` stores what differs.

    What was stored stays stored when it is interrupted, and a later call goes on.
    """
    with LineReader(folder.results, source.files) as lines:
        for batch in repricing.batches(source):
            found = Recomputed(batch_key=batch.key, workflow=batch.workflow)
            ids = repricing.answer_ids(source, batch)
            for first in range(0, len(ids), _PAGE):
                page = repricing.answers(source, batch, ids[first : first + _PAGE])
                changed = list[CollectedAnswer]()
                for old in page:
                    new = _repriced(batch, old, lines, prices.of(batch.lane))
                    found.add(old, new)
                    if new != old:
                        changed.append(new)
                if to is not None and changed:
                    repricing.store(to, batch, changed)
            yield found


def _repriced(
    batch: Batch, old: CollectedAnswer, lines: LineReader, prices: PriceBook
) -> CollectedAnswer:
    usage = _stored_usage(batch, old, lines) or old.usage
    at = from_text(batch.accepted_ts or batch.created_ts)
    charge = prices.charge(old.model, usage, at=at, kind=batch.kind)
    return msgspec.structs.replace(
        old,
        # Why it has no price is compared and stored as `unpriced`.
        usage=msgspec.structs.replace(usage, unknown=old.usage.unknown),
        cost_nano=charge.cost_nano,
        sync_cost_nano=0 if old.is_duplicate else charge.sync_cost_nano,
        fee_nano=charge.fee_nano,
        unpriced=charge.unpriced,
    )


def _stored_usage(batch: Batch, old: CollectedAnswer, lines: LineReader) -> Usage | None:
    """The usage in the stored result; None where there is none, or it was pruned."""
    if old.result_offset is None or old.result_length is None:
        return None
    try:
        line = lines.read(file_name(batch.key), old.result_offset, old.result_length)
        result = parse(line).result
    except (FileMissing, BadLineError):
        return None
    if not isinstance(result, Succeeded):
        return None
    return read_usage(result.message.usage, result.message.model)


def missing_models(source: Source, folder: Folder) -> dict[int, str]:
    """The models of requests of an older version, from their bodies, where they are their own."""
    found = dict[int, str]()
    with LineReader(folder.spool, source.files) as lines:
        for one in repricing.unnamed_requests(source):
            try:
                line = parse_line(lines.read(one.file, one.offset, one.length), betas=())
            except (TitanError, msgspec.DecodeError):
                # The body is deleted, or was never known.
                continue
            if line.model != one.model:
                found[one.request_id] = line.model
    return found
