"""A table and its prompt: what is asked, what is new in it, and the table with the answers."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, cast

from msgspec import Struct

from core.config.titan_tables import TitanToml
from core.engine import Engine
from core.errors import InputError
from core.intake.options import SubmitOptions, resolve_options
from core.intake.submit import SubmitResult
from core.reporting.output_file import check_output, open_output
from core.tables import answers as reading
from core.tables.answers import Answer, AnswerStats
from core.tables.arrow import pyarrow
from core.tables.columns import AnswerColumns
from core.tables.csv_source import CsvDialect, CsvSource
from core.tables.open_source import form_of
from core.tables.parquet_writer import write_parquet
from core.tables.requests import MAX_TOKENS, RequestBuilder
from core.tables.source import Form, Source
from core.tables.survey import Survey, check_columns
from core.tables.template import Template
from core.tables.text_writers import write_csv, write_jsonl
from state.db.opening import open_reader
from state.db.reader import Source as Ledger
from state.files.folder import Folder
from state.model.errors import AlreadySubmitted
from state.model.records import RequestStatus
from state.queries import result_rows


class TableOptions(Struct, frozen=True, kw_only=True):
    """What a call says beside the table, the prompt and the options of the submission."""

    system: str | None = None
    max_tokens: int = MAX_TOKENS
    dedup: bool = True
    limit: int | None = None


class Table(Struct, frozen=True, kw_only=True):
    """A table with all that decides what its requests are."""

    builder: RequestBuilder
    submit_options: SubmitOptions
    options: TableOptions
    columns: AnswerColumns

    @property
    def source(self) -> Source:
        """The rows."""
        return self.builder.source

    def survey(self, ledger: Ledger | None) -> Survey:
        """What is in the table, not read yet; without a ledger every request is new."""

        def known(ids: Sequence[str]) -> Mapping[str, RequestStatus]:
            if ledger is None:
                return {}
            return result_rows.statuses(ledger, self.submit_options.tag, ids)

        return Survey(
            self.builder,
            known,
            dedup=self.options.dedup,
            limit=self.options.limit,
            reserved=self.columns.names,
        )


def begin(
    source: Source,
    template: Template,
    submit_options: SubmitOptions,
    options: TableOptions,
    *,
    columns: AnswerColumns,
    rules: TitanToml,
    now: datetime,
) -> Table:
    """The table. Raises what `resolve_options` raises, and InputError."""
    resolved, _ = resolve_options(submit_options, (), rules, now=now)
    if source.columns is not None:
        check_columns(source.columns, columns.names, source.name)
    builder = RequestBuilder(
        source=source,
        template=template,
        model=resolved.model,
        max_tokens=options.max_tokens,
        system=options.system,
        schema=resolved.output or b"",
    )
    builder.check()
    return Table(builder=builder, submit_options=submit_options, options=options, columns=columns)


def submit(engine: Engine, table: Table) -> tuple[Survey, SubmitResult | None]:
    """Submit the requests that are new; None where there are none.

    Raises what `core.intake.submit.submit` raises.
    """
    with open_reader(engine.context.folder) as reader:
        survey = table.survey(reader)
        requests = survey.begin()
        if requests is None:
            return survey, None
        try:
            return survey, engine.submit(requests, table.submit_options)
        except AlreadySubmitted as error:
            raise AlreadySubmitted(
                "Another process submitted some of these rows meanwhile, and nothing was sent:"
                " run the same command again."
            ) from error


def answers(ledger: Ledger, folder: Folder, table: Table, survey: Survey) -> Iterator[Answer]:
    """The answer to each row, in order. Raises Unfinished."""
    return reading.answers(ledger, folder, table.submit_options.tag, survey.ids, AnswerStats())


def default_output(source: Path, form: Form) -> Path:
    """Beside the table: `reviews-answers.csv` for `reviews.csv`."""
    resolved = source.resolve() if source.name in ("", "..") else source
    suffix = f".{form}" if source.is_dir() else source.suffix
    name = resolved.name if source.is_dir() else resolved.stem
    return resolved.with_name(f"{name}-answers{suffix}")


def check_table_output(path: Path, data: Path, folder: Folder, *, overwrite: bool) -> None:
    """Raise InputError where the output could not be written there."""
    if form_of(path) == Form.PARQUET:
        pyarrow()
    target, origin = path.resolve(), data.resolve()
    is_data = target.exists() and target.samefile(origin)
    if is_data or (origin.is_dir() and target.is_relative_to(origin)):
        raise InputError(f"{path} is the input {data}, or in it: write to another file.")
    if not target.parent.is_dir():
        raise InputError(f"{path}: the folder {target.parent} does not exist.")
    check_output(path, folder, overwrite=overwrite)


def write(
    ledger: Ledger, folder: Folder, table: Table, survey: Survey, path: Path, *, overwrite: bool
) -> AnswerStats:
    """Write the table with its answers, at once where all of them are there.

    Raises Unfinished where they are not, and InputError where the table has changed.
    """
    stats, source = AnswerStats(), table.source
    found = reading.answers(ledger, folder, table.submit_options.tag, survey.ids, stats)
    with open_output(path, folder, overwrite=overwrite) as file:
        match form_of(path):
            case Form.CSV:
                write_csv(file, source, found, table.columns, _dialect(source, path))
            case Form.JSONL:
                write_jsonl(file, source, found, table.columns)
            case Form.PARQUET:
                write_parquet(cast("BinaryIO", file.buffer), source, found, table.columns)
        survey.check_unchanged()
    return stats


def _dialect(source: Source, path: Path) -> CsvDialect:
    """That of the input; a name in .tsv stands for tabs."""
    if path.suffix.lower() == ".tsv":
        return CsvDialect("\t", line_end="\n")
    return source.dialect if isinstance(source, CsvSource) else CsvDialect()
