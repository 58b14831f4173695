"""The summary of a poll as one line."""

from core.poll import PollSummary


def one_line(summary: PollSummary) -> str:
    """The summary as one line."""
    if not summary.ran:
        return f"{summary.busy}; no poll was run."
    parts = [
        f"{number:,} {what}"
        for number, what in (
            (summary.sent, "sent"),
            (summary.collected, "collected"),
            (summary.results, "results"),
            (summary.failed, "failed"),
            (len(summary.delivered), "delivered"),
            (len(summary.problems), "problems"),
        )
        if number
    ]
    return f"{summary.open:,} open; " + (", ".join(parts) or "nothing new") + "."
