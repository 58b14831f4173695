"""A week of the simulated month: the KPIs agree with the ledger."""

from pathlib import Path

import pytest
from support.builders import a_bench
from support.month_simulation import simulate

from state.queries import ledger_status, spending
from titan_console.sandbox.model.timing import Plan


def test_a_week_of_todays_mix_has_all_five_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with a_bench(tmp_path / "home", plan=Plan.realistic()) as bench:
        found = {kpi.name: kpi for kpi in simulate(bench, 0.001, days=7)}
        ledger = bench.engine.context.ledger
        totals = ledger_status.totals(ledger)
        by_day = spending.spending(ledger, "day", since_ts="2026-01-01T00:00:00.000Z")
    with capsys.disabled():
        print("", *(f"{kpi.title}: {kpi.value}" for kpi in found.values()), sep="\n  ")  # noqa: T201
    assert len(by_day) == 8
    assert sum(row.savings_nano for row in by_day) == totals.savings_nano > 0
    assert found["batch_share"].ok is True
    assert 0.9 < (found["batch_share"].value or 0) < 1
    assert found["saved_usd_30d"].value == totals.savings_nano / 1e9
    assert found["turnaround_p50_h"].ok is True
    assert found["turnaround_p95_h"].ok is True
    assert found["error_rate"].value == 0
    assert found["fallbacks_30d"].value == 0
