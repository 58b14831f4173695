"""Times as stored in the ledger: UTC text of fixed width, which sorts by time."""

from datetime import UTC, datetime


def to_text(moment: datetime) -> str:
    """An aware time as `2026-05-02T03:04:05.678Z`, always 24 characters."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + (
        f"{moment.microsecond // 1000:03d}Z"
    )


def from_text(text: str) -> datetime:
    """The aware time that `to_text` wrote, to the millisecond."""
    return datetime.fromisoformat(text)
