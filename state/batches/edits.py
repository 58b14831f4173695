"""Edits: new bodies for requests, and by which files of the spool a batch's are found again.

An edit is only in the ledger, but its body is in a file of its own. The mirror names the files of
each batch, so that a rebuild finds the edits again.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import asdict

from state.batches import output_schemas
from state.db.dialect import LISTED, as_list
from state.db.ledger import Ledger, Transaction
from state.db.reader import Source
from state.model.records import Batch

# More files are not written: a rebuild then treats the batch as one without edits.
MOST_FILES = 100
_KEY_LENGTH = 10
# The reason of the command that stands for the replay that is not known.
FOUND_AGAIN = "Found again by a rebuild or restore."


class EditedBody(Struct, frozen=True, kw_only=True):
    """A new body for a request, in a file of the spool."""

    #: Byte at which the body starts.
    offset: int
    #: Bytes of the body.
    length: int
    #: SHA-256 of the body.
    sha256: bytes
    #: Beta headers, comma-separated; "" for none.
    betas: str
    #: Model that the body names.
    model: str | None = None
    #: Schema of its output as JSON. None: no structured output.
    schema: bytes | None = None


class Edit(EditedBody, frozen=True, kw_only=True):
    """The edit of one request."""

    #: Row id of the request.
    request_id: int
    #: File of the body, relative to `spool`.
    spool_file: str
    #: What it can cost at most in a batch, in nano-dollars. None: not known.
    at_most_batch_nano: int | None = None
    #: The same for a synchronous call.
    at_most_sync_nano: int | None = None


# The bodies of one batch in one file, by custom_id.
Bodies = Mapping[str, EditedBody]


def files_of(source: Source, batch: Batch) -> list[tuple[str, int, int]] | None:
    """The files with the edited bodies of the batch, oldest first; None where they are too many.

    With the offsets of its first and last body in the file, which may also have bodies of other
    submissions, for requests with the same custom_ids.
    """
    rows = source.rows(
        "SELECT e.spool_file, min(e.body_offset), max(e.body_offset) FROM attempts a"
        " JOIN edits e ON e.id = a.edit_id WHERE a.batch_id = ?"
        " GROUP BY e.spool_file ORDER BY min(e.id) LIMIT ?",
        batch.id,
        MOST_FILES + 1,
    )
    return None if len(rows) > MOST_FILES else [(row[0], row[1], row[2]) for row in rows]


def add(
    ledger: Ledger,
    tx: Transaction,
    files: Sequence[tuple[str, Bodies]],
    request_ids: Sequence[int],
    *,
    created_ts: str,
) -> dict[int, int]:
    """Inside a transaction: store the edits of these requests that the ledger lacks.

    `files` are those of one batch, oldest first. Returns the edit of each edited request.
    """
    found = dict[int, int]()
    if not files:
        return found
    names = ledger.rows(
        f"SELECT id, custom_id FROM requests WHERE id IN {LISTED}",  # noqa: S608 - our own words
        as_list(request_ids),
    )
    for file, bodies in files:
        edited = {
            row["id"]: bodies[row["custom_id"]] for row in names if row["custom_id"] in bodies
        }
        known = _known(ledger, file, edited)
        missing = [
            Edit(request_id=request_id, spool_file=file, **asdict(body))
            for request_id, body in edited.items()
            if request_id not in known
        ]
        if missing:
            row = ledger.row("SELECT command_id FROM edits WHERE spool_file = ? LIMIT 1", file)
            command_id = row[0] if row else _add_command(ledger, tx, file, len(missing), created_ts)
            insert(ledger, command_id, missing)
        found |= _known(ledger, file, edited)
    return found


def _known(ledger: Ledger, file: str, request_ids: Collection[int]) -> dict[int, int]:
    """The edits of these requests that have their body in that file."""
    rows = ledger.rows(
        f"SELECT request_id, id FROM edits WHERE spool_file = ? AND request_id IN {LISTED}",  # noqa: S608 - our own words
        file,
        as_list(request_ids),
    )
    return {row["request_id"]: row["id"] for row in rows}


def insert(ledger: Ledger, command_id: int, edits: Iterable[Edit]) -> None:
    """Inside a transaction: store the edits of a command."""
    edits = list(edits)
    output_schemas.add(ledger, (edit.schema for edit in edits if edit.schema is not None))
    ledger.executemany(
        "INSERT INTO edits (command_id, request_id, spool_file, body_offset, body_length,"
        " body_sha256, betas, at_most_batch_nano, at_most_sync_nano, model,"
        " schema_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
        " (SELECT id FROM output_schemas WHERE sha256 = ?))",
        (
            (
                *(command_id, e.request_id, e.spool_file, e.offset, e.length, e.sha256),
                *(e.betas, e.at_most_batch_nano, e.at_most_sync_nano, e.model),
                e.schema and output_schemas.digest(e.schema),
            )
            for e in edits
        ),
    )


def _add_command(
    ledger: Ledger, tx: Transaction, file: str, item_count: int, created_ts: str
) -> int:
    """The replay that the edits were of, as far as it is known."""
    return ledger.insert(
        "INSERT INTO commands (key, action, state, digest, who, reason, item_count, options,"
        " created_ts, not_before_ts, ended_ts, outcome)"
        " VALUES (?, 'replay', 'done', ?, ?, ?, ?, '{}', ?, ?, ?, ?)",
        f"cmd_{ledger.new_id(_KEY_LENGTH)}",
        file.encode(),
        ledger.actor,
        FOUND_AGAIN,
        item_count,
        created_ts,
        created_ts,
        tx.at,
        f"edited requests: {item_count}",
    )


def reopen(ledger: Ledger, edits: Mapping[int, int]) -> None:
    """Inside a transaction: queue the edited requests with their edit, unless a batch has them.

    As a replay with edits does: the next answer counts, whatever the earlier one was.
    """
    ledger.executemany(
        "UPDATE requests SET status = 'queued', settled_by = NULL, edit_id = ?,"
        " at_most_batch_nano = NULL, at_most_sync_nano = NULL WHERE id = ?"
        " AND coalesce(edit_id, 0) < ? AND NOT EXISTS"
        " (SELECT 1 FROM attempts a WHERE a.request_id = requests.id AND a.active = 1)",
        ((edit, request, edit) for request, edit in edits.items()),
    )
