"""Finds a repeated custom_id, in 32 bytes an id: a dictionary of the texts takes 200."""

from array import array
from zlib import crc32

_FIRST_SIZE = 1 << 10


class SeenIds:
    """The ids seen so far: a hash table of 96 bits of each id, and its position.

    Ids that have them in common count as the same. By chance that is one submission of a million
    ids in 10^17, which is rejected; half of the bits differ at the next call.
    """

    def __init__(self) -> None:
        """Nothing is seen yet."""
        self._count = 0
        self._allocate(_FIRST_SIZE)

    def __len__(self) -> int:
        """How many ids were added."""
        return self._count

    def add(self, custom_id: str, position: int) -> int | None:
        """Add the id with its position, from 1 on; where it is known, return the earlier one."""
        hashed, checked, positions = hash(custom_id), crc32(custom_id.encode()), self._positions
        slot = hashed & self._mask
        if positions[slot]:
            slot = self._slot(hashed, checked)
            if positions[slot]:
                return positions[slot]
        self._hashes[slot], self._checks[slot], positions[slot] = hashed, checked, position
        self._count += 1
        # Half of it stays free, so that few slots are tried for an id.
        if 2 * self._count > self._mask:
            self._grow()
        return None

    def _slot(self, hashed: int, checked: int) -> int:
        """The slot of the id, or the free one where it belongs."""
        hashes, checks, positions, mask = self._hashes, self._checks, self._positions, self._mask
        slot = hashed & mask
        while positions[slot] and (hashes[slot] != hashed or checks[slot] != checked):
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        earlier = zip(self._hashes, self._checks, self._positions, strict=True)
        self._allocate(2 * (self._mask + 1))
        for hashed, checked, position in earlier:
            if position:
                slot = self._slot(hashed, checked)
                self._hashes[slot], self._checks[slot] = hashed, checked
                self._positions[slot] = position

    def _allocate(self, size: int) -> None:
        self._mask = size - 1
        self._hashes = array("q", [0]) * size
        self._checks = array("I", [0]) * size
        # 0 marks a free slot.
        self._positions = array("I", [0]) * size
