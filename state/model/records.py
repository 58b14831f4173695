"""Records and statuses of the ledger. Each field is documented by the `#:` comment above it.

Fields that end in `_ts` are UTC times as text (`state/model/timestamps.py`), fields that end in
`_nano` are integers of a billionth of a US dollar. "None" says when a field has no value.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct, field

from state.model.usage import Usage, UsageRow


class BatchStatus(StrEnum):
    """Status of a batch. `docs/lifecycle.md` shows the transitions."""

    #: Stored, and not sent yet.
    QUEUED = "queued"
    #: Recorded immediately before the POST; a killed process leaves it.
    SENDING = "sending"
    #: Sent without a response: the batch may exist at the API.
    UNCONFIRMED = "unconfirmed"
    #: The API does not have the batch; its requests were queued for another, or they were canceled
    #: with it (`Batch.is_canceled_unsent`). Final.
    NOT_SENT = "not_sent"
    #: The API refused the create; the requests are errored. Final.
    REJECTED = "rejected"
    #: Accepted by the API and being processed.
    IN_PROGRESS = "in_progress"
    #: The API accepted a cancel and has not ended the batch yet.
    CANCELING = "canceling"
    #: Processing has ended; `CollectionStatus` says whether the results are stored. Final.
    ENDED = "ended"


class CollectionStatus(StrEnum):
    """How far the results of a batch have been downloaded, separate from its status."""

    #: The batch has not ended.
    NOT_READY = "not_ready"
    #: The batch has ended; results are still to be downloaded, or some of them.
    PENDING = "pending"
    #: All results are stored. Final.
    COLLECTED = "collected"
    #: The API no longer keeps the results (29 days). Final.
    RESULTS_EXPIRED = "results_expired"
    #: The batch no longer exists at the API. Final.
    DELETED = "deleted"


class Outcome(StrEnum):
    """How one attempt ended. All but MISSING are result types of the API."""

    #: The API returned an answer; the only outcome that costs money.
    SUCCEEDED = "succeeded"
    #: The API returned an error for this request.
    ERRORED = "errored"
    #: The batch was canceled before this request ran.
    CANCELED = "canceled"
    #: The batch reached its 24 hours before this request ran.
    EXPIRED = "expired"
    #: The API returned no result for this request.
    MISSING = "missing"


class RequestStatus(StrEnum):
    """Status of a request as it is shown. All but QUEUED and IN_FLIGHT are final."""

    #: In no batch that was sent.
    QUEUED = "queued"
    #: Its batch was sent and is not collected.
    IN_FLIGHT = "in_flight"
    #: An attempt succeeded; `settled_by` names its batch.
    SUCCEEDED = "succeeded"
    #: The last attempt errored, or the API rejected the batch.
    ERRORED = "errored"
    #: The last attempt was canceled.
    CANCELED = "canceled"
    #: The last attempt expired.
    EXPIRED = "expired"
    #: The last attempt has no result.
    MISSING = "missing"
    #: Settled by an operator without an answer.
    ACKNOWLEDGED = "acknowledged"


class BatchKind(StrEnum):
    """Mode of a batch, shown as "Mode"."""

    #: One Message Batch at the API: half price, within 24 hours.
    BATCH = "batch"
    #: A synchronous run: single calls of the Messages API at full price.
    SYNC = "sync"


class OnFailure(StrEnum):
    """What `submit` does when the API does not accept a batch."""

    #: Keep the requests queued; the next poll sends them.
    QUEUE = "queue"
    #: Run the requests synchronously at once.
    SYNC = "sync"


class OnMaxTokens(StrEnum):
    """What happens to an answer that was cut off by max_tokens."""

    #: It is shown among the answers to review.
    REVIEW = "review"
    #: It is asked for again with twice the max_tokens, up to the limit of the model.
    RAISE = "raise"


class FollowUps(Struct, frozen=True, kw_only=True):
    """How often polls ask again for an answer of the submission that is not complete or valid."""

    #: Times that an answer which does not match its schema is asked for again.
    reask: int = 0
    #: Times that an answer which ended with `pause_turn` is continued.
    continue_turns: int = 0
    #: What happens to an answer that was cut off.
    on_max_tokens: OnMaxTokens = OnMaxTokens.REVIEW


# The lane of the environment's own account; titan.toml names the others.
DEFAULT_LANE = "anthropic"


def of_lane(lane: str) -> str:
    """What a message says of the lane; nothing of the default one."""
    return "" if lane == DEFAULT_LANE else f" of lane {lane}"


# Final statuses of a batch.
CLOSED_STATUSES = (BatchStatus.NOT_SENT, BatchStatus.REJECTED, BatchStatus.ENDED)
# Stop reasons of paid answers that a person should review: they may be refused or incomplete.
REVIEW_STOP_REASONS = ("refusal", "max_tokens", "pause_turn", "model_context_window_exceeded")
# Why an answer is to be reviewed: such a stop reason, or it does not match its schema.
INVALID = "invalid"
REVIEW_REASONS = (*REVIEW_STOP_REASONS, INVALID)
FAILED_STATUSES = (
    RequestStatus.ERRORED,
    RequestStatus.EXPIRED,
    RequestStatus.CANCELED,
    RequestStatus.MISSING,
)


class SpooledRequest(NamedTuple):
    """One request with its body stored in the spool, before it is in the ledger."""

    #: The caller's name of the request, unique in the tag.
    custom_id: str
    #: Byte at which the body starts in the spool file.
    offset: int
    #: Bytes of the body, without the line end.
    length: int
    #: SHA-256 of the body, to recognise the same call made again.
    sha256: bytes
    #: Batch of the submission, from 0; `submissions.NO_PART` for none.
    part: int
    #: Beta headers, comma-separated; "" for none.
    betas: str = ""
    #: What it can cost at most in a batch, in nano-dollars. None: not known.
    at_most_batch_nano: int | None = None
    #: The same for a synchronous call.
    at_most_sync_nano: int | None = None
    #: Model that the body names. None: not known, taken to be that of the submission.
    model: str | None = None
    #: SHA-256 of the schema of its output. None: no structured output.
    schema_sha256: bytes | None = None
    #: That schema as JSON, for the first request of the call that has it.
    schema: str | None = None


class NewSubmission(Struct, frozen=True, kw_only=True):
    """One call of `submit`, to be stored. Fields as in `Submission`."""

    key: str
    tag: str
    workflow: str
    model: str
    work_date: str
    on_failure: OnFailure = OnFailure.QUEUE
    job: str | None = None
    deadline_ts: str | None = None
    created_by: str
    created_ts: str
    #: File of the bodies, relative to the folder `spool`.
    spool_file: str
    follow_ups: FollowUps = FollowUps()
    lane: str = DEFAULT_LANE
    #: "" for the host that stores it.
    host: str = ""


class Submission(Struct, frozen=True, kw_only=True):
    """One call of `submit`, as stored."""

    #: Row id.
    id: int
    #: What `submit` returned, such as `tb_k3x9q2abcd`.
    key: str
    #: The caller's name for this and related submissions.
    tag: str
    #: Name that costs, budgets, pauses and results files are grouped by.
    workflow: str
    #: Entry `[jobs.NAME]` of titan.toml that gave the defaults. None: no such entry.
    job: str | None
    #: Model of the requests that name none.
    model: str
    #: Day the results file is named after, `YYYY-MM-DD`.
    work_date: str
    #: When results are needed. None: no deadline.
    deadline_ts: str | None
    #: What to do when the API does not accept a batch.
    on_failure: OnFailure
    #: Requests in the submission.
    request_count: int
    #: Process that called `submit`, as actor of events.
    created_by: str
    #: When `submit` was called.
    created_ts: str
    #: When the last request ended. None: some are queued or in flight.
    finished_ts: str | None
    #: When the results file was written. None: not written since `finished_ts`.
    delivered_ts: str | None
    #: Lane of its batches.
    lane: str = DEFAULT_LANE
    #: Where hosts share the ledger: the one whose polls deliver it. "": any.
    host: str = ""


class Counts(Struct, frozen=True, kw_only=True):
    """Requests of a batch by state, as the API last reported; exact once collected."""

    #: Without an outcome yet.
    processing: int = 0
    #: With an answer.
    succeeded: int = 0
    #: With an error.
    errored: int = 0
    #: Canceled before they ran.
    canceled: int = 0
    #: Not run within 24 hours.
    expired: int = 0

    def total(self) -> int:
        """Return the number of requests in the batch."""
        return self.processing + self.succeeded + self.errored + self.canceled + self.expired


class Batch(Struct, frozen=True, kw_only=True):
    """Requests sent together, and at most one POST: a second try to send is a new row."""

    #: Row id.
    id: int
    #: Our name of the batch, such as `tb_k3x9q2abcd-2`; exists before `remote_id`.
    key: str
    #: Random suffix of each custom_id sent; identifies the batch in its results.
    nonce: str
    #: Organization, or organization/workspace, of the key. None: not known yet.
    account: str | None
    #: Row id of the submission. None: recovered without one.
    submission_id: int | None
    #: Row id of the batch with the same nonce. None: not a duplicate.
    duplicate_of: int | None
    #: Tag of the submission.
    tag: str
    #: Workflow of the submission.
    workflow: str
    #: Model of the submission; an attempt has the model that answered.
    model: str
    #: Where it was sent: `anthropic`, or a lane of titan.toml; `recorded` for calls reported with
    #: `record_sync`.
    lane: str
    #: Batch or synchronous run.
    kind: BatchKind
    #: Status at the API, or before it.
    status: BatchStatus
    #: How far the results have been downloaded.
    collection: CollectionStatus
    #: The API's id, such as `msgbatch_01…`. None: not accepted, or a synchronous run.
    remote_id: str | None
    #: How `remote_id` was found: response, nonce or operator. None: no `remote_id`.
    identified_by: str | None
    #: Requests in the batch.
    request_count: int
    #: Requests by state.
    counts: Counts
    #: Upper bound of the bytes of the POST; 0 for an adopted batch.
    bytes: int
    #: Beta headers of the POST.
    betas: tuple[str, ...]
    #: Newest API batch id before the POST; "" when it had none. None: not sent.
    watermark_id: str | None
    #: When the API created that batch. None: not sent, or it had none.
    watermark_ts: str | None
    #: Process that sends the batch or runs it. None: not sent.
    owner: str | None
    #: When the row was stored.
    created_ts: str
    #: Immediately before the POST. None: not sent, or adopted.
    sent_ts: str | None
    #: When the API created the batch, by the API's clock. None: not accepted.
    accepted_ts: str | None
    #: When processing ended, or the batch was found not sent. None: open.
    ended_ts: str | None
    #: When its results were final: stored, expired or deleted. None: before that.
    collected_ts: str | None
    #: When the API ends the batch at the latest. None: not accepted.
    expires_ts: str | None
    #: When the API received a cancel. None: no cancel.
    cancel_ts: str | None
    #: Deadline of the submission. None: no deadline.
    deadline_ts: str | None
    #: Polls skip the batch until then. None: poll at once.
    next_poll_ts: str | None
    #: Time of the first of the API's 404s for it. None: the API has it, or was not asked.
    not_found_ts: str | None
    #: Since when the API is known to lack it, or not to end it. None: neither.
    stuck_ts: str | None
    #: Failed polls in a row since the last success.
    failures: int
    #: Committed downloads, complete or not.
    collect_tries: int
    #: Last problem, one line. None: the last poll succeeded.
    last_error: str | None
    #: Valid bytes of the stored results file.
    results_bytes: int
    #: Actual cost of its answers with a known price. None: nothing collected.
    cost_nano: int | None
    #: The same answers at the synchronous price. None: nothing collected.
    sync_cost_nano: int | None
    #: Answers without a known price; not in `cost_nano`.
    unpriced: int
    #: Part of `cost_nano` for answers to requests that had succeeded before.
    duplicate_nano: int

    def is_canceled_unsent(self) -> bool:
        """Whether an operator canceled it before it was sent: its requests ended as canceled."""
        return self.status == BatchStatus.NOT_SENT and self.counts.canceled > 0


class SentRequest(NamedTuple):
    """One request of a batch, to be written into its POST."""

    #: Row id of the request.
    request_id: int
    #: The caller's name of the request, without nonce.
    custom_id: str
    #: File of the body, relative to the folder `spool`.
    spool_file: str
    #: Byte at which the body starts.
    offset: int
    #: Bytes of the body.
    length: int


class CollectedResult(Struct, frozen=True, kw_only=True):
    """Result of one attempt, parsed from one line; stored as a row of `attempts`."""

    #: The caller's name of the request, without nonce.
    custom_id: str
    #: How the attempt ended.
    outcome: Outcome
    #: Usage of the answer; zeros without one.
    usage: Usage = field(default_factory=Usage)
    #: Model that answered. None: no answer.
    model: str | None = None
    #: Why the model stopped, as the API says. None: no answer.
    stop_reason: str | None = None
    #: The API's error type, such as `overloaded_error`. None: not errored.
    error_type: str | None = None
    #: The API's error message. None: not errored.
    error_message: str | None = None
    #: Actual cost. None: an answer without a known price or usage.
    cost_nano: int | None = 0
    #: The same usage at the synchronous price. None: no known price.
    sync_cost_nano: int | None = 0
    #: Part of both that is not for tokens, such as web searches.
    fee_nano: int = 0
    #: Why the cost is unknown, one line. None: it is known.
    unpriced: str | None = None
    #: Byte at which the line starts in the results file.
    offset: int = 0
    #: Bytes of the line.
    length: int = 0

    def as_staged(self, request_id: int) -> "StagedResult":
        """The row for the staging table, in the order of its columns."""
        return (
            *(request_id, self.outcome.value, self.error_type, self.error_message),
            *(self.stop_reason, self.model, *self.usage.values()),
            *(self.cost_nano, self.sync_cost_nano, self.fee_nano, self.unpriced),
            *(self.offset, self.length, None),
        )


# A row of the staging table. A plain tuple, because a batch has up to 100,000 of them.
StagedResult = tuple[
    *tuple[int, str, str | None, str | None, str | None, str | None],
    *UsageRow,
    *tuple[int | None, int | None, int, str | None, int, int, str | None],
]


class Collected(Struct, frozen=True, kw_only=True):
    """What one commit of results changed."""

    #: Attempts that got an outcome.
    new: int
    #: Attempts without a result, before or after this commit ended them.
    missing: int
    #: Whether the batch is collected.
    complete: bool


class Event(Struct, frozen=True, kw_only=True):
    """One row of the append-only log."""

    #: Row id, ascending in time.
    id: int
    #: When, UTC text.
    at: str
    #: Who: a job, a poll, an operator.
    actor: str
    #: What happened, as `subject.what`, such as `batch.accepted`; docs/sql.md lists the kinds.
    kind: str
    #: Key of the batch. None: about something else.
    batch_key: str | None
    #: Key or name of something else. None: about a batch.
    subject: str | None
    #: Further values, by kind.
    detail: Mapping[str, object]


class Hold(Struct, frozen=True, kw_only=True):
    """One activity stopped by the engine until a time, for example after a 429."""

    #: The activity and cause, such as `create`; core.batches.holds has a label for each.
    name: str
    #: When the activity continues.
    until_ts: str
    #: Why, one line.
    reason: str
    #: When the hold was set.
    since_ts: str
    #: Lane whose activity it stops.
    lane: str = DEFAULT_LANE
