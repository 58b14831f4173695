"""Savings by any key agree with every other sum, and each can be explained."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import Bench, a_bench, a_request, some_requests
from support.error_codes import code_is

from core.errors import InputError
from core.intake.options import SubmitOptions
from core.money.explain import explain
from core.money.pricing import PriceBook
from core.reporting.since import parse_since
from state.model.timestamps import to_text
from state.queries import ledger_status, spending
from state.queries.spending import SumFilter
from titan_console.sandbox.faults.profile import Faults
from titan_console.tui.screens.savings_rows import batch_rows

NOW = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
MODELS = ("claude-sonnet-4-6", "claude-haiku-4-5", "claude-unknown-9")


def a_days_work(bench: Bench, plan: list[tuple[int, str, str]]) -> None:
    """Submit that many requests under each tag and model, an hour apart, and collect them."""
    for number, (count, tag, model) in enumerate(plan):
        requests = [
            a_request(f"{tag}-2026-11-22-{number:02d}{n:03d}", max_tokens=16 + n)
            for n in range(count)
        ]
        bench.engine.submit(requests, SubmitOptions(tag=tag, model=model))
        bench.poll_after(3600)
        bench.poll_after(3600)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1h", "2026-11-22T14:30"),
        ("90m", "2026-11-22T14:00"),
        ("today", "2026-11-22T00:00"),
        ("30d", "2026-10-23T15:30"),
        ("2w", "2026-11-08T15:30"),
        ("2026-11-01", "2026-11-01T00:00"),
        ("2026-11-01T06:00+02:00", "2026-11-01T04:00"),
    ],
)
def test_since_is_a_span_a_day_or_a_date(text: str, expected: str) -> None:
    assert parse_since(text, NOW).isoformat().startswith(expected)


@pytest.mark.parametrize("text", ["", "yesterweek", "-1h", "99999w", "2026-13-01", "1"])
def test_an_invalid_since_is_rejected(text: str) -> None:
    with pytest.raises(InputError, check=code_is("invalid_time")):
        parse_since(text, NOW)


PLANS = st.lists(
    st.tuples(
        st.integers(1, 4), st.sampled_from(["feed", "report", "eval"]), st.sampled_from(MODELS)
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=12, deadline=None)
@given(plan=PLANS, seed=st.integers(0, 99))
def test_every_sum_of_the_ledger_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, plan: list[tuple[int, str, str]], seed: int
) -> None:
    home = tmp_path_factory.mktemp("home")
    faults = Faults.parse(["row:overloaded:p=0.2"], seed=seed)
    with a_bench(home, faults=faults, seed=seed) as bench:
        a_days_work(bench, plan)
        ledger = bench.engine.context.ledger
        totals = ledger_status.totals(ledger)
        for by in spending.BY:
            for since in ("2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.001Z"):
                rows = spending.spending(ledger, by, since_ts=since)
                assert sum(row.cost_nano for row in rows) == totals.cost_nano
                assert sum(row.savings_nano for row in rows) == totals.savings_nano
                assert sum(row.unpriced for row in rows) == totals.unpriced
        attempts = [
            attempt
            for row in spending.spending(ledger, "batch", since_ts="2026")
            for attempt in spending.priced_attempts(ledger, row.name)
        ]
        assert sum(attempt.cost_nano or 0 for attempt in attempts) == totals.cost_nano
        assert all(explain(attempt, PriceBook()).agrees for attempt in attempts)
        assert _cost_log(home) == pytest.approx(totals.savings_nano / 1e9, abs=1e-12)  # pyright: ignore[reportUnknownMemberType]


def _cost_log(home: Path) -> float:
    lines = (home / "batch-cost-log.jsonl").read_text("utf-8").splitlines()
    return sum(json.loads(line)["batch_savings_usd"] or 0 for line in lines)


def test_the_two_ways_to_a_sum_agree_row_by_row(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home") as bench:
        a_days_work(
            bench, [(3, "feed", MODELS[0]), (2, "report", MODELS[1]), (2, "eval", MODELS[2])]
        )
        ledger = bench.engine.context.ledger
        for by in ("workflow", "model", "day"):
            quick = spending.spending(ledger, by, since_ts="2026-11-22T00:00:00.000Z")
            slow = spending.spending(ledger, by, since_ts="2026-11-22T00:00:00.001Z")
            assert quick == slow
            assert quick


def test_only_what_was_collected_since_then_counts(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home") as bench:
        a_days_work(bench, [(2, "feed", MODELS[0])])
        bench.clock.advance(7200)
        recent = to_text(bench.clock.now() - timedelta(hours=1))
        a_days_work(bench, [(3, "late", MODELS[0])])
        rows = spending.spending(bench.engine.context.ledger, "tag", since_ts=recent)
        assert [(row.name, row.attempts) for row in rows] == [("late", 3)]


@pytest.mark.parametrize("text", ["30d", "1h", "today", "4w"])
def test_a_span_is_a_time_whatever_the_clock_says(text: str) -> None:
    now = datetime(1970, 1, 1, 0, 5, tzinfo=UTC)
    assert parse_since(text, now) <= now
    assert len(to_text(parse_since(text, now))) == len(to_text(now))


def test_an_explanation_shows_tokens_rates_and_formula(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home") as bench:
        bench.engine.submit(some_requests(1), SubmitOptions(tag="t"))
        bench.poll_after(3600)
        (attempt,) = spending.priced_attempts(
            bench.engine.context.ledger,
            some_requests(1)[0]["custom_id"],  # pyright: ignore[reportArgumentType]
        )
    found = explain(attempt, PriceBook())
    assert found.agrees
    assert [(part.kind, str(part.usd_per_mtok)) for part in found.parts] == [
        ("input", "3"),
        ("output", "15"),
    ]
    sync = sum(part.sync_usd for part in found.parts)
    assert found.sync_cost_nano == sync * 10**9
    assert "/ 2" in found.formula


def test_an_edited_ledger_figure_does_not_agree(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home") as bench:
        bench.engine.submit(some_requests(1), SubmitOptions(tag="t"))
        bench.poll_after(3600)
        ledger = bench.engine.context.ledger
        ledger.execute("UPDATE attempts SET cost_nano = cost_nano + 1")
        (attempt,) = spending.priced_attempts(ledger, "feed-classify-2026-11-22-00001")
    assert not explain(attempt, PriceBook()).agrees


def test_a_batch_in_a_sum_has_the_models_of_its_answers_in_the_sum(bench: Bench) -> None:
    requests = [
        a_request("r-1", model="claude-opus-5"),
        a_request("r-2", model="claude-haiku-5-5"),
        a_request("r-3"),
    ]
    bench.engine.submit(requests, SubmitOptions(tag="t"))
    bench.poll_after(3600)
    bench.poll_after(86_400)
    source = bench.engine.context.ledger
    [found] = spending.batches_in_sum(source, SumFilter("all", "", ""))
    assert found.models == ("claude-haiku-5-5", "claude-opus-5", "claude-sonnet-4-6")
    [row] = batch_rows([found], frozenset(), bench.clock.now())
    assert row.cells["mode"].text == "batch"
    [row] = batch_rows([found], {found.id}, bench.clock.now())
    assert row.cells["mode"].text == "replay"
    assert "3 models: claude-haiku-5-5, claude-opus-5, claude-sonnet-4-6" in row.about
    [found] = spending.batches_in_sum(source, SumFilter("model", "claude-opus-5", ""))
    assert found.models == ("claude-opus-5",)
