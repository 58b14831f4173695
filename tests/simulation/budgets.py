"""Budgets that an operator sets, so that requests are held, and removes again."""

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.world import World

# How often, at its turns, a limit is removed, and set although nothing waits.
_REMOVED = 0.3
_UNCALLED = 0.05


class Budget:
    """A limit in titan.toml that is smaller than any request, of a workflow or of the day."""

    def __init__(self, world: "World") -> None:
        self._world = world
        # Separate, so that limits do not change the rest of a history.
        self._rng = random.Random(f"budget {world.seed}")
        self._paths = [folder.root / "titan.toml" for folder in world.place.hosts]
        self._workflow: str | None = None
        self.is_set = False

    def maybe_change(self) -> None:
        """Maybe set a limit, or remove it."""
        profile = self._world.profile
        if not profile.budgets or self._rng.random() >= profile.budgets:
            return
        if self.is_set and self._rng.random() < _REMOVED:
            self.remove()
        elif not self.is_set and (self._queued() or self._rng.random() < _UNCALLED):
            self._set()

    def remove(self) -> None:
        """Release what is held."""
        if not self.is_set:
            return
        self._world.figures.operations["budget held"] += sum(map(self.forbids, self._queued()))
        for path in self._paths:
            path.unlink()
        self.is_set = False
        self._world.note("the limit is removed")

    def forbids(self, workflow: str) -> bool:
        """Whether nothing of that workflow may be sent."""
        return self.is_set and self._workflow in (None, workflow)

    def _set(self) -> None:
        number = self._rng.randrange(len(self._world.profile.submissions))
        self._workflow = self._rng.choice((None, f"work-job-{number}"))
        limit = (
            "[budgets]\nday_usd = 0.000001\n"
            if self._workflow is None
            else f"[budgets.workflows]\n{self._workflow} = 0.000001\n"
        )
        for path in self._paths:
            path.write_text(limit, "utf-8")
        self.is_set = True
        self._world.note(f"a limit for {self._workflow or 'the day'} is set")

    def _queued(self) -> list[str]:
        """The workflow of each batch that waits to be sent."""
        if self._world.replacing.is_lost:
            return []
        rows = self._world.place.rows("SELECT workflow FROM batches WHERE status = 'queued'")
        return [workflow for (workflow,) in rows]
