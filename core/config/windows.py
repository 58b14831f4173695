"""When a job is due next: from when on to submit, and where the fallback fires. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from msgspec import Struct

from core.config.catalogue import Job
from core.config.durations import GUARD

# A batch may take 24 hours; two more are for what goes wrong.
SUBMIT_BEFORE = timedelta(hours=26)
PERIODS: Mapping[str, timedelta] = MappingProxyType(
    {
        "hourly": timedelta(hours=1),
        "every-6h": timedelta(hours=6),
        "daily": timedelta(days=1),
        "nightly": timedelta(days=1),
        "weekly": timedelta(days=7),
        "monthly": timedelta(days=30),
        "quarterly": timedelta(days=91),
    }
)


class Window(Struct, frozen=True, kw_only=True):
    """The next time T at which a job's results are needed."""

    due: datetime

    @property
    def submit_from(self) -> datetime:
        """T-26h: submitted by then, a batch has its whole time."""
        return self.due - SUBMIT_BEFORE

    @property
    def fallback(self) -> datetime:
        """T-2h: what is missing then is run synchronously."""
        return self.due - GUARD


def next_window(
    job: Job, *, submitted: datetime, deadline: datetime | None, now: datetime
) -> Window | None:
    """After the last submission: one period of the schedule on, or as many as it takes.

    None where neither it nor the job has a deadline.
    """
    last_due = deadline or job.deadline_after(submitted)
    if last_due is None:
        return None
    period = PERIODS[job.schedule]
    due = last_due + period
    if due <= now:
        due += ((now - due) // period + 1) * period
    return Window(due=due)
