"""Row ids of many requests in little memory."""

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import islice

_PART = 20_000
_NUMBER = re.compile(r"\d+")


class IdList(Collection[int]):
    """Row ids, ascending, each once, as the JSON text that a statement takes as one parameter.

    That is 8 bytes an id; a list of integers takes 36, and is converted for each statement.
    """

    __slots__ = ("_count", "json")

    def __init__(self, json: str, count: int) -> None:
        """For a JSON array of `count` ids in order, as SQL returns it."""
        self.json = json
        self._count = count

    @classmethod
    def of(cls, ids: Iterable[int]) -> "IdList":
        """These ids, put in order; an IdList itself."""
        if isinstance(ids, IdList):
            return ids
        ordered = sorted(set(ids))
        return cls(f"[{','.join(map(str, ordered))}]", len(ordered))

    def parts(self) -> Iterator["IdList"]:
        """The ids in pieces: SQLite keeps a copy of all pages that one statement changes."""
        ids = iter(self)
        while part := list(islice(ids, _PART)):
            yield IdList(f"[{','.join(map(str, part))}]", len(part))

    def __len__(self) -> int:
        """The number of ids."""
        return self._count

    def __iter__(self) -> Iterator[int]:
        """Each id, in order."""
        return (int(found.group()) for found in _NUMBER.finditer(self.json))

    def __contains__(self, one: object) -> bool:
        """Whether it is one of them."""
        return any(one == known for known in self)

    def __eq__(self, other: object) -> bool:
        """Whether the other has the same ids."""
        return isinstance(other, IdList) and self.json == other.json

    def __hash__(self) -> int:
        """The same for the same ids."""
        return hash(self.json)
