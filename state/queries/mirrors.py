"""JSONL mirrors for other programs, written from the event log.

The ledger records each file's position: the last event in it, and its length then. Bytes beyond
that length after a crash are cut off, so each line is written once; a file that was removed or
truncated by another program is rewritten. Where hosts share the ledger, each has files of its own,
and other hosts do not wait while one writes them.
"""

import json
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from state.batches import edits, possible_duplicate_charges, request_ranges
from state.db.ledger import Ledger
from state.db.liveness_lock import place_id, try_lock
from state.db.reader import Source
from state.db.rows import to_batch
from state.db.usage_sql import BILLED_IN, BILLED_OUT
from state.files.file_errors import file_error
from state.files.folder import Folder, make_private, open_private, sync_folder
from state.files.regular_file import require_regular
from state.files.results_file import file_name
from state.files.spool import LineReader
from state.files.system_errors import cause
from state.model.errors import FileMissing, FileUnusable, LedgerUnusable
from state.model.records import Batch
from state.queries.event_list import events_from

if TYPE_CHECKING:
    from state.db.reader import Row

_ALL = 1 << 62
_ENDED = ("batch.collected", "batch.rejected", "batch.canceled_unsent")


def update(
    ledger: Ledger,
    folder: Folder,
    *,
    guard: Callable[[Path], AbstractContextManager[None]] = lambda _path: nullcontext(),
) -> None:
    """Append all new events to the mirrors, each inside `guard`.

    Raises FileUnusable where one cannot be written.
    """
    (newest,) = ledger.rows("SELECT coalesce(max(id), 0) FROM events")[0]
    with guard(folder.jobs_mirror):
        _update_jobs(ledger, folder, newest)
    for path, lines in ((folder.errors_mirror, _error_lines), (folder.cost_mirror, _cost_lines)):
        with guard(path):
            _update(ledger, folder, path, lines, newest)


def has_newest_line(ledger: Ledger, folder: Folder, batch: Batch) -> bool:
    """Whether the mirror of jobs has a line for the present state of the batch."""
    (newest,) = ledger.rows("SELECT coalesce(max(id), 0) FROM events WHERE batch_id = ?", batch.id)[
        0
    ]
    return _is_written(ledger, folder.jobs_mirror, newest)


def update_jobs(ledger: Ledger, folder: Folder) -> None:
    """Append all new lines to the mirror of jobs. Raises FileUnusable, LedgerError."""
    (newest,) = ledger.rows("SELECT coalesce(max(id), 0) FROM events")[0]
    _update_jobs(ledger, folder, newest)


def mark_incomplete(folder: Folder) -> None:
    """Keep a rebuild from taking what has no line in the mirror of jobs for not sent.

    Until the mirror is written. Raises FileUnusable.
    """
    path = folder.incomplete_mirror
    try:
        with open_private(path) as mark:
            mark.write(f"{folder.jobs_mirror.name} could not be written.\n".encode())
            mark.flush()
            os.fsync(mark.fileno())
        sync_folder(path.parent)
    except OSError as error:
        raise file_error(
            error,
            f"Cannot write {path}: {cause(error, path).text}. Nothing is sent without that file"
            f" while {folder.jobs_mirror.name} cannot be written.",
            code="mirror_unwritable",
        ) from error


def _update_jobs(ledger: Ledger, folder: Folder, newest: int) -> None:
    """A rebuild needs these lines most where the ledger is damaged: they do without one table.

    That of the imported fallback files is read before the transaction, which its damage would end.
    A rebuild takes what the lines lack from the earlier ones of the same batch.
    """
    damage = None
    try:
        ledger.rows("SELECT key, submission_id FROM fallback_imports")
    except LedgerUnusable as error:
        damage = error
    lines = _job_lines if damage is None else _job_lines_without_imports
    _update(ledger, folder, folder.jobs_mirror, lines, newest)
    if damage is not None:
        raise FileUnusable(
            f"New lines of {folder.jobs_mirror} do not name imported fallback files: {damage}",
            code=damage.code,
        ) from damage


def _is_written(ledger: Ledger, path: Path, event: int) -> bool:
    """Whether the mirror, which is as long as it was left, has the lines up to that event."""
    row = ledger.row("SELECT position, bytes FROM mirrors WHERE name = ?", _name(ledger, path))
    is_whole = row is not None and path.exists() and path.stat().st_size >= row["bytes"]
    return is_whole and row is not None and row["position"] >= event


def _update(
    ledger: Ledger,
    folder: Folder,
    path: Path,
    lines: "Callable[[Ledger, Folder, range], Iterator[dict[str, object]]]",
    newest: int,
) -> None:
    try:
        if not _is_written(ledger, path, newest):
            _write(ledger, folder, path, lines)
    except OSError as error:
        raise file_error(
            error,
            f"Cannot write {path}: {cause(error, path).text}. The ledger is not affected;"
            " the next poll writes the file.",
            code="mirror_unwritable",
        ) from error


def _write(
    ledger: Ledger,
    folder: Folder,
    path: Path,
    lines: "Callable[[Ledger, Folder, range], Iterator[dict[str, object]]]",
) -> None:
    make_private(folder.root)
    with suppress(FileNotFoundError):
        require_regular(path)
    with _alone(ledger, path) as is_alone:
        if not is_alone:
            return
        row = ledger.row("SELECT position, bytes FROM mirrors WHERE name = ?", _name(ledger, path))
        position, length = (row["position"], row["bytes"]) if row else (0, 0)
        (newest,) = ledger.rows("SELECT coalesce(max(id), 0) FROM events")[0]
        with open_private(path, append=True) as mirror:
            if not _is_end_of_line(path, length):
                position = length = 0
            mirror.truncate(length)
            for line in lines(ledger, folder, range(position + 1, newest + 1)):
                mirror.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            mirror.flush()
            os.fsync(mirror.fileno())
            ledger.crash_point("mirror:written")
            with ledger.transaction("mirror") if ledger.is_shared else nullcontext():
                ledger.execute(
                    "INSERT INTO mirrors (name, position, bytes) VALUES (?, ?, ?)"
                    " ON CONFLICT (name) DO UPDATE SET position = excluded.position,"
                    " bytes = excluded.bytes",
                    *(_name(ledger, path), newest, mirror.tell()),
                )
            if path == folder.jobs_mirror:
                folder.incomplete_mirror.unlink(missing_ok=True)


@contextmanager
def _alone(ledger: Ledger, path: Path) -> Generator[bool, None, None]:
    """Keep other processes from writing the file; False where one of this host writes it."""
    if ledger.is_shared:
        with try_lock(path.with_suffix(".lock")) as is_free:
            yield is_free is not False
    else:
        with ledger.transaction("mirror"):
            yield True


def _name(ledger: Ledger, path: Path) -> str:
    """The name of the mirror in the ledger: each host has files of its own."""
    return f"{place_id(path.parent)}/{path.name}" if ledger.is_shared else path.name


def _is_end_of_line(path: Path, length: int) -> bool:
    """Whether the file has a line that ends there; it has not where it is shorter, or replaced."""
    with path.open("rb") as mirror:
        mirror.seek(max(length - 1, 0))
        return not length or mirror.read(1) == b"\n"


def _batches_after(
    ledger: Source, events: range, kinds: tuple[str, ...] | None
) -> Iterator[tuple[str, Batch]]:
    """Each batch with such an event among these, once, with the time of its first event."""
    seen: set[str] = set()
    position = events.start - 1
    while page := [e for e in events_from(ledger, after_id=position) if e.id < events.stop]:
        for event in page:
            key = event.batch_key
            if key is None or key in seen or (kinds and event.kind not in kinds):
                continue
            seen.add(key)
            yield event.at, to_batch(ledger.rows("SELECT * FROM batches WHERE key = ?", key)[0])
        position = page[-1].id


def _job_lines(ledger: Ledger, _folder: Folder, events: range) -> Iterator[dict[str, object]]:
    for _at, batch in _batches_after(ledger, events, None):
        line = _job_line(ledger, batch)
        before = possible_duplicate_charges.count_before(ledger, batch.id)
        line["possible_duplicate_charges"] += before
        line["fallback_imports"] = _fallback_imports(ledger, batch.key)
        yield line


def _job_lines_without_imports(
    ledger: Ledger, _folder: Folder, events: range
) -> Iterator[dict[str, object]]:
    yield from (_job_line(ledger, batch) for _at, batch in _batches_after(ledger, events, None))


def _job_line(ledger: Ledger, batch: Batch) -> dict[str, Any]:
    results = f"/v1/messages/batches/{batch.remote_id}/results"
    return {
        "batch_id": batch.key,
        "tag": batch.tag,
        "submitted_ts": batch.created_ts,
        "request_count": batch.request_count,
        "status": batch.status,
        "results_url": results if batch.remote_id and batch.status == "ended" else None,
        "completed_ts": batch.ended_ts,
        "remote_id": batch.remote_id,
        "workflow": batch.workflow,
        "kind": batch.kind,
        "collection": batch.collection,
        "results_file": f"batch-results/{file_name(batch.key)}" if batch.collected_ts else None,
        "error": batch.last_error,
        # For `rebuild`: with these, what is still at the API is found again, with its requests.
        "nonce": batch.nonce,
        "account": batch.account,
        "lane": batch.lane,
        "requests": request_ranges.of_batch(ledger, batch),
        "edits": edits.files_of(ledger, batch),
        "betas": ",".join(batch.betas),
        "possible_duplicate_charges": possible_duplicate_charges.count_of(ledger, batch.id),
    }


def _fallback_imports(ledger: Ledger, batch_key: str) -> list[str]:
    """The keys of the files that were imported into the submission of the batch."""
    rows = ledger.rows(
        "SELECT key FROM fallback_imports WHERE submission_id ="
        " (SELECT submission_id FROM batches WHERE key = ?) ORDER BY key LIMIT 100",
        batch_key,
    )
    return [row[0] for row in rows]


def _error_lines(ledger: Ledger, folder: Folder, events: range) -> Iterator[dict[str, object]]:
    with LineReader(folder.spool, ledger.files) as bodies:
        for at, batch in _batches_after(ledger, events, _ENDED):
            for row in ledger.rows(
                "SELECT r.custom_id, coalesce(e.spool_file, r.spool_file) AS spool_file,"
                " coalesce(e.body_offset, r.body_offset) AS body_offset,"
                " coalesce(e.body_length, r.body_length) AS body_length, a.outcome,"
                " a.error_type, a.error_message FROM attempts a"
                " JOIN requests r ON r.id = a.request_id LEFT JOIN edits e ON e.id = a.edit_id"
                " WHERE a.batch_id = ? AND a.outcome <> 'succeeded' ORDER BY r.id",
                batch.id,
            ):
                yield {
                    "ts": at,
                    "batch_id": batch.key,
                    "tag": batch.tag,
                    "custom_id": row["custom_id"],
                    "outcome": row["outcome"],
                    "error_type": row["error_type"],
                    "error_message": row["error_message"],
                    "params": _params(bodies, row),
                }


def _params(bodies: LineReader, row: "Row") -> object:
    """The request's params; None where its body is missing, or is no JSON that Python reads."""
    try:
        body = bodies.read(row["spool_file"], row["body_offset"], row["body_length"])
        return json.loads(body)["params"]
    except (FileMissing, ValueError, KeyError, RecursionError):
        return None


def cost_lines(source: Source) -> Iterator[dict[str, object]]:
    """Every line that belongs in the cost log now."""
    return _cost_lines(source, None, range(1, _ALL))


def _cost_lines(
    ledger: Source, _folder: Folder | None, events: range
) -> Iterator[dict[str, object]]:
    for at, batch in _batches_after(ledger, events, ("batch.collected",)):
        if batch.collected_ts is None:
            # It was reopened, and has a line when it is collected again.
            continue
        for row in ledger.rows(
            f"SELECT model, sum({BILLED_IN}) AS tokens_in, sum({BILLED_OUT}) AS tokens_out,"  # noqa: S608 - our own words
            " coalesce(sum(cost_nano), 0) AS cost, sum(fee_nano) AS fee,"
            " coalesce(sum(sync_cost_nano), 0) - coalesce(sum(cost_nano), 0) AS saved,"
            " sum(web_searches) AS web_searches,"
            " count(*) FILTER (WHERE cost_nano IS NULL) AS unpriced FROM attempts a"
            " WHERE batch_id = ? AND outcome = 'succeeded' GROUP BY model"
            " ORDER BY model NULLS FIRST",
            batch.id,
        ):
            yield {
                "ts": at,
                "tag": batch.tag,
                "input_tokens": row["tokens_in"],
                "output_tokens": row["tokens_out"],
                "model": row["model"],
                "web_searches": row["web_searches"],
                # Without a price they are unknown.
                "batch_savings_usd": _dollars(row, "saved"),
                "cost_usd": _dollars(row, "cost"),
                "fee_usd": _dollars(row, "fee"),
                "unpriced": row["unpriced"],
            }


def _dollars(row: "Row", name: str) -> float | None:
    return None if row["unpriced"] else row[name] / 1_000_000_000
