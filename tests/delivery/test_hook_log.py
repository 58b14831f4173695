"""A hook that succeeded for a file is not run again by a ledger that was restored or rebuilt."""

import json
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from support.builders import JOB_WITH_HOOK, some_requests
from support.processes.terminal import Terminal, a_server

from state.files import hook_log
from state.files.folder import Folder
from state.files.hook_log import HookSuccess

_LINES = "".join(json.dumps(request) + "\n" for request in some_requests(2))
_PROGRAM = "import sys; open(sys.argv[1], 'a').write('ran\\n')"


@pytest.fixture
def delivered(tmp_path: Path) -> Generator[tuple[Terminal, Folder, Path], None, None]:
    """A home whose hook ran after the backup of the day was made."""
    with a_server() as (_, address):
        terminal, folder, log = (
            Terminal(tmp_path / "home", address),
            Folder(tmp_path / "home"),
            (tmp_path / "hook.log"),
        )
        folder.root.mkdir(mode=0o700)
        command = json.dumps([sys.executable, "-c", _PROGRAM, str(log), "{file}"])
        (folder.root / "titan.toml").write_text(JOB_WITH_HOOK.format(command=command))
        assert terminal.run("--poll").code == 0
        assert terminal.run("submit", "-", "--tag", "one", stdin=_LINES).code == 0
        assert terminal.run("--poll").code == 0
        assert _runs(log) == 1
        yield terminal, folder, log


def _runs(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.exists() else 0


def _restore(terminal: Terminal, folder: Folder) -> None:
    (backup,) = folder.backups.iterdir()
    assert terminal.run("restore", backup.name, "--yes").code == 0


def _rebuild(terminal: Terminal, folder: Folder) -> None:
    folder.ledger.write_bytes(b"")
    assert terminal.run("rebuild", "--yes").code == 0


@pytest.mark.parametrize("replace", [_restore, _rebuild])
def test_it_is_not_run_again_for_the_same_content(
    delivered: tuple[Terminal, Folder, Path], replace: object
) -> None:
    terminal, folder, log = delivered
    assert callable(replace)
    replace(terminal, folder)
    assert terminal.run("--poll").code == 0
    assert _runs(log) == 1
    kinds = [event["kind"] for event in terminal.run("events", "--json").lines()]
    assert "submission.delivered" in kinds
    assert "hook.known" in kinds


@pytest.mark.parametrize("change", ["no record", "torn record", "other content", "other command"])
def test_it_is_run_again_where_nothing_proves_it(
    delivered: tuple[Terminal, Folder, Path], change: str
) -> None:
    terminal, folder, log = delivered
    if change == "no record":
        folder.hook_log.unlink()
    if change == "torn record":
        folder.hook_log.write_bytes(folder.hook_log.read_bytes()[:-9])
    if change == "other content":
        (results,) = folder.results.glob("*.jsonl")
        results.write_bytes(results.read_bytes().replace(b'"text":"', b'"text":"Other: ', 1))
    if change == "other command":
        toml = folder.root / "titan.toml"
        toml.write_text(toml.read_text().replace('"{file}"', '"{file}", "more"'))
    _restore_anyhow(terminal, folder)
    terminal.run("--poll")
    assert _runs(log) == 2
    if change == "torn record":
        assert hook_log.last(folder, "feed-classify-results-2026-11-22.jsonl") is not None


def _restore_anyhow(terminal: Terminal, folder: Folder) -> None:
    (backup,) = folder.backups.iterdir()
    terminal.run("restore", backup.name, "--yes")


def test_a_log_that_cannot_be_written_is_a_problem_and_the_hook_is_done(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.hook_log.mkdir()
    with pytest.raises(OSError, match="directory"):
        hook_log.append(folder, HookSuccess(file="f", sha256="0", command="[]"))


def test_a_long_log_keeps_its_newer_half(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.hook_log.write_bytes(b'{"file":"old","sha256":"0","command":"[]"}\n' * 30_000)
    new = HookSuccess(file="new", sha256="1", command="[]")
    hook_log.append(folder, new)
    assert folder.hook_log.stat().st_size < 700_000
    assert hook_log.last(folder, "new") == new
    assert hook_log.last(folder, "other") is None
