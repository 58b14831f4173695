"""Reads one response of results: each new valid line goes to disk, and its row to the ledger."""

import zlib
from collections.abc import Callable, Iterable, Iterator

from core.api.call_limits import most_result_bytes, up_to
from core.api.line_splitter import LongLine, split_lines
from core.api.result_schema import (
    BadLineError,
    Message,
    ResultLine,
    Succeeded,
    as_collected,
    custom_id_of,
    parse,
    with_custom_id,
)
from core.api.usage_schema import read_usage
from core.batches.answer_check import AnswerCheck
from core.batches.collect_stats import CollectStats, RejectedLines
from core.batches.engine_context import Context
from core.errors import ApiError
from core.redaction import redact_bytes
from state.batches import collection
from state.files.results_file import ResultsFile
from state.model.records import Batch, StagedResult
from state.model.timestamps import from_text

_PROGRESS_EVERY = 1000


class ResultReader:
    """Parses each line, matches its request, writes it to disk, prices it."""

    def __init__(
        self,
        context: Context,
        batch: Batch,
        *,
        to_custom_id: Callable[[str], str | None],
        results: ResultsFile,
        stats: CollectStats,
        rejected: RejectedLines,
        keeps_foreign: bool = False,
    ) -> None:
        """`to_custom_id` maps an id in the response to the caller's.

        `keeps_foreign`: lines of unknown requests stay in the file of results. Where it is the only
        copy, a rebuild with a complete spool file finds them there.
        """
        self._context = context
        self._batch = batch
        self._to_custom_id = to_custom_id
        self._file = results
        self._stats = stats
        self._rejected = rejected
        self._keeps_foreign = keeps_foreign
        self._at = from_text(batch.accepted_ts or batch.created_ts)
        self._check = AnswerCheck(context.ledger, batch)
        # By custom_id: the request while its result is awaited, then the checksum of its line as a
        # negative number; 0 where an earlier try collected it. Two maps would take 10 MB more.
        self._known = {
            custom_id: 0 if is_known and not results.is_restarted else request_id
            for custom_id, request_id, is_known in collection.ids_of(context.ledger, batch)
        }
        self.new = 0
        # Requests that only the results show to be of the batch.
        self.unlisted: list[int] = []

    def results(self, pieces: Iterable[bytes]) -> Iterator[StagedResult]:
        """Yield each new valid result: priced, and on disk under the caller's custom_id."""
        for line in split_lines(self._until_broken(pieces)):
            found = self._parsed(line)
            if found is None:
                continue
            custom_id = self._to_custom_id(found.custom_id) or ""
            request_id = self._known.get(custom_id, 0)
            if request_id <= 0:
                request_id = self._unexpected(line, custom_id)
                if request_id is None:
                    continue
            self._known[custom_id] = _checksum(line)
            self.new += 1
            if self.new % _PROGRESS_EVERY == 0:
                self._context.progress("collecting", self.new, self._batch.request_count)
            yield self._stored(line, found, custom_id, request_id)

    def _until_broken(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """A broken connection ends the response; the lines before it are valid."""
        try:
            yield from up_to(pieces, most_result_bytes(self._batch.request_count))
        except ApiError as error:
            self._stats.broken = error

    def _parsed(self, line: bytes) -> ResultLine | None:
        """The line; None, and counted, for one that is too long or malformed."""
        if isinstance(line, LongLine):
            # Its beginning may look like a whole line.
            self._stats.too_long += 1
        else:
            try:
                return parse(line)
            except BadLineError:
                # The last line of a broken connection is cut short, not malformed.
                if not line or self._stats.broken is not None:
                    return None
                self._stats.malformed += 1
        self._stats.malformed_own += self._is_of_the_batch(line)
        self._rejected.add(line)
        return None

    def _is_of_the_batch(self, line: bytes) -> bool:
        return self._to_custom_id(custom_id_of(line) or "") in self._known

    def _unexpected(self, line: bytes, custom_id: str) -> int | None:
        """The request of a line whose id is not awaited; None, and counted, if it has none."""
        if custom_id in self._known:
            self._count_repeated(line, self._known[custom_id])
            return None
        request_id = self._unlisted_id(custom_id)
        if request_id is None:
            self._stats.foreign += 1
            self._rejected.add(line)
            if self._keeps_foreign:
                self._file.write(line)
        return request_id

    def _unlisted_id(self, custom_id: str) -> int | None:
        """The request of a line with the nonce of this batch, which no attempt of it names."""
        if not custom_id or self._batch.identified_by == "operator":
            return None
        request_id = collection.unlisted_id(self._context.ledger, self._batch, custom_id)
        if request_id is not None:
            self.unlisted.append(request_id)
        return request_id

    def _count_repeated(self, line: bytes, checksum: int) -> None:
        if checksum == 0:
            self._stats.known += 1
        elif checksum == _checksum(line):
            self._stats.repeated += 1
        else:
            self._stats.conflicting += 1
            self._rejected.add(line)

    def _stored(
        self, line: bytes, found: ResultLine, custom_id: str, request_id: int
    ) -> StagedResult:
        result = found.result
        if isinstance(result, Succeeded):
            stored = with_custom_id(line, found.custom_id, custom_id)
            return self._answered(result.message, request_id, stored)
        if (shown := redact_bytes(line)) != line:
            # An error may echo the key; an answer is the caller's own text.
            line, found = shown, parse(shown)
        stored = with_custom_id(line, found.custom_id, custom_id)
        # Only succeeded requests are billed.
        row = as_collected(found).as_staged(request_id)
        return (*row[:-3], self._file.write(stored), len(stored), None)

    def _answered(self, message: Message, request_id: int, stored: bytes) -> StagedResult:
        """The row of a succeeded request."""
        usage = read_usage(message.usage, message.model)
        charge = self._context.prices.charge(
            message.model, usage, at=self._at, kind=self._batch.kind
        )
        return (
            *(request_id, "succeeded", None, None, message.stop_reason, message.model),
            *usage.values(),
            *(charge.cost_nano, charge.sync_cost_nano, charge.fee_nano, charge.unpriced),
            *(self._file.write(stored), len(stored)),
            self._check.problem(request_id, message.stop_reason, stored),
        )


def _checksum(line: bytes) -> int:
    return ~zlib.crc32(line)
