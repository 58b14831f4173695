"""Reads a file of the shared store at any offset, for `LineReader`."""

from collections import deque
from contextlib import suppress
from pathlib import Path

from state.files.file_store import FileStore, Piece, fetch

# Pieces that are kept: a line may begin in one and end in the next.
_KEPT = 2
# Lines in the order of the file read each piece once. Where so many were read a second time, a copy
# of the file on the disk is faster.
_MOST_AGAIN = 4


class StoredFile:
    """A file that is not on this disk, or not all of it: its lines are read piece by piece.

    A reader that jumps to and fro in it gets a copy of the file on the disk.
    """

    def __init__(self, store: FileStore, path: Path) -> None:
        """For the file that belongs at this path."""
        self._store = store
        self._path = path
        self._recent: deque[Piece] = deque(maxlen=_KEPT)
        self._seen: set[int] = set()
        self._again = 0

    def read_at(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`, fewer at the end of the file."""
        parts = list[bytes]()
        while length > 0 and (piece := self._piece(offset)) is not None:
            at = offset - piece.start
            parts.append(piece.data[at : at + length])
            offset += len(parts[-1])
            length -= len(parts[-1])
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _piece(self, offset: int) -> Piece | None:
        for known in self._recent:
            if known.start <= offset < known.start + len(known.data):
                return known
        piece = self._store.piece(self._path, offset)
        if piece is not None:
            self._recent.append(piece)
            self._again += piece.start in self._seen
            self._seen.add(piece.start)
        return piece

    def fetch_if_worthwhile(self) -> bool:
        """Copy the file to the disk once its pieces are read again and again; whether it was.

        Where the disk cannot take it, they are read from the store as before.
        """
        if self._again <= _MOST_AGAIN:
            return False
        self._again = 0
        with suppress(OSError):
            return fetch(self._store, self._path)
        return False

    def close(self) -> None:
        """Forget the pieces."""
        self._recent.clear()
