"""Deliberate bugs in backups, rebuilds and restores."""

from collections.abc import Generator
from contextlib import nullcontext
from pathlib import Path

from simulation.mutants.patching import nothing, patched

import core.batches.collect
import core.batches.send
import core.batches.synchronous.sync_run
from state.batches import submissions
from state.db import access_lock
from state.recovery import fallback_import


def _no_lock(_ledger: Path) -> nullcontext[None]:
    return nullcontext()


def calls_without_a_line() -> Generator[None, None, None]:
    """A call is made before the mirror has the line of its batch."""
    with (
        patched(core.batches.send, "announce", nothing),
        patched(core.batches.synchronous.sync_run, "announce", nothing),
        patched(core.batches.collect, "announce", nothing),
    ):
        yield


def replaced_without_a_lock() -> Generator[None, None, None]:
    """A ledger is replaced while others write it."""
    with patched(access_lock, "exclusive", _no_lock):
        yield


def killed_submit_is_another_submission() -> Generator[None, None, None]:
    """What a killed submit left is sent beside the submission that the job made again."""
    with patched(submissions, "with_same_requests", nothing):
        yield


def fallback_keys_are_forgotten() -> Generator[None, None, None]:
    """A rebuild drops the keys of imported fallback files."""
    with patched(fallback_import, "add_known", nothing):
        yield


MUTANTS = (
    calls_without_a_line,
    replaced_without_a_lock,
    killed_submit_is_another_submission,
    fallback_keys_are_forgotten,
)
