"""Fetches a batch's results: bytes to disk, line by line into the ledger, every id ticked off."""

import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager

from core.api.line_splitter import split_lines
from core.api.result_schema import (
    BadLineError,
    ResultLine,
    Succeeded,
    as_collected,
    custom_id_of,
    parse,
    to_usage,
    with_custom_id,
)
from core.batches import account, price_list
from core.batches.collect_stats import Tally
from core.batches.context import Context
from core.batches.expiry import end_of_collection, is_past_retention
from core.batches.retry import is_due, next_poll_at
from core.errors import ApiError, NoResponse, NotFound
from core.requests.wire_id import FromWire, max_unshortened_length
from state.batches import collection, remote_status, sync_runs
from state.files.results_file import ResultsFile
from state.model.errors import FileMissing
from state.model.records import Batch, Collected, Collection, Kind, Staged
from state.model.timestamps import from_text

_PROGRESS_EVERY = 1000
_OWN_LENGTH = 8
_PIECE = 1 << 18


class _NoResultsError(NoResponse):
    """An answer without a single result of the batch, which has one for each request."""


def collect_all(context: Context) -> list[tuple[Batch, Collected | None]]:
    """Each ended batch whose turn it is; None where the API did not give its results now."""
    now = context.clock.now()
    return [
        (batch, _collect_or_say_why_not(context, batch))
        for batch in remote_status.to_collect(context.ledger)
        if is_due(batch, now)
    ]


def _collect_or_say_why_not(context: Context, batch: Batch) -> Collected | None:
    """What an earlier try brought may be lost from the disk; other batches go on all the same."""
    try:
        return collect(context, batch)
    except FileMissing as error:
        _look_again(context, batch, None, str(error))
        return None


def collect(context: Context, batch: Batch) -> Collected | None:
    """One try: what comes is kept, what is missing is fetched again by a later try."""
    if batch.remote_id is None and batch.kind == Kind.BATCH:
        return None
    price_list.load_ahead()
    collection.begin(context.ledger)
    results = ResultsFile(
        context.folder.results,
        batch.key,
        committed_bytes=batch.results_bytes,
        own=context.ledger.word(_OWN_LENGTH),
        crash_point=context.ledger.crash_point,
    )
    tally = Tally(rejected=context.folder.results / f"{batch.key}.rejected")
    try:
        with _source(context, batch) as pieces:
            # It is let go of before the commit: a batch has 100,000 ids.
            reading = _Reading(context, batch, results, tally)
            collection.stage(context.ledger, reading.results(pieces))
            new = reading.done
            del reading
        if not _is_here(context, batch) and tally.is_no_answer(new):
            raise tally.broken or _NoResultsError("The API's answer holds no result of this batch.")
        results.sync()
        return _commit(context, batch, results, tally)
    except ApiError as error:
        return _not_available(context, batch, error)
    finally:
        results.close()
        tally.close()


def _commit(context: Context, batch: Batch, results: ResultsFile, tally: Tally) -> Collected:
    """Into the ledger; the file gets its name when nothing more will be added to it."""
    end = None if tally.broken else end_of_collection(batch)
    collected = collection.commit(
        context.ledger,
        batch,
        results_bytes=results.offset,
        end=end,
        problem=tally.in_words(),
        place=results.place,
    )
    tally.keep_rejected()
    if collected.complete:
        results.finish()
        sync_runs.answers_file(context.folder, batch.key).unlink(missing_ok=True)
    else:
        words = (f"{collected.missing:,} results are missing", tally.in_words())
        _look_again(context, batch, tally.broken, "; ".join(filter(None, words)))
    return collected


@contextmanager
def _source(context: Context, batch: Batch) -> Generator[Iterator[bytes], None, None]:
    """The bytes of the answers: from the API, or from the file where they lie already."""
    if _is_here(context, batch):
        try:
            with sync_runs.answers_file(context.folder, batch.key).open("rb") as file:
                yield iter(lambda: file.read(_PIECE), b"")
        except FileNotFoundError as error:
            raise NotFound(f"The answers of {batch.key} are gone: {error}.") from error
    else:
        with context.api().results(batch.remote_id or "") as pieces:
            yield pieces


class _Reading:
    """One answer on its way from the wire to the disk and the ledger."""

    def __init__(self, context: Context, batch: Batch, results: ResultsFile, tally: Tally) -> None:
        self._context = context
        self._batch = batch
        self._file = results
        self._tally = tally
        self._at = from_text(batch.accepted_ts or batch.created_ts)
        self._to_custom_id = _translation(context, batch)
        # The requests whose lines are still to come, by custom_id.
        self._awaited: dict[str, int] = {}
        # The checksums of the lines that came; of those that an earlier try brought, none.
        self._seen: dict[str, int | None] = {}
        for custom_id, request_id, is_known in collection.ids_of(context.ledger, batch):
            if is_known:
                self._seen[custom_id] = None
            else:
                self._awaited[custom_id] = request_id
        self.done = 0

    def results(self, pieces: Iterable[bytes]) -> Iterator[Staged]:
        """Each new, good line: priced, and on disk under the caller's custom_id."""
        for line in split_lines(self._until_broken(pieces)):
            found = self._parsed(line) if line else None
            if found is None:
                continue
            custom_id = self._to_custom_id(found.custom_id) or ""
            request_id = self._awaited.pop(custom_id, None)
            if request_id is not None:
                self._seen[custom_id] = zlib.crc32(line)
                yield self._stored(line, found, custom_id, request_id)
            elif custom_id in self._seen:
                self._count_repeated(line, self._seen[custom_id])
            else:
                self._tally.foreign += 1
                self._tally.reject(line)

    def _until_broken(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """A connection that breaks ends the answer; what came before is as good as any."""
        try:
            yield from pieces
        except ApiError as error:
            self._tally.broken = error

    def _parsed(self, line: bytes) -> ResultLine | None:
        try:
            return parse(line)
        except BadLineError:
            # The last line of a broken connection is cut, not garbled.
            if self._tally.broken is None:
                self._tally.garbled += 1
                self._tally.unreadable += self._is_of_the_batch(line)
                self._tally.reject(line)
            return None

    def _is_of_the_batch(self, line: bytes) -> bool:
        custom_id = self._to_custom_id(custom_id_of(line) or "")
        return custom_id in self._awaited or custom_id in self._seen

    def _count_repeated(self, line: bytes, checksum: int | None) -> None:
        if checksum is None:
            self._tally.known += 1
        elif checksum == zlib.crc32(line):
            self._tally.repeated += 1
        else:
            self._tally.contradicted += 1
            self._tally.reject(line)

    def _stored(self, line: bytes, found: ResultLine, custom_id: str, request_id: int) -> Staged:
        stored = with_custom_id(line, found.custom_id, custom_id)
        offset = self._file.write(stored)
        self.done += 1
        if self.done % _PROGRESS_EVERY == 0:
            self._context.progress("collecting", self.done, self._batch.request_count)
        if not isinstance(found.result, Succeeded):
            # Only what succeeded is billed.
            row = as_collected(found).as_staged(request_id)
            return (*row[:13], offset, len(stored))
        message = found.result.message
        usage = to_usage(message.usage)
        cost, sync_cost = self._context.prices.price(
            message.model or self._batch.model, usage, at=self._at, kind=self._batch.kind
        )
        return (
            *(request_id, "succeeded", None, None, message.stop_reason, message.model),
            *(usage.input_tokens, usage.output_tokens, usage.cache_write_5m_tokens),
            *(usage.cache_write_1h_tokens, usage.cache_read_tokens),
            *(cost, sync_cost, offset, len(stored)),
        )


def _is_here(context: Context, batch: Batch) -> bool:
    """Whether the answers are on this disk: those of a run, and those of a rebuilt ledger."""
    return batch.kind == Kind.SYNC or sync_runs.answers_file(context.folder, batch.key).exists()


def _translation(context: Context, batch: Batch) -> Callable[[str], str | None]:
    """From the ids in the answers to the caller's; without a nonce of ours they are the same."""
    if _is_here(context, batch) or batch.identified_by == "operator":
        return lambda custom_id: custom_id
    long_ids = collection.long_ids(context.ledger, batch, max_unshortened_length(batch.nonce))
    return FromWire(batch.nonce, long_ids)


def _not_available(context: Context, batch: Batch, error: ApiError) -> Collected | None:
    """The API gave nothing: later again, or never, when it has thrown the results away.

    Raises SettingsError when it gave nothing because the key is another account's.
    """
    if isinstance(error, NotFound) and batch.kind == Kind.BATCH:
        _check_account(context)
    if isinstance(error, NotFound | _NoResultsError) and is_past_retention(
        batch, context.clock.now()
    ):
        collection.begin(context.ledger)
        return collection.commit(
            context.ledger,
            batch,
            results_bytes=batch.results_bytes,
            end=Collection.RESULTS_EXPIRED,
            problem="The API keeps results for 29 days, and these were not fetched in time.",
        )
    _look_again(context, batch, error, str(error))
    return None


def _check_account(context: Context) -> None:
    try:
        account.fetch_and_check(context)
    except ApiError:
        return


def _look_again(context: Context, batch: Batch, error: ApiError | None, reason: str) -> None:
    now = context.clock.now()
    again = next_poll_at(
        now,
        failures=batch.failures,
        retry_after_s=error.retry_after_s if error else None,
    )
    remote_status.record_poll_failure(context.ledger, batch, reason, next_poll=again)
