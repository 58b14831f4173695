"""Names and options that select exactly the items of a frozen selection, for a command line."""

from collections.abc import Callable, Collection, Iterator

from state.db.reader import Source
from state.model.errors import UnknownId
from state.operations import previews
from state.operations.selection import Filter

# What a terminal takes from the clipboard, and a person pastes.
_MOST_NAMES = 1_000
_MOST_CHARACTERS = 70_000
_MOST_COMPARED = 20_000


def of_requests(
    source: Source,
    ids: Collection[int],
    selects: Callable[[Filter], Collection[int]],
    *,
    batch_ids: Collection[int] = (),
) -> Filter | None:
    """The filter that selects exactly these requests; None where no short one does.

    None for more than 20,000 requests, too: the comparison would take longer than the preview.

    A name may mean more than it was made for, such as a tag that reads like TAG/CUSTOM_ID, so
    that each filter is tried: `selects` returns the ids that it selects, in order.
    """
    if len(ids) > _MOST_COMPARED:
        return None
    return _first(_filters(source, ids, batch_ids), ids, selects)


def of_batches(
    source: Source, ids: Collection[int], selects: Callable[[Filter], Collection[int]]
) -> Filter | None:
    """The names of exactly these batches; None where they name others too, or are too many."""
    if len(ids) > _MOST_NAMES:
        return None
    return _first(iter([Filter(names=tuple(previews.batch_keys(source, ids)))]), ids, selects)


def _first(
    filters: Iterator[Filter],
    ids: Collection[int],
    selects: Callable[[Filter], Collection[int]],
) -> Filter | None:
    return next((one for one in filters if _is_exact(one, ids, selects)), None)


def _filters(source: Source, ids: Collection[int], batch_ids: Collection[int]) -> Iterator[Filter]:
    """What may select them, the best first: batches, each request, or their submissions."""
    if 0 < len(batch_ids) <= _MOST_NAMES:
        yield Filter(names=tuple(previews.batch_keys(source, batch_ids)))
    if len(ids) <= _MOST_NAMES:
        names = tuple(previews.full_names(source, ids))
        if sum(map(len, names)) <= _MOST_CHARACTERS:
            yield Filter(names=names)
    keys = tuple(previews.submission_keys(source, ids, limit=_MOST_NAMES + 1))
    if len(keys) <= _MOST_NAMES:
        yield previews.common_filter(source, ids, keys)


def _is_exact(
    wanted: Filter, ids: Collection[int], selects: Callable[[Filter], Collection[int]]
) -> bool:
    try:
        found = selects(wanted)
    except UnknownId:
        return False
    return len(found) == len(ids) and all(map(int.__eq__, found, ids))
