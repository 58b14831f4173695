"""Groups failures and answers to review by workflow, error type and message fingerprint."""

import re
from array import array
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum

from msgspec import Struct, field

from state.db.reader import Source
from state.model.filter_terms import Term
from state.model.records import Outcome
from state.operations.failures import INVALID_REQUEST
from state.queries import error_list
from state.queries.error_list import MessageGroup

_MAX_FINGERPRINT = 300
_VARYING = re.compile(
    r"""
    (?P<name>
        "[^"\n]*" | `[^`\n]*` | (?<!\w)'[^'\n]*'(?!\w)          # a quoted part
      | \b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b         # a UUID
      | \b0x[0-9a-f]+\b
      | \b(?=\w*\d)(?=\w*[^\W\d_])\w{6,}\b                      # an id: letters and digits
    )
  | \d+(?:[.,:/-]\d+)*                                          # a number, a date, a time
    """,
    re.VERBOSE | re.IGNORECASE,
)
_BLANKS = re.compile(r"\s+")


class NextStep(StrEnum):
    """What to do about a group."""

    REPLAY = "replay"
    EDIT = "edit"
    LOOK = "look"


class GroupKey(Struct, frozen=True, kw_only=True):
    """The common values of a group's requests. `kind`: error type, outcome or stop reason."""

    workflow: str
    kind: str
    fingerprint: str
    is_review: bool

    @property
    def name(self) -> str:
        """The key as one string."""
        return "\n".join((self.workflow, self.kind, self.fingerprint, str(self.is_review)))


class ErrorGroup(Struct, frozen=True, kw_only=True):
    """Requests that went wrong in the same way; `sample` is the message of the latest one."""

    key: GroupKey
    outcome: Outcome
    count: int
    tags: tuple[str, ...]
    first_ts: str
    last_ts: str
    sample: str

    @property
    def next_step(self) -> NextStep:
        """Replay, edit and replay, or review."""
        if self.key.is_review:
            return NextStep.LOOK
        return NextStep.EDIT if self.key.kind == INVALID_REQUEST else NextStep.REPLAY


def fingerprint(message: str) -> str:
    """The message with numbers as #, and quoted parts and ids as …; at most 300 characters."""
    masked = _VARYING.sub(lambda found: "…" if found["name"] else "#", message)
    return _BLANKS.sub(" ", masked).strip()[:_MAX_FINGERPRINT]


class _GroupBuilder(Struct):
    latest: MessageGroup
    count: int = 0
    first_ts: str = ""
    tags: dict[str, str] = field(default_factory=dict[str, str])

    def add(self, said: MessageGroup) -> None:
        """Add one entry. Each tag is kept with its last time."""
        self.count += said.count
        self.first_ts = min(filter(None, (self.first_ts, said.first_ts)), default="")
        self.tags[said.tag] = max(self.tags.get(said.tag, ""), said.last_ts)
        if said.last_ts > self.latest.last_ts:
            self.latest = said


def group(messages: Iterable[MessageGroup]) -> list[ErrorGroup]:
    """The groups: by workflow, then kind, those with the most requests first; tags latest first."""
    builders: dict[GroupKey, _GroupBuilder] = {}
    prints: dict[str, str] = {}
    for said in messages:
        print_ = prints.get(said.message)
        if print_ is None:
            print_ = prints[said.message] = fingerprint(said.message)
        key = GroupKey(
            workflow=said.workflow, kind=said.kind, fingerprint=print_, is_review=said.is_review
        )
        builders.setdefault(key, _GroupBuilder(said)).add(said)
    return nested([_build(key, builder) for key, builder in builders.items()])


def _build(key: GroupKey, builder: _GroupBuilder) -> ErrorGroup:
    return ErrorGroup(
        key=key,
        outcome=builder.latest.outcome,
        count=builder.count,
        tags=tuple(sorted(builder.tags, key=lambda tag: builder.tags[tag], reverse=True)),
        first_ts=builder.first_ts,
        last_ts=builder.latest.last_ts,
        sample=builder.latest.message,
    )


def nested(groups: Sequence[ErrorGroup]) -> list[ErrorGroup]:
    """Errors before answers to review; the workflows, kinds and groups with the most first."""
    workflows: dict[tuple[bool, str], int] = {}
    kinds: dict[tuple[bool, str, str], int] = {}
    for one in groups:
        key = one.key
        of_workflow, of_kind = (
            (key.is_review, key.workflow),
            (key.is_review, key.workflow, key.kind),
        )
        workflows[of_workflow] = workflows.get(of_workflow, 0) + one.count
        kinds[of_kind] = kinds.get(of_kind, 0) + one.count

    def sort_key(one: ErrorGroup) -> tuple[bool, int, str, int, str, int, str]:
        key = one.key
        return (
            key.is_review,
            -workflows[key.is_review, key.workflow],
            key.workflow,
            -kinds[key.is_review, key.workflow, key.kind],
            key.kind,
            -one.count,
            key.fingerprint,
        )

    return sorted(groups, key=sort_key)


def ids_of(source: Source, key: GroupKey, terms: Sequence[Term], now: datetime) -> "array[int]":
    """The requests of a group that match the terms, oldest first."""
    found = array("q")
    for message, ids in error_list.ids_by_message(
        source, terms, now, workflow=key.workflow, kind=key.kind, is_review=key.is_review
    ):
        if fingerprint(message) == key.fingerprint:
            found.extend(ids)
    return array("q", sorted(found))
