"""Names the requests of a batch compactly: ranges of the offsets of their bodies in the spool file.

The requests of a submission have consecutive ids in the order of their bodies, and a batch mostly
has many in a row.
"""

from bisect import bisect_right
from collections.abc import Sequence

from state.batches import guessed_requests
from state.db.reader import Source
from state.model.records import Batch

# More ranges are not written: a rebuild then guesses.
MOST_RANGES = 100


def of_batch(source: Source, batch: Batch) -> list[tuple[int, int]] | None:
    """The first and last body offset of each range; None where it is unknown, or they are many."""
    if batch.submission_id is None or guessed_requests.is_guessed(source, batch.id):
        return None
    found = source.rows(
        "SELECT f.body_offset, l.body_offset FROM (SELECT min(request_id) AS first,"
        " max(request_id) AS last FROM (SELECT request_id,"
        " request_id - row_number() OVER (ORDER BY request_id) AS run"
        " FROM attempts WHERE batch_id = ?) numbered GROUP BY run LIMIT ?) ends"
        " JOIN requests f ON f.id = first JOIN requests l ON l.id = last ORDER BY 1",
        batch.id,
        MOST_RANGES + 1,
    )
    return None if len(found) > MOST_RANGES else [(row[0], row[1]) for row in found]


def has(ranges: Sequence[tuple[int, int]], offset: int) -> bool:
    """Whether a body at that offset is in one of the ranges, which are in order."""
    before = bisect_right(ranges, offset, key=lambda one: one[0])
    return bool(before) and offset <= ranges[before - 1][1]


def request_ids(source: Source, submission_id: int, ranges: Sequence[tuple[int, int]]) -> list[int]:
    """The requests of the submission that the ranges name."""
    rows = source.rows(
        "SELECT id, body_offset FROM requests WHERE submission_id = ? ORDER BY id", submission_id
    )
    return [row[0] for row in rows if has(ranges, row[1])]
