"""`titan-console errors`: errored requests, and answers that need review."""

from collections.abc import Iterator

import click

from core.reporting import error_groups, error_reports
from core.reporting.error_groups import ErrorGroup, NextStep
from core.reporting.ledger_time import ledger_now
from core.text import pluralize
from state.db.reader import Reader, Source
from state.operations import reviews
from state.operations.reviews import ReviewRow
from state.queries import error_list, ledger_status
from state.queries.error_list import ErrorRow
from titan_console.cli.output import (
    echo,
    json_lines_option,
    ledger_reader,
    limit_option,
    print_json,
    print_rest,
    print_rows,
    print_table,
    row_limit,
)

_ERRORS = 50
_NO_ERRORS = "No errors."


@click.command
@limit_option(_ERRORS)
@click.option("--groups", is_flag=True, help="Group identical error messages.")
@json_lines_option
def command(*, limit: int | None, groups: bool, as_json: bool) -> None:
    """List errored requests, newest first, and answers that need review.

    An answer needs review if it was refused, truncated (max_tokens,
    model_context_window_exceeded), left unfinished (pause_turn) or is invalid: it does not match
    its schema. `replay` runs it again with an edit, `acknowledge` accepts it as it is.
    """
    with ledger_reader() as reader:
        if groups:
            _print_groups(reader, as_json=as_json)
            return
        at_most = row_limit(limit, _ERRORS, as_json=as_json)
        rows = _rows(reader, at_most)
        answers = reviews.rows(reader, limit=at_most)
        if as_json:
            for row in rows:
                print_json(error_reports.error(row))
            for answer in answers:
                print_json(error_reports.review(answer))
        else:
            _print(list(rows), list(answers))
        print_rest(at_most, ledger_status.count_failed(reader), "errors")
        print_rest(at_most, reviews.count(reader), "answers to review")


def _print(failed: list[ErrorRow], answers: list[ReviewRow]) -> None:
    header = ("CUSTOM_ID", "TAG", "BATCH", "MODEL", "OUTCOME", "ERROR", "MESSAGE")
    if failed or not answers:
        print_rows(failed, header, _cells, empty=_NO_ERRORS)
    if failed and answers:
        echo()
    if answers:
        print_table(
            ("NEEDS REVIEW", "TAG", "BATCH", "MODEL", "REASON", "MESSAGE"),
            (
                (a.custom_id, a.tag, a.batch_key, a.model, a.review, a.invalid or "")
                for a in answers
            ),
        )


def _cells(r: ErrorRow) -> tuple[str, ...]:
    error = (r.error_type or "", r.error_message or "")
    return (r.custom_id, r.tag, r.batch_key, r.model, r.outcome, *error)


def _print_groups(reader: Reader, *, as_json: bool) -> None:
    errors = error_list.grouped(reader, (), ledger_now(reader))
    found = error_groups.group(errors.groups)
    if as_json:
        for group in found:
            print_json(error_reports.error_group(group))
    else:
        header = ("WORKFLOW", "ERROR", "COUNT", "SUGGESTED ACTION", "LAST SEEN", "MESSAGE")
        print_rows(found, header, _group_cells, empty=_NO_ERRORS)
    left = errors.total - sum(group.count for group in found)
    if left:
        click.echo(f"{pluralize(left, 'older error')} not grouped.", err=True)


_STEPS = {NextStep.EDIT: "edit and replay", NextStep.LOOK: "review"}


def _group_cells(g: ErrorGroup) -> tuple[str, ...]:
    step = "review" if g.key.is_review else _STEPS.get(g.next_step, g.next_step)
    return (g.key.workflow, g.key.kind, f"{g.count:,}", step, g.last_ts, g.sample)


def _rows(source: Source, limit: int) -> Iterator[ErrorRow]:
    last: int | None = None
    left = limit
    while left > 0 and (page := error_list.errors(source, before_id=last, limit=min(left, 1000))):
        yield from page
        last = page[-1].request_id
        left -= len(page)
