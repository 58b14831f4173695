"""`titan-console savings`: spend and savings; one number explained; exports compared."""

from typing import IO

import click
from msgspec import to_builtins

from core.config import titan_file
from core.config.settings import from_environment
from core.money import usage_export
from core.money.explain import Explanation, explain
from core.money.explain import report as explanation_report
from core.money.pricing import PriceBook, exact_text
from core.reporting import cache_report, cost_log, savings
from core.reporting.cost_log import LogCheck
from core.reporting.ledger_time import ledger_now
from core.reporting.since import parse_since
from core.text import pluralize
from state.db.opening import open_reader
from state.db.reader import Reader, Source
from state.model.errors import UnknownId
from state.model.timestamps import to_text
from state.queries import spending, unpriced
from state.queries.spending import Spending
from state.queries.unpriced import reasons_text
from titan_console.cli import cache_table, check_table, recompute_table
from titan_console.cli.exit_codes import Exit
from titan_console.cli.output import (
    echo,
    json_lines_option,
    period_of,
    print_fields,
    print_json,
    print_table,
)
from titan_console.cli.stderr import print_stderr
from titan_console.text import format as cells


@click.command
@click.option(
    "--since",
    default="30d",
    show_default=True,
    help="Start of the period: 1h, today, 30d or a UTC date.",
)
@click.option(
    "--by",
    type=click.Choice(spending.BY),
    default="workflow",
    show_default=True,
    help="How to group the rows.",
)
@click.option(
    "--explain",
    "name",
    metavar="ID",
    help="Show how the cost of a custom_id, TAG/CUSTOM_ID or batch was calculated.",
)
@click.option(
    "--check",
    "export",
    type=click.File("rb"),
    help="Compare with a usage export from the Claude Console or the Admin API.",
)
@click.option("--check-log", is_flag=True, help="Compare batch-cost-log.jsonl with the ledger.")
@click.option(
    "--month",
    is_flag=True,
    help="Show the projected savings of this month, the effect of caching, duplicate charges and"
    " unpriced answers.",
)
@click.option(
    "--cache", "of_cache", is_flag=True, help="Show cache hits and the gain or loss of each batch."
)
@click.option(
    "--recompute",
    is_flag=True,
    help="Price collected answers again from the stored results; show what differs.",
)
@click.option("--apply", is_flag=True, help="With --recompute: store the new costs.")
@json_lines_option
@click.pass_context
def command(  # noqa: PLR0913 - each is an option
    ctx: click.Context,
    *,
    since: str,
    by: str,
    name: str | None,
    export: IO[bytes] | None,
    check_log: bool,
    month: bool,
    of_cache: bool,
    recompute: bool,
    apply: bool,
    as_json: bool,
) -> None:
    """Show spend and savings. A result counts on the day it was downloaded.

    Every replay of a request counts as one more attempt. --explain shows tokens, rates and formula
    of one number. --check reads a usage export (from the Claude Console as CSV, or the Admin API as
    JSON), lists each day and model that differs from the ledger, and exits with 1 if any does.
    --recompute prices the stored results again, at the prices on their dates, and lists the batches
    whose stored cost differs; --apply stores the new cost. It also corrects the model of errored
    and queued requests that an older version stored under the model of their submission.
    """
    _check_options(ctx)
    if recompute:
        recompute_table.show(apply=apply, as_json=as_json)
        return
    theirs = usage_export.read(export.read()) if export else None
    folder = from_environment().folder
    with open_reader(folder) as reader:
        since_ts = to_text(parse_since(since, ledger_now(reader)))
        if month:
            _month(reader, as_json=as_json)
        elif of_cache:
            prices = PriceBook.with_cache(folder, titan_file.read(folder))
            found = cache_report.since(reader, prices, since_ts)
            cache_table.show(found, period_of(since, since_ts), as_json=as_json)
        elif check_log:
            ctx.exit(_check_log(cost_log.check(reader, folder.cost_mirror), as_json=as_json))
        elif theirs is not None:
            ctx.exit(check_table.show(reader, theirs, as_json=as_json))
        elif name is not None:
            _explain(reader, name, as_json=as_json)
        else:
            rows = spending.spending(reader, by, since_ts=since_ts)
            _show(rows, by, period_of(since, since_ts), as_json=as_json)
            if reasons := unpriced.reasons(reader, since_ts=since_ts):
                print_stderr(f"Unpriced answers are not included: {reasons_text(reasons)}.")


def _check_options(ctx: click.Context) -> None:
    views = ("name", "export", "check_log", "month", "of_cache", "recompute")
    if sum(ctx.params[view] not in (None, False) for view in views) > 1:
        raise click.UsageError(
            "--explain, --check, --check-log, --month, --cache and --recompute cannot be combined."
        )
    if ctx.params["apply"] and not ctx.params["recompute"]:
        raise click.UsageError("--apply needs --recompute.")
    for option, others in (
        ("by", views),
        ("since", [view for view in views if view != "of_cache"]),
    ):
        is_passed = ctx.get_parameter_source(option) == click.core.ParameterSource.COMMANDLINE
        if is_passed and any(ctx.params[view] not in (None, False) for view in others):
            raise click.UsageError(f"--{option} has no effect on this view; leave it out.")


def _show(rows: list[Spending], by: str, period: str, *, as_json: bool) -> None:
    if as_json:
        for row in rows:
            named = {"batch_id": row.name} if by == "batch" else {}
            print_json({by: row.name} | named | to_builtins(savings.spending_report(row)))
        return
    if not rows:
        echo(f"No results {period}.")
        return
    echo(f"Results {period}")
    lines = [_cells(row, row.name) for row in rows]
    if len(rows) > 1:
        lines.append(_cells(spending.added("total", rows), "total"))
    heads = ("ATTEMPTS", "TOKENS IN", "TOKENS OUT", "SYNC PRICE", "COST", "SAVED", "DUPLICATE")
    if any(row.fee_nano for row in rows):
        # Included in SYNC PRICE and COST.
        fees = (
            *(cells.money(row.fee_nano) for row in rows),
            cells.money(sum(row.fee_nano for row in rows)),
        )
        heads = (*heads, "FEES")
        lines = [(*line, fee) for line, fee in zip(lines, fees, strict=False)]
    print_table((by.upper(), *heads), lines)


def _cells(row: Spending, name: str) -> tuple[str, ...]:
    return (
        name,
        cells.count(row.attempts),
        cells.count(row.tokens_in),
        cells.count(row.tokens_out),
        cells.sum_of_money(row.sync_cost_nano, row.unpriced),
        cells.sum_of_money(row.cost_nano, row.unpriced),
        cells.sum_of_money(row.savings_nano, row.unpriced),
        cells.money(row.duplicate_nano) if row.duplicate_nano else cells.NOTHING,
    )


def _month(reader: Reader, *, as_json: bool) -> None:
    folder = from_environment().folder
    prices = PriceBook.with_cache(folder, titan_file.read(folder))
    found = savings.read(reader, prices, ledger_now(reader).date())
    if as_json:
        print_json(savings.report(found))
        return
    ahead = found.month
    projected = "not yet: needs a full day with answers"
    if ahead.projected_nano is not None:
        projected = cells.money(ahead.projected_nano)
    print_fields(
        [
            (
                f"saved since {found.since_day}",
                cells.sum_of_money(found.saved_nano, found.unpriced),
            ),
            (f"fees since {found.since_day}", cells.fees_in_sum(found.fee_nano)),
            ("saved this month", f"{cells.money(ahead.saved_nano)} so far"),
            ("projected this month", f"{projected} (target {cells.money(ahead.target_nano)})"),
            ("cache effect", cells.money(found.cache.nano)),
            ("duplicate charges", cells.money(found.duplicate_nano)),
            ("unpriced", _unpriced(found)),
        ]
    )


def _unpriced(found: savings.Savings) -> str:
    why = f": {reasons_text(found.unpriced_reasons)}" if found.unpriced else ""
    return f"{cells.count(found.unpriced)}{why}"


def _explain(source: Source, name: str, *, as_json: bool) -> None:
    attempts = spending.priced_attempts(source, name)
    if not attempts:
        raise UnknownId(
            f"{name!r} not found among ended requests (looked for a custom_id, TAG/CUSTOM_ID or"
            " batch)."
        )
    folder = from_environment().folder
    prices = PriceBook.with_cache(folder, titan_file.read(folder))
    for attempt in attempts:
        found = explain(attempt, prices)
        if as_json:
            print_json(explanation_report(found))
        else:
            _print_explained(found)


def _print_explained(found: Explanation) -> None:
    attempt = found.attempt
    print_fields(
        [
            ("custom_id", attempt.custom_id),
            ("tag", attempt.tag),
            ("batch", f"{attempt.batch_key} ({attempt.kind}), {attempt.outcome}"),
            ("model", f"{attempt.model}, at the prices of {attempt.priced_ts[:10]}"),
            ("region", attempt.usage.inference_geo or cells.NOTHING),
            ("tier", attempt.usage.service_tier or ""),
            ("speed", attempt.usage.speed or ""),
        ]
    )
    if found.parts:
        print_table(
            ("TOKEN TYPE", "TOKENS", "$/MTOK SYNC", "SYNC PRICE"),
            (
                (p.kind, cells.count(p.tokens), f"{p.usd_per_mtok:f}", f"${p.sync_usd:f}")
                for p in found.parts
            ),
        )
    if found.fees:
        print_table(
            ("FEE", "COUNT", "$ EACH", "COST"),
            ((f.kind, cells.count(f.count), f"{f.usd_each:f}", f"${f.usd:f}") for f in found.fees),
        )
    cost, sync = found.cost_nano, found.sync_cost_nano
    print_fields(
        [
            ("formula", found.formula),
            ("sync price", _exact(sync)),
            ("cost", _exact(cost)),
            ("saved", _exact(None if cost is None or sync is None else sync - cost)),
            ("ledger", "matches" if found.agrees else _difference_of(found)),
        ]
    )
    echo()


def _difference_of(found: Explanation) -> str:
    attempt = found.attempt
    return f"differs: cost {_exact(attempt.cost_nano)}, sync price {_exact(attempt.sync_cost_nano)}"


def _exact(nano: int | None) -> str:
    return cells.UNPRICED if nano is None else exact_text(nano)


def _check_log(found: LogCheck, *, as_json: bool) -> int:
    if as_json:
        print_json({"same": found.is_same} | to_builtins(found))
    else:
        lines = [("log", line) for line in found.only_in_log]
        lines += [("ledger", line) for line in found.only_in_ledger]
        if lines:
            print_table(("ONLY IN", "LINE"), lines)
    if found.is_same:
        print_stderr(f"The cost log matches the ledger: {pluralize(found.agreeing, 'line')}.")
        return Exit.DONE
    print_stderr(
        "The cost log differs from the ledger. Delete the file; the next poll rewrites it."
    )
    return Exit.ATTENTION
