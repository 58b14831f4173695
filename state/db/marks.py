"""The mark of a ledger that no command may use: its copy is incomplete, or it was moved.

A marked ledger has a version that no program supports, so that earlier versions refuse it too, and
the table `ledger_copy` with one row, which says why.
"""

from enum import StrEnum

from msgspec import Struct

from state.model.errors import LedgerUnusable

# Above every version of the schema.
MARKED = 1_000_000
# As SQLite and PostgreSQL take it.
CREATE = """
CREATE TABLE ledger_copy (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  state TEXT NOT NULL CHECK (state IN ('copying', 'checked', 'moved')),
  copy TEXT NOT NULL,
  other TEXT NOT NULL,
  at TEXT NOT NULL,
  who TEXT NOT NULL
)"""
READ = "SELECT state, copy, other, at, who FROM ledger_copy"
# Each transaction and each screen uses `revision`: connections that are open already stop here.
RENAME_REVISION = "ALTER TABLE revision RENAME TO revision_before_copy"


class MarkState(StrEnum):
    """What a mark says of its ledger."""

    COPYING = "copying"  # the target of a copy that is running, or was killed
    CHECKED = "checked"  # its target, complete; it is opened once the source is marked as moved
    MOVED = "moved"  # the source of a complete copy


class Mark(Struct, frozen=True, kw_only=True):
    """The one row of `ledger_copy`."""

    state: MarkState
    #: The random key of the copy, the same in the source and in the target.
    copy: str
    #: The other ledger, as it is shown to people.
    other: str
    #: When the copy began; in the source, when it was marked.
    at: str
    #: The process that copies, with its host.
    who: str


def mark_of(row: "tuple[str, ...]") -> Mark:
    """The mark in a row that `READ` returns."""
    state, copy, other, at, who = row
    return Mark(state=MarkState(state), copy=copy, other=other, at=at, who=who)


def refusal(mark: Mark, name: object) -> LedgerUnusable:
    """The error of a command that opens a marked ledger."""
    if mark.state == MarkState.MOVED:
        return LedgerUnusable(
            f"The ledger {name} was moved to {mark.other} at {mark.at} by {mark.who}: use that one."
            " This one stays as it was then, so that its queued requests are not sent by both.",
            code="ledger_moved",
        )
    return LedgerUnusable(
        f"The ledger {name} is an incomplete copy of {mark.other}, begun at {mark.at} by"
        f" {mark.who}. If that copy has ended, run the same `titan-console ledger copy` again.",
        code="ledger_incomplete",
    )
