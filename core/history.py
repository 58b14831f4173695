"""What the ledger has measured, in the words of forecasts and KPIs."""

from core.forecast import Measured
from state import money_views
from state.reader import Source


def measured(source: Source, *, since_day: str) -> dict[str, Measured]:
    """Tokens and money of each workflow from that UTC day on."""
    return {
        row.name: Measured(
            tokens_in=row.tokens_in,
            tokens_out=row.tokens_out,
            cost_nano=row.cost_nano,
            sync_cost_nano=row.sync_cost_nano,
            unpriced=row.unpriced,
            first_day=row.first_day,
        )
        for row in money_views.by_day_column(source, "workflow", since_day=since_day)
    }
