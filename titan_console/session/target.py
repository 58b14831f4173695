"""What a verb of the console stands on: a word for the operator, and ids once they are asked for.

A page answers `target(verb)` while it draws, so a target is made in no time: the ids are found on
the thread that plans, and stay the same from then on.
"""

from collections.abc import Callable, Collection, Sequence

from msgspec import Struct

from state.db.reader import Source
from state.operations.selection import Filter


class Target(Struct, frozen=True, kw_only=True):
    """`words` as in "3 marked requests"; `find` gives the exact ids, on another thread.

    `is_all` is set where the operator has not seen each of them: all that match, or a group.
    """

    words: str
    find: Callable[[Source], Filter]
    is_all: bool = False


def of_requests(ids: Collection[int], words: str, *, is_all: bool = False) -> Target:
    """These requests. The collection must not be changed afterwards."""
    return found_requests(lambda _source: sorted(ids), words, is_all=is_all)


def found_requests(
    find: Callable[[Source], Sequence[int]], words: str, *, is_all: bool = False
) -> Target:
    """Those that a question to the ledger finds."""
    return Target(
        words=words, find=lambda source: Filter(request_ids=tuple(find(source))), is_all=is_all
    )


def of_batches(ids: Collection[int], words: str) -> Target:
    """These batches, and the requests in them."""
    return Target(words=words, find=lambda _source: Filter(batch_ids=tuple(sorted(ids))))
