"""Collects the results of a batch: each valid line to disk, then all of them into the ledger."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from core.api.result_schema import custom_id_of
from core.batches import account_check
from core.batches.collect_policy import are_results_lost, end_of_collection
from core.batches.collect_stats import CollectStats, RejectedLines
from core.batches.engine_context import Context
from core.batches.error_isolation import announce, isolated
from core.batches.lanes import lane_problem
from core.batches.read_retry import is_due, next_poll_at
from core.batches.result_reader import ResultReader
from core.batches.unresolved.stuck_policy import MAY_HAVE_RUN
from core.errors import ApiError, NoResponse, NotFound
from core.requests.wire_id import FromWire, max_unshortened_length
from core.text import are, pluralize
from state.batches import collection, remote_status, stuck_batches
from state.batches.collection import Completion
from state.db.staged import Staged
from state.files.answers_file import answers_file
from state.files.file_store import exists, make_local
from state.files.regular_file import open_regular
from state.files.results_file import ResultsFile, file_name
from state.model.errors import LedgerError
from state.model.records import Batch, BatchKind, Collected, CollectionStatus

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
        lane = context.on(batch.lane)
        with (
            lane_problem(lane, problems),
            isolated(context, f"Cannot collect {batch.key}", problems, batch=batch),
        ):
            # Results on disk are then those of a batch whose id at the API a rebuild knows.
            announce(context, batch, problems)
            collected.append((batch, collect(lane, batch)))
    return collected


def collect(context: Context, batch: Batch, *, from_disk: bool = False) -> Collected | None:
    """One try: keep each result that arrives; a later try fetches those that are missing.

    Each new result is on disk before the transaction that records it. A request is settled at most
    once, and the sums of batch and day are those of its recorded attempts. None: not available now.
    `from_disk`: its answers file has the results, also where the API may have them.
    """
    is_local = from_disk or _has_local_results(context, batch)
    if batch.remote_id is None and not is_local:
        return None
    results = ResultsFile(
        context.folder.results,
        batch.key,
        context.ledger.files,
        committed_bytes=batch.results_bytes,
        own=context.ledger.new_id(_OWN_LENGTH),
        is_intact=partial(_has_stored_lines, context, batch, is_local=is_local),
        crash_point=context.ledger.crash_point,
    )
    stats = CollectStats()
    rejected = RejectedLines(context.folder.results / f"{batch.key}.rejected")
    try:
        with collection.staged(context.ledger) as staged:
            with _source(context, batch, is_local=is_local) as pieces:
                reader = ResultReader(
                    context,
                    batch,
                    to_custom_id=_translation(context, batch, is_local=is_local),
                    results=results,
                    stats=stats,
                    rejected=rejected,
                    keeps_foreign=is_local,
                )
                staged.add_rows(reader.results(pieces))
                new, unlisted = reader.new, reader.unlisted
                # Its maps of 100,000 ids are freed before the commit.
                del reader
            if not is_local and stats.is_unrelated(new):
                raise stats.broken or _NoResultsError("The response has no result of this batch.")
            if results.is_restarted:
                _check_whole(context, batch, staged, stats)
            results.sync()
            return _commit(
                context, batch, staged, results, stats, rejected, unlisted, is_local=is_local
            )
    except ApiError as error:
        return _not_available(context, batch, error)
    except LedgerError:
        with suppress(LedgerError):
            _drop_uncommitted(context, batch, results)
        raise
    finally:
        with closing(rejected):
            results.close()


def _drop_uncommitted(context: Context, batch: Batch, results: ResultsFile) -> None:
    """Delete what this try has put in the place of the partial file, if its commit failed.

    On a full disk, that would take the space that the next try needs. Whether the commit failed is
    read in a transaction: no other process is then about to commit such a file.
    """
    if not results.is_replaced or batch.results_bytes:
        return
    with context.ledger.transaction("uncommitted"):
        if not collection.is_any_stored(context.ledger, batch):
            results.drop_part()


def _has_stored_lines(context: Context, batch: Batch, part: BinaryIO, *, is_local: bool) -> bool:
    """Whether the partial file has the lines that the ledger stored.

    A ledger that was being restored, and then discarded, may have replaced it. Results on this disk
    are read again, so that their complete file keeps its order: another ledger may refer to it. A
    ledger that hosts share is never restored.
    """
    if is_local and not context.ledger.files.is_shared:
        return False
    for custom_id, offset, length in collection.stored_lines(context.ledger, batch):
        part.seek(offset)
        if custom_id_of(part.read(length)) != custom_id:
            return False
    return True


def _check_whole(context: Context, batch: Batch, staged: Staged, stats: CollectStats) -> None:
    """Raise ApiError where the response lacks results whose lines are lost on this disk."""
    lost = collection.count_unstaged(context.ledger, batch, staged)
    if lost:
        raise stats.broken or _NoResultsError(
            f"{pluralize(lost, 'result')} {are(lost)} lost on this disk, and not in the API's"
            " response."
        )


def _commit(
    context: Context,
    batch: Batch,
    staged: Staged,
    results: ResultsFile,
    stats: CollectStats,
    rejected: RejectedLines,
    unlisted: list[int],
    *,
    is_local: bool,
) -> Collected:
    """Record what was staged; a complete file gets its final name."""
    status = None if stats.broken else end_of_collection(batch)
    problem = stats.text(rejected.name)
    if results.is_restarted and not is_local:
        again = f"{results.part_name} lacked results of earlier tries: all were downloaded again"
        problem = "; ".join(filter(None, (again, problem)))
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
    results.finish(complete=collected.complete)
    if collected.complete:
        if is_local:
            context.ledger.files.release([answers_file(context.folder, batch.key)])
        answers_file(context.folder, batch.key).unlink(missing_ok=True)
    else:
        count = collected.missing
        reasons = (f"{pluralize(count, 'result')} {are(count)} missing", problem)
        _postpone(context, batch, stats.broken, "; ".join(filter(None, reasons)))
    return collected


@contextmanager
def _source(
    context: Context, batch: Batch, *, is_local: bool
) -> Generator[Iterator[bytes], None, None]:
    """Return the bytes of the results: from the API, or from the file of a synchronous run."""
    if is_local:
        path = _local_results(context, batch)
        make_local(context.ledger.files, path)
        try:
            with open_regular(path) as file:
                yield iter(lambda: file.read(_PIECE), b"")
        except FileNotFoundError as error:
            raise NotFound(f"The results of {batch.key} are missing: no file {path}.") from error
    else:
        with context.api().results(batch.remote_id or "") as pieces:
            yield pieces


def _has_local_results(context: Context, batch: Batch) -> bool:
    """Whether the results need no API: those of a synchronous run, or of a rebuilt ledger."""
    if batch.kind == BatchKind.SYNC:
        return True
    # Of a batch at the API, a restore that was discarded may have left those of another batch.
    return batch.remote_id is None and exists(
        context.ledger.files, answers_file(context.folder, batch.key)
    )


def _local_results(context: Context, batch: Batch) -> Path:
    """The answers, or the file that a restore made of them before it was killed or discarded."""
    answers = answers_file(context.folder, batch.key)
    collected, files = context.folder.results / file_name(batch.key), context.ledger.files
    return collected if exists(files, collected) and not exists(files, answers) else answers


def _translation(context: Context, batch: Batch, *, is_local: bool) -> Callable[[str], str | None]:
    """Map ids in the results to the caller's; they are the same in a batch without our nonce."""
    if is_local or batch.identified_by == "operator":
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
