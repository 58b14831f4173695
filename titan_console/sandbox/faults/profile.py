"""The faults that can be injected, and the rules that decide which call each one hits."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from fnmatch import fnmatchcase
from random import Random
from typing import Self

from titan_console.sandbox.faults.changes import CHANGE_CALLS
from titan_console.sandbox.model.ids import draw
from titan_console.sandbox.model.rows import WRONG_OUTPUT, RowError

HTTP_CALLS = ("create", "retrieve", "list", "results", "cancel", "delete", "messages")
CALLS = (*HTTP_CALLS, "row", "any")


class Stage(Enum):
    """The point in a call at which a fault takes effect."""

    BEFORE = auto()  # the call never reaches the API, or is rejected
    AFTER = auto()  # the call takes effect; the response is lost or corrupt
    LATE = auto()  # the call takes effect later, unanswered
    LAG = auto()  # new batches are not visible yet
    LINES = auto()  # the lines of a results file
    ROW = auto()  # one request inside a batch
    FATE = auto()  # what becomes of the batch that a create makes, or a delete deletes


@dataclass(frozen=True)
class FaultKind:
    """One kind of fault: its stage and the calls it applies to."""

    stage: Stage
    calls: tuple[str, ...]


_ANY = (*HTTP_CALLS, "any")

STATUSES = (401, 402, 403, 404, 408, 409, 412, 429, 500, 502, 503, 504, 529)
AFTER_STATUSES = (408, 409, 500, 502, 503, 504, 529)

REFUSED = (
    "connect",
    "drop-before",
    "timeout-before",
    "spend-cap",
    "usage-limit",
    "credit",
    "disabled",
    "unnamed",  # a problem of the account with an unknown message
    "budget",
    "redirect",
    "413",
    "html-400",
    "html-403",
    "html-404",
    "html-413",
    "html-502",
    *map(str, STATUSES),
)
ANSWER = ("drop", "timeout", "garbage", "truncated", "slow")
LINES = (
    "cut-line",  # ends early, at a line end, and looks whole
    "cut",  # ends early, inside a line
    "short",  # announces more bytes than it sends
    "broken",  # the connection breaks half way
    "garbled",
    "html-line",
    "blank",
    "duplicate",
    "duplicate-different",
    "missing",
    "unknown-id",
    "foreign",  # lines of another batch among the batch's own
)

ROW_KINDS: Mapping[str, RowError | str] = {
    "overloaded": RowError("overloaded_error", "Overloaded", at_run_time=True),
    "api-error": RowError("api_error", "Internal server error", at_run_time=True),
    "timeout": RowError("timeout_error", "Request timed out", at_run_time=True),
    "invalid": RowError("invalid_request_error", "Output blocked by content filtering policy"),
    "refusal": "refusal",
    "max-tokens": "max_tokens",
    "pause-turn": "pause_turn",
    WRONG_OUTPUT: WRONG_OUTPUT,  # of structured output alone
}

CALL_KINDS: Mapping[str, FaultKind] = {
    **{name: FaultKind(Stage.BEFORE, _ANY) for name in REFUSED},
    **{name: FaultKind(Stage.AFTER, _ANY) for name in ANSWER},
    **{f"{status}-after": FaultKind(Stage.AFTER, _ANY) for status in AFTER_STATUSES},
    "foreign-url": FaultKind(Stage.AFTER, ("retrieve", "list")),
    **{name: FaultKind(Stage.AFTER, calls) for name, calls in CHANGE_CALLS.items()},
    "late": FaultKind(Stage.LATE, ("create",)),
    "vanish": FaultKind(Stage.FATE, ("create",)),  # after `seconds`, for `back` seconds if given
    "endless": FaultKind(Stage.FATE, ("create",)),  # neither a cancel nor 24 hours end it
    "kept": FaultKind(Stage.FATE, ("delete",)),  # the answer says deleted, and it is not
    "lag": FaultKind(Stage.LAG, ("list", "retrieve", "results")),
    **{name: FaultKind(Stage.LINES, ("results",)) for name in LINES},
}


def find_kind(call: str, what: str) -> FaultKind | None:
    """The fault of that name for that call, if there is one."""
    if call == "row":
        return FaultKind(Stage.ROW, ("row",)) if what in ROW_KINDS else None
    kind = CALL_KINDS.get(what)
    return kind if kind and call in kind.calls else None


def kind_names(call: str) -> tuple[str, ...]:
    """The names of all faults for that call."""
    if call == "row":
        return tuple(ROW_KINDS)
    return tuple(name for name, kind in CALL_KINDS.items() if call in kind.calls)


_OPTIONS: Mapping[str, Callable[[str], object]] = {
    "nth": int,
    "every": int,
    "p": float,
    "times": int,
    "batch": str,
    "id": str,
    "seconds": float,
    "back": float,
    "retry": float,
    "lines": int,
}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One rule. Without a condition it applies every time."""

    call: str
    what: str
    nth: int = 0  # only the nth matching call, counted from 1
    every: int = 0  # every nth matching call
    p: float = 1.0  # the chance, drawn with the seed; for rows: the share
    times: int = 0  # at most so often; 0 is no limit
    batch: str = ""  # only this batch id
    id: str = ""  # rows only: a pattern for the custom_id, such as *-007
    seconds: float = 30.0  # how slow, how late, how long invisible, when it vanishes
    back: float = 0.0  # seconds until a vanished batch is visible again; 0: never
    retry: float = -1.0  # a retry-after header, in seconds; negative is none
    lines: int = 1  # how many result lines are hit

    def __post_init__(self) -> None:
        """Raise ValueError for a rule that can never apply."""
        if self.call not in CALLS:
            raise ValueError(f"fault call {self.call!r}: use one of {', '.join(CALLS)}")
        if find_kind(self.call, self.what) is None:
            names = ", ".join(kind_names(self.call))
            raise ValueError(f"fault {self.what!r} on {self.call}: use one of {names}")

    @property
    def stage(self) -> Stage:
        """The point in the call at which it takes effect."""
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
    """The active rules, with the number of matches and hits of each."""

    def __init__(self, rules: Iterable[Fault] = (), *, seed: int = 0) -> None:
        """Start with some rules; more can be added while the sandbox runs."""
        self._seed = seed
        self._rng = Random(seed)  # noqa: S311 - reproducible chance, no secrets
        self._rules = list(rules)
        self._matched: dict[int, int] = {}
        self._hits: dict[int, int] = {}

    @classmethod
    def parse(cls, specs: Iterable[str], *, seed: int = 0) -> Self:
        """Read rules from short texts, as the command line gives them."""
        return cls((Fault.parse(spec) for spec in specs), seed=seed)

    @property
    def rules(self) -> tuple[Fault, ...]:
        """The active rules."""
        return tuple(self._rules)

    def add(self, rule: Fault | str) -> None:
        """Add a rule."""
        self._rules.append(Fault.parse(rule) if isinstance(rule, str) else rule)

    def clear(self) -> None:
        """Remove all rules."""
        self._rules.clear()
        self._matched.clear()
        self._hits.clear()

    def hits(self) -> int:
        """The number of calls that were hit."""
        return sum(self._hits.values())

    def pick(self, call: str, batch_id: str) -> Fault | None:
        """The first rule that hits this call."""
        for number, rule in enumerate(self._rules):
            if rule.stage is Stage.ROW or rule.call not in {call, "any"}:
                continue
            if rule.batch and rule.batch != batch_id:
                continue
            self._matched[number] = self._matched.get(number, 0) + 1
            if self._applies(number, rule):
                self._hits[number] = self._hits.get(number, 0) + 1
                return rule
        return None

    def row(self, custom_id: str) -> RowError | str | None:
        """The fault of a row: an error, a stop reason, or None; the same on every call."""
        for number, rule in enumerate(self._rules):
            if rule.stage is not Stage.ROW or not fnmatchcase(custom_id, rule.id or "*"):
                continue
            if draw(self._seed, number, custom_id) < rule.p:
                return ROW_KINDS[rule.what]
        return None

    def _applies(self, number: int, rule: Fault) -> bool:
        matched = self._matched[number]
        if rule.times and self._hits.get(number, 0) >= rule.times:
            return False
        if rule.nth and matched != rule.nth:
            return False
        if rule.every and matched % rule.every:
            return False
        return rule.p >= 1 or self._rng.random() < rule.p
