"""SQL conditions that many queries share, spelled like the partial indexes that they use."""

import json
from collections.abc import Iterable

from state.model.id_list import IdList
from state.model.records import CLOSED_STATUSES

# The values of a list that is one parameter, made by `as_list`.
LISTED = "(SELECT value FROM json_each(?))"

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


# Of `batches`: it waits for the first requests of a primed submission (`priming_records`).
WAITS = (
    "EXISTS (SELECT 1 FROM primings wp WHERE wp.submission_id = batches.submission_id"
    " AND wp.state = 'waiting' AND NOT EXISTS (SELECT 1 FROM json_each(wp.prefixes) pj"
    " CROSS JOIN attempts pa ON pa.batch_id = batches.id"
    " AND pa.request_id = pj.value ->> 'request_id'))"
)
# Of a request `r`: the others of its submission wait for it.
GOES_FIRST = (
    "EXISTS (SELECT 1 FROM primings p, json_each(p.prefixes) pj"
    " WHERE p.submission_id = r.submission_id AND p.state = 'waiting'"
    " AND pj.value ->> 'request_id' = r.id)"
)


def as_list(values: Iterable[int | str]) -> str:
    """The parameter for `LISTED`."""
    return values.json if isinstance(values, IdList) else json.dumps(list(values))


def is_open(batches: str = "batches") -> str:
    """Return the condition for an open batch; `batches` is the name of the table in the query.

    An open batch is queued, or sent and not ended, or has results to download. Index
    `batches_open`.
    """
    return f"({batches}.status NOT IN ({_CLOSED}) OR {batches}.collection = 'pending')"


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
