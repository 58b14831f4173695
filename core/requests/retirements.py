"""When models retire: after that day the API no longer has them. Pure.

From the SDK's list of deprecated models, which it does not apply to batches. Importing the SDK is
slow, so the list is copied here, and a test compares the two.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

from core.requests.model_limits import undated

RETIREMENTS = {
    "claude-mythos-preview": date(2026, 6, 30),
    "claude-opus-4-5": date(2027, 1, 22),
    "claude-sonnet-4-5": date(2026, 11, 30),
}
# A batch may take this long, so that it is the latest end without a deadline.
_BATCH = timedelta(hours=24)
_SOON = timedelta(days=30)


def retires_on(model: str) -> date | None:
    """The last day of the model, None where none is announced."""
    return RETIREMENTS.get(undated(model))


def warnings_for(
    models: Iterable[str], *, now: datetime, deadline: datetime | None = None
) -> Iterator[str]:
    """One line for each model that retires before the results are needed, or soon after."""
    end = (deadline or now + _BATCH).astimezone(UTC).date()
    for model in sorted(set(models)):
        last = retires_on(model)
        if last is None or last > end + _SOON:
            continue
        today = now.astimezone(UTC).date()
        if last < today:
            yield f"Model {model} retired on {last}: its requests fail. Use another model."
        elif last <= end:
            yield (
                f"Model {model} retires on {last}, before the results are needed: requests that"
                " have no answer by then fail. Use another model."
            )
        else:
            yield f"Model {model} retires on {last}, in {(last - today).days} days."
