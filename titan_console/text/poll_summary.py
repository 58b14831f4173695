"""A poll in one line."""

from core.poll import PollSummary


def in_words(summary: PollSummary) -> str:
    """The poll in one line."""
    if not summary.ran:
        return f"{summary.busy}; nothing to do here."
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
