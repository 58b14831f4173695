"""Prints what the prompt cache gained or lost in each batch."""

from collections.abc import Sequence

from core.money.cache_gain import CacheGain, cache_effect
from core.reporting import cache_report
from titan_console.cli.output import echo, print_json, print_table
from titan_console.text import format as cells


def show(found: Sequence[CacheGain], period: str, *, as_json: bool) -> None:
    """A line for each batch, and the total."""
    if as_json:
        for one in found:
            print_json(cache_report.report(one))
    elif not found:
        echo(f"No batch wrote or read the prompt cache {period}.")
    else:
        echo(f"Batches {period}")
        print_table(
            ("BATCH", "WORKFLOW", "PRIMED", "READ", "WRITTEN", "HITS", "COST", "UNCACHED", "GAIN"),
            [*map(_cells, found), _total(found)],
        )


def _cells(one: CacheGain) -> tuple[str, ...]:
    return (
        one.batch_key,
        one.workflow,
        "yes" if one.is_primed else "no",
        cells.count(one.read_tokens),
        cells.count(one.written_tokens),
        f"{one.hit_rate:.1%}",
        cells.money(one.cost_nano),
        _money(one.uncached_nano),
        _money(one.gain_nano),
    )


def _total(found: Sequence[CacheGain]) -> tuple[str, ...]:
    read = sum(one.read_tokens for one in found)
    written = sum(one.written_tokens for one in found)
    return (
        "total",
        "",
        "",
        cells.count(read),
        cells.count(written),
        f"{read / (read + written):.1%}",
        cells.money(sum(one.cost_nano for one in found)),
        "",
        cells.money(cache_effect(found).nano),
    )


def _money(nano: int | None) -> str:
    return cells.UNPRICED if nano is None else cells.money(nano)
