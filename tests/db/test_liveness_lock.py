"""The lock of a poll: its process's, until that ends, however it ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.ledgers.lock_holder import killed_holder

from state.db import liveness_lock

_HOLDER = """
import sys
from pathlib import Path
from state.db import liveness_lock
with liveness_lock.try_lock(Path(sys.argv[1])) as is_free:
    print(is_free, flush=True)
    sys.stdin.read()
"""


def test_it_is_had_by_one_at_a_time_and_given_back(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with liveness_lock.try_lock(path) as is_free:
        assert is_free
        with liveness_lock.try_lock(path) as is_free_again:
            assert not is_free_again
    with liveness_lock.try_lock(path) as is_free:
        assert is_free


def test_a_killed_process_has_it_no_more(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with killed_holder(_HOLDER, path, says="True"), liveness_lock.try_lock(path) as is_free:
        assert not is_free
    with liveness_lock.try_lock(path) as is_free:
        assert is_free
    assert path.stat().st_size == 0


def _is_free_elsewhere(path: Path) -> bool:
    done = subprocess.run(
        [sys.executable, "-c", _HOLDER, str(path)],
        input="",
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout == "True\n"


def test_another_try_in_the_same_process_does_not_give_it_away(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with liveness_lock.try_lock(path) as is_free:
        assert is_free
        with liveness_lock.try_lock(path) as is_free_again:
            assert not is_free_again
        assert not _is_free_elsewhere(path)
    assert _is_free_elsewhere(path)


def test_where_there_can_be_none_nothing_is_known(tmp_path: Path) -> None:
    with liveness_lock.try_lock(tmp_path / "no folder" / "lock") as is_free:
        assert is_free is None


def test_a_look_tells_whether_another_process_has_it_and_takes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert liveness_lock.is_free(path) is None
    with killed_holder(_HOLDER, path, says="True"):
        assert liveness_lock.is_free(path) is False
    assert liveness_lock.is_free(path) is True
    assert _is_free_elsewhere(path)


def test_a_look_of_the_process_that_has_it_does_not_give_it_away(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with liveness_lock.try_lock(path):
        assert liveness_lock.is_free(path) is False
        assert not _is_free_elsewhere(path)
    assert liveness_lock.is_free(path) is True


def test_a_look_in_between_does_not_stop_one_that_tries_to_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with liveness_lock.try_lock(path):
        pass
    for _ in range(100):
        assert liveness_lock.is_free(path) is True
        with liveness_lock.try_lock(path) as is_free:
            assert is_free


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_sees_the_lock_of_its_parent(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with liveness_lock.try_lock(path):
        child = os.fork()
        if child == 0:
            os._exit(int(liveness_lock.is_free(path) is not False))
        assert os.waitpid(child, 0)[1] == 0
        assert not _is_free_elsewhere(path)
