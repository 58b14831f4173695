"""Finds the results of batches in the results folder, whether or not a mirror line names them."""

from collections.abc import Iterator
from pathlib import Path

from state.db.reader import Source
from state.files import archive
from state.files.answers_file import answers_file
from state.files.folder import Folder
from state.files.results_file import file_name

# The forms of a batch's results: complete, of an interrupted run, and partly downloaded.
_ENDS = (".jsonl", f".jsonl{archive.SUFFIX}", ".answers", ".jsonl.part")


def batch_keys(folder: Folder) -> list[str]:
    """The key of each batch with a results file, shorter ones first: those are older."""
    found = {key for path in folder.results.glob("*") if path.is_file() for key in _key(path)}
    return sorted(found, key=lambda key: (len(key), key))


def without_batch(source: Source, folder: Folder) -> list[str]:
    """The keys of results files whose batch is not in the ledger."""
    known = {row["key"] for row in source.rows("SELECT key FROM batches")}
    return [key for key in batch_keys(folder) if key not in known]


def _key(path: Path) -> Iterator[str]:
    for end in _ENDS:
        if path.name.endswith(end):
            yield path.name.removesuffix(end)


def find(folder: Folder, key: str, *, is_at_the_api: bool) -> Path | None:
    """The most complete results of a batch; None without any.

    A partial download is used only where the batch cannot be downloaded again.
    """
    complete = folder.results / file_name(key)
    if archive.exists(complete):
        return complete
    partial = folder.results / f"{file_name(key)}.part"
    forms = (answers_file(folder, key), *(() if is_at_the_api else (partial,)))
    return next((path for path in forms if path.is_file()), None)
