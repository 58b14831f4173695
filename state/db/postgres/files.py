"""Spool and results files in the database: compressed pieces of 1 MiB, read one by one."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from state.db.postgres.connection import driver
from state.db.postgres.errors import postgres_errors
from state.files.file_store import Piece
from state.model.crash_points import no_crash_point
from state.model.errors import FileMissing, FileUnusable, LedgerError

if TYPE_CHECKING:
    from types import ModuleType

    from psycopg import Connection

    from state.db.postgres.rows import Row

# `new`: being uploaded; `kept`: the ledger refers to it; `released`: to be deleted.
TABLES = """
CREATE TABLE stored_files (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  folder text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  state text COLLATE "C" NOT NULL CHECK (state IN ('new', 'uploaded', 'kept', 'released')),
  start bigint NOT NULL,
  bytes bigint NOT NULL,
  written_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX stored_files_kept ON stored_files (folder, name) WHERE state = 'kept';
CREATE INDEX stored_files_others ON stored_files (folder, name) WHERE state <> 'kept';
CREATE TABLE stored_pieces (
  file_id bigint NOT NULL REFERENCES stored_files,
  start bigint NOT NULL,
  length bigint NOT NULL,
  data bytea NOT NULL,
  PRIMARY KEY (file_id, start)
);
ALTER TABLE stored_pieces ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE stored_pieces SET (
  autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_scale_factor = 0.05
);
CREATE FUNCTION titan_keep_file(of_folder text, uploaded text, target text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  upload stored_files;
  known stored_files;
BEGIN
  SELECT * INTO upload FROM stored_files
    WHERE folder = of_folder AND name = uploaded AND state = 'uploaded'
    ORDER BY id DESC LIMIT 1 FOR UPDATE;
  IF NOT FOUND THEN RETURN false; END IF;
  SELECT * INTO known FROM stored_files
    WHERE folder = of_folder AND name = target AND state = 'kept' FOR UPDATE;
  IF upload.start = 0 THEN
    UPDATE stored_files SET state = 'released' WHERE id = known.id;
    UPDATE stored_files SET state = 'kept', name = target WHERE id = upload.id;
    RETURN true;
  END IF;
  IF known.bytes IS DISTINCT FROM upload.start THEN RETURN false; END IF;
  UPDATE stored_pieces SET file_id = known.id WHERE file_id = upload.id;
  UPDATE stored_files SET bytes = upload.bytes WHERE id = known.id;
  DELETE FROM stored_files WHERE id = upload.id;
  RETURN true;
END $$;
"""

_PIECE = 1 << 20
_LEVEL = 3
# Pieces that are written, or deleted, in one transaction.
_TOGETHER = 4
_DELETED_TOGETHER = 32
_BEGIN = (
    b"INSERT INTO stored_files (folder, name, state, start, bytes)"
    b" VALUES (%s, %s, 'new', %s, %s) RETURNING id"
)
_ADD = (
    b"INSERT INTO stored_pieces (file_id, start, length, data)"
    b" SELECT id, %s, %s, %b FROM stored_files WHERE id = %s AND state = 'new'"
)
_GROW = (
    b"UPDATE stored_files SET bytes = %s, state = %s, written_at = clock_timestamp()"
    b" WHERE id = %s AND state = 'new'"
)
_APPEND = (
    b"WITH file AS (INSERT INTO stored_files (folder, name, state, start, bytes)"
    b" VALUES (%s, %s, 'kept', 0, %s) ON CONFLICT (folder, name) WHERE state = 'kept'"
    b" DO UPDATE SET bytes = stored_files.bytes + excluded.bytes RETURNING id, bytes)"
    b" INSERT INTO stored_pieces (file_id, start, length, data)"
    b" SELECT id, bytes - %s, %s, %b FROM file"
)
_SIZES = (
    b"SELECT folder, name, bytes FROM stored_files JOIN unnest(%s::text[], %s::text[])"
    b" AS wanted (folder, name) USING (folder, name) WHERE state = 'kept'"
)
_OCCUPIED = (
    b"SELECT count(DISTINCT f.id), coalesce(sum(octet_length(p.data)), 0)::bigint"
    b" FROM stored_files f JOIN unnest(%s::text[], %s::text[]) AS wanted (folder, name)"
    b" USING (folder, name) LEFT JOIN stored_pieces p ON p.file_id = f.id WHERE f.state = 'kept'"
)
_READ = (
    b"SELECT p.start, p.data FROM stored_files f JOIN stored_pieces p ON p.file_id = f.id"
    b" WHERE f.folder = %s AND f.name = %s AND f.state = 'kept' AND p.start <= %s"
    b" AND p.start + p.length > %s ORDER BY p.start DESC LIMIT 1"
)
_RELEASE = (
    b"UPDATE stored_files SET state = 'released' FROM unnest(%s::text[], %s::text[])"
    b" AS named (folder, name) WHERE stored_files.folder = named.folder"
    b" AND stored_files.name = named.name AND state = ANY(%s)"
)
# A process that has not written to its upload for a day has died. Rows that others lock are left to
# the next sweep.
_RELEASE_ABANDONED = (
    b"UPDATE stored_files SET state = 'released' WHERE id IN (SELECT id FROM stored_files"
    b" WHERE state IN ('new', 'uploaded') AND written_at < clock_timestamp() - interval '1 day'"
    b" FOR UPDATE SKIP LOCKED)"
)
_DELETE_PIECES = (
    b"DELETE FROM stored_pieces p USING (SELECT q.file_id, q.start FROM stored_files f"
    b" JOIN stored_pieces q ON q.file_id = f.id WHERE f.state = 'released' LIMIT %d) old"
    b" WHERE p.file_id = old.file_id AND p.start = old.start" % _DELETED_TOGETHER
)
_DELETE_FILES = (
    b"DELETE FROM stored_files WHERE id IN (SELECT id FROM stored_files f WHERE state = 'released'"
    b" AND NOT EXISTS (SELECT 1 FROM stored_pieces WHERE file_id = f.id) FOR UPDATE SKIP LOCKED)"
)


class PostgresFiles:
    """The files of one ledger, over the connection of that ledger."""

    is_shared = True

    def __init__(
        self,
        live: "Callable[[], Connection[Row]]",
        name: str,
        *,
        crash_point: Callable[[str], None] = no_crash_point,
    ) -> None:
        """`live` returns the connection; `name` is that of the ledger."""
        self._live = live
        self._name = name
        self._crash_point = crash_point

    def _errors(self, did: str = "written") -> AbstractContextManager[None]:
        return postgres_errors(self._name, did=did)

    def upload(self, path: Path, *, start: int = 0) -> None:
        """See `FileStore`. The transactions are short, and no other writer waits for them."""
        if self._live().info.transaction_status != driver().pq.TransactionStatus.IDLE:
            raise RuntimeError("a file is uploaded before the transaction that refers to it")
        with self._errors(), path.open("rb") as file:
            file.seek(start)
            begun = self._live().execute(_BEGIN, (*_named(path), start, start))
            (file_id,) = begun.fetchall()[0]
            end = start
            while blocks := [block for _ in range(_TOGETHER) if (block := file.read(_PIECE))]:
                self._add(path, file_id, end, blocks)
                end += sum(map(len, blocks))
                self._crash_point("upload:pieces")
            if not self._live().execute(_GROW, (end, "uploaded", file_id)).rowcount:
                raise _lost(path)

    def _add(self, path: Path, file_id: int, start: int, blocks: list[bytes]) -> None:
        """Store the next bytes of the file in one transaction, which is sent at once."""
        connection = self._live()
        end = start + sum(map(len, blocks))
        with connection.pipeline(), connection.transaction():
            # First: it locks the row, or finds that the upload was removed.
            grown = connection.execute(_GROW, (end, "new", file_id))
            for block in blocks:
                connection.execute(_ADD, (start, len(block), _packed(block), file_id))
                start += len(block)
        if not grown.rowcount:
            raise _lost(path)

    def append(self, path: Path, data: bytes) -> None:
        """See `FileStore`."""
        size = len(data)
        with self._errors():
            self._live().execute(_APPEND, (*_named(path), size, size, size, _packed(data)))

    def keep(self, path: Path, *, under: Path | None = None) -> None:
        """See `FileStore`."""
        names = (*_named(path), (under or path).name)
        (is_kept,) = (
            self._live().execute(b"SELECT titan_keep_file(%s, %s, %s)", names).fetchall()[0]
        )
        if not is_kept:
            raise _lost(path)

    def discard(self, path: Path) -> None:
        """See `FileStore`. Where it fails, the upload is removed a day later."""
        with suppress(LedgerError, driver().Error):
            self._release([path], ["new", "uploaded"])

    def release(self, paths: Iterable[Path]) -> None:
        """See `FileStore`."""
        with self._errors():
            self._release(paths, ["kept"])

    def _release(self, paths: Iterable[Path], states: list[str]) -> None:
        self._live().execute(_RELEASE, (*_columns(paths), states))

    def sizes(self, paths: Iterable[Path], /) -> Mapping[Path, int]:
        """See `FileStore`."""
        by_name = {_named(path): path for path in paths}
        with self._errors("read"):
            found = self._live().execute(_SIZES, _columns(by_name.values())).fetchall()
        return {by_name[folder, name]: size for folder, name, size in found}

    def occupied(self, paths: Iterable[Path], /) -> tuple[int, int]:
        """See `FileStore`."""
        with self._errors("read"):
            found = self._live().execute(_OCCUPIED, _columns(paths)).fetchall()
        return found[0][0], found[0][1]

    def piece(self, path: Path, at: int, /) -> Piece | None:
        """See `FileStore`."""
        with self._errors("read"):
            cursor = self._live().cursor(binary=True)
            found = cursor.execute(_READ, (*_named(path), at, at)).fetchone()
        return Piece(found[0], _unpacked(found[1], path)) if found else None

    def sweep(self, is_over: Callable[[], bool] = lambda: False, /) -> int:
        """See `FileStore`."""
        with self._errors():
            connection = self._live()
            connection.execute(_RELEASE_ABANDONED)
            while connection.execute(_DELETE_PIECES).rowcount:
                self._crash_point("sweep:pieces")
                if is_over():
                    break
            return connection.execute(_DELETE_FILES).rowcount


def _named(path: Path) -> tuple[str, str]:
    return path.parent.name, path.name


def _columns(paths: Iterable[Path]) -> tuple[list[str], list[str]]:
    named = [_named(path) for path in paths]
    return [folder for folder, _ in named], [name for _, name in named]


def _lost(path: Path) -> FileUnusable:
    return FileUnusable(
        f"The upload of {path.name} to the ledger was removed, since it was not completed within a"
        " day. Try again.",
        code="upload_lost",
    )


@cache
def _zstd() -> "ModuleType":
    import pyzstd  # noqa: PLC0415 - 20 ms

    return pyzstd


def _packed(block: bytes) -> bytes:
    zstd = _zstd()
    parameter = zstd.CParameter
    return zstd.compress(block, {parameter.compressionLevel: _LEVEL, parameter.checksumFlag: 1})


def _unpacked(data: bytes, path: Path) -> bytes:
    try:
        return _zstd().decompress(data)
    except (_zstd().ZstdError, EOFError) as error:
        raise FileMissing(f"{path.name} is damaged in the ledger: {error}.") from error
