"""Opens DATA by its suffix."""

from pathlib import Path

from core.errors import InputError
from core.tables.csv_source import CsvSource
from core.tables.folder_source import FolderSource
from core.tables.jsonl_source import JsonlSource
from core.tables.parquet_source import ParquetSource
from core.tables.source import Form, Source

_FORMS = {
    ".csv": Form.CSV,
    ".tsv": Form.CSV,
    ".jsonl": Form.JSONL,
    ".ndjson": Form.JSONL,
    ".parquet": Form.PARQUET,
    ".pq": Form.PARQUET,
}


def form_of(path: Path) -> Form:
    """The format of a file. Raises InputError for an unknown suffix."""
    form = _FORMS.get(path.suffix.lower())
    if form is None:
        raise InputError(f"{path}: the name must end in .csv, .tsv, .jsonl, .ndjson or .parquet.")
    return form


def open_source(path: Path, *, delimiter: str | None = None) -> Source:
    """The table at that path. Raises InputError, OSError."""
    if path.is_dir():
        return FolderSource(path)
    match form_of(path):
        case Form.CSV:
            return CsvSource(path, delimiter)
        case Form.JSONL:
            return JsonlSource(path)
        case Form.PARQUET:
            return ParquetSource(path)
