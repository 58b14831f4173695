"""Reads a folder of texts, PDFs and images as a table: one row a file."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from core.errors import InputError
from core.tables.attachment import IMAGES, PDFS
from core.tables.source import Form, Row, file_fingerprint
from core.text import pluralize, sanitize

TEXTS = frozenset({".txt", ".md", ".markdown", ".text"})
_SHOWN = 3


class FolderSource:
    """The files of a folder and its subfolders, by name.

    The column `text` is the content of a text and null for a PDF or an image, which is attached to
    the request. Hidden files are left out, and files outside of the folder that links lead to.
    """

    form = Form.JSONL
    columns = ("path", "name", "text")

    def __init__(self, path: Path) -> None:
        """List the files. Raises InputError where none of them can be sent."""
        self.path = path
        self.name = str(path)
        self.skipped: list[str] = []
        self.files = list(self._listed())
        if not self.files:
            raise InputError(
                f"{self.name} has no text (.txt, .md), PDF or image (.png, .jpg, .gif, .webp)."
            )

    def read(self, only: Collection[str] | None = None) -> Iterator[Row]:
        """Each file; the texts are read only where they are needed."""
        for number, path in enumerate(self.files, 1):
            is_text = path.suffix.lower() in TEXTS
            needed = is_text and (only is None or "text" in only)
            values = {
                "path": sanitize(path.relative_to(self.path).as_posix()),
                "name": sanitize(path.name),
                "text": _text(path) if needed else None,
            }
            yield Row(number, values, attachment=None if is_text else path)

    def place(self, row: Row) -> str:
        """The path of the file."""
        return str(self.files[row.number - 1])

    def fingerprint(self) -> object:
        """Of all files."""
        return [(path, file_fingerprint(path)) for path in self.files]

    def warnings(self) -> list[str]:
        """One line about files that are skipped."""
        if not self.skipped:
            return []
        shown = ", ".join(self.skipped[:_SHOWN]) + (", …" if len(self.skipped) > _SHOWN else "")
        files = pluralize(len(self.skipped), "file")
        why = "neither text, Markdown, PDF nor image, or a link out of the folder"
        return [f"{files} skipped, {why}: {shown}"]

    def _listed(self) -> Iterator[Path]:
        inside = self.path.resolve()
        for folder, folders, names in os.walk(self.path, onerror=_raise):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                path = Path(folder, name)
                if name.startswith("."):
                    continue
                if _can_be_sent(path, inside):
                    yield path
                else:
                    self.skipped.append(sanitize(path.relative_to(self.path).as_posix()))


def _can_be_sent(path: Path, inside: Path) -> bool:
    if path.suffix.lower() not in TEXTS | PDFS | IMAGES:
        return False
    return path.is_file() and path.resolve().is_relative_to(inside)


def _raise(error: OSError) -> None:
    raise error


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8: save it as UTF-8.", code="not_utf8") from None
