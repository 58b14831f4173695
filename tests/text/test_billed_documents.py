"""Details of a request and a batch show what is billed beside tokens, and unknown costs."""

from support.builders import Bench, a_request

from core.intake.options import SubmitOptions
from core.intake.recorded_calls import record_sync
from core.money.explain import explain
from core.money.pricing import PriceBook
from core.reporting import export
from state.queries import batch_detail, request_detail, spending
from titan_console.text import batch_documents, request_documents

_TOOLS = [
    {"type": "web_search_20250305", "name": "web_search", "max_uses": 5},
    {"type": "advisor_20260301", "name": "advisor", "model": "claude-opus-5-5"},
]


def squeezed(text: str) -> str:
    return " ".join(text.split())


def test_details_and_exports_show_searches_region_and_iterations(bench: Bench) -> None:
    request = a_request("a", model="claude-sonnet-5-5", inference_geo="us", tools=_TOOLS)
    betas = ("advisor-tool-2026-03-01",)
    bench.engine.submit([request], SubmitOptions(tag="t", betas=betas))
    bench.poll_after(3600)
    ledger = bench.engine.context.ledger
    found = request_detail.request(ledger, "t", "a")
    assert found is not None
    attempts = squeezed(request_documents.attempts(found, bench.clock.now()).text())
    assert "Also billed 5 web searches, region us" in attempts
    assert "advisor_message" in attempts
    (priced,) = spending.priced_attempts(ledger, "t/a")
    cost = squeezed(request_documents.cost([explain(priced, PriceBook())]).text())
    assert "web searches 5 x $0.01 each = $0.05" in cost
    assert "advisor input" in cost
    assert "Region us" in cost
    record = batch_detail.batch(ledger, priced.batch_key)
    assert record is not None
    shown = squeezed(batch_documents.cost(record, batch_detail.sums_of(ledger, record.key)).text())
    assert "Web searches 5 Fees $0.0500 of the cost" in shown
    (row,) = export.requests(ledger, bench.folder, [found.request_id])
    billed = {
        name: getattr(row, name)
        for name in ("web_searches", "inference_geo", "fee_usd", "unpriced")
    }
    assert billed == {
        "web_searches": 5,
        "inference_geo": "us",
        "fee_usd": 0.05,
        "unpriced": None,
    }


def test_the_cost_of_a_recorded_call_names_its_speed_and_tier(bench: Bench) -> None:
    usage = {"input_tokens": 5, "output_tokens": 1, "speed": "fast", "service_tier": "standard"}
    key = record_sync(bench.engine.context, tag="t", model="claude-opus-5-5", usage=usage)
    attempts = spending.priced_attempts(bench.engine.context.ledger, key)
    explained = [explain(one, PriceBook()) for one in attempts]
    assert "Service tier standard Speed fast" in squeezed(request_documents.cost(explained).text())


def test_details_name_why_a_cost_is_unknown(bench: Bench) -> None:
    usage = {"input_tokens": 5, "output_tokens": 1, "inference_geo": "mars"}
    key = record_sync(
        bench.engine.context, tag="t", model="claude-opus-5-5", usage=usage, custom_id="a"
    )
    ledger = bench.engine.context.ledger
    found = request_detail.request(ledger, "t", "a")
    assert found is not None
    reason = "unknown region 'mars'"
    assert reason in request_documents.attempts(found, bench.clock.now()).text()
    (priced,) = spending.priced_attempts(ledger, "t/a")
    explained = explain(priced, PriceBook())
    assert explained.agrees
    assert explained.formula == f"unpriced: {reason}"
    record = batch_detail.batch(ledger, key)
    assert record is not None
    sums = batch_detail.sums_of(ledger, key)
    assert f"1 answer: {reason}" in batch_documents.cost(record, sums).text()
