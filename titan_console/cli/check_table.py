"""`savings --check`: the provider's usage export compared with the ledger."""

from collections.abc import Iterable

from msgspec import Struct

from core.money import usage_export
from core.money.pricing import prompt_tokens
from core.money.usage_export import Difference, Export
from core.text import pluralize
from state.db.reader import Source
from state.model.records import BatchKind
from state.model.usage import Usage
from state.queries import usage_by_day
from titan_console.cli.exit_codes import Exit
from titan_console.cli.output import print_json, print_table
from titan_console.cli.stderr import print_stderr
from titan_console.text import format as cells


class DifferenceReport(Struct, frozen=True, kw_only=True):
    """A day and model in the ledger and in the provider's usage export."""

    day: str
    model: str
    region: str
    ledger: Usage | None
    export: Usage | None
    same: bool
    difference: str


def show(source: Source, theirs: Export, *, as_json: bool) -> int:
    """Print each day, model and region; return the exit code."""
    first, last = theirs.days
    kinds = (BatchKind.BATCH,) if theirs.is_batch_only else (BatchKind.BATCH, BatchKind.SYNC)
    ours = usage_by_day.usage_by_day(source, first_day=first, last_day=last, kinds=kinds)
    rows = usage_export.compare(ours, theirs)
    sums = usage_export.totals(rows)
    if as_json:
        for row in (*rows, *sums):
            print_json(_difference(row))
    else:
        _print_check((*rows, *sums))
    if not theirs.is_batch_only:
        print_stderr(
            "The export does not separate batch usage: synchronous calls made elsewhere appear as"
            " differences."
        )
    for is_there, what in (
        (theirs.has_regions, "regions"),
        (theirs.has_searches, "web searches"),
    ):
        if not is_there:
            print_stderr(f"The export has no {what}: they were not compared.")
    unknown = usage_by_day.without_usage(source, first_day=first, last_day=last, kinds=kinds)
    if unknown:
        print_stderr(
            f"{pluralize(unknown, 'answer')} had no valid usage: their tokens are not included."
        )
    differing = sum(not row.is_same for row in rows)
    print_stderr(
        f"Compared {len(rows)} rows (day, model, region) from {first} to {last}: "
        + (f"{differing} differ." if differing else "all match.")
    )
    return Exit.ATTENTION if differing else Exit.DONE


def _print_check(rows: Iterable[Difference]) -> None:
    print_table(
        ("DAY", "MODEL", "LEDGER IN", "EXPORT IN", "LEDGER OUT", "EXPORT OUT", "DIFFERENCE"),
        (
            (
                row.day,
                f"{row.model} ({row.region})" if row.region else row.model,
                cells.count(prompt_tokens(row.ledger)) if row.ledger else cells.NOTHING,
                cells.count(prompt_tokens(row.export)) if row.export else cells.NOTHING,
                cells.count(row.ledger.output_tokens) if row.ledger else cells.NOTHING,
                cells.count(row.export.output_tokens) if row.export else cells.NOTHING,
                row.text(),
            )
            for row in rows
        ),
    )


def _difference(row: Difference) -> DifferenceReport:
    return DifferenceReport(
        day=row.day,
        model=row.model,
        region=row.region,
        ledger=row.ledger,
        export=row.export,
        same=row.is_same,
        difference=row.text(),
    )
