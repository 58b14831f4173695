"""The answers of a synchronous run, until they are collected: `batch-results/<key>.answers`."""

from filecmp import cmp
from pathlib import Path

from state.files.file_errors import file_error
from state.files.folder import Folder, replace
from state.files.system_errors import cause


def answers_file(folder: Folder, batch_key: str) -> Path:
    """The path of the answers of a run."""
    return folder.results / f"{batch_key}.answers"


def set_aside(folder: Folder, batch_key: str) -> None:
    """Rename answers that have the key of a batch that is only now created.

    An import that was killed before its commit left them, or a lost ledger gave the same key. They
    are not the results of the new batch. Raises LedgerUnusable where they cannot be renamed.
    """
    path = answers_file(folder, batch_key)
    if not path.exists():
        return
    try:
        replace(path, _unused(folder, batch_key))
    except OSError as error:
        raise file_error(
            error, f"Cannot rename {path}: {cause(error, path).text}.", code="results_unwritable"
        ) from error


def remove_copy(folder: Folder, batch_key: str) -> None:
    """Delete what was set aside where the batch has the same answers."""
    unused = _unused(folder, batch_key)
    if unused.exists() and cmp(unused, answers_file(folder, batch_key), shallow=False):
        unused.unlink()


def _unused(folder: Folder, batch_key: str) -> Path:
    return folder.results / f"{batch_key}.answers.unused"
