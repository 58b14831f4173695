"""SQL conditions that many queries share, in the words of the partial indexes that serve them."""

# Of a request `r`: it waits, or has ended without success. Index `requests_to_do`.
TO_DO = "r.status NOT IN ('in_flight', 'succeeded')"
QUEUED = f"r.status = 'queued' AND {TO_DO}"


def is_open(batches: str = "batches") -> str:
    """Of a batch, in the table of that name: the API or the engine is not done with it.

    It is queued, sent and not ended, or its results are still to be downloaded. Index
    `batches_open`.
    """
    return (
        f"({batches}.status NOT IN ('not_sent', 'rejected', 'ended')"
        f" OR {batches}.collection = 'pending')"
    )
