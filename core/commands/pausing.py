"""Pausing a workflow: what it submits is taken in and waits, until an operator resumes it."""

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct, field

from core.batches.context import Context
from core.config import titan_file
from core.errors import PayloadError
from state.model.errors import UnknownId
from state.operations import pauses
from state.operations.commands import Action
from state.operations.pauses import Pause
from state.operations.selection import Filter


class Chosen(Struct, kw_only=True):
    """The workflows that the verb changes, and how many it leaves for which reason."""

    taken: list[str] = field(default_factory=list[str])
    skipped: Counter[str] = field(default_factory=Counter[str])


def describe(pause: Pause) -> str:
    """What becomes of a submission to a paused workflow."""
    return (
        f"{pause.workflow} has been paused since {pause.since_ts}: its requests are taken in, and"
        " wait for `titan-console resume`."
    )


def choose(context: Context, action: Action, wanted: Filter) -> Chosen:
    """The workflows that are named. Raises UnknownId for one that no job and no request has."""
    if wanted != Filter(names=wanted.names, workflow=wanted.workflow):
        raise PayloadError(f"To {action}, name workflows; it touches no single requests.")
    names = dict.fromkeys((*wanted.names, *((wanted.workflow,) if wanted.workflow else ())))
    _check(context, names)
    paused = {pause.workflow: pause for pause in pauses.paused(context.ledger)}
    chosen = Chosen()
    for name in names:
        if (name in paused) == (action == Action.RESUME):
            chosen.taken.append(name)
        else:
            chosen.skipped[_as_it_is(action, paused.get(name))] += 1
    if not chosen.taken:
        said = "; ".join(
            f"{name} {_as_it_is(action, paused.get(name))}" for name in sorted(names)[:3]
        )
        raise PayloadError(f"There is nothing to {action}: {said}.")
    return chosen


def _as_it_is(action: Action, pause: Pause | None) -> str:
    if action == Action.RESUME or pause is None:
        return "is not paused"
    return f"is paused already, since {pause.since_ts}"


def _check(context: Context, names: Iterable[str]) -> None:
    """A slip of the keyboard must not look like a pause."""
    unknown = [name for name in names if not pauses.is_known(context.ledger, name)]
    if not unknown:
        return
    jobs = titan_file.read(context.folder).jobs
    for name in unknown:
        if name not in jobs:
            raise UnknownId(
                f"There is no workflow {name!r}: nothing was ever submitted under it, and no job"
                " of titan.toml has that name."
            )
