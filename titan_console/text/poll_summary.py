"""The summary of a poll as one line."""

from core.poll.poll_summary import PollSummary
from core.text import pluralize


def one_line(summary: PollSummary) -> str:
    """The summary as one line."""
    if not summary.ran:
        own = ", ".join(f"{name} delivered" for name in summary.delivered)
        return f"{summary.busy}; {own or 'no poll was run'}."
    errored = summary.failed - summary.canceled
    parts = [
        text
        for number, text in (
            (summary.sent, f"{summary.sent:,} sent"),
            (summary.collected, f"{summary.collected:,} collected"),
            (summary.results, pluralize(summary.results, "result")),
            (errored, f"{errored:,} errored"),
            (summary.canceled, f"{summary.canceled:,} canceled"),
            (len(summary.delivered), f"{pluralize(len(summary.delivered), 'file')} delivered"),
            (len(summary.problems), pluralize(len(summary.problems), "problem")),
        )
        if number
    ]
    return (
        f"{pluralize(summary.open, 'open batch', 'open batches')}; "
        + (", ".join(parts) or "nothing new")
        + "."
    )
