"""`titan-console run`: asks about each row of a table, and writes the table with the answers."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import click
from msgspec import Struct

from core.bootstrap import open_engine
from core.clock import SystemClock
from core.config import titan_file
from core.config.job import DEFAULT_MODEL, MOST_REASKS
from core.config.lane_access import can_call
from core.config.settings import from_environment
from core.errors import InputError
from core.intake import dry_run
from core.intake.dry_run import DryRunReport, Plan
from core.intake.options import SubmitOptions
from core.intake.submission_plan import make_plan
from core.tables import table as tables
from core.tables import template
from core.tables.answers import AnswerStats, Unfinished
from core.tables.columns import AnswerColumns
from core.tables.folder_source import FolderSource
from core.tables.open_source import open_source
from core.tables.requests import MAX_TOKENS
from core.tables.row_statuses import RowStatuses
from core.tables.survey import Survey
from core.tables.table import Table, TableOptions
from core.text import pluralize
from state.db.opening import open_reader, reader_if_any
from state.files.folder import Folder
from state.files.regular_file import read_regular
from titan_console.cli import progress
from titan_console.cli.command_flow import ask
from titan_console.cli.commands.submit import nothing_sent, read_schema
from titan_console.cli.dry_run import plan_fields
from titan_console.cli.exit_codes import Exit
from titan_console.cli.output import RowCount, echo, json_option, print_fields, print_json
from titan_console.cli.stderr import print_problems, print_stderr
from titan_console.cli.waiter import Waiter, every_option, limits, timeout_option

_File = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command
@click.argument("data", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--prompt",
    type=_File,
    required=True,
    help="File with the prompt; {column} stands for the value of a row, {{ and }} for braces.",
)
@click.option("--system", type=_File, help="File with the system prompt, sent as it is.")
@click.option("--model", help=f"Default: the job's value, otherwise {DEFAULT_MODEL}.")
@click.option(
    "--max-tokens",
    type=click.IntRange(1),
    default=MAX_TOKENS,
    show_default=True,
    help="Longest answer, in tokens.",
)
@click.option(
    "--schema",
    type=click.File("rb"),
    help="JSON Schema of every answer: OUT has a column for each of its properties.",
)
@click.option(
    "--reask",
    type=click.IntRange(0, MOST_REASKS),
    help="How often an answer that does not match the schema is asked for again. Default: 0.",
)
@click.option("--tag", help="Name of the submissions. Default: the name of DATA.")
@click.option("--job", help="Job in titan.toml, whose values are defaults.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Output file: .csv, .tsv, .jsonl or .parquet. Default: DATA-answers in the same format.",
)
@click.option("--prefix", default="", help="Text before the names of the columns with answers.")
@click.option("--delimiter", help="Of a CSV file: one character, or tab. Default: detected.")
@click.option("--limit", type=RowCount(1), help="Only the first rows.")
@click.option("--no-dedup", is_flag=True, help="Ask again for a row that equals another.")
@click.option("--wait", is_flag=True, help="Wait until every row has ended, then write OUT.")
@every_option
@timeout_option
@click.option("--dry-run", is_flag=True, help="Only print the plan and its estimated cost.")
@click.option("--yes", is_flag=True, help="Skip the confirmation prompt.")
@click.option("--force", is_flag=True, help="Overwrite the output file.")
@json_option
@click.pass_context
def command(ctx: click.Context, *, data: Path, output: Path | None, **given: Any) -> None:  # noqa: ANN401 - the options
    """Ask about each row of DATA, and write the table with the answers.

    DATA is a CSV, JSONL or Parquet file, or a folder of texts, PDFs and images (columns path, name
    and text). OUT has all columns of DATA, then `answer`, or with --schema the properties of
    the answer, and `error`.

    Equal rows are asked once. The same command again sends only rows that are new, and writes OUT
    when every row has an answer or an error. With --wait it polls until then, as `wait` does.

    Exits with 1 if rows have an error, 4 if some are still running.
    """
    every, timeout = limits(given["every_text"], given["timeout_text"])
    folder = from_environment().folder
    table = _table(data, folder, given)
    path = output or tables.default_output(data, table.source.form)
    tables.check_table_output(path, data, folder, overwrite=given["force"])
    if isinstance(table.source, FolderSource):
        print_problems(table.source.warnings())
    if given["dry_run"]:
        _show(*_planned(table, folder), as_json=given["as_json"])
        return
    if not given["yes"]:
        _confirm(*_planned(table, folder), as_json=given["as_json"])
    pauses = (every, timeout) if given["wait"] else (every, timedelta(0))
    ctx.exit(_run(table, path, given, *pauses))


def _table(data: Path, folder: Folder, given: dict[str, Any]) -> Table:
    system: Path | None = given["system"]
    options = TableOptions(
        system=_text(system).strip() if system else None,
        max_tokens=given["max_tokens"],
        dedup=not given["no_dedup"],
        limit=given["limit"],
    )
    named = data.resolve().name if data.is_dir() else data.stem
    schema = read_schema(given["schema"]) if given["schema"] else None
    return tables.begin(
        open_source(data, delimiter=_delimiter(given["delimiter"])),
        template.parse(_text(given["prompt"]), str(given["prompt"])),
        SubmitOptions(
            tag=given["tag"] or named,
            model=given["model"],
            job=given["job"],
            output=schema,
            reask=given["reask"],
        ),
        options,
        columns=AnswerColumns(prefix=given["prefix"], schema=schema),
        rules=titan_file.read(folder),
        now=SystemClock().now(),
    )


def _text(path: Path) -> str:
    try:
        return read_regular(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8: save it as UTF-8.", code="not_utf8") from None


def _delimiter(text: str | None) -> str | None:
    if text is None:
        return None
    character = "\t" if text in ("tab", "\\t") else text
    if len(character) != 1 or character in '"\r\n':
        raise click.UsageError(f"--delimiter {text!r} must be one character, or tab")
    return character


def _planned(table: Table, folder: Folder) -> tuple[Survey, Plan | None]:
    """What is in the table, and the plan of the requests that are new; None without any."""
    with reader_if_any(folder) as reader:
        survey = table.survey(reader)
        requests = survey.begin()
        if requests is None:
            return survey, None
        now = SystemClock().now()
        return survey, make_plan(folder, requests, table.submit_options, now=now, are_new=True)


class TablePlanReport(Struct, frozen=True, kw_only=True):
    """What is in a table, as JSON. `plan` is that of the new requests, None without any."""

    rows: int
    requests: int
    answered: int
    failed: int
    unfinished: int
    new: int
    plan: DryRunReport | None


def _show(survey: Survey, plan: Plan | None, *, as_json: bool) -> None:
    if as_json:
        print_json(
            TablePlanReport(
                rows=survey.rows,
                requests=survey.distinct,
                answered=survey.answered,
                failed=survey.failed,
                unfinished=survey.unfinished,
                new=survey.new,
                plan=dry_run.report(plan) if plan else None,
            )
        )
        return
    print_fields(_fields(survey, plan))
    echo("Nothing was sent.")


def _fields(survey: Survey, plan: Plan | None) -> list[tuple[str, str]]:
    known = (
        (survey.answered, "answered"),
        (survey.failed, "failed"),
        (survey.unfinished, "queued or in progress"),
    )
    repeated = survey.rows - survey.distinct
    return [
        ("rows", f"{survey.rows:,}" + (f", {repeated:,} repeated" if repeated else "")),
        ("known", ", ".join(f"{count:,} {what}" for count, what in known if count)),
        *(plan_fields(plan) if plan else [("requests", "0 new")]),
    ]


def _confirm(survey: Survey, plan: Plan | None, *, as_json: bool) -> None:
    """Ask before something is sent; what is confirmed is what is in the table."""
    if plan is not None:
        ask(_fields(survey, plan), as_json=as_json)
        survey.check_unchanged()


class RunReport(Struct, frozen=True, kw_only=True):
    """What a run did, as JSON.

    `sent` are the new requests, `output` is None where it was not written.
    """

    tag: str
    submission_id: str | None
    rows: int
    requests: int
    sent: int
    unfinished: int
    failed: int
    output: str | None
    problems: list[str]
    warnings: list[str]


def _run(
    table: Table, path: Path, given: dict[str, Any], every: timedelta, timeout: timedelta | None
) -> int:
    settings, tag = from_environment(), table.submit_options.tag
    with progress.shown() as bar:
        with nothing_sent():
            engine = open_engine(settings, actor="cli", progress=bar)
        with engine, nothing_sent():
            survey, submitted = tables.submit(engine, table)
        sent = survey.new if submitted and not submitted.repeated else 0
        problems = [submitted.problem] if submitted and submitted.problem else []
        warnings = list(submitted.warnings) if submitted else []
        # Waiting may take hours.
        print_problems([*warnings, *problems])
        if sent:
            did = "Stored" if problems else "Submitted"
            print_stderr(f"{did} {pluralize(sent, 'request')} under tag {tag}.")
        rows = RowStatuses(settings.folder, tag, survey.ids)
        waiter = Waiter(settings, tag, SystemClock(), bar, statuses=rows.at)
        lanes = titan_file.read(settings.folder).lanes
        polls = given["wait"] or can_call(settings, lanes)
        found = waiter.wait(every, timeout) if polls else waiter.look()
        problems += waiter.problems
        written = None if found.follow_ups else _write(table, survey, path, force=given["force"])
    report = RunReport(
        tag=tag,
        submission_id=submitted.submission.key if submitted else None,
        rows=survey.rows,
        requests=survey.distinct,
        sent=sent,
        unfinished=0 if written else found.unfinished or survey.unfinished + survey.new,
        failed=written.failed if written else 0,
        output=str(path) if written else None,
        problems=problems,
        warnings=warnings,
    )
    return _report(report, as_json=given["as_json"])


def _write(table: Table, survey: Survey, path: Path, *, force: bool) -> AnswerStats | None:
    """Write the output; None where a row has no outcome yet."""
    folder = from_environment().folder
    with open_reader(folder) as reader:
        try:
            return tables.write(reader, folder, table, survey, path, overwrite=force)
        except Unfinished:
            return None


def _report(report: RunReport, *, as_json: bool) -> int:
    if as_json:
        print_json(report)
    if report.output is None:
        print_stderr(
            f"{pluralize(report.unfinished, 'request')} not finished, and nothing was written: run"
            " the same command again."
        )
        return Exit.RUNNING
    rows = pluralize(report.rows, "row")
    if not as_json:
        echo(report.output)
    if report.failed:
        print_stderr(
            f"Wrote {rows}, {report.failed:,} of them with an error. `titan-console replay"
            f" {report.tag}` runs what failed again, and with a change (--set max_tokens=4096,"
            " --model) also what was rejected or needs review; then run the same command again"
            " with --force."
        )
        return Exit.ATTENTION
    print_stderr(f"Wrote {rows} to {report.output}.")
    return Exit.DONE
