"""`export -o`: nothing is overwritten by accident, and nothing of TITAN_HOME ever."""

import errno
import json
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.console.console_builders import LedgerBuilder
from support.error_codes import code_is
from support.processes.terminal import Ended, Terminal

from core.errors import InputError
from core.reporting.output_file import open_output
from state.files.folder import Folder


@pytest.fixture
def state(home: Path) -> Path:
    made = LedgerBuilder(home)
    made.collected("t", ["one"])
    made.close()
    return home


def export(home: Path, to: Path, *more: str) -> Ended:
    return Terminal(home).run("export", "--all", "-o", str(to), *more)


def test_an_existing_file_is_overwritten_only_with_force(state: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("mine")
    refused = export(state, out)
    assert (refused.code, out.read_text()) == (2, "mine")
    assert "exists; pass --force to overwrite it." in refused.err
    assert export(state, out, "--force").code == 0
    assert json.loads(out.read_text())["custom_id"] == "one"
    assert sorted(path.name for path in tmp_path.glob("*out*")) == ["out.jsonl"]


def test_a_dash_is_standard_output(state: Path) -> None:
    done = Terminal(state).run("export", "--all", "-o", "-")
    assert (done.code, done.out.count("\n")) == (0, 1)


def test_a_new_file_needs_no_force(state: Path, tmp_path: Path) -> None:
    assert export(state, tmp_path / "new.jsonl").code == 0
    assert export(state, state / "exports.jsonl").code == 2
    (state / "exports").mkdir(exist_ok=True)
    assert export(state, state / "exports" / "new.jsonl").code == 0


def test_a_failed_export_leaves_the_old_file(state: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("mine")
    assert Terminal(state).run("export", "unknown", "--force", "-o", str(out)).code == 2
    assert out.read_text() == "mine"


def test_what_cannot_be_written_is_named_as_it_was_given(state: Path, tmp_path: Path) -> None:
    out = tmp_path / "missing" / "out.jsonl"
    done = export(state, out, "--force")
    assert (done.code, done.err.count("\n")) == (3, 1)
    assert f"{out}: " in done.err


def test_a_full_disk_is_no_matter_of_standard_output(state: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)) as caught:
        _write(out, Folder(state), full)
    assert caught.value.filename == str(out)
    assert list(tmp_path.glob("*out*")) == []


def _write(out: Path, folder: Folder, error: OSError) -> None:
    with open_output(out, folder, overwrite=False):
        raise error


def test_a_file_that_appears_meanwhile_is_kept(state: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with ExitStack() as stack:
        stack.enter_context(open_output(out, Folder(state), overwrite=False)).write("ours")
        out.write_text("theirs")
        with pytest.raises(InputError, check=code_is("output_exists")):
            stack.close()
    assert out.read_text() == "theirs"


def the_ledger(state: Path, _beside: Path) -> Path:
    return state / "titan.db"


def a_path_with_dots(state: Path, beside: Path) -> Path:
    (beside / "x").mkdir()
    return beside / "x" / ".." / state.name / "titan.db"


def a_symlink(state: Path, beside: Path) -> Path:
    link = beside / "link"
    link.symlink_to(state / "titan.db")
    return link


def a_link_of_the_folder(state: Path, beside: Path) -> Path:
    link = beside / "folder"
    link.symlink_to(state, target_is_directory=True)
    return link / "titan.toml"


def a_hard_link(state: Path, beside: Path) -> Path:
    link = beside / "hard"
    os.link(state / "titan.db", link)
    return link


def a_file_that_is_not_there_yet(state: Path, _beside: Path) -> Path:
    return state / "titan.db-wal-x"


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.parametrize(
    "named",
    [
        the_ledger,
        a_path_with_dots,
        a_symlink,
        a_link_of_the_folder,
        a_hard_link,
        a_file_that_is_not_there_yet,
    ],
)
def test_the_state_is_never_overwritten(
    state: Path, tmp_path: Path, named: Callable[[Path, Path], Path]
) -> None:
    before = (state / "titan.db").read_bytes()
    refused = export(state, named(state, tmp_path), "--force")
    assert refused.code == 2
    assert "belongs to the state in" in refused.err
    assert (state / "titan.db").read_bytes() == before


@pytest.mark.skipif(os.name == "nt", reason="a device of POSIX")
def test_a_device_is_written_to_and_stays(state: Path) -> None:
    mode = Path(os.devnull).stat().st_mode
    assert export(state, Path(os.devnull)).code == 0
    assert Path(os.devnull).stat().st_mode == mode
