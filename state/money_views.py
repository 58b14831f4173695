"""Read models of money: what was spent and saved, by whatever a person asks for."""

from dataclasses import dataclass

from state.reader import Source

_TOKENS_IN = (
    "input_tokens + {0}cache_write_5m_tokens + {0}cache_write_1h_tokens + {0}cache_read_tokens"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Spending:
    """Sums over what was collected. Money in nano-dollars; `tokens_in` has the cached ones in."""

    name: str
    requests: int
    succeeded: int
    errored: int
    lost: int
    tokens_in: int
    tokens_out: int
    cost_nano: int
    sync_cost_nano: int
    surplus_nano: int
    unpriced: int
    first_day: str

    @property
    def savings_nano(self) -> int:
        """What the same answers would have cost synchronously, less what they cost."""
        return self.sync_cost_nano - self.cost_nano


def by_day_column(source: Source, column: str, *, since_day: str) -> list[Spending]:
    """Sums by `workflow`, `model`, `day` or `kind` from that UTC day on; from the daily totals."""
    rows = source.rows(
        f"SELECT {column} AS name, sum(requests) AS requests, sum(succeeded) AS succeeded,"  # noqa: S608 - our own words
        " sum(errored) AS errored, sum(expired + missing) AS lost,"
        f" sum({_TOKENS_IN.format('')}) AS tokens_in, sum(output_tokens) AS tokens_out,"
        " sum(cost_nano) AS cost_nano, sum(sync_cost_nano) AS sync_cost_nano,"
        " sum(surplus_nano) AS surplus_nano, sum(unpriced) AS unpriced, min(day) AS first_day"
        f" FROM daily_totals WHERE day >= ? GROUP BY {column} ORDER BY {column}",
        since_day,
    )
    return [Spending(**dict(row)) for row in rows]
