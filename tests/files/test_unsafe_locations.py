"""Where a ledger does not belong, and who must not hold it: network folders, forks, readers."""

import os
from pathlib import Path, PurePosixPath

import pytest
from support.builders import START, Bench
from support.lifecycle import check_once, poll_until_done

from core.config.settings import Settings
from state.db import connection, integrity
from state.db.connection import connect_read_only
from state.db.ledger import Ledger
from state.files import folder, network_folders
from state.files.folder import Folder
from state.model.errors import LedgerUnusable
from titan_console.doctor import checks, file_checks
from titan_console.doctor.finding import Finding, Health

_MOUNTS = r"""
/dev/sda1 / ext4 rw,relatime 0 0
tmpfs /scratch tmpfs rw 0 0
filer:/export /home nfs4 rw,vers=4.2 0 0
/dev/sdb1 /home/ann ext4 rw 0 0
//nas/share /mnt/two\040words cifs rw 0 0
C: /mnt/c 9p rw,aname=drvfs;path=C: 0 0
none /mnt/vm 9p rw,trans=virtio 0 0
/dev/sdc1 /cover ext4 rw 0 0
me@host: /cover fuse.sshfs rw 0 0
broken line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", None),
        ("/scratch/titan", None),
        ("/home/bob/titan", "nfs4"),
        ("/home/ann/titan", None),
        ("/homely", None),
        ("/mnt/two words/titan", "cifs"),
        ("/mnt/c/Users/ann", "a Windows drive seen from WSL"),
        ("/mnt/vm", None),
        ("/cover/titan", "fuse.sshfs"),
    ],
)
def test_a_network_folder_is_known_by_the_mounts(path: str, kind: str | None) -> None:
    assert network_folders.kind_among(_MOUNTS, PurePosixPath(path)) == kind


@pytest.mark.skipif(os.name == "nt", reason="reads the table of mounts of Linux")
def test_a_ledger_on_a_network_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "mounts"
    table.write_text(f"/dev/sda1 / ext4 rw 0 0\nfiler:/x {tmp_path.resolve()} nfs4 rw 0 0\n")
    monkeypatch.setattr(network_folders, "_MOUNTS", table)
    with pytest.raises(LedgerUnusable, match=r"network folder \(nfs4\).*Set TITAN_HOME"):
        Ledger(tmp_path / "titan.db", now=lambda: START, actor="test")
    assert not (tmp_path / "titan.db").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_ledger_held_open_across_a_fork_refuses_to_write_in_the_child(bench: Bench) -> None:
    ledger = bench.engine.context.ledger
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        try:
            with ledger.transaction("child"):
                os.write(tell, b"written")
        except LedgerUnusable as error:
            os.write(tell, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert b"opened before this process was forked" in os.read(told, 1000)
    os.close(told)
    os.close(tell)
    bench.submit(3)
    poll_until_done(bench)
    check_once(bench, 3)


def _wal(home: Path) -> list[Finding]:
    found = checks.static_findings(Settings(home=home), thorough=False)
    return [finding for finding in found if finding.what == "wal"]


def test_a_wal_that_grows_behind_a_stuck_reader_is_reported_and_truncated_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_checks, "_LONG_WAL", 1 << 20)
    home = bench.engine.context.folder.root
    bench.submit(1, tag="before")
    stuck = connect_read_only(Folder(home).ledger)
    stuck.execute("BEGIN")
    stuck.execute("SELECT count(*) FROM requests").fetchall()
    for number in range(12):
        bench.submit(300, tag=f"behind-{number}")
    poll_until_done(bench)
    (finding,) = _wal(home)
    assert finding.health == Health.WARN
    assert "another process keeps reading" in finding.detail
    stuck.close()
    monkeypatch.setattr("state.db.ledger._LONG_WAL", 1 << 18)
    bench.poll_after(900)
    assert _wal(home) == []


def test_doctor_warns_of_an_sqlite_that_can_lose_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path)

    def told() -> Finding:
        found = checks.static_findings(settings, thorough=False)
        return next(finding for finding in found if finding.what == "sqlite")

    now = connection.sqlite3.sqlite_version_info
    monkeypatch.setattr(integrity, "FIRST_SAFE_SQLITE", (now[0], now[1] + 1, 0))
    assert told().health == Health.WARN
    assert "can, rarely, corrupt a database" in told().detail
    monkeypatch.setattr(integrity, "FIRST_SAFE_SQLITE", now)
    assert told().health == Health.OK


def test_a_file_that_a_scanner_holds_for_a_moment_is_replaced_a_little_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows refuses to rename over a file that is open; a class of ours stands for it."""
    source, target = tmp_path / "new", tmp_path / "old"
    source.write_text("new")
    target.write_text("old")
    held = [PermissionError(13, "The process cannot access the file")] * 3
    rename = Path.replace

    def scanned(self: Path, other: Path) -> Path:
        if held:
            raise held.pop()
        return rename(self, other)

    monkeypatch.setattr(Path, "replace", scanned)
    folder.replace(source, target)
    assert (target.read_text(), source.exists()) == ("new", False)


def test_a_file_that_is_held_for_good_is_an_error_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "new", tmp_path / "old"
    source.write_text("new")
    target.write_text("old")

    def held(_self: Path, _other: Path) -> Path:
        raise PermissionError(13, "The process cannot access the file")

    monkeypatch.setattr(Path, "replace", held)
    monkeypatch.setattr(folder, "_REPLACE_WAIT_S", 0)
    with pytest.raises(PermissionError):
        folder.replace(source, target)
    assert (target.read_text(), source.read_text()) == ("old", "new")
