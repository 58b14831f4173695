"""With fees, regions and iterations mixed in, every sum of the ledger is the API's bill."""

import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import BASE_URL, KEY, Bench, a_bench, a_request
from support.processes.terminal import Terminal

from core.api.client import AnthropicApi
from core.intake.options import SubmitOptions
from core.money.batchable import Fleet
from core.money.explain import explain
from core.money.pricing import PriceBook
from core.reporting import history
from state.db.reader import Reader
from state.model.records import BatchKind, OnFailure
from state.queries import console_snapshot, ledger_status, spending
from state.queries.usage_by_day import usage_by_day
from titan_console.sandbox.faults.profile import Faults
from titan_console.sandbox.http.transport import client
from titan_console.tui.pages import status_lines
from titan_console.tui.screens.kpis import kpis_title

_MODELS = ("claude-sonnet-5-5", "claude-haiku-5-5", "claude-opus-5-5", "claude-haiku-4-5")
_SEARCH: dict[str, Any] = {"type": "web_search_20250305", "name": "web_search"}
_FETCH: dict[str, Any] = {"type": "web_fetch_20250910", "name": "web_fetch"}
_ADVISOR: dict[str, Any] = {
    "type": "advisor_20260301",
    "name": "advisor",
    "model": "claude-opus-5-5",
}
_BETAS = ("compact-2026-01-12", "advisor-tool-2026-03-01")
_COMPACT = {"edits": [{"type": "compact_20260112", "trigger": {"value": 1}}]}


def a_billed_request(number: int, rng: random.Random) -> dict[str, Any]:
    """A request that is billed for some of what the API bills beside tokens."""
    model = rng.choice(_MODELS)
    tools = [tool for tool in (_SEARCH, _FETCH, _ADVISOR) if rng.random() < 0.4]
    if tools and rng.random() < 0.5:
        tools[0] = tools[0] | {"max_uses": rng.randint(1, 9)}
    params: dict[str, Any] = {
        "model": model,
        "max_tokens": rng.choice([16, 4096]),
        **({"tools": tools} if tools else {}),
        **({"context_management": _COMPACT} if rng.random() < 0.3 else {}),
        **({"system": "word " * rng.choice([10, 90_000])} if rng.random() < 0.2 else {}),
    }
    if model != "claude-haiku-4-5" and rng.random() < 0.6:
        params["inference_geo"] = rng.choice(["us", "global"])
    return a_request(f"feed-2026-11-22-{number:05d}", **params)


def nano(usd: Fraction) -> int:
    """Nano-dollars; halves round up."""
    return (2 * usd * 10**9 + 1).__floor__() // 2


def billed_usage(bench: Bench) -> dict[tuple[str, str], Counter[str]]:
    """Tokens and searches that the API bills, by model and region."""
    found = defaultdict[tuple[str, str], Counter[str]](Counter)
    for row in bench.sandbox.billing_log().billed():
        usage: dict[str, Any] = dict(row.usage)
        region = usage["inference_geo"]
        tools: dict[str, int] = usage.get("server_tool_use") or {}
        found[row.model, region]["searches"] += tools.get("web_search_requests", 0)
        parts = [part for part in usage.get("iterations", ()) if part["type"] != "message"]
        for part in (usage, *parts):
            counter = found[part.get("model", row.model), region]
            counter["in"] += part["input_tokens"]
            counter["out"] += part["output_tokens"]
    return found


def cost_log(bench: Bench) -> list[dict[str, Any]]:
    lines = (bench.folder.root / "batch-cost-log.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_every_sum_of_the_ledger_is_the_bill_of_the_api(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    rng = random.Random(seed)
    faults = Faults.parse(["row:overloaded:p=0.1"], seed=seed)
    with a_bench(tmp_path_factory.mktemp("home"), faults=faults, seed=seed) as bench:
        for first in (0, 10):
            requests = [a_billed_request(first + n, rng) for n in range(8)]
            bench.engine.submit(requests, SubmitOptions(tag=f"feed-{first}", betas=_BETAS))
            bench.poll_after(3600)
        bench.faults.add("create:429:times=1")
        bench.engine.submit(
            [a_billed_request(20 + n, rng) for n in range(3)],
            SubmitOptions(tag="sync", on_failure=OnFailure.SYNC, betas=_BETAS),
        )
        bench.poll_after(60)
        assert len(bench.sandbox.billing_log().messages) == 3
        ledger = bench.engine.context.ledger
        billed = Counter(nano(row.usd) for row in bench.sandbox.billing_log().billed())
        names = [row.name for row in spending.spending(ledger, "batch", since_ts="2026")]
        attempts = [a for name in names for a in spending.priced_attempts(ledger, name)]
        assert Counter(a.cost_nano for a in attempts if a.outcome == "succeeded") == billed
        assert all(explain(attempt, PriceBook()).agrees for attempt in attempts)
        totals = ledger_status.totals(ledger)
        assert totals.cost_nano == sum(bill * count for bill, count in billed.items())
        assert totals.unpriced == 0
        tokens = sum(billed_usage(bench).values(), Counter[str]())
        for by in spending.BY:
            for since in ("2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.001Z"):
                rows = spending.spending(ledger, by, since_ts=since)
                assert sum(row.cost_nano for row in rows) == totals.cost_nano
                assert sum(row.fee_nano for row in rows) == sum(a.fee_nano for a in attempts)
                assert sum(row.web_searches for row in rows) * 10**7 == sum(
                    a.fee_nano for a in attempts
                )
                assert sum(row.tokens_in for row in rows) == tokens["in"]
                assert sum(row.tokens_out for row in rows) == tokens["out"]
        kinds = (BatchKind.BATCH, BatchKind.SYNC)
        by_day = usage_by_day(ledger, first_day="2026-11-01", last_day="2026-12-31", kinds=kinds)
        counted = defaultdict[tuple[str, str], Counter[str]](Counter)
        for (_, model, region), usage in by_day.items():
            counted[model, region] += Counter(
                {
                    "in": usage.input_tokens,
                    "out": usage.output_tokens,
                    "searches": usage.web_searches,
                }
            )
        assert counted == {key: +counts for key, counts in billed_usage(bench).items()}
        lines = cost_log(bench)
        assert sum(line["input_tokens"] for line in lines) == tokens["in"]
        assert sum(line["output_tokens"] for line in lines) == tokens["out"]
        assert round(sum(line["cost_usd"] for line in lines) * 10**9) == totals.cost_nano
        assert round(sum(line["fee_usd"] for line in lines) * 10**9) == sum(
            a.fee_nano for a in attempts
        )


_EXAMPLE = (
    b'"usage":{"input_tokens":20000,"output_tokens":2000,"service_tier":"batch",'
    b'"inference_geo":"us","server_tool_use":{"web_search_requests":5,"web_fetch_requests":0}}'
)


class _ExampleApi(AnthropicApi):
    """Every answer has the usage of the example."""

    @contextmanager
    def results(self, remote_id: str) -> Generator[Iterator[bytes], None, None]:
        with super().results(remote_id) as pieces:
            raw = b"".join(pieces)
        yield iter([re.sub(rb'"usage":\{[^\n]*?\}(?=\}\}\}\n)', _EXAMPLE, raw)])


_SUMS = (
    ("status",),
    ("savings", "--month"),
    ("savings", "--since", "2026-01-01"),
    ("status", "--json"),
    ("savings", "--month", "--json"),
    ("kpis",),
    ("kpis", "--json"),
)


def test_a_hundred_rows_with_searches_in_the_us_cost_8_dollars_30(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home") as bench:
        bench.engine = bench.new_engine(
            "example",
            api=lambda: _ExampleApi(
                api_key=KEY, base_url=BASE_URL, http_client=client(bench.sandbox)
            ),
        )
        requests = [a_request(f"a-{n}", model="claude-sonnet-5-5") for n in range(100)]
        bench.engine.submit(requests, SubmitOptions(tag="t"))
        bench.poll_after(3600)
        (row,) = spending.spending(bench.engine.context.ledger, "tag", since_ts="2026")
        (line,) = cost_log(bench)
        shown = [Terminal(tmp_path / "home").run(*args) for args in _SUMS]
        ledger, now = bench.engine.context.ledger, bench.clock.now()
        with Reader(bench.folder.ledger) as reader:
            parts = status_lines.totals(console_snapshot.take(reader, now))
        totals = [f"{part.label} {part.value}" for part in parts]
        title = kpis_title(history.kpi_month(ledger, Fleet(), now.date()))
    assert (row.succeeded, row.unpriced) == (100, 0)
    assert (row.cost_nano, row.fee_nano) == (8_300_000_000, 5_000_000_000)
    assert row.sync_cost_nano == 11_600_000_000
    assert (line["cost_usd"], line["fee_usd"]) == (8.3, 5.0)
    status, month, table, status_json, month_json, kpis, kpis_json = shown
    assert "$5.00, included in the cost" in status.out
    assert "$5.00, included in the cost" in month.out
    period, *lines = table.out.splitlines()
    assert "2026-01-01" in period
    assert [line.split()[-1] for line in lines] == ["FEES", "$5.00"]
    assert status_json.json()["totals"]["fee_usd"] == 5
    assert month_json.json()["fee_usd"] == 5
    assert "$5.00, included in the cost" in kpis.out
    sums = {name: kpis_json.json()[name] for name in ("cost_usd", "fee_usd", "unpriced")}
    assert sums == {"cost_usd": 8.3, "fee_usd": 5, "unpriced": 0}
    assert "fees $5.00" in totals
    assert "spent $8.30, fees $5.00" in title


def test_the_sandbox_runs_searches_in_a_region_as_the_example_of_the_price_list(
    tmp_path: Path,
) -> None:
    tools = [_SEARCH | {"max_uses": 5}]
    request = a_request("a", model="claude-sonnet-5-5", inference_geo="us", tools=tools)
    with a_bench(tmp_path / "home") as bench:
        bench.engine.submit([request], SubmitOptions(tag="t"))
        bench.poll_after(3600)
        (found,) = spending.priced_attempts(bench.engine.context.ledger, "a")
        (row,) = bench.sandbox.billing_log().billed()
    usage = found.usage
    assert (usage.inference_geo, usage.web_searches, usage.service_tier) == ("us", 5, "batch")
    assert found.fee_nano == 50_000_000
    tokens = Fraction(usage.input_tokens * 2 + usage.output_tokens * 10, 2_000_000)
    assert row.usd == tokens * Fraction("1.1") + Fraction("0.05")
    assert found.cost_nano == nano(row.usd)
    shown = explain(found, PriceBook())
    assert [(part.kind, str(part.usd_per_mtok)) for part in shown.parts] == [
        ("input", "2.2"),
        ("output", "11"),
    ]
    assert [(fee.kind, fee.count, str(fee.usd)) for fee in shown.fees] == [
        ("web searches", 5, "0.05")
    ]
    assert shown.formula.startswith("cost = sum / 2 + fees; sync = sum + fees")
