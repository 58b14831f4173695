"""The time limit of a poll: nothing is begun after it, and the next poll begins with the rest.

The steps take turns, and so do the items of a step: what was not reached comes first next time.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

import msgspec
from msgspec import Struct

from core.text import pluralize

T = TypeVar("T")
_RENEW_EVERY_S = 60.0


class _Clock(Protocol):
    def monotonic(self) -> float: ...


class LeftItems(Struct, frozen=True, kw_only=True):
    """Items of a step that were not begun: how many, and the first of them."""

    step: str
    count: int
    next: str


class LeftWork(Struct, frozen=True, kw_only=True):
    """What a poll did not begin when it reached its time limit: steps, and items of steps."""

    steps: list[str]
    items: list[LeftItems]

    def lines(self) -> list[str]:
        """What is left, one line for the items of a step and one for the steps."""
        lines = [
            f"{pluralize(one.count, 'item')} of the step '{one.step}' (first: {one.next})"
            for one in self.items
        ]
        if self.steps:
            lines.append(f"{pluralize(len(self.steps), 'step')} (first: '{self.steps[0]}')")
        return lines


def left_by(summary: Mapping[str, object]) -> LeftWork | None:
    """What a poll left, from its summary in the ledger."""
    try:
        return msgspec.convert(summary.get("left"), LeftWork | None)
    except msgspec.ValidationError:
        return None


class PollTimeLimit:
    """The time limit of one poll; without a clock there is none, as outside polls.

    `first` names the item of each step that the last poll reached no more. `renew_lease` is called
    between steps and items, once a minute.
    """

    def __init__(
        self,
        clock: _Clock | None = None,
        limit_s: float = 0.0,
        *,
        first: Mapping[str, str] | None = None,
        renew_lease: Callable[[], None] = lambda: None,
    ) -> None:
        """It begins now."""
        self._clock = clock
        self._ends = clock.monotonic() + limit_s if clock else 0.0
        self._first = first or {}
        self._renew_lease = renew_lease
        self._renew_at = self._ends - limit_s
        self.left: dict[str, LeftItems] = {}

    @property
    def is_over(self) -> bool:
        """Whether nothing may be begun any more."""
        return self._clock is not None and self._clock.monotonic() >= self._ends

    def may_begin(self, step: str, name: str, remaining: int) -> bool:
        """Whether the item `name` may be begun; if not, it and the remaining ones are left."""
        if self.is_over:
            self.left[step] = LeftItems(step=step, count=remaining, next=name)
            return False
        self.renew_lease()
        return True

    def renew_lease(self) -> None:
        """Renew the lease if it was not within the last minute."""
        if self._clock is not None and self._clock.monotonic() >= self._renew_at:
            self._renew_at = self._clock.monotonic() + _RENEW_EVERY_S
            self._renew_lease()

    def items(self, step: str, items: Sequence[T], name: Callable[[T], str]) -> Iterator[T]:
        """The items that may be begun, beginning with the one that was left."""
        ordered = rotated(items, lambda item: name(item) == self._first.get(step))
        for done, item in enumerate(ordered):
            if not self.may_begin(step, name(item), len(ordered) - done):
                return
            yield item


def rotated(items: Sequence[T], is_first: Callable[[T], bool]) -> list[T]:
    """The items in their order, beginning with the first one that is; all as they are without one.

    >>> rotated("abcd", lambda item: item == "c")
    ['c', 'd', 'a', 'b']
    """
    start = next((number for number, item in enumerate(items) if is_first(item)), 0)
    return [*items[start:], *items[:start]]
