"""Deliberate bugs in the rules of recovery, settings and output."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from config import test_sending_settings, test_titan_file
from db import test_access_lock
from recovery import (
    test_backups,
    test_damaged_page,
    test_fallback_crashes,
    test_lost_ledger,
    test_named_requests,
)
from reporting import test_output_file
from simulation.mutants.patching import Rule, never, nothing
from support.builders import Bench, a_bench
from support.processes.terminal import a_server
from text import test_safe_text

from core.config import titan_file, toml_reader
from core.intake import fallback_files, submit
from core.recovery import restore
from core.reporting import output_file
from state.db import access_lock, ledger_copy
from state.files import lost_ledger
from state.files.folder import Folder
from state.recovery import backups, restored
from titan_console.sandbox.model.timing import Plan
from titan_console.text import safe_text

_trim, _copy = backups.trim, ledger_copy.copy


class _Free:
    def close(self) -> None:
        """There is no lock."""


def _no_lock(_ledger: Path) -> _Free:
    return _Free()


def _any_size(folder: Folder, *, keep: int, max_bytes: int) -> None:
    _trim(folder, keep=keep, max_bytes=1000 * max_bytes)


def _unchecked_copy(source: object, target: Path) -> None:
    _copy(source, target)  # pyright: ignore[reportArgumentType]


def _no_problems(*_args: object, **_options: object) -> list[str]:
    return []


def _overwrite(part: Path, target: Path, *, shown: Path) -> None:
    del shown
    part.replace(target)


def _none_found(_ledger: Path) -> str:
    return ""


def _always(*_args: object) -> bool:
    return True


def _with_server(test: Callable[..., None], *arguments: object) -> Callable[[Bench], None]:
    """A test of `titan_batch`, in its own home."""

    def named(bench: Bench) -> None:
        with (
            pytest.MonkeyPatch.context() as patch,
            a_server(Plan.instant()) as (sandbox, address),
        ):
            patch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")
            patch.setenv("ANTHROPIC_BASE_URL", address)
            test(bench.folder.root.parent / "home", sandbox, *arguments)

    return named


def _replaced(bench: Bench) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(access_lock, "SHARED_WAIT_S", 0.0)
        patch.setattr(access_lock, "EXCLUSIVE_WAIT_S", 0.0)
        test_access_lock.test_the_one_who_replaces_keeps_writers_away(
            bench.folder.root.parent / "beside"
        )


def _killed_import(bench: Bench) -> None:
    test_fallback_crashes.test_the_key_of_a_file_is_known_after_a_kill_and_the_loss_of_the_ledger(
        bench, "mirror:begin"
    )


def _edit_beside_another(bench: Bench) -> None:
    bench.folder.root.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        test_titan_file.test_an_edit_beside_another_one_says_so(bench.folder, patch)


def _unknown_table(_bench: Bench) -> None:
    test_sending_settings.test_a_mistake_has_its_line_key_and_code(
        "[alert]\nkpis = false", "alert", "unknown_key"
    )


def _sent_since(bench: Bench) -> None:
    with a_bench(bench.folder.root / "split", **test_named_requests.SPLIT) as split:
        test_named_requests.test_a_batch_that_was_sent_since_the_backup_is_collected(
            split, named=True
        )


def _export(bench: Bench) -> None:
    test_output_file.test_a_file_that_appears_meanwhile_is_kept(
        bench.folder.root, bench.folder.root.parent
    )


def _escapes(_bench: Bench) -> None:
    test_safe_text.test_what_drives_a_terminal_gets_a_visible_stand_in(
        "\x1b[31mred", "\N{SYMBOL FOR ESCAPE}[31mred"
    )


_DAMAGED_PAGE = test_damaged_page.test_requests_that_a_damaged_ledger_refused_run_once
_LOST = test_lost_ledger.test_a_job_keeps_its_requests_in_a_fallback_file
_BEHIND = test_named_requests.test_a_batch_that_a_mirror_behind_has_as_queued_is_not_sent_again
RULES: dict[str, Rule] = {
    "a lost ledger is not created again": (
        *(lost_ledger, "_found", _none_found),
        _with_server(_LOST, Path.unlink),
    ),
    "writers wait for the process that replaces the ledger": (
        *(access_lock, "share", _no_lock),
        _replaced,
    ),
    "backups are bounded in number": (
        *(backups, "trim", nothing),
        test_backups.test_seven_are_kept_and_the_oldest_go,
    ),
    "backups are bounded in size": (
        *(backups, "trim", _any_size),
        test_backups.test_their_size_together_is_a_setting,
    ),
    "a damaged ledger is not copied over a backup": (
        *(ledger_copy, "copy", _unchecked_copy),
        test_backups.test_a_damaged_ledger_is_not_copied_over_a_good_backup,
    ),
    "what was queued in a backup is looked for before it is sent": (
        *(restore, "_let_recovery_decide", nothing),
        _BEHIND,
    ),
    "what was sent since a backup is collected": (restored, "bind", never, _sent_since),
    "a fallback file stays until the mirror names it": (
        *(fallback_files, "update_mirrors", _no_problems),
        _killed_import,
    ),
    "a refused submission leaves no spool file": (
        *(submit, "_is_stored", _always),
        _with_server(_DAMAGED_PAGE, "queue"),
    ),
    "an unknown table may hide a limit": (
        *(toml_reader._Reader, "_unknown", nothing),
        _unknown_table,
    ),
    "an export overwrites no file": (output_file, "_name", _overwrite, _export),
    "no escape reaches the terminal": (safe_text, "_stand_in", str, _escapes),
    "one edit of titan.toml at a time": (titan_file, "_locked", nullcontext, _edit_beside_another),
}
