"""`titan-console orphans` and `adopt`: batches at the API that the ledger has no record of."""

import click
from msgspec import to_builtins

from core.batches.adopt import Adopted
from core.bootstrap import open_engine
from core.config.settings import from_environment
from core.reporting import json_reports
from core.text import pluralize
from state.batches.orphans import Orphan, OrphanVerdict, with_verdict
from state.model.records import DEFAULT_LANE, of_lane
from titan_console.cli.exit_codes import Exit
from titan_console.cli.output import (
    echo,
    json_lines_option,
    json_option,
    lane_option,
    ledger_reader,
    print_json,
    print_rows,
)
from titan_console.cli.stderr import print_stderr

_SHOWN = (
    OrphanVerdict.CANDIDATE,
    OrphanVerdict.UNKNOWN,
    OrphanVerdict.FOREIGN,
    OrphanVerdict.UNRESOLVED,
)


@click.command
@json_lines_option
def orphans(*, as_json: bool) -> None:
    """List batches at the API that the ledger has no record of, as of the last poll.

    A candidate may have been sent by this installation; after it has ended, a poll reads its
    results to decide. `adopt` imports an orphaned batch.
    """
    with ledger_reader() as reader:
        found = [row for verdict in _SHOWN for row in with_verdict(reader, verdict)]
    if as_json:
        for row in found:
            print_json(json_reports.orphan(row))
        return
    header = ("REMOTE_ID", "OWNER", "REQUESTS", "CREATED", "SEEN")
    if any(row.lane != DEFAULT_LANE for row in found):
        rows = [(*_cells(row), row.lane) for row in found]
        print_rows(rows, (*header, "LANE"), lambda row: row, empty="")
        return
    print_rows(found, header, _cells, empty="No orphaned batches.")


def _cells(row: Orphan) -> tuple[str, ...]:
    count = f"{row.request_count:,}"
    return (row.remote_id, row.verdict.value, count, row.remote_created_ts, row.seen_ts)


@click.command
@click.argument("remote_id", metavar="REMOTE_ID")
@click.option(
    "--tag", help="Tag, for a batch that this ledger did not send. Default: adopted-REMOTE_ID."
)
@lane_option("Lane whose API has the batch. Default: the environment's account.")
@json_option
@click.pass_context
def adopt(
    ctx: click.Context, *, remote_id: str, tag: str | None, lane: str | None, as_json: bool
) -> None:
    """Import the ended batch REMOTE_ID with its results and cost.

    `titan-console orphans` lists the batches to import. A batch that this ledger sent joins its
    submission; any other becomes a new submission without request bodies.
    """
    with open_engine(from_environment(), actor="cli", creates=False) as engine:
        adopted = engine.adopt(remote_id, tag=tag, lane=DEFAULT_LANE if lane is None else lane)
    if as_json:
        print_json(to_builtins(json_reports.batch(adopted.batch)) | {"is_ours": adopted.is_own})
    else:
        echo(adopted.batch.key)
    print_stderr(_summary(adopted))
    if adopted.problem:
        print_stderr(adopted.problem)
        ctx.exit(Exit.ATTENTION)


def _summary(adopted: Adopted) -> str:
    batch, lane = adopted.batch, of_lane(adopted.batch.lane)
    if adopted.is_own:
        return f"Recognized as batch {batch.key}{lane} of this ledger, tag {batch.tag}."
    return (
        f"Imported {pluralize(batch.request_count, 'request')}{lane} under tag {batch.tag} and the"
        " custom_ids that the API returned. Their bodies are unknown: to replay one, pass the whole"
        " request with `titan-console replay --edits`."
    )
