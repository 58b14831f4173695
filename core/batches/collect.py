"""Collects the results of a batch: each valid line to disk, then all of them into the ledger."""

import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager

from core.api.call_limits import most_result_bytes, up_to
from core.api.line_splitter import LongLine, split_lines
from core.api.result_schema import (
    BadLineError,
    ResultLine,
    Succeeded,
    as_collected,
    custom_id_of,
    parse,
    with_custom_id,
)
from core.api.usage_schema import read_usage
from core.batches import account_check, price_preload
from core.batches.collect_policy import are_results_lost, end_of_collection
from core.batches.collect_stats import CollectStats, RejectedLines
from core.batches.engine_context import Context
from core.batches.error_isolation import announce, isolated
from core.batches.read_retry import is_due, next_poll_at
from core.batches.unresolved.stuck_policy import MAY_HAVE_RUN
from core.errors import ApiError, NoResponse, NotFound
from core.redaction import redact_bytes
from core.requests.wire_id import FromWire, max_unshortened_length
from core.text import are, pluralize
from state.batches import collection, remote_status, stuck_batches, sync_runs
from state.batches.collection import Completion
from state.db.ledger import Staged
from state.files.regular_file import open_regular
from state.files.results_file import ResultsFile
from state.model.records import Batch, BatchKind, Collected, CollectionStatus, StagedResult
from state.model.timestamps import from_text

_PROGRESS_EVERY = 1000
_OWN_LENGTH = 8
_PIECE = 1 << 18
_EXPIRED = "The API keeps results for 29 days; these were not downloaded in time."
_ABSENT = "Complete downloads of the results have no line for this request."


class _NoResultsError(NoResponse):
    """A response without a single result of the batch, which must have one for each request."""


def collect_all(context: Context, problems: list[str]) -> list[tuple[Batch, Collected | None]]:
    """Collect each ended batch that is due; None for one without available results.

    A batch that cannot be collected is left out, and is one of the problems.
    """
    now = context.clock.now()
    collected: list[tuple[Batch, Collected | None]] = []
    # Those on this disk first: they need no API.
    ended = [b for b in remote_status.to_collect(context.ledger) if is_due(b, now)]
    ordered = sorted(ended, key=lambda batch: not _has_local_results(context, batch))
    for batch in context.time.items("collect", ordered, lambda batch: batch.key):
        with isolated(context, f"Cannot collect {batch.key}", problems, batch=batch):
            # Results on disk are then those of a batch whose id at the API a rebuild knows.
            announce(context, batch, problems)
            collected.append((batch, collect(context, batch)))
    return collected


def collect(context: Context, batch: Batch) -> Collected | None:
    """One try: keep each result that arrives; a later try fetches those that are missing.

    Each new result is on disk before the transaction that records it. A request is settled at most
    once, and the sums of batch and day are those of its recorded attempts. None: not available now.
    """
    if batch.remote_id is None and not _has_local_results(context, batch):
        return None
    price_preload.start()
    results = ResultsFile(
        context.folder.results,
        batch.key,
        committed_bytes=batch.results_bytes,
        own=context.ledger.new_id(_OWN_LENGTH),
        crash_point=context.ledger.crash_point,
    )
    stats = CollectStats()
    rejected = RejectedLines(context.folder.results / f"{batch.key}.rejected")
    try:
        with collection.staged(context.ledger) as staged:
            with _source(context, batch) as pieces:
                reader = _ResultReader(context, batch, results, stats, rejected)
                staged.add_rows(reader.results(pieces))
                new, unlisted = reader.new, reader.unlisted
                # Its maps of 100,000 ids are freed before the commit.
                del reader
            if not _has_local_results(context, batch) and stats.is_unrelated(new):
                raise stats.broken or _NoResultsError("The response has no result of this batch.")
            results.sync()
            return _commit(context, batch, staged, results, stats, rejected, unlisted)
    except ApiError as error:
        return _not_available(context, batch, error)
    finally:
        results.close()
        rejected.close()


def _commit(
    context: Context,
    batch: Batch,
    staged: Staged,
    results: ResultsFile,
    stats: CollectStats,
    rejected: RejectedLines,
    unlisted: list[int],
) -> Collected:
    """Record what was staged; a complete file gets its final name."""
    status = None if stats.broken else end_of_collection(batch)
    problem = stats.text(rejected.name)
    collected = collection.commit(
        context.ledger,
        batch,
        staged,
        results_bytes=results.offset,
        end=Completion(status=status, reason=_ABSENT) if status else None,
        problem=problem,
        unlisted=unlisted,
        replace_part=results.replace_part,
    )
    rejected.keep()
    if collected.complete:
        results.finish()
        sync_runs.answers_file(context.folder, batch.key).unlink(missing_ok=True)
    else:
        count = collected.missing
        reasons = (f"{pluralize(count, 'result')} {are(count)} missing", problem)
        _postpone(context, batch, stats.broken, "; ".join(filter(None, reasons)))
    return collected


@contextmanager
def _source(context: Context, batch: Batch) -> Generator[Iterator[bytes], None, None]:
    """Return the bytes of the results: from the API, or from the file of a synchronous run."""
    if _has_local_results(context, batch):
        try:
            with open_regular(sync_runs.answers_file(context.folder, batch.key)) as file:
                yield iter(lambda: file.read(_PIECE), b"")
        except FileNotFoundError as error:
            path = sync_runs.answers_file(context.folder, batch.key)
            raise NotFound(f"The results of {batch.key} are missing: no file {path}.") from error
    else:
        with context.api().results(batch.remote_id or "") as pieces:
            yield pieces


class _ResultReader:
    """Reads one response: parses each line, matches its request, writes it to disk, prices it."""

    def __init__(
        self,
        context: Context,
        batch: Batch,
        results: ResultsFile,
        stats: CollectStats,
        rejected: RejectedLines,
    ) -> None:
        self._context = context
        self._batch = batch
        self._file = results
        self._stats = stats
        self._rejected = rejected
        self._at = from_text(batch.accepted_ts or batch.created_ts)
        self._to_custom_id = _translation(context, batch)
        # The ids of requests without a result, by custom_id.
        self._awaited: dict[str, int] = {}
        # The checksums of lines by custom_id; None where an earlier try collected the line.
        self._seen: dict[str, int | None] = {}
        for custom_id, request_id, is_known in collection.ids_of(context.ledger, batch):
            if is_known:
                self._seen[custom_id] = None
            else:
                self._awaited[custom_id] = request_id
        self.new = 0
        # Requests that only the results show to be of the batch.
        self.unlisted: list[int] = []

    def results(self, pieces: Iterable[bytes]) -> Iterator[StagedResult]:
        """Yield each new valid result: priced, and on disk under the caller's custom_id."""
        for line in split_lines(self._until_broken(pieces)):
            if isinstance(line, LongLine):
                self._stats.too_long += 1
                self._stats.malformed_own += self._is_of_the_batch(line)
                self._rejected.add(line)
                continue
            found = self._parsed(line) if line else None
            if found is None:
                continue
            custom_id = self._to_custom_id(found.custom_id) or ""
            request_id = self._awaited.pop(custom_id, None)
            if request_id is None and custom_id not in self._seen:
                request_id = self._unlisted_id(custom_id)
            if request_id is not None:
                self._seen[custom_id] = zlib.crc32(line)
                yield self._stored(line, found, custom_id, request_id)
            elif custom_id in self._seen:
                self._count_repeated(line, self._seen[custom_id])
            else:
                self._stats.foreign += 1
                self._rejected.add(line)

    def _unlisted_id(self, custom_id: str) -> int | None:
        """The request of a line with the nonce of this batch, which no attempt of it names."""
        if not custom_id or self._batch.identified_by == "operator":
            return None
        request_id = collection.unlisted_id(self._context.ledger, self._batch, custom_id)
        if request_id is not None:
            self.unlisted.append(request_id)
        return request_id

    def _until_broken(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """A broken connection ends the response; the lines before it are valid."""
        try:
            yield from up_to(pieces, most_result_bytes(self._batch.request_count))
        except ApiError as error:
            self._stats.broken = error

    def _parsed(self, line: bytes) -> ResultLine | None:
        try:
            return parse(line)
        except BadLineError:
            # The last line of a broken connection is cut short, not malformed.
            if self._stats.broken is None:
                self._stats.malformed += 1
                self._stats.malformed_own += self._is_of_the_batch(line)
                self._rejected.add(line)
            return None

    def _is_of_the_batch(self, line: bytes) -> bool:
        custom_id = self._to_custom_id(custom_id_of(line) or "")
        return custom_id in self._awaited or custom_id in self._seen

    def _count_repeated(self, line: bytes, checksum: int | None) -> None:
        if checksum is None:
            self._stats.known += 1
        elif checksum == zlib.crc32(line):
            self._stats.repeated += 1
        else:
            self._stats.conflicting += 1
            self._rejected.add(line)

    def _stored(
        self, line: bytes, found: ResultLine, custom_id: str, request_id: int
    ) -> StagedResult:
        if not isinstance(found.result, Succeeded) and (shown := redact_bytes(line)) != line:
            # An error may echo the key; an answer is the caller's own text.
            line, found = shown, parse(shown)
        stored = with_custom_id(line, found.custom_id, custom_id)
        offset = self._file.write(stored)
        self.new += 1
        if self.new % _PROGRESS_EVERY == 0:
            self._context.progress("collecting", self.new, self._batch.request_count)
        if not isinstance(found.result, Succeeded):
            # Only succeeded requests are billed.
            row = as_collected(found).as_staged(request_id)
            return (*row[:-2], offset, len(stored))
        message = found.result.message
        usage = read_usage(message.usage, message.model)
        charge = self._context.prices.charge(
            message.model, usage, at=self._at, kind=self._batch.kind
        )
        return (
            *(request_id, "succeeded", None, None, message.stop_reason, message.model),
            *usage.values(),
            *(charge.cost_nano, charge.sync_cost_nano, charge.fee_nano, charge.unpriced),
            *(offset, len(stored)),
        )


def _has_local_results(context: Context, batch: Batch) -> bool:
    """Whether the results are on this disk: of a synchronous run, or of a rebuilt ledger."""
    return (
        batch.kind == BatchKind.SYNC or sync_runs.answers_file(context.folder, batch.key).exists()
    )


def _translation(context: Context, batch: Batch) -> Callable[[str], str | None]:
    """Map ids in the results to the caller's; they are the same in a batch without our nonce."""
    if _has_local_results(context, batch) or batch.identified_by == "operator":
        return lambda custom_id: custom_id
    long_ids = collection.long_ids(context.ledger, batch, max_unshortened_length(batch.nonce))
    return FromWire(batch.nonce, long_ids)


def _not_available(context: Context, batch: Batch, error: ApiError) -> Collected | None:
    """Try later, or give up results that the API no longer keeps.

    Raises SettingsError when the key of another account is the reason.
    """
    if isinstance(error, NotFound) and batch.kind == BatchKind.BATCH:
        _check_account(context)
    reason = stuck_batches.write_off_reason(context.ledger, batch)
    if are_results_lost(
        batch,
        context.clock.now(),
        is_written_off=bool(reason),
        is_denied=isinstance(error, NotFound | _NoResultsError),
        is_answered=error.status is not None,
    ):
        with collection.staged(context.ledger) as nothing:
            return collection.commit(
                context.ledger,
                batch,
                nothing,
                results_bytes=batch.results_bytes,
                end=Completion(
                    status=CollectionStatus.DELETED if reason else CollectionStatus.RESULTS_EXPIRED,
                    reason=f"{reason} {MAY_HAVE_RUN}" if reason else _EXPIRED,
                ),
                problem=reason or _EXPIRED,
            )
    _postpone(context, batch, error, str(error))
    return None


def _check_account(context: Context) -> None:
    try:
        account_check.fetch_and_check(context)
    except ApiError:
        return


def _postpone(context: Context, batch: Batch, error: ApiError | None, reason: str) -> None:
    now = context.clock.now()
    next_poll = next_poll_at(
        now,
        failures=batch.failures,
        retry_after_s=error.retry_after_s if error else None,
    )
    remote_status.record_poll_failure(context.ledger, batch, reason, next_poll=next_poll)
