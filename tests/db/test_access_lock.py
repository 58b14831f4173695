"""The lock between the writers of the ledger and the one that replaces it."""

from contextlib import closing
from pathlib import Path

import pytest
from support.error_codes import code_is
from support.ledgers.ledger_builders import a_ledger
from support.ledgers.lock_holder import killed_holder

from state.db import access_lock
from state.model.errors import LedgerBusy, LedgerUnusable

_HOLDER = """
import sys
from pathlib import Path
from state.db import access_lock
with access_lock.exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.setattr(access_lock, "SHARED_WAIT_S", 0.0)
    monkeypatch.setattr(access_lock, "EXCLUSIVE_WAIT_S", 0.0)


def test_writers_share_it_and_keep_the_one_who_replaces_away(tmp_path: Path) -> None:
    with a_ledger(tmp_path) as one, a_ledger(tmp_path):
        with (
            pytest.raises(LedgerBusy, check=code_is("ledger_in_use")) as refused,
            access_lock.exclusive(one.path),
        ):
            pass
        assert refused.value.code == "ledger_in_use"
    with access_lock.exclusive(tmp_path / "titan.db"):
        pass


def test_the_one_who_replaces_keeps_writers_away(tmp_path: Path) -> None:
    a_ledger(tmp_path).close()
    path = tmp_path / "titan.db"
    with access_lock.exclusive(path):
        with pytest.raises(LedgerBusy, check=code_is("ledger_being_replaced")) as refused:
            a_ledger(tmp_path)
        assert refused.value.code == "ledger_being_replaced"
        with pytest.raises(LedgerBusy), access_lock.exclusive(path):
            pass
    a_ledger(tmp_path).close()


def test_a_killed_process_has_it_no_more_and_leaves_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "titan.db"
    with killed_holder(_HOLDER, path, says="held"), pytest.raises(LedgerBusy):
        access_lock.share(path)
    with closing(access_lock.share(path)), closing(access_lock.share(path)):
        assert [file.name for file in tmp_path.iterdir()] == ["titan.access.lock"]
    assert access_lock.lock_file(path).stat().st_size == 0


def test_a_ledger_that_cannot_be_opened_releases_the_lock(tmp_path: Path) -> None:
    (tmp_path / "titan.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    for _ in range(2):
        with pytest.raises(LedgerUnusable, check=code_is("ledger_damaged")):
            a_ledger(tmp_path)
    with access_lock.exclusive(tmp_path / "titan.db"):
        pass
