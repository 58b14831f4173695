"""The schemas of structured output: each is stored once, and found for requests of a batch."""

import hashlib
from collections.abc import Iterable

from state.db.ledger import Ledger
from state.db.reader import Source
from state.db.staged import Staged
from state.model.records import Batch

# Of an attempt `a`, its request `r` and its edit `e`.
_SCHEMA = "CASE WHEN a.edit_id IS NULL THEN r.schema_id ELSE e.schema_id END"
_ATTEMPTS = (
    f"SELECT {_SCHEMA} AS schema_id FROM attempts a JOIN requests r ON r.id = a.request_id"  # noqa: S608 - our own words
    " LEFT JOIN edits e ON e.id = a.edit_id WHERE a.batch_id = ?"
)


def digest(schema: bytes) -> bytes:
    """What a schema is known by."""
    return hashlib.sha256(schema).digest()


class SchemaColumns:
    """The columns of staged requests for their schema, whose text only the first of them has."""

    def __init__(self) -> None:
        """Begin a call."""
        self._seen: set[bytes] = set()

    def of(self, schema: bytes | None) -> tuple[bytes | None, str | None]:
        """`schema_sha256` and `schema` of the next request."""
        if schema is None:
            return None, None
        key = digest(schema)
        is_new = key not in self._seen
        self._seen.add(key)
        return key, schema.decode() if is_new else None


def add_staged(ledger: Ledger, staged: Staged) -> None:
    """Inside a transaction: store the schemas of staged requests."""
    ledger.execute(
        "INSERT INTO output_schemas (sha256, schema) SELECT schema_sha256, schema"  # noqa: S608 - our own words
        f" FROM {staged} WHERE schema IS NOT NULL ORDER BY position ON CONFLICT DO NOTHING"
    )


def add(ledger: Ledger, schemas: Iterable[bytes]) -> None:
    """Inside a transaction: store these schemas."""
    ledger.executemany(
        "INSERT INTO output_schemas (sha256, schema) VALUES (?, ?) ON CONFLICT DO NOTHING",
        ((digest(schema), schema.decode()) for schema in dict.fromkeys(schemas)),
    )


def ids_of(source: Source, batch: Batch) -> list[int | None]:
    """The distinct schemas of the requests of the batch; None for requests without one."""
    rows = source.rows(f"SELECT DISTINCT schema_id FROM ({_ATTEMPTS}) s ORDER BY 1", batch.id)  # noqa: S608 - as above
    return [row["schema_id"] for row in rows]


def id_of(source: Source, batch: Batch, request_id: int) -> int | None:
    """The schema of one request of the batch, also of one that has no attempt there yet."""
    rows = source.rows(f"{_ATTEMPTS} AND a.request_id = ?", batch.id, request_id)
    rows = rows or source.rows("SELECT schema_id FROM requests WHERE id = ?", request_id)
    found: int | None = rows[0]["schema_id"]
    return found


def text_of(source: Source, schema_id: int) -> bytes:
    """The schema as JSON."""
    row = source.rows("SELECT schema FROM output_schemas WHERE id = ?", schema_id)[0]
    return str(row["schema"]).encode()
