"""The rows of the Errors screen. Pure."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from core.reporting.error_groups import ErrorGroup, NextStep, nested
from core.text import pluralize
from state.queries.error_list import FailureGroups
from titan_console.text import format as fmt
from titan_console.text.format import Label, Tone
from titan_console.tui.widgets.row_drawing import Cell, Column, Row

COLUMNS = (
    Column("workflow", "Workflow", 12, 2, grow=2, widest=40, keeps_end=True, is_name=True),
    Column("kind", "Error", 19, 1, grow=1, widest=40, is_name=True),
    Column("count", "Count", 7, 0, right=True),
    Column("message", "Message", 18, 4, grow=5),
    Column("next", "Suggested action", 17, 5),
    Column("tags", "Tags", 5, 8, right=True),
    Column("tag", "Latest tag", 20, 7, grow=1, widest=28, keeps_end=True),
    Column("first", "First", 7, 6, right=True),
    Column("last", "Last", 7, 3, right=True),
)
_NEXT = {
    NextStep.REPLAY: Label("↻", "replay", Tone.PLAIN),
    NextStep.EDIT: Label("✎", "edit and replay", Tone.WARN),
    NextStep.LOOK: Label("?", "review", Tone.WARN),
}
_TAGS_NAMED = 3


class GroupOrder(StrEnum):
    """The sort orders of the groups."""

    NESTED = "nested"
    COUNT = "count"
    LAST = "last"
    KIND = "kind"


def arranged(
    groups: Sequence[ErrorGroup], order: GroupOrder, *, is_inverted: bool = False
) -> list[ErrorGroup]:
    """The groups by workflow and kind, by count, by last time, or by kind."""
    made = nested(groups)
    match order:
        case GroupOrder.COUNT:
            made.sort(key=lambda group: -group.count)
        case GroupOrder.LAST:
            made.sort(key=lambda group: group.last_ts, reverse=True)
        case GroupOrder.KIND:
            made.sort(key=lambda group: group.key.kind)
        case _:
            pass
    return made[::-1] if is_inverted else made


def label(group: ErrorGroup) -> Label:
    """The error type as a label; answers to review have another glyph."""
    if group.key.is_review:
        return Label("?", group.key.kind, Tone.WARN)
    outcome = fmt.outcome(group.outcome)
    return Label(outcome.glyph, group.key.kind, outcome.tone)


def row(group: ErrorGroup, now: datetime, *, above: ErrorGroup | None = None) -> Row:
    """The row of a group; a workflow that is the same as `above` is left blank."""
    same_workflow = (
        above is not None
        and above.key.workflow == group.key.workflow
        and above.key.is_review == group.key.is_review
    )
    shown, step = label(group), _NEXT[group.next_step]
    message = group.key.fingerprint or _review_message(group)
    return Row(
        key=group.key.name,
        cells={
            "workflow": Cell("" if same_workflow else group.key.workflow),
            "kind": Cell(str(shown), shown.tone),
            "count": Cell(fmt.count(group.count)),
            "message": Cell(message, Tone.DIM),
            "next": Cell(f"{step.glyph} {step.word}", step.tone),
            "tags": Cell(fmt.count(len(group.tags)), Tone.DIM),
            "tag": Cell(group.tags[0] if group.tags else "", Tone.DIM),
            "first": Cell(fmt.since(group.first_ts or None, now), Tone.DIM),
            "last": Cell(fmt.since(group.last_ts or None, now)),
        },
        about="  ·  ".join(
            part
            for part in (group.key.workflow, group.key.kind, group.sample or message, _tags(group))
            if part
        ),
    )


def _review_message(group: ErrorGroup) -> str:
    return "answered, but stopped early" if group.key.is_review else ""


def _tags(group: ErrorGroup) -> str:
    left = len(group.tags) - _TAGS_NAMED
    return ", ".join(group.tags[:_TAGS_NAMED]) + (f" +{left:,} more tags" if left > 0 else "")


def summary(counts: FailureGroups, groups: Sequence[ErrorGroup]) -> str:
    """The totals of the groups, and the number of errors beyond them."""
    grouped = sum(group.count for group in groups)
    left = counts.total - grouped
    parts = (
        pluralize(len(groups), "group"),
        pluralize(counts.failed - counts.canceled, "errored request"),
        f"{counts.canceled:,} canceled" if counts.canceled else "",
        f"{pluralize(counts.to_review, 'answer')} to review" if counts.to_review else "",
        f"only the newest {grouped:,} are grouped, {left:,} older are not" if left else "",
    )
    return "  ·  ".join(part for part in parts if part)
