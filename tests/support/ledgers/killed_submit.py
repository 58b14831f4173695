"""A submission whose process was killed, on a bench that has worked before."""

from collections.abc import Callable

import pytest
from support.builders import Bench
from support.lifecycle import poll_until_done


class _Killed(BaseException):
    """A kill at a crash point."""


def killed_at(bench: Bench, point: str, work: Callable[[], object]) -> None:
    """Do the work in a process that is killed at that crash point; the bench goes on in another."""

    def kill(name: str) -> None:
        if name == point:
            raise _Killed

    bench.engine.context.ledger.crash_point = kill
    with pytest.raises(_Killed):
        work()
    bench.close()
    bench.engine = bench.new_engine("next")


def use(bench: Bench) -> Bench:
    """A mirror exists, from an earlier job."""
    bench.submit(1, workflow="earlier", tag="earlier")
    poll_until_done(bench)
    return bench
