"""The vocabulary: what the ledger's rows are called, and what may be in them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct, field


class BatchStatus(StrEnum):
    """Where a batch is in its life. `docs/lifecycle.md` draws the moves."""

    QUEUED = "queued"
    SENDING = "sending"
    UNCONFIRMED = "unconfirmed"
    NOT_SENT = "not_sent"
    REJECTED = "rejected"
    IN_PROGRESS = "in_progress"
    CANCELING = "canceling"
    ENDED = "ended"


class Collection(StrEnum):
    """How far a batch's results have come to us; apart from its status at the API."""

    NOT_READY = "not_ready"
    PENDING = "pending"
    COLLECTED = "collected"
    RESULTS_EXPIRED = "results_expired"
    DELETED = "deleted"


class Outcome(StrEnum):
    """How one attempt ended. The first four are the API's words."""

    SUCCEEDED = "succeeded"
    ERRORED = "errored"
    CANCELED = "canceled"
    EXPIRED = "expired"
    MISSING = "missing"


class RequestStatus(StrEnum):
    """Where a request is: waiting for a batch, in one, or ended with an outcome."""

    QUEUED = "queued"
    IN_FLIGHT = "in_flight"
    SUCCEEDED = "succeeded"
    ERRORED = "errored"
    CANCELED = "canceled"
    EXPIRED = "expired"
    MISSING = "missing"
    DISMISSED = "dismissed"


class Kind(StrEnum):
    """What a batch is: one Message Batch at the API, or a synchronous run."""

    BATCH = "batch"
    SYNC = "sync"


class OnFailure(StrEnum):
    """What a job wants when its batch cannot be created."""

    QUEUE = "queue"
    SYNC = "sync"


# A batch in one of these will never change its status again.
CLOSED_STATUSES = (BatchStatus.NOT_SENT, BatchStatus.REJECTED, BatchStatus.ENDED)
# Stop reasons of paid answers that a person should review: they may be refused or incomplete.
REVIEW_STOP_REASONS = ("refusal", "max_tokens", "pause_turn", "model_context_window_exceeded")
FAILED_STATUSES = (
    RequestStatus.ERRORED,
    RequestStatus.EXPIRED,
    RequestStatus.CANCELED,
    RequestStatus.MISSING,
)


class SpooledRequest(NamedTuple):
    """One request whose body lies in the spool, on its way into the ledger.

    `part` counts from 0: which of the submission's batches it goes into.
    """

    custom_id: str
    offset: int
    length: int
    sha256: bytes
    part: int
    betas: str = ""


class NewSubmission(Struct, frozen=True, kw_only=True):
    """One call of `submit`, as the ledger takes it in."""

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
    spool_file: str


class Submission(Struct, frozen=True, kw_only=True):
    """One call of `submit`, as the ledger knows it."""

    id: int
    key: str
    tag: str
    workflow: str
    job: str | None
    model: str
    work_date: str
    deadline_ts: str | None
    on_failure: OnFailure
    request_count: int
    created_by: str
    created_ts: str
    finished_ts: str | None
    delivered_ts: str | None


class Counts(Struct, frozen=True, kw_only=True):
    """How many requests of a batch stand where, as the API last said."""

    processing: int = 0
    succeeded: int = 0
    errored: int = 0
    canceled: int = 0
    expired: int = 0

    def total(self) -> int:
        """Every request of the batch."""
        return self.processing + self.succeeded + self.errored + self.canceled + self.expired


class Batch(Struct, frozen=True, kw_only=True):
    """One thing sent at once."""

    id: int
    key: str
    nonce: str
    account: str | None
    submission_id: int | None
    duplicate_of: int | None
    tag: str
    workflow: str
    model: str
    lane: str
    kind: Kind
    status: BatchStatus
    collection: Collection
    remote_id: str | None
    identified_by: str | None
    request_count: int
    counts: Counts
    bytes: int
    betas: tuple[str, ...]
    watermark_id: str | None
    watermark_ts: str | None
    owner: str | None
    created_ts: str
    sent_ts: str | None
    accepted_ts: str | None
    ended_ts: str | None
    collected_ts: str | None
    expires_ts: str | None
    cancel_ts: str | None
    deadline_ts: str | None
    next_poll_ts: str | None
    failures: int
    collect_tries: int
    last_error: str | None
    results_bytes: int
    cost_nano: int | None
    sync_cost_nano: int | None
    unpriced: int
    duplicate_nano: int


class SentRequest(NamedTuple):
    """A request as a batch needs it for its POST."""

    request_id: int
    custom_id: str
    spool_file: str
    offset: int
    length: int


class Usage(Struct, frozen=True, kw_only=True):
    """Tokens of one answer, by kind; `input_tokens` leaves the cached ones out."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cache_read_tokens: int = 0


class CollectedResult(Struct, frozen=True, kw_only=True):
    """One good line of a batch's results, on its way into the ledger."""

    custom_id: str
    outcome: Outcome
    usage: Usage = field(default_factory=Usage)
    model: str | None = None
    stop_reason: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    cost_nano: int | None = 0
    sync_cost_nano: int | None = 0
    offset: int = 0
    length: int = 0

    def as_staged(self, request_id: int) -> "StagedResult":
        """The row that is laid down beside the ledger."""
        usage = self.usage
        return (
            *(request_id, self.outcome.value, self.error_type, self.error_message),
            *(self.stop_reason, self.model, usage.input_tokens, usage.output_tokens),
            *(usage.cache_write_5m_tokens, usage.cache_write_1h_tokens, usage.cache_read_tokens),
            *(self.cost_nano, self.sync_cost_nano, self.offset, self.length),
        )


# A collected result as its row: a batch has 100,000, so they come as plain tuples.
StagedResult = tuple[
    *tuple[int, str, str | None, str | None, str | None, str | None],
    *tuple[int, int, int, int, int, int | None, int | None, int, int],
]


class Collected(Struct, frozen=True, kw_only=True):
    """What one commit of results changed."""

    new: int
    missing: int
    complete: bool


class Event(Struct, frozen=True, kw_only=True):
    """One line of the audit log."""

    id: int
    at: str
    actor: str
    kind: str
    batch_key: str | None
    subject: str | None
    detail: Mapping[str, object]


class Hold(Struct, frozen=True, kw_only=True):
    """A reason not to do something until a time."""

    name: str
    until_ts: str
    reason: str
    since_ts: str
