"""What runs on Windows alone, with its calls replaced at their one seam.

That Windows itself behaves so is not shown here: docs/windows.md says what was tried.
"""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from support.ledgers.ledger_builders import a_ledger

from core.config.settings import Settings
from core.delivery import hook_runner, run_command
from core.delivery.hook_runner import HookOrder
from state.files import fallback_file, network_folders, spool, system_errors, windows_calls
from state.files.folder import Folder, open_private_text, replace, sync_folder
from state.files.hook_log import HookSuccess
from titan_console.cli.main import cli
from titan_console.doctor import file_checks, installation_checks
from titan_console.schedule.installers import Kind, usual
from titan_console.session.poll_helper import PollHelper

TASK = "titan-batch-poll-15m"


def _is_mapped(root: str) -> bool:
    return root == "Z:\\"


def _on_z(_path: object) -> str:
    return r"Z:\titan"


@pytest.fixture(autouse=True)
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows_calls, "is_windows", lambda: True)
    monkeypatch.setattr(windows_calls, "is_network_drive", _is_mapped)
    monkeypatch.setenv("USERDOMAIN", "R&D")
    monkeypatch.setenv("USERNAME", "Zoë")


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        (r"C:\Users\zoe\titan", None),
        (r"\\?\C:\Users\zoe\titan", None),
        (r"Z:\titan", "SMB, mapped as Z:"),
        (r"\\?\Z:\titan", "SMB, mapped as Z:"),
        (r"\\server\share\titan", "SMB"),
        (r"\\?\UNC\server\share\titan", "SMB"),
        (r"relative\titan", None),
    ],
)
def test_a_share_and_a_drive_that_is_mapped_to_one_are_network_folders(
    folder: str, kind: str | None
) -> None:
    assert network_folders.kind_on_windows(folder) == kind


def test_a_junction_to_a_mapped_drive_is_one_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert network_folders.network_kind(tmp_path) is None
    monkeypatch.setattr(network_folders.os.path, "realpath", _on_z)
    found = network_folders.network_kind(tmp_path)
    monkeypatch.undo()
    assert found == "SMB, mapped as Z:"


def test_no_child_process_opens_a_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flags = list[object]()

    class Recorded(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            flags.append(options.pop("creationflags"))
            assert "start_new_session" not in options
            super().__init__(*arguments, **options)

    monkeypatch.setattr(subprocess, "CREATE_NO_WINDOW", 0x08000000, raising=False)
    monkeypatch.setattr(subprocess, "Popen", Recorded)
    done = run_command.run(
        [sys.executable, "-c", ""], folder=tmp_path, environment={}, timeout_s=60
    )
    assert done.exit_code == 0
    success = HookSuccess(file="f", sha256="0", command="true")
    order = HookOrder(
        root=str(tmp_path), lock="lock", words=["true"], timeout_s=60, success=success
    )
    with hook_runner.opened(order, {}):
        pass
    PollHelper(Settings(home=tmp_path)).close()
    assert flags == [0x08000000] * 3


def test_a_process_ends_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By taskkill, which is a program of Windows."""
    killer = tmp_path / "taskkill"
    killer.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\nkill -KILL "$4"\n')
    killer.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    run_command.stop_tree(process)
    assert process.returncode == -signal.SIGKILL
    assert (tmp_path / "asked").read_text() == f"/T /F /PID {process.pid}\n"
    assert process.stdin is not None
    process.stdin.close()


def test_files_are_written_and_read_without_the_calls_of_posix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("fchmod", "pread"):
        monkeypatch.delattr(f"os.{name}")
    with open_private_text(tmp_path / "a") as file:
        file.write("one two")
    sync_folder(tmp_path / "no such folder")
    reader = spool._PlainFile(tmp_path / "a")
    assert reader.read_at(4, 3) == b"two"
    reader.close()


def test_a_file_that_a_virus_scanner_holds_is_replaced_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "new").write_text("new")
    (tmp_path / "old").write_text("old")
    tries, really = [PermissionError(13, "held"), PermissionError(13, "held")], Path.replace

    def held(source: Path, target: Path) -> Path:
        if tries:
            raise tries.pop()
        return really(source, target)

    monkeypatch.setattr(Path, "replace", held)
    replace(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old").read_text() == "new"


def test_files_have_no_owner_by_number(tmp_path: Path) -> None:
    assert "Resource Monitor" in system_errors.users_of(tmp_path / "titan.db")
    assert system_errors.denied(tmp_path).text == f"this user has no permission for {tmp_path}"


def test_fallback_files_are_kept_in_the_users_own_folders(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o777)
    assert fallback_file.is_private(shared)
    found = fallback_file._directories_elsewhere()
    assert not any(str(folder).startswith("/var/tmp") for folder in found)  # noqa: S108 - that it is not used


def test_doctor_speaks_of_no_modes(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "poller.env").write_text("ANTHROPIC_API_KEY=sk-ant-1\n")
    (tmp_path / "poller.env").chmod(0o644)
    a_ledger(tmp_path).close()
    found = [
        *installation_checks.findings(Settings(home=tmp_path), lambda _keys: ()),
        *file_checks.findings(Folder(tmp_path), thorough=False),
    ]
    assert not [finding for finding in found if "chmod" in finding.detail]


def test_the_task_is_the_usual_schedule_and_opens_no_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "Scripts" / "python.exe"
    python.parent.mkdir()
    python.with_name("pythonw.exe").touch()
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("TITAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://gw.example")
    asked = _schtasks(tmp_path, monkeypatch, "exit 0")
    assert usual() is Kind.WINDOWS
    done = CliRunner().invoke(cli, ["schedule", "--install", "windows"])
    assert done.exit_code == 0, done.output
    assert "Write ANTHROPIC_API_KEY=... to" in done.stderr
    assert "or set it in the environment" in done.stderr
    assert "chmod" not in done.stderr
    assert asked.read_text().startswith(f"/Create /TN {TASK} /XML ")
    task = (tmp_path / "home" / "scheduled-tasks" / TASK / "task.xml").read_bytes()
    root = ET.fromstring(task)  # noqa: S314 - our own
    text = {child.tag.rpartition("}")[2]: child.text for child in root.iter()}
    assert text["Command"] == str(python.with_name("pythonw.exe"))
    assert text["Arguments"] == f"-P -m titan_console --poll --home {tmp_path / 'home'}"
    assert (text["UserId"], text["LogonType"]) == ("R&D\\Zoë", "S4U")
    written = (tmp_path / "home" / "poller.env").read_text()
    assert "ANTHROPIC_BASE_URL=https://gw.example\n" in written


def test_a_user_who_is_no_administrator_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TITAN_HOME", str(tmp_path / "home"))
    _schtasks(tmp_path, monkeypatch, "echo 'ERROR: Access is denied.' >&2; exit 1")
    done = CliRunner().invoke(cli, ["schedule", "--install", "windows"])
    assert "Access is denied. A task that also runs" in str(done.exception)
    assert "Run as administrator" in str(done.exception)


def _schtasks(root: Path, monkeypatch: pytest.MonkeyPatch, end: str) -> Path:
    """A scheduler that records how it was called; returns the file."""
    program = root / "programs" / "schtasks"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" > {root}/asked\n{end}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return root / "asked"
