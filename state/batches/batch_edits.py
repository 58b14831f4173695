"""The edited bodies of a batch's requests, by the files in the spool folder that have them.

An edit is only in the ledger, but its body is in a file of its own. The mirror names the files of
each batch, so that a rebuild finds the edits again.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

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
    """An edited body in the file of a replay."""

    offset: int
    length: int
    sha256: bytes
    betas: str
    model: str | None
    schema: bytes | None


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
        if edited:
            _add_missing(ledger, tx, file, edited, created_ts)
            rows = ledger.rows(
                "SELECT request_id, id FROM edits WHERE spool_file = ?"  # noqa: S608 - our own words
                f" AND request_id IN {LISTED}",
                file,
                as_list(edited),
            )
            found |= {row["request_id"]: row["id"] for row in rows}
    return found


def _add_missing(
    ledger: Ledger, tx: Transaction, file: str, edited: Mapping[int, EditedBody], created_ts: str
) -> None:
    row = ledger.row("SELECT command_id FROM edits WHERE spool_file = ? LIMIT 1", file)
    command_id = row[0] if row else _add_command(ledger, tx, file, len(edited), created_ts)
    output_schemas.add(ledger, (body.schema for body in edited.values() if body.schema))
    ledger.executemany(
        "INSERT INTO edits (command_id, request_id, spool_file, body_offset, body_length,"
        " body_sha256, betas, model, schema_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?,"
        " (SELECT id FROM output_schemas WHERE sha256 = ?)) ON CONFLICT DO NOTHING",
        (
            (
                *(command_id, request_id, file, body.offset, body.length, body.sha256),
                *(body.betas, body.model, body.schema and output_schemas.digest(body.schema)),
            )
            for request_id, body in edited.items()
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
