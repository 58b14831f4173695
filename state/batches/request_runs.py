"""Names the requests of a batch compactly: runs of the offsets of their bodies in the spool file.

The requests of a submission have consecutive ids in the order of their bodies, and a batch mostly
has many in a row.
"""

from bisect import bisect_right
from collections.abc import Sequence

from state.batches import guesses
from state.db.reader import Source
from state.model.records import Batch

# More runs are not written: a rebuild then guesses.
MOST_RUNS = 100


def of_batch(source: Source, batch: Batch) -> list[tuple[int, int]] | None:
    """The first and last body offset of each run; None where it is unknown, or they are many."""
    if batch.submission_id is None or guesses.is_guessed(source, batch.id):
        return None
    found = source.rows(
        "SELECT f.body_offset, l.body_offset FROM (SELECT min(request_id) AS first,"
        " max(request_id) AS last FROM (SELECT request_id,"
        " request_id - row_number() OVER (ORDER BY request_id) AS run"
        " FROM attempts WHERE batch_id = ?) GROUP BY run LIMIT ?)"
        " JOIN requests f ON f.id = first JOIN requests l ON l.id = last ORDER BY 1",
        batch.id,
        MOST_RUNS + 1,
    )
    return None if len(found) > MOST_RUNS else [(row[0], row[1]) for row in found]


def has(runs: Sequence[tuple[int, int]], offset: int) -> bool:
    """Whether a body at that offset is in one of the runs, which are in order."""
    before = bisect_right(runs, offset, key=lambda run: run[0])
    return bool(before) and offset <= runs[before - 1][1]


def request_ids(source: Source, submission_id: int, runs: Sequence[tuple[int, int]]) -> list[int]:
    """The requests of the submission that the runs name."""
    rows = source.rows(
        "SELECT id, body_offset FROM requests WHERE submission_id = ? ORDER BY id", submission_id
    )
    return [row[0] for row in rows if has(runs, row[1])]
