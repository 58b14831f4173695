"""The selected rows of a list: one byte per id, so that a million stay small."""

from array import array
from collections.abc import Collection, Sequence
from typing import Protocol, cast

Key = int | str


class Selection(Protocol):
    """The selection of one list; it is kept when rows come and go."""

    def __len__(self) -> int:
        """The number of selected rows."""
        ...

    def __contains__(self, key: object) -> bool:
        """Whether that row is selected."""
        ...

    def toggle(self, key: Key) -> None:
        """Select it, or deselect it."""
        ...

    def add(self, keys: Sequence[Key]) -> None:
        """Select all of these."""
        ...

    def clear(self) -> None:
        """Deselect all."""
        ...

    def among(self, keys: Sequence[Key]) -> int:
        """How many of these are selected."""
        ...

    def chosen(self, keys: Sequence[Key]) -> Sequence[Key]:
        """All selected keys: those in `keys` in their order, then the others."""
        ...


class NameSelection:
    """Selection of rows with names, in lists that are short."""

    def __init__(self) -> None:
        """Empty."""
        self._selected: dict[Key, None] = {}

    def __len__(self) -> int:
        """The number of selected rows."""
        return len(self._selected)

    def __contains__(self, key: object) -> bool:
        """Whether that row is selected."""
        return key in self._selected

    def toggle(self, key: Key) -> None:
        """Select it, or deselect it."""
        if key in self._selected:
            del self._selected[key]
        else:
            self._selected[key] = None

    def add(self, keys: Sequence[Key]) -> None:
        """Select all of these."""
        self._selected |= dict.fromkeys(keys)

    def clear(self) -> None:
        """Deselect all."""
        self._selected.clear()

    def among(self, keys: Sequence[Key]) -> int:
        """How many of these are selected."""
        return sum(key in self._selected for key in keys)

    def chosen(self, keys: Sequence[Key]) -> Sequence[Key]:
        """All selected keys: those in `keys` in their order, then the others."""
        listed = dict.fromkeys(key for key in keys if key in self._selected)
        return list(listed | self._selected)


class IdSelection:
    """Selection of rows with small positive numbers, such as the ledger's ids: a byte for each."""

    def __init__(self) -> None:
        """Empty."""
        self._selected = bytearray()
        self._count = 0

    def __len__(self) -> int:
        """The number of selected rows."""
        return self._count

    def __contains__(self, key: object) -> bool:
        """Whether that row is selected."""
        return isinstance(key, int) and 0 <= key < len(self._selected) and self._selected[key] == 1

    def toggle(self, key: Key) -> None:
        """Select it, or deselect it."""
        number = cast("int", key)
        self._make_room(number)
        self._selected[number] ^= 1
        self._count += 1 if self._selected[number] else -1

    def add(self, keys: Sequence[Key]) -> None:
        """Select all of these."""
        if not keys:
            return
        numbers = cast("Sequence[int]", keys)
        low, high = _ends(numbers)
        self._make_room(high)
        if isinstance(numbers, range):
            self._selected[low : high + 1] = b"\1" * len(numbers)
        else:
            selected = self._selected
            for number in numbers:
                selected[number] = 1
        self._count = self._selected.count(1)

    def clear(self) -> None:
        """Deselect all."""
        self._selected = bytearray()
        self._count = 0

    def among(self, keys: Sequence[Key]) -> int:
        """How many of these are selected."""
        if not keys or not self._count:
            return 0
        numbers = cast("Sequence[int]", keys)
        low, high = _ends(numbers)
        if isinstance(numbers, range):
            return self._selected.count(1, low, high + 1)
        self._make_room(high)
        return sum(map(self._selected.__getitem__, numbers))

    def chosen(self, keys: Sequence[Key]) -> Sequence[Key]:
        """All selected keys: those in `keys` in their order, then the others by number."""
        if not self._count:
            return array("q")
        numbers = cast("Collection[int]", keys)
        listed = array("q", (number for number in numbers if number in self))
        if len(listed) < self._count:
            left = bytearray(self._selected)
            for number in listed:
                left[number] = 0
            listed.extend(number for number, selected in enumerate(left) if selected)
        return listed

    def _make_room(self, highest: int) -> None:
        if highest >= len(self._selected):
            self._selected.extend(bytes(highest + 1 - len(self._selected)))


def _ends(numbers: Sequence[int]) -> tuple[int, int]:
    """The lowest and the highest of them; a range runs in steps of one."""
    if isinstance(numbers, range):
        return min(numbers[0], numbers[-1]), max(numbers[0], numbers[-1])
    return min(numbers), max(numbers)
