"""Deliberate bugs in what errors name, in doctor and in limits of the output."""

import errno
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from importlib import import_module
from itertools import count
from pathlib import Path
from types import ModuleType

import pytest
from cli import test_error_causes, test_streams
from recovery import test_missing_results
from simulation.mutants.patching import Rule, in_commands, never, nothing, patched
from support.builders import Bench
from support.processes import forked_command
from support.processes.terminal import Ended, Terminal

from state.db import sqlite_errors
from state.files import system_errors
from titan_console.cli.commands import events
from titan_console.doctor import checks, file_checks
from titan_console.doctor.finding import Finding

_homes = count()


def _strerror_only(error: OSError, _path: Path) -> str:
    return error.strerror or ""


def _not_isolated(_what: str, check: Callable[[], Iterable[Finding]]) -> Iterable[Finding]:
    return check()


def _default_limit(limit: int | None, default: int, *, as_json: bool) -> int:
    """JSON lines are cut like a table."""
    del as_json
    return limit or default


def _new(bench: Bench) -> Path:
    return bench.folder.root.parent / f"errors-{next(_homes)}"


def _sqlite(bench: Bench) -> None:
    folder = _new(bench)
    folder.mkdir()
    test_error_causes.test_each_error_of_sqlite_has_its_own_words(folder)


def _full_disk(_bench: Bench) -> None:
    test_error_causes.test_each_error_of_the_system_has_its_own_words(
        errno.ENOSPC,
        "disk_full",
        "no space is left on the disk of /somewhere; free some space",
    )


def _obstacle(bench: Bench) -> None:
    folder = _new(bench)
    folder.mkdir()
    test_error_causes.test_a_file_in_place_of_a_folder_is_named(folder, errno.EEXIST)


def _used(test: Callable[..., None], *arguments: object) -> Callable[[Bench], None]:
    """A test of commands in a home with answers."""

    def named(_bench: Bench) -> None:
        with in_commands(), test_error_causes.a_used_home() as terminal:
            test(terminal, *arguments)

    return named


def _import_as_another(name: str) -> ModuleType:
    os.setgroups([])
    os.setgid(test_error_causes.NUMBER)
    os.setuid(test_error_causes.NUMBER)
    return import_module(name)


def _run_as_another(terminal: Terminal, line: str) -> Ended:
    with patched(forked_command, "import_module", _import_as_another):
        return terminal.run(*line.split())


def _as_another(test: Callable[..., None], *arguments: object) -> Callable[[Bench], None]:
    """A test of commands that another user runs."""
    named = _used(test, *arguments)

    def as_another(bench: Bench) -> None:
        if sys.platform == "win32" or os.geteuid() != 0:
            pytest.skip("needs root, to run as another user")
        with patched(test_error_causes, "_as_another", _run_as_another):
            named(bench)

    return as_another


def _cut(bench: Bench) -> None:
    with in_commands():
        test_streams.test_no_output_is_cut_silently(_new(bench), "events", 50)


def _folder_in_place(bench: Bench) -> None:
    with in_commands():
        test_missing_results.test_doctor_fails_where_a_folder_is_in_place_of_a_file(
            _new(bench), "batch-jobs.jsonl"
        )


_OWNER = _as_another(
    test_error_causes.test_the_folder_of_another_user_is_named_with_its_owner, "status"
)
_COMPLETES = _as_another(test_error_causes.test_doctor_completes_for_another_user, 0o700)
RULES: dict[str, Rule] = {
    "a lock is not the fault of the file": (sqlite_errors, "_is_lock_timeout", never, _sqlite),
    "SQLite does not say what the file system knows": (sqlite_errors, "_cause", nothing, _sqlite),
    "a statement that is too long is no damage": (sqlite_errors, "_TOO_LONG", (), _sqlite),
    "a full disk is named": (system_errors, "_FULL", (), _full_disk),
    "a file in place of a folder is named": (system_errors, "file_in_the_way", nothing, _obstacle),
    "a folder in place of the ledger is named": (
        *(system_errors, "_other_text", _strerror_only),
        _used(
            test_error_causes.test_a_folder_in_place_of_a_file_of_the_ledger_is_named, "titan.db"
        ),
    ),
    "the owner is named": (system_errors, "_owner", nothing, _OWNER),
    "permission is not a matter of the disk": (system_errors, "_DENIED", (), _OWNER),
    "a check that fails does not end doctor": (
        *(file_checks, "isolated", _not_isolated),
        _folder_in_place,
    ),
    "doctor completes without the ledger": (
        *(checks, "suppress", nullcontext),
        _COMPLETES,
    ),
    "rows that are left out are counted": (events, "print_rest", nothing, _cut),
    "JSON lines are not cut": (events, "row_limit", _default_limit, _cut),
}
