"""Checks of the files: permissions, disk use, and what of them is missing or unreadable."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec

from state.db.reader import Source
from state.db.sql_conditions import ACKNOWLEDGED, NEEDS_REVIEW, UNSENT_BATCHES
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
    return _without_bodies(
        source,
        folder,
        f"SELECT {_BODY} FROM requests r LEFT JOIN edits e ON e.id = r.edit_id"  # noqa: S608 - our own words
        f" WHERE r.status = 'queued' UNION ALL SELECT {_BODY} FROM attempts a"
        " JOIN requests r ON r.id = a.request_id LEFT JOIN edits e ON e.id = a.edit_id"
        f" WHERE a.active = 1 AND a.batch_id IN ({UNSENT_BATCHES})"
        " UNION ALL SELECT e.spool_file, e.body_offset + e.body_length FROM edits e"
        " JOIN commands c ON c.id = e.command_id WHERE c.state IN ('pending', 'running')",
    )


def missing_replay_bodies(source: Source, folder: Folder) -> list[str]:
    """The same of other requests without an accepted answer, which may be replayed."""
    unsent = set(missing_bodies(source, folder))
    found = _without_bodies(
        source,
        folder,
        f"SELECT {_BODY} FROM requests r LEFT JOIN edits e ON e.id = r.edit_id"  # noqa: S608 - our own words
        " JOIN submissions s ON s.id = r.submission_id WHERE s.pruned_ts IS NULL"
        f" AND (r.settled_by IS NULL AND r.status <> '{ACKNOWLEDGED}' OR {NEEDS_REVIEW})",
    )
    return [name for name in found if name not in unsent]


# The file of the body of a request `r` with its edit `e`, and how long it must be.
_BODY = (
    "coalesce(e.spool_file, r.spool_file) AS name,"
    " coalesce(e.body_offset + e.body_length, r.body_offset + r.body_length) AS needed"
)


def _without_bodies(source: Source, folder: Folder, bodies: str) -> list[str]:
    rows = source.rows(
        f"SELECT name, max(needed) AS needed FROM ({bodies}) bodies GROUP BY name ORDER BY name"  # noqa: S608 - our own words
    )
    needed = {folder.spool / row["name"]: row["needed"] for row in rows}
    return [path.name for path in _too_short(source, needed)]


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
