"""The catalogue of troubles: which calls each can strike, and at which stage."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from titan_console.sandbox.model.rows import RowError

HTTP_CALLS = ("create", "retrieve", "list", "results", "cancel", "delete", "messages")
CALLS = (*HTTP_CALLS, "row", "any")


class Stage(Enum):
    """Where in a call a trouble strikes."""

    BEFORE = auto()  # the API never hears of the call, or refuses it
    AFTER = auto()  # the call has its effect; only the answer suffers
    LATE = auto()  # the call takes effect later, unanswered
    LAG = auto()  # new batches are not visible yet
    LINES = auto()  # the lines of a results file
    ROW = auto()  # one request inside a batch


@dataclass(frozen=True)
class Kind:
    """What the catalogue knows of one trouble."""

    stage: Stage
    calls: tuple[str, ...]


_ANY = (*HTTP_CALLS, "any")

STATUSES = (401, 402, 403, 404, 408, 409, 429, 500, 502, 503, 504, 529)
AFTER_STATUSES = (408, 409, 500, 502, 503, 504, 529)

REFUSED = (
    "connect",
    "drop-before",
    "timeout-before",
    "spend-cap",
    "usage-limit",
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
}

CALL_KINDS: Mapping[str, Kind] = {
    **{name: Kind(Stage.BEFORE, _ANY) for name in REFUSED},
    **{name: Kind(Stage.AFTER, _ANY) for name in ANSWER},
    **{f"{status}-after": Kind(Stage.AFTER, _ANY) for status in AFTER_STATUSES},
    "foreign-url": Kind(Stage.AFTER, ("retrieve", "list")),
    "late": Kind(Stage.LATE, ("create",)),
    "lag": Kind(Stage.LAG, ("list", "retrieve", "results")),
    **{name: Kind(Stage.LINES, ("results",)) for name in LINES},
}


def find_kind(call: str, what: str) -> Kind | None:
    """The trouble of that name on that call, if there is one."""
    if call == "row":
        return Kind(Stage.ROW, ("row",)) if what in ROW_KINDS else None
    kind = CALL_KINDS.get(what)
    return kind if kind and call in kind.calls else None


def kind_names(call: str) -> tuple[str, ...]:
    """Everything that can go wrong with that call."""
    if call == "row":
        return tuple(ROW_KINDS)
    return tuple(name for name, kind in CALL_KINDS.items() if call in kind.calls)
