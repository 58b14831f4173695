"""`titan-console results`: the answers in input order."""

import sys
from collections.abc import Iterator

import click

from core.config.settings import from_environment
from core.delivery.results import Result, results
from core.intake import fallback_contents
from core.reporting.result_lines import ResultText, json_lines
from core.text import pluralize
from state.db.opening import open_reader
from state.db.reader import Reader
from state.files.folder import Folder
from state.model.errors import UnknownId
from state.model.records import REVIEW_STOP_REASONS
from titan_console.cli.exit_codes import Exit
from titan_console.cli.output import Output, json_lines_option
from titan_console.cli.stderr import print_stderr
from titan_console.text.safe_text import clean


@click.command
@click.argument("name", metavar="TAG|KEY")
@json_lines_option
@click.pass_context
def command(ctx: click.Context, *, name: str, as_json: bool) -> None:
    """Print the results of a tag, submission or batch in input order.

    Without --json, each line has custom_id, outcome and text. Exits with 1 if some requests have no
    result yet.
    """
    pending = 0
    folder = from_environment().folder
    with open_reader(folder) as reader:
        waiting = fallback_contents.waiting(reader, folder, name)
        lines = json_lines(reader, folder, name) if as_json else _lines(reader, folder, name)
        output = Output(sys.stdout)
        for line in _known(lines, may_be_unknown=bool(waiting)):
            pending += line.unanswered
            output.write(line.text)
    if pending:
        print_stderr(f"{pluralize(pending, 'request')} still without a result.")
    for file in waiting:
        print_stderr(fallback_contents.described(file))
    if pending or waiting:
        ctx.exit(Exit.ATTENTION)


def _lines(reader: Reader, folder: Folder, name: str) -> Iterator[ResultText]:
    for result in results(reader, folder, name):
        yield ResultText(f"{_line(result)}\n", result["outcome"] is None)


def _known(lines: Iterator[ResultText], *, may_be_unknown: bool) -> Iterator[ResultText]:
    """The results that the ledger knows."""
    try:
        yield from lines
    except UnknownId:
        if not may_be_unknown:
            raise


def _line(result: Result) -> str:
    outcome: str = result["outcome"] or "not answered yet"
    stop_reason = result["message"] and result["message"].get("stop_reason")
    if result["invalid"]:
        outcome = f"{outcome} (invalid: {result['invalid']})"
    elif stop_reason in REVIEW_STOP_REASONS:
        outcome = f"{outcome} ({stop_reason})"
    text = result["text"] or _error(result)
    return f"{clean(result['custom_id'])}  {clean(outcome)}  {clean(text)}".rstrip()


def _error(result: Result) -> str:
    """The error type and message, unless they repeat the outcome."""
    error = result["error"]
    if error is None:
        return ""
    parts = (error["type"] if error["type"] != result["outcome"] else "", error["message"])
    return ": ".join(part for part in parts if part)
