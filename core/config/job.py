"""A job of titan.toml, how often it runs, and when its next results are due. Pure."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from core.config.durations import DEADLINE_LEAD
from core.config.toml_reader import Amount, CommandLine, Count, Record, Text, TextList
from core.requests.cache_control import CachePolicy
from core.requests.model_limits import EXTENDED_OUTPUT_BETA, max_tokens_limit
from state.model.records import DEFAULT_LANE, OnFailure, OnMaxTokens

DEFAULT_MODEL = "claude-sonnet-4-6"
# Without a job and an argument of the call.
CONTINUE_TURNS = 3
# Each costs another answer.
MOST_REASKS = 5
MOST_TURNS = 10
# `07:00` is the next one from now, `tomorrow 07:00` that of the next local day.
TimeOfDay = Annotated[
    str,
    Meta(
        pattern=r"^(tomorrow )?([01]\d|2[0-3]):[0-5]\d\Z",
        description="a local time such as '07:00' or 'tomorrow 07:00'",
    ),
]
# A batch may take 24 hours; two more are a margin for failures.
SUBMIT_BEFORE = timedelta(hours=26)
_NANO = 10**9


class Schedule(StrEnum):
    """How often a job runs."""

    HOURLY = "hourly"
    EVERY_6H = "every-6h"
    DAILY = "daily"
    NIGHTLY = "nightly"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"

    @property
    def period(self) -> timedelta:
        """The time between two runs."""
        return _SCHEDULES[self][0]

    @property
    def runs_a_month(self) -> Decimal:
        """Runs in a month as the forecast counts it: 30 days, 4 weeks."""
        return _SCHEDULES[self][1]


_SCHEDULES = {
    Schedule.HOURLY: (timedelta(hours=1), Decimal(720)),
    Schedule.EVERY_6H: (timedelta(hours=6), Decimal(120)),
    Schedule.DAILY: (timedelta(days=1), Decimal(30)),
    Schedule.NIGHTLY: (timedelta(days=1), Decimal(30)),
    Schedule.WEEKLY: (timedelta(days=7), Decimal(4)),
    Schedule.MONTHLY: (timedelta(days=30), Decimal(1)),
    Schedule.QUARTERLY: (timedelta(days=91), Decimal(1) / 3),
}


class Latency(StrEnum):
    """How soon a job's results are needed."""

    SOFT = "soft"
    HARD_BATCH = "hard-batch"
    CADENCE = "cadence"


class Replay(StrEnum):
    """Who replays requests that failed at the API: an operator, or each poll automatically."""

    BY_HAND = "by-hand"
    AUTO = "auto"


class Job(Record, frozen=True, kw_only=True):
    """One scheduled job, `[jobs.NAME]`.

    Tokens are those of one run, None where they are not measured yet. `deadline_h` (hours after
    submission) and `deadline_at` (local time of day) exclude each other; without either there is
    no deadline. `max_tokens` is the largest of its requests. `on_delivery` is a program and its
    arguments, run without a shell when the job's results file was delivered. Polls retry a failed
    request `replay_tries` times where `replay` is "auto". They ask again for an answer that does
    not match its schema (`reask` times), that paused (`continue_turns` times) or was cut off
    (`on_max_tokens`). `unbounded_request_usd` is what a budget counts for a request whose cost has
    no upper bound. `lane` is where its batches are sent. `host`, where hosts share the ledger, is
    the one that gets the results file and runs `on_delivery`: "" for the one that submits.
    """

    name: str = ""
    workload: Text = ""
    schedule: Schedule = Schedule.DAILY
    latency: Latency = Latency.SOFT
    model: Text = DEFAULT_MODEL
    tokens_in: Count | None = None
    tokens_out: Count | None = None
    deadline_h: Annotated[int, Meta(ge=1, le=24 * 366)] | None = None
    deadline_at: TimeOfDay | None = None
    on_failure: OnFailure = OnFailure.QUEUE
    cache: CachePolicy = CachePolicy.NONE
    betas: TextList = ()
    max_tokens: Annotated[int, Meta(ge=1, le=10**15)] | None = None
    on_delivery: CommandLine = ()
    on_delivery_timeout_s: Annotated[int, Meta(ge=1, le=600)] = 300
    replay: Replay = Replay.BY_HAND
    replay_tries: Annotated[int, Meta(ge=1, le=10)] = 2
    reask: Annotated[int, Meta(ge=0, le=MOST_REASKS)] = 0
    continue_turns: Annotated[int, Meta(ge=0, le=MOST_TURNS)] = CONTINUE_TURNS
    on_max_tokens: OnMaxTokens = OnMaxTokens.REVIEW
    unbounded_request_usd: Amount | None = None
    lane: Text = DEFAULT_LANE
    host: Text = ""
    note: Text = ""

    @staticmethod
    def old_names() -> Mapping[str, str]:
        """See `Record.old_names`."""
        return {
            "on_settled": "on_delivery",
            "on_settled_timeout_s": "on_delivery_timeout_s",
        }

    def check(self, keys: set[str]) -> Iterator[tuple[str, str, str]]:
        """See `Record.check`."""
        if "schedule" not in keys:
            yield "schedule", "key_missing", f"is missing; set one of {', '.join(Schedule)}."
        if ("tokens_in" in keys) != ("tokens_out" in keys):
            yield "tokens_in", "key_missing", "tokens_in and tokens_out go together: set both."
        if {"deadline_h", "deadline_at"} <= keys:
            message = "set either deadline_at or deadline_h, not both."
            yield "deadline_at", "conflicting_keys", message
        if self.unbounded_request_usd == 0:
            yield "unbounded_request_usd", "invalid_value", "must be more than 0."
        limit = max_tokens_limit(self.model, self.betas)
        if self.max_tokens is not None and limit is not None and self.max_tokens > limit:
            beta = (
                ""
                if EXTENDED_OUTPUT_BETA in self.betas
                else f'; betas = ["{EXTENDED_OUTPUT_BETA}"]'
            )
            message = f"exceeds the limit of {self.model}, {limit:,}{beta}."
            yield "max_tokens", "max_tokens_too_large", message

    @property
    def unbounded_nano(self) -> int | None:
        """`unbounded_request_usd` in nano-dollars."""
        usd = self.unbounded_request_usd
        return None if usd is None else int(usd * _NANO)

    def deadline_after(self, now: datetime) -> datetime | None:
        """When the results of a submission made now are needed, None without a deadline."""
        if self.deadline_at is not None:
            return next_time_of_day(self.deadline_at, now)
        return None if self.deadline_h is None else now + timedelta(hours=self.deadline_h)


def next_time_of_day(text: TimeOfDay, now: datetime) -> datetime:
    """The moment in UTC, by this machine's time zone; a day with a clock change keeps the hour."""
    today, at = now.astimezone().date(), time.fromisoformat(text[-5:])
    tomorrow = _moment(datetime.combine(today + timedelta(days=1), at))
    if text.startswith("tomorrow"):
        return tomorrow
    moment = _moment(datetime.combine(today, at))
    return moment if moment > now else tomorrow


def _moment(local: datetime) -> datetime:
    """A naive local time by the rules of its own day, not of today."""
    return local.astimezone(UTC)


class Window(Struct, frozen=True, kw_only=True):
    """The next time T at which a job's results are needed."""

    due: datetime

    @property
    def submit_from(self) -> datetime:
        """T-26h: submitted by then, a batch has its full 24 hours."""
        return self.due - SUBMIT_BEFORE

    @property
    def sync_run_at(self) -> datetime:
        """T-2h: requests without a result then run synchronously."""
        return self.due - DEADLINE_LEAD


def next_window(
    job: Job, *, submitted: datetime, deadline: datetime | None, now: datetime
) -> Window | None:
    """The first window after now, whole periods after that of the last submission.

    None where neither the submission nor the job has a deadline.
    """
    last_due = deadline or job.deadline_after(submitted)
    if last_due is None:
        return None
    period = job.schedule.period
    due = last_due + period
    if due <= now:
        due += ((now - due) // period + 1) * period
    return Window(due=due)
