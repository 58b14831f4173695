"""`doctor` names damaged mirror files and results that the ledger lacks, with what to do."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.builders import some_requests
from support.processes.terminal import Terminal, a_server

from state.files.folder import Folder

_LINES = "".join(json.dumps(request) + "\n" for request in some_requests(2))


def _cut(mirror: Path) -> None:
    mirror.write_bytes(mirror.read_bytes() + b'{"torn": ')


def _garble(mirror: Path) -> None:
    lines = mirror.read_bytes().splitlines(keepends=True)
    mirror.write_bytes(b"\xff\xfe\n".join(lines) + b"[1]\n")


@pytest.mark.parametrize("damage", [_cut, _garble])
def test_a_damaged_mirror_is_named_and_written_again_once_it_is_deleted(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    with a_server() as (_, address):
        terminal, folder = Terminal(tmp_path / "home", address), Folder(tmp_path / "home")
        assert terminal.run("submit", "-", "--tag", "one", stdin=_LINES).code == 0
        assert terminal.run("--poll").code == 0
        assert terminal.run("doctor", "--check").code == 0
        damage(folder.jobs_mirror)
        (found,) = _findings(terminal, "mirror")
        assert "unreadable line" in found
        assert f"Delete {folder.jobs_mirror}" in found
        folder.jobs_mirror.unlink()
        assert terminal.run("--poll").code == 0
        assert _findings(terminal, "mirror") == []
        assert '"one"' in folder.jobs_mirror.read_text("utf-8")


def test_results_without_a_batch_are_named_and_imported_by_a_restore(tmp_path: Path) -> None:
    with a_server() as (sandbox, address):
        terminal, folder = Terminal(tmp_path / "home", address), Folder(tmp_path / "home")
        assert terminal.run("--poll").code == 0
        assert terminal.run("submit", "-", "--tag", "one", stdin=_LINES).code == 0
        assert terminal.run("--poll").code == 0
        (backup,) = folder.backups.iterdir()
        for path in folder.root.glob("titan.db*"):
            path.unlink()
        folder.ledger.write_bytes(backup.read_bytes())
        (found,) = _findings(terminal, "results")
        assert "1 results file" in found
        assert terminal.run("restore", backup.name, "--yes").code == 0
        assert _findings(terminal, "results") == []
        assert terminal.run("submit", "-", "--tag", "one", stdin=_LINES).code == 0
        assert sandbox.billing_log().creates == 1


def _findings(terminal: Terminal, what: str) -> list[str]:
    found = terminal.run("doctor", "--json").json()["findings"]
    return [finding["detail"] for finding in found if finding["what"] == what]


def test_a_backup_that_cannot_be_looked_at_is_no_damage_of_the_ledger(tmp_path: Path) -> None:
    with a_server() as (_, address):
        terminal, folder = Terminal(tmp_path / "home", address), Folder(tmp_path / "home")
        assert terminal.run("--poll").code == 0
        (backup,) = folder.backups.iterdir()
        backup.unlink()
        backup.symlink_to("nowhere")
        done = terminal.run("doctor", "--check", "--json")
        found = {finding["what"]: finding["health"] for finding in done.json()["findings"]}
        assert (done.code, found["ledger"], found["backup"]) == (0, "ok", "ok")
