"""Operators of a history: replay, cancel, acknowledge and force-sync of random jobs."""

from collections.abc import Callable
from datetime import timedelta
from random import Random

from core.commands import planner
from core.commands.command_request import CommandRequest
from core.engine import Engine
from state.operations.commands import Action
from state.operations.selection import Filter

_ACTIONS = (Action.REPLAY, Action.REPLAY, Action.CANCEL, Action.SYNC, Action.ACKNOWLEDGE)


def a_command(rng: Random, tags: list[str]) -> tuple[Action, Callable[[Engine], object]]:
    """A command of an operator: what it is, and the process that plans and submits it."""
    action, tag = rng.choice(_ACTIONS), rng.choice(tags)
    delay = timedelta(seconds=rng.choice((0, 0, 30)))
    request = CommandRequest(
        action=action,
        wanted=Filter(names=(tag,)),
        force=rng.random() < 0.5,
        canary=action == Action.REPLAY and rng.random() < 0.3,
    )

    def run(engine: Engine) -> object:
        planned = planner.plan(engine.context, request)
        return planner.submit(engine.context, planned, delay=delay)

    return action, run
