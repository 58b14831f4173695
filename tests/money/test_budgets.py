"""Budgets: reserved at submit, replaced by the real cost, checked before anything is sent."""

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from support.builders import START, Bench, a_bench, a_request, some_requests

from core.config.titan_tables import parse
from core.errors import OverBudget, PayloadError
from core.intake.dry_run import plan
from core.intake.options import SubmitOptions
from core.money.estimate import Estimate
from core.money.pricing import PriceBook
from core.requests.payload import Limits
from state.batches import budget_reservations
from state.batches.budget_reservations import Scope
from state.queries import ledger_status
from titan_console.sandbox.faults.profile import Faults


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def limit(home: Path, text: str) -> None:
    (home / "titan.toml").write_text(f"[budgets]\n{text}\n", "utf-8")


def reserved(bench: Bench, **scope: str) -> int:
    return budget_reservations.reserved(bench.engine.context.ledger, Scope(**scope))  # pyright: ignore[reportArgumentType]


def test_a_submission_over_budget_is_rejected_with_the_numbers_and_not_sent(home: Path) -> None:
    limit(home, "day_usd = 0.002")
    with a_bench(home) as bench:
        bench.submit(2, tag="first")
        before = reserved(bench, day="2026-11-22")
        assert 0 < before < 2_000_000
        with pytest.raises(OverBudget) as raised:
            bench.submit(2, tag="second")
        assert re.search(r"\$0\.0\d+ is spent or reserved, this may add \$0\.0", str(raised.value))
        assert "the limit is $0.0020" in str(raised.value)
        assert bench.sandbox.billing_log().creates == 1
        assert ledger_status.totals(bench.engine.context.ledger).requests == 2
        assert len(list(bench.folder.spool.iterdir())) == 1


def test_the_reservation_is_replaced_by_the_real_cost(home: Path) -> None:
    limit(home, "day_usd = 10")
    with a_bench(home) as bench:
        bench.submit(3)
        before = reserved(bench)
        bench.poll_after(600)
        real = ledger_status.totals(bench.engine.context.ledger).cost_nano
        assert 0 < reserved(bench) == real < before


def test_failed_requests_release_their_reservation(home: Path) -> None:
    limit(home, "day_usd = 10")
    with a_bench(home, faults=Faults.parse(["row:overloaded:p=1"])) as bench:
        bench.submit(3)
        bench.poll_after(600)
        assert reserved(bench) == 0


def test_a_day_budget_renews_and_a_tag_budget_does_not(home: Path) -> None:
    limit(home, 'day_usd = 0.002\n[budgets.tags]\n"once" = 0.0018')
    with a_bench(home) as bench:
        bench.submit(2, tag="a")
        bench.clock.advance(86400)
        bench.submit(2, tag="once")
        bench.clock.advance(86400)
        with pytest.raises(OverBudget, match="budget of tag once"):
            bench.engine.submit([a_request("x"), a_request("y")], SubmitOptions(tag="once"))


def test_a_workflow_has_its_own(home: Path) -> None:
    limit(home, "[budgets.workflows]\nfeed-classify = 0.0001")
    with a_bench(home) as bench:
        with pytest.raises(OverBudget, match="daily budget of workflow feed-classify"):
            bench.submit(1)
        bench.engine.submit(some_requests(1, "other"), SubmitOptions(tag="t"))


def test_the_same_call_again_reserves_nothing(home: Path) -> None:
    limit(home, "day_usd = 0.002")
    with a_bench(home) as bench:
        first = bench.submit(2)
        assert bench.submit(2).submission.key == first.submission.key


def test_a_model_without_a_price_is_rejected_under_a_budget(home: Path) -> None:
    limit(home, "day_usd = 10")
    with a_bench(home) as bench, pytest.raises(OverBudget, match="claude-next-9") as caught:
        bench.submit(1, model="claude-next-9")
    assert caught.value.code == "budget_without_price"


def test_a_problem_in_a_budget_is_reported() -> None:
    (problem,) = parse("[budgets]\nday_usd = -1\n").problems
    assert str(problem).startswith("titan.toml line 2: budgets.day_usd: must be a number from 0")
    assert problem.code == "invalid_value"
    (problem,) = parse("[budgets]\nday = 1\n").problems
    assert "did you mean day_usd?" in str(problem)


def estimate() -> Estimate:
    return Estimate.begin(PriceBook(), START)


def a_plan(*requests: object, **options: object):  # noqa: ANN201 - a Plan
    return plan(
        requests,
        SubmitOptions(tag="t", **options),  # pyright: ignore[reportArgumentType]
        rules=parse(""),
        limits=Limits(max_requests=2),
        estimate=estimate(),
    )


def test_a_plan_has_batches_bytes_and_both_prices() -> None:
    found = a_plan(*some_requests(5))
    assert (found.batches, found.estimate.requests) == (3, 5)
    assert found.estimate.tokens_out == 5 * 64
    assert 0 <= 2 * found.estimate.batch_nano - found.estimate.sync_nano <= 2 * 5
    assert found.estimate.batch_nano > 0
    assert found.options.workflow == "feed-classify"
    assert found.bytes > 5 * 65


def test_the_estimate_is_an_upper_one(home: Path) -> None:
    found = a_plan(*some_requests(2))
    with a_bench(home) as bench:
        bench.submit(2)
        bench.poll_after(600)
        real = ledger_status.totals(bench.engine.context.ledger)
    assert real.cost_nano < found.estimate.batch_nano
    assert Decimal(real.sync_cost_nano) < found.estimate.sync_nano


THINKING = {"type": "enabled", "budget_tokens": 1024}


@pytest.mark.parametrize(
    ("request_", "options", "said"),
    [
        (a_request(), {}, "29 days"),
        (
            a_request(thinking=THINKING, max_tokens=2000),
            {},
            "1 of the requests use thinking with a max_tokens",
        ),
        (a_request(cache_control={"type": "ephemeral", "ttl": "1h"}), {}, "1-hour caching"),
        (a_request(), {"model": "claude-next-9"}, "No price is known for claude-next-9"),
        (a_request(max_tokens=200_000), {}, "more than an hour"),
        (a_request(model="claude-sonet-4-6"), {}, "Did you mean claude-sonnet-4-6?"),
        (a_request(), {"deadline": START + timedelta(hours=2)}, "at the next poll run sync"),
    ],
)
def test_a_plan_has_warnings(request_: object, options: dict[str, object], said: str) -> None:
    assert any(said in warning for warning in a_plan(request_, **options).warnings)


def test_a_plan_rejects_what_submit_rejects() -> None:
    for requests, code in (
        ([], "no_requests"),
        ([a_request("a"), a_request("a")], "duplicate_custom_id"),
        ([a_request("titan-inbox-watch-2026-11-22-001")], "never_batched"),
        ([a_request(max_tokens=0)], "max_tokens_invalid"),
    ):
        with pytest.raises(PayloadError) as caught:
            a_plan(*requests)
        assert caught.value.code == code
