"""The answers of a synchronous run, until they are collected: `batch-results/<key>.answers`."""

from pathlib import Path

from state.files.folder import Folder


def answers_file(folder: Folder, batch_key: str) -> Path:
    """The path of the answers of a run."""
    return folder.results / f"{batch_key}.answers"
