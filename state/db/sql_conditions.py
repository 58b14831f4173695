"""SQL conditions that many queries share, spelled like the partial indexes that they use."""

from state.db.dialect import THEN_JOIN, items, number_in
from state.model.records import CLOSED_STATUSES, INVALID, REVIEW_STOP_REASONS

# Of `b`, a batch that was not sent and whose requests were queued again, not canceled with it.
RETURNED = "b.status = 'not_sent' AND b.canceled = 0"
# Of a request `r`: it has no batch now, and has not succeeded. Index `requests_to_do`.
TO_DO = "r.status NOT IN ('assigned', 'succeeded')"
QUEUED = f"r.status = 'queued' AND {TO_DO}"
# An acknowledged request is stored as `dismissed`.
ACKNOWLEDGED = "dismissed"
# A request that is in a batch is stored as `assigned`. It is in flight once that batch was sent;
# until then it is queued, like one without a batch. The status of a request `r` as it is shown:
STATUS = (
    f"CASE WHEN r.status = '{ACKNOWLEDGED}' THEN 'acknowledged'"  # noqa: S608 - our own words
    " WHEN r.status <> 'assigned' THEN r.status WHEN EXISTS (SELECT 1 FROM attempts u"
    " JOIN batches ub ON ub.id = u.batch_id WHERE u.request_id = r.id AND u.active = 1"
    " AND ub.status = 'queued') THEN 'queued' ELSE 'in_flight' END"
)


_CLOSED = ", ".join(f"'{status}'" for status in CLOSED_STATUSES)


# Of attempts: how many succeeded, errored, were canceled and expired, as the counts of a batch are.
OUTCOME_COUNTS = ", ".join(
    f"count(*) FILTER (WHERE outcome = '{outcome}')"
    for outcome in ("succeeded", "errored", "canceled", "expired")
)
_REASONS = ", ".join(f"'{reason}'" for reason in REVIEW_STOP_REASONS)
# Of an attempt `a` that settled its request: its answer is to be reviewed. Index
# `attempts_for_review`.
TO_REVIEW = f"a.reviewed = 0 AND (a.stop_reason IN ({_REASONS}) OR a.invalid IS NOT NULL)"
# Of an attempt `a` with an answer: why it is to be reviewed, else its stop reason.
REVIEW_REASON = f"CASE WHEN a.invalid IS NULL THEN a.stop_reason ELSE '{INVALID}' END"
# Joins the request that the attempt settled.
SETTLED_REQUEST = "JOIN requests r ON r.id = a.request_id AND r.settled_by = a.batch_id"
# Of a request `r`: its answer is to be reviewed.
NEEDS_REVIEW = f"r.id IN (SELECT r.id FROM attempts a {SETTLED_REQUEST} WHERE {TO_REVIEW})"  # noqa: S608 - our own words
# Of a request `r`: a batch has it, sent or not. It may also have an answer of another batch: of one
# that it was taken out of, or of a duplicate.
IS_IN_BATCH = "EXISTS (SELECT 1 FROM attempts ia WHERE ia.request_id = r.id AND ia.active = 1)"
# Of `batches`: it waits for the first requests of a primed submission (`priming_records`).
WAITS = (
    "EXISTS (SELECT 1 FROM primings wp WHERE wp.submission_id = batches.submission_id"  # noqa: S608 - our own words
    f" AND wp.state = 'waiting' AND NOT EXISTS (SELECT 1 FROM {items('wp.prefixes', 'pj')}"
    f" {THEN_JOIN} attempts pa ON pa.batch_id = batches.id"
    f" AND pa.request_id = {number_in('pj.value', 'request_id')}))"
)
# Of a request `r`: the others of its submission wait for it.
GOES_FIRST = (
    f"EXISTS (SELECT 1 FROM primings p, {items('p.prefixes', 'pj')}"  # noqa: S608 - our own words
    " WHERE p.submission_id = r.submission_id AND p.state = 'waiting'"
    f" AND {number_in('pj.value', 'request_id')} = r.id)"
)


def is_open(batches: str = "batches") -> str:
    """Return the condition for an open batch; `batches` is the name of the table in the query.

    An open batch is queued, or sent and not ended, or has results to download. Index
    `batches_open`.
    """
    return f"({batches}.status NOT IN ({_CLOSED}) OR {batches}.collection = 'pending')"


# Batches that were rejected, canceled before they were sent, or finished.
LISTED_AS_ENDED = (
    "(status = 'rejected' OR (status = 'not_sent' AND canceled > 0) OR (status = 'ended'"
    " AND collection NOT IN ('not_ready', 'pending')))"
)


# The batches that were not sent yet, and their requests that wait for it.
UNSENT_BATCHES = f"SELECT ub.id FROM batches ub WHERE ub.status = 'queued' AND {is_open('ub')}"  # noqa: S608 - our own words
UNSENT = (
    f"SELECT u.request_id FROM attempts u WHERE u.active = 1 AND u.batch_id IN ({UNSENT_BATCHES})"  # noqa: S608 - as above
)
# Of a request `r`. Index `one_active_attempt`.
IN_FLIGHT = (
    "r.status = 'assigned' AND r.id IN (SELECT n.request_id FROM attempts n"  # noqa: S608 - as above
    f" WHERE n.active = 1 AND n.batch_id NOT IN ({UNSENT_BATCHES}))"
)

# Of a batch `b`. A submission is sent once, so its first request tells for all of them.
IS_REPLAY = (
    "b.kind = 'batch' AND EXISTS (SELECT 1 FROM attempts e WHERE e.batch_id < b.id"
    " AND e.outcome IS NOT NULL AND e.request_id ="
    " (SELECT min(f.request_id) FROM attempts f WHERE f.batch_id = b.id))"
)
