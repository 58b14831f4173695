"""Troubles that can be switched on: which call, when, and what goes wrong."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from random import Random
from typing import Self

from titan_console.sandbox.faults.kinds import CALLS, ROW_KINDS, Stage, find_kind, kind_names
from titan_console.sandbox.model.ids import draw
from titan_console.sandbox.model.rows import RowError

_OPTIONS: Mapping[str, Callable[[str], object]] = {
    "nth": int,
    "every": int,
    "p": float,
    "times": int,
    "batch": str,
    "id": str,
    "seconds": float,
    "retry": float,
    "lines": int,
}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One rule. Without a condition it strikes every time."""

    call: str
    what: str
    nth: int = 0  # only the nth matching call, counted from 1
    every: int = 0  # every nth matching call
    p: float = 1.0  # the chance, drawn with the seed; for rows: the share
    times: int = 0  # at most so often; 0 is no limit
    batch: str = ""  # only this batch id
    id: str = ""  # rows only: a pattern for the custom_id, such as *-007
    seconds: float = 30.0  # how slow, how late, how long invisible
    retry: float = -1.0  # a retry-after header, in seconds; negative is none
    lines: int = 1  # how many result lines are hit

    def __post_init__(self) -> None:
        """Refuse a rule that could never strike."""
        if self.call not in CALLS:
            raise ValueError(f"fault call {self.call!r}: use one of {', '.join(CALLS)}")
        if find_kind(self.call, self.what) is None:
            names = ", ".join(kind_names(self.call))
            raise ValueError(f"fault {self.what!r} on {self.call}: use one of {names}")

    @property
    def stage(self) -> Stage:
        """Where in the call it strikes."""
        kind = find_kind(self.call, self.what)
        return kind.stage if kind else Stage.BEFORE

    @classmethod
    def parse(cls, text: str) -> Self:
        """`create:drop:times=1`, `results:missing:p=0.1`, `any:429:retry=30`."""
        call, _, rest = text.partition(":")
        what, _, options = rest.partition(":")
        if not call or not what:
            raise ValueError(f"fault {text!r}: write call:what[:option=value...]")
        return replace(cls(call=call, what=what), **_options(text, options))


def _options(text: str, options: str) -> dict[str, object]:
    """The conditions after the second colon, each in its field's type."""
    read: dict[str, object] = {}
    for part in filter(None, options.split(":")):
        name, _, value = part.partition("=")
        if name not in _OPTIONS:
            known = ", ".join(_OPTIONS)
            raise ValueError(f"fault {text!r}: option {name!r} is not one of {known}")
        try:
            read[name] = _OPTIONS[name](value)
        except ValueError:
            raise ValueError(f"fault {text!r}: {name}={value!r} is not a number") from None
    return read


class Faults:
    """The rules in force, and how often each of them was met and has struck."""

    def __init__(self, rules: Iterable[Fault] = (), *, seed: int = 0) -> None:
        """Start with some rules; more can be added while the sandbox runs."""
        self._seed = seed
        self._rng = Random(seed)  # noqa: S311 - reproducible chance, no secrets
        self._rules = list(rules)
        self._met: dict[int, int] = {}
        self._struck: dict[int, int] = {}

    @classmethod
    def parse(cls, specs: Iterable[str], *, seed: int = 0) -> Self:
        """Read rules from short texts, as the command line gives them."""
        return cls((Fault.parse(spec) for spec in specs), seed=seed)

    @property
    def rules(self) -> tuple[Fault, ...]:
        """The rules in force."""
        return tuple(self._rules)

    def add(self, rule: Fault | str) -> None:
        """Put one more rule in force."""
        self._rules.append(Fault.parse(rule) if isinstance(rule, str) else rule)

    def clear(self) -> None:
        """Remove all rules."""
        self._rules.clear()
        self._met.clear()
        self._struck.clear()

    def struck(self) -> int:
        """How often a rule has struck a call."""
        return sum(self._struck.values())

    def pick(self, call: str, batch_id: str) -> Fault | None:
        """The first rule that strikes this call."""
        for number, rule in enumerate(self._rules):
            if rule.stage is Stage.ROW or rule.call not in {call, "any"}:
                continue
            if rule.batch and rule.batch != batch_id:
                continue
            self._met[number] = self._met.get(number, 0) + 1
            if self._strikes(number, rule):
                self._struck[number] = self._struck.get(number, 0) + 1
                return rule
        return None

    def row(self, custom_id: str) -> RowError | str | None:
        """What strikes a row: an error, a stop reason, or nothing; the same on every try."""
        for number, rule in enumerate(self._rules):
            if rule.stage is not Stage.ROW or not fnmatchcase(custom_id, rule.id or "*"):
                continue
            if draw(self._seed, number, custom_id) < rule.p:
                return ROW_KINDS[rule.what]
        return None

    def _strikes(self, number: int, rule: Fault) -> bool:
        met = self._met[number]
        if rule.times and self._struck.get(number, 0) >= rule.times:
            return False
        if rule.nth and met != rule.nth:
            return False
        if rule.every and met % rule.every:
            return False
        return rule.p >= 1 or self._rng.random() < rule.p
