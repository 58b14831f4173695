"""The file of staged rows that a killed process left is deleted a day later."""

import os
from datetime import timedelta

from support.builders import Bench

_LEFT = ("titan.db-staged_1-abc", "titan.db-staged_2-def")


def test_a_poll_deletes_what_a_killed_process_left_and_not_what_may_be_in_use(
    bench: Bench,
) -> None:
    old, new = (bench.folder.root / name for name in _LEFT)
    for path, age in ((old, timedelta(days=2)), (new, timedelta(hours=1))):
        path.write_bytes(b"")
        written = (bench.clock.now() - age).timestamp()
        os.utime(path, (written, written))
    bench.engine.poll()
    assert (old.exists(), new.exists()) == (False, True)
