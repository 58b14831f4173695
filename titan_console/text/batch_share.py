"""Says what the batch share is a share of."""

from core.reporting.history import KpiMonth
from core.text import pluralize
from titan_console.text import format as cells
from titan_console.text.safe_text import clean

_SHOWN = 3
_NAME_WIDTH = 40


def share_basis(found: KpiMonth) -> str:
    """The parts of the batchable tokens, and the jobs whose tokens are not known."""
    unmoved = found.unmoved
    parts = [
        f"{cells.count(found.batch_tokens)} in batches",
        f"{cells.count(found.sync_tokens)} synchronously",
    ]
    if unmoved.tokens:
        jobs = f"of {pluralize(len(unmoved.tokens), 'job')} without a record"
        parts.append(f"{cells.count(unmoved.total)} {jobs} ({_sources(found)})")
    without = f"; no figures for {_names(unmoved.unknown)}" if unmoved.unknown else ""
    return f"{', '.join(parts)}{without}"


def _sources(found: KpiMonth) -> str:
    measured = len(found.unmoved.measured)
    planned = len(found.unmoved.tokens) - measured
    day = f" of {found.scanned_ts[:10]}" if found.scanned_ts else ""
    parts = [
        f"{measured:,} measured by a scan{day}" if measured else "",
        f"{planned:,} estimated" if planned else "",
    ]
    return ", ".join(part for part in parts if part)


def _names(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(clean(name, _NAME_WIDTH) for name in names[:_SHOWN]) + more
