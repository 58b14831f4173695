"""A poll in one line."""

from core.poll import PassSummary


def in_words(summary: PassSummary) -> str:
    """The pass in one line."""
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
            (len(summary.troubles), "troubles"),
        )
        if number
    ]
    return f"{summary.open:,} open; " + (", ".join(parts) or "nothing new") + "."
