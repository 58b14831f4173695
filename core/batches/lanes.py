"""Runs a step lane by lane: one that cannot be used does not stop the others."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from core.batches.engine_context import Context
from core.errors import ApiError, LaneError
from state.batches import remote_status


@contextmanager
def lane_problem(context: Context, problems: list[str]) -> Generator[None, None, None]:
    """Where the lane of the context cannot be used, that is one of the problems.

    What is raised of the default lane is raised.
    """
    try:
        with context.lane_errors():
            yield
    except LaneError as error:
        problems.append(str(error))


def for_each_lane(
    context: Context, problems: list[str], run: Callable[[Context, list[str]], None]
) -> None:
    """Run it with the context of each lane in use; problems of the others name their lane.

    The default lane comes last: what it raises does not stop the others.
    """
    *others, default = reversed(remote_status.lanes_in_use(context.ledger))
    for name in others:
        lane, own = context.on(name), list[str]()
        try:
            with lane_problem(lane, own):
                run(lane, own)
        except ApiError as error:
            own.append(str(error))
        problems += [line if _names_it(line) else f"Lane {name}: {line}" for line in own]
    run(context.on(default), problems)


def _names_it(line: str) -> bool:
    """Whether it begins with the lane, or with the key of a batch, which has one lane."""
    return line.startswith(("Lane ", "tb_"))
