"""Checks of the files: permissions, disk use, and what of them is missing or unreadable."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec

from state.db.reader import Source
from state.db.sql_conditions import UNSENT_BATCHES
from state.files import archive
from state.files.folder import Folder
from state.files.regular_file import open_regular
from state.files.results_file import file_name
from state.model.errors import FileMissing

_LATEST = 1000


def readable_by_others(folder: Folder) -> list[Path]:
    """Files under TITAN_HOME that other users of this machine may read."""
    if not hasattr(folder.ledger, "owner"):
        return []
    paths = [folder.root, folder.ledger, *folder.spool.glob("*"), *folder.results.glob("*")]
    return [path for path in paths if path.exists() and path.stat().st_mode & 0o077]


def disk_use(folder: Folder) -> dict[str, int]:
    """Bytes by kind, and free bytes."""

    def size(paths: list[Path]) -> int:
        return sum(path.stat().st_size for path in paths if path.is_file())

    return {
        "ledger": size([folder.ledger]),
        "wal": size(list(folder.root.glob("titan.db-wal"))),
        "spool": size(list(folder.spool.glob("*"))),
        "results": size(list(folder.results.glob("*"))),
        "staging": size(list(folder.staging.glob("*"))),
        "free": shutil.disk_usage(folder.root).free,
    }


def unreadable_mirror_lines(folder: Folder) -> dict[Path, list[int]]:
    """The numbers of damaged or torn lines of each mirror file that has some."""
    found: dict[Path, list[int]] = {}
    for mirror in (folder.jobs_mirror, folder.errors_mirror, folder.cost_mirror):
        if mirror.exists():
            with open_regular(mirror) as file:
                bad = [number for number, line in enumerate(file, 1) if not _is_whole(line)]
            if bad:
                found[mirror] = bad
    return found


def _is_whole(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return line.endswith(b"\n")


def missing_results(source: Source, folder: Folder) -> list[str]:
    """Keys of the latest collected batches whose results file is missing, too short or no file."""
    rows = source.rows(
        "SELECT b.key, b.results_bytes FROM batches b"
        " LEFT JOIN submissions s ON s.id = b.submission_id WHERE b.collection = 'collected'"
        " AND b.results_bytes > 0 AND s.pruned_ts IS NULL ORDER BY b.id DESC LIMIT ?",
        _LATEST,
    )
    needed = {folder.results / file_name(row["key"]): row["results_bytes"] for row in rows}
    missing = _too_short(source, needed)
    return [row["key"] for row in rows if folder.results / file_name(row["key"]) in missing]


def missing_bodies(source: Source, folder: Folder) -> list[str]:
    """Spool files, missing, too short or no file, that the requests to be sent need."""
    columns = (
        "coalesce(e.spool_file, r.spool_file) AS name,"
        " coalesce(e.body_offset + e.body_length, r.body_offset + r.body_length) AS needed"
    )
    rows = source.rows(
        f"SELECT name, max(needed) AS needed FROM (SELECT {columns} FROM requests r"  # noqa: S608 - our own words
        " LEFT JOIN edits e ON e.id = r.edit_id WHERE r.status = 'queued'"
        f" UNION ALL SELECT {columns} FROM attempts a JOIN requests r ON r.id = a.request_id"
        " LEFT JOIN edits e ON e.id = a.edit_id WHERE a.active = 1"
        f" AND a.batch_id IN ({UNSENT_BATCHES})) bodies GROUP BY name ORDER BY name"
    )
    return [
        path.name
        for path in _too_short(source, {folder.spool / name: needed for name, needed in rows})
    ]


def _too_short(source: Source, needed: Mapping[Path, int]) -> list[Path]:
    """The files with fewer bytes than these, on this disk and in the store that hosts share."""
    local = [path for path, size in needed.items() if _size(path) < size]
    stored = source.files.sizes(local)
    return [path for path in local if stored.get(path, 0) < needed[path]]


def _size(path: Path) -> int:
    """The uncompressed size; 0 where there is no such file."""
    try:
        return archive.size(path)
    except (OSError, FileMissing):
        return 0
