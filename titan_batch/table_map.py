"""`titan_batch.map`: asks about each row of a table, and returns the rows with their answers."""

from collections.abc import Iterator
from typing import Any

from core.config import titan_file
from core.delivery.instances import instance_of
from core.engine import Engine
from core.errors import InputError
from core.intake.options import SubmitOptions
from core.requests.output_schema import schema_of
from core.requests.payload import check_name
from core.tables import table as tables
from core.tables import template
from core.tables.answers import Answer, Unfinished
from core.tables.columns import AnswerColumns
from core.tables.memory_source import MemorySource
from core.tables.requests import MAX_TOKENS
from core.tables.row_statuses import count_follow_ups
from core.tables.survey import Survey
from core.tables.table import Table, TableOptions
from titan_batch.session import an_engine, log, poll

_PAUSE_S = 60.0


def map_rows(  # noqa: PLR0913 - each is an option
    rows: object,
    prompt: str,
    *,
    tag: str,
    model: str | None = None,
    system: str | None = None,
    max_tokens: int = MAX_TOKENS,
    output: object = None,
    reask: int | None = None,
    job: str | None = None,
    dedup: bool = True,
    prefix: str = "",
    wait: bool = False,
) -> list[dict[str, Any]] | None:
    """Ask about each row, and return the rows with their answers once all have ended; else None.

    Equal rows are asked once. A row is known by the content of its request: the same call again
    sends only the rows that are new, so that the next run of a job may make it again.

    If a row has no outcome yet, polls the API once, as `poll_and_collect` does.

    Args:
        rows: dictionaries, or a data frame of polars or pandas, or anything that exports Arrow's C
            stream, such as an Arrow table (needs pyarrow).
        prompt: `{column}` stands for the value of a row, `{{` and `}}` for braces. A value that is
            no text stands there as JSON, None as nothing.
        tag: names the submissions.
        model: default: the job's value, otherwise "claude-sonnet-4-6".
        system: the system prompt, sent as it is.
        max_tokens: longest answer.
        output: what every answer is, as in `submit`.
        reask: how often an answer that does not match it is asked for again, as in `submit`.
        job: a job in titan.toml, whose values are defaults.
        dedup: False asks again for a row that equals another.
        prefix: text before the two names that each row gets.
        wait: True polls every minute until all have ended.

    Returns:
        Each row with two more keys: `answer`, its text or an instance of `output`, None without an
        answer, and `error`, why there is none or why it needs review, None where all is as asked.

    Raises:
        InputError: a row or the prompt cannot be used; the message names it. Nothing was sent.
        PayloadError: as `submit`. Nothing was sent.
        AlreadySubmitted: another process submits the same rows now; make the call again.
        LedgerError: the database cannot be used. Nothing was sent.

    """
    texts = {"prompt": prompt, "system": "" if system is None else system, "prefix": prefix}
    for name, text in texts.items():
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - no one checks
            raise InputError(f"{name} must be a string, not {text!r:.60}.")
    options = SubmitOptions(
        tag=tag,
        model=None if model is None else check_name("model", model),
        job=job,
        output=None if output is None else schema_of(output),
        reask=reask,
    )
    parsed, source = template.parse(prompt, "prompt"), MemorySource(rows)
    with an_engine() as engine:
        table = tables.begin(
            source,
            parsed,
            options,
            TableOptions(system=system, max_tokens=max_tokens, dedup=dedup),
            columns=AnswerColumns(prefix=prefix),
            rules=titan_file.read(engine.context.folder),
            now=engine.context.clock.now(),
        )
        survey = _submitted(engine, table)
        while (found := _answers(engine, table, survey)) is None:
            poll(engine)
            if (found := _answers(engine, table, survey)) is not None or not wait:
                break
            engine.context.clock.sleep(_PAUSE_S)
    return None if found is None else list(_rows(source, table.columns, found, output))


def _submitted(engine: Engine, table: Table) -> Survey:
    survey, submitted = tables.submit(engine, table)
    if submitted is not None:
        for line in (*submitted.warnings, *filter(None, [submitted.problem])):
            log.warning("%s: %s", submitted.submission.key, line)
    return survey


def _answers(engine: Engine, table: Table, survey: Survey) -> list[Answer] | None:
    """The answers; None where one may still come. Polls where that asks again for answers."""
    found = _collected(engine, table, survey)
    if found is None or not _follow_ups(engine, table, survey):
        return found
    is_polled = poll(engine)
    # Where another process polls, it is about to ask again.
    if not is_polled and _follow_ups(engine, table, survey):
        return None
    return _collected(engine, table, survey)


def _follow_ups(engine: Engine, table: Table, survey: Survey) -> int:
    context = engine.context
    tag, now = table.submit_options.tag, context.clock.now()
    return count_follow_ups(context.ledger, tag, survey.ids, now)


def _collected(engine: Engine, table: Table, survey: Survey) -> list[Answer] | None:
    context = engine.context
    try:
        return list(tables.answers(context.ledger, context.folder, table, survey))
    except Unfinished:
        return None


def _rows(
    source: MemorySource, columns: AnswerColumns, answers: list[Answer], output: object
) -> Iterator[dict[str, Any]]:
    answer_key, error_key = columns.names
    for row, answer in zip(source.records, answers, strict=True):
        value, error = (answer.text, answer.error) if output is None else _instance(answer, output)
        yield {**row, answer_key: value, error_key: error}


def _instance(answer: Answer, output: object) -> tuple[object, str | None]:
    if answer.text is None or answer.error is not None:
        return None, answer.error
    instance, problem = instance_of(answer.text, output)
    return instance, problem and f"the answer does not match the schema: {problem}"
