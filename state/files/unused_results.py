"""Results files that have the key of a batch, and are not those of that batch.

An import that was killed before its commit left them, or a lost ledger gave the same key. They are
renamed to `<name>.unused`, and not read.
"""

from collections.abc import Iterator
from filecmp import cmp
from itertools import count
from pathlib import Path

from state.files import archive
from state.files.answers_file import answers_file
from state.files.file_errors import file_error
from state.files.folder import Folder, replace
from state.files.results_file import file_name
from state.files.system_errors import cause

_UNUSED = ".unused"


def set_aside(folder: Folder, batch_key: str) -> list[str]:
    """Rename each results file with the key of a batch that is only now created.

    Returns their new names. Raises LedgerUnusable where one cannot be renamed.
    """
    renamed: list[str] = []
    for path in _forms(folder, batch_key):
        if path.exists():
            target = next(name for name in _names(path) if not name.exists())
            try:
                replace(path, target)
            except OSError as error:
                text = f"Cannot rename {path}: {cause(error, path).text}."
                raise file_error(error, text, code="results_unwritable") from error
            renamed.append(target.name)
    return renamed


def remove_copies(folder: Folder, batch_key: str) -> None:
    """Delete answers that were set aside where the batch has the same ones."""
    answers = answers_file(folder, batch_key)
    for unused in folder.results.glob(f"{answers.name}{_UNUSED}*"):
        if cmp(unused, answers, shallow=False):
            unused.unlink()


def _forms(folder: Folder, batch_key: str) -> Iterator[Path]:
    """Its answers; its results: complete, compressed, partly downloaded."""
    yield answers_file(folder, batch_key)
    results = folder.results / file_name(batch_key)
    yield from (results, archive.compressed_path(results))
    yield results.with_name(f"{results.name}.part")


def _names(path: Path) -> Iterator[Path]:
    yield path.with_name(f"{path.name}{_UNUSED}")
    yield from (path.with_name(f"{path.name}{_UNUSED}-{number}") for number in count(2))
