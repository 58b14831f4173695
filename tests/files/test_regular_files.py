"""A pipe or a device in the place of a file is refused in one line: nothing waits for it."""

import os
import signal
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from support.builders import Bench
from support.lifecycle import poll_until_done, requests
from support.processes.terminal import Terminal

from core.config import titan_file
from state.files import archive
from state.files.file_store import LOCAL_FILES
from state.files.folder import Folder, open_private
from state.files.regular_file import open_regular
from state.files.spool import LineReader
from state.model.errors import FileMissing
from state.model.records import RequestStatus

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes in folders")
# An open of a pipe would wait for its other end.
_LIMIT_S = 60


@pytest.fixture(autouse=True)
def _no_waiting() -> Generator[None, None, None]:
    def stop(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(_LIMIT_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _folder(path: Path) -> None:
    path.mkdir()


IN_THE_WAY = pytest.mark.parametrize("put", [_pipe, _device, _folder])


@IN_THE_WAY
def test_titan_toml_is_refused_by_every_command_that_reads_it(
    tmp_path: Path, put: Callable[[Path], None]
) -> None:
    terminal = Terminal(tmp_path / "home", api_key=None)
    assert terminal.run("--poll").code != 2
    put(tmp_path / "home" / "titan.toml")
    line = '{"custom_id":"a","max_tokens":9,"messages":[{"role":"user","content":"x"}]}'
    for arguments in (
        ("submit", "-", "--tag", "t"),
        ("jobs", "check"),
        ("jobs", "set", "x", "schedule", "daily"),
        ("jobs", "init"),
    ):
        done = terminal.run(*arguments, stdin=line)
        assert done.code != 0, arguments
        assert "not a file; move it away" in done.err + done.out, arguments
        assert "Traceback" not in done.err
    assert "not a file" in terminal.run("doctor").out
    assert "not a file" in terminal.run("--poll").err
    assert terminal.run("status").code == 0


@IN_THE_WAY
def test_the_ledger_is_refused_by_every_command(
    tmp_path: Path, put: Callable[[Path], None]
) -> None:
    terminal = Terminal(tmp_path / "home", api_key=None)
    terminal.home.mkdir()
    put(terminal.home / "titan.db")
    for command in ("status", "--poll", "rebuild", "events"):
        done = terminal.run(command)
        assert done.code != 0
        assert "not a file; move it away" in done.err, command
    assert "not a file" in terminal.run("doctor").out


def test_a_link_to_a_file_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "shared.toml").write_text("[alerts]\n")
    (tmp_path / "titan.toml").symlink_to("shared.toml")
    assert titan_file.read(Folder(tmp_path)).problems == ()


@IN_THE_WAY
def test_no_file_beside_the_ledger_is_opened_by_waiting(
    tmp_path: Path, put: Callable[[Path], None]
) -> None:
    path = tmp_path / "file"
    put(path)
    if put is not _device:
        with pytest.raises(OSError, match=r"No such device|Is a directory"):
            open_private(path)
    for opened in (open_regular, archive.ArchivedFile, archive.size):
        with pytest.raises(OSError, match=r"No such device|Is a directory"):
            opened(path)
    for read in (archive.lines, archive._unpacked_lines):
        with pytest.raises(OSError, match=r"No such device|Is a directory"):
            list(read(path))
    with LineReader(tmp_path, LOCAL_FILES) as lines, pytest.raises(FileMissing, match="not a file"):
        lines.read("file", 0, 1)


@IN_THE_WAY
def test_a_poll_goes_on_whatever_is_in_the_place_of_a_file(
    bench: Bench, put: Callable[[Path], None]
) -> None:
    bench.submit(2, tag="whole")
    bench.engine.poll()
    folder = bench.folder
    folder.fallback.mkdir(exist_ok=True)
    for mirror in (folder.jobs_mirror, folder.errors_mirror, folder.cost_mirror):
        mirror.unlink(missing_ok=True)
    strange = [
        folder.jobs_mirror,
        folder.errors_mirror,
        folder.cost_mirror,
        folder.crash_log,
        folder.fallback / "tb_aaaaaaaaaa.jsonl",
    ]
    for path in strange:
        put(path)
    problems = bench.poll_after(3600).problems
    assert [line for line in problems if "move it away" in line]
    poll_until_done(bench)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 2}
