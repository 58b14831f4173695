"""[budgets.agents] counts whatever is in no workflow with a budget of its own."""

import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from support.builders import Bench, a_bench, some_requests
from support.error_codes import code_is
from support.ledgers.budgets import cost, failed, one, order, plan

from core.bootstrap import open_engine
from core.config.settings import Settings
from core.config.titan_tables import parse
from core.errors import OverBudget
from core.intake.options import SubmitOptions
from state.batches.budget_reservations import Scope, reserved
from state.model.errors import LedgerUnusable
from state.operations.commands import Action
from titan_console.sandbox.model.timing import Plan


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench, None, None]:
    """A bench whose batches end at once."""
    with a_bench(tmp_path / "home", plan=Plan.instant()) as made:
        yield made


def limit(bench: Bench, agents: str, more: str = "") -> None:
    text = f"[budgets.agents]\n{agents}\n{more}"
    (bench.folder.root / "titan.toml").write_text(text, "utf-8")


def submit(bench: Bench, tag: str, workflow: str, count: int = 1) -> None:
    bench.engine.submit(some_requests(count, workflow), SubmitOptions(tag=tag))


def test_no_tag_and_no_workflow_leads_out_of_the_daily_budget_of_agents(bench: Bench) -> None:
    submit(bench, "probe", "probe")
    each = one(bench)
    limit(bench, f"day_usd = {3.5 * each:.9f}", "[budgets.workflows]\nfeed = 1")
    submit(bench, "a", "one")
    submit(bench, "b", "two")
    for tag, workflow in (("c", "one"), ("d", "three"), ("agent", "agent")):
        with pytest.raises(OverBudget, match="daily budget for agents") as refused:
            submit(bench, tag, workflow)
        assert "the owner of titan.toml can raise it" in str(refused.value)
    # A job with a budget of its own goes on, and takes nothing of theirs.
    submit(bench, "e", "feed", 5)


def test_a_command_counts_with_the_submissions_of_other_workflows(bench: Bench) -> None:
    key = failed(bench, 2)
    each = one(bench)
    limit(bench, f"day_usd = {3.5 * each:.9f}")
    submit(bench, "other", "other", 2)
    for action in (Action.REPLAY, Action.SYNC):
        with pytest.raises(OverBudget, match="daily budget for agents"):
            plan(bench, action, key)
    limit(bench, f"day_usd = {4.5 * each:.9f}")
    order(bench, Action.REPLAY, key)
    bench.poll_after(60)
    bench.poll_after(60)
    assert 0 < cost(bench) == reserved(bench.engine.context.ledger, Scope(but_workflows=("x",)))


def test_one_call_is_limited_by_itself_at_the_price_of_its_mode(bench: Bench) -> None:
    key = failed(bench, 3)
    each = one(bench)
    limit(bench, f"call_usd = {3.5 * each:.9f}", "[budgets.workflows]\nfeed = 1")
    with pytest.raises(OverBudget, match=r"budget of one call for agents: this may cost \$0\.00"):
        submit(bench, "large", "other", 4)
    with pytest.raises(OverBudget, match="at the full price, and the limit is"):
        plan(bench, Action.SYNC, key)
    (note,) = plan(bench, Action.REPLAY, key).preview.notes
    assert note.startswith("budget of one call for agents: this may cost $0.00")
    for tag in ("a", "b", "c"):
        submit(bench, tag, tag, 3)
    submit(bench, "job", "feed", 9)


def test_a_batch_that_was_queued_before_the_limit_was_lowered_stays_queued(bench: Bench) -> None:
    limit(bench, "call_usd = 1\nday_usd = 1")
    bench.faults.add("create:connect")
    submit(bench, "t", "other", 2)
    bench.faults.clear()
    limit(bench, f"call_usd = {one(bench):.9f}")
    assert any("budget of one call for agents" in line for line in bench.poll_after(0).problems)
    assert bench.sandbox.billing_log().creates == 0


def test_an_unknown_price_is_refused_under_a_budget_of_one_call(bench: Bench) -> None:
    limit(bench, "call_usd = 1")
    with pytest.raises(OverBudget, check=code_is("budget_without_price")):
        bench.submit(1, model="claude-next-9")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("call = 1", "did you mean call_usd?"),
        ("day_usd = -1", "must be a number from 0"),
        ("day_usd = nan", "must be a number from 0"),
    ],
)
def test_a_mistake_in_the_budgets_of_agents_stops_submissions(text: str, said: str) -> None:
    rules = parse(f"[budgets.agents]\n{text}")
    (problem,) = rules.limit_problems
    assert said in str(problem)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_a_second_home_whose_ledger_is_a_link_reserves_nothing(
    bench: Bench, tmp_path: Path
) -> None:
    """Its titan.toml, which has no limit, would count for the ledger of the first."""
    submit(bench, "probe", "probe")
    limit(bench, "day_usd = 0.01")
    (second := tmp_path / "second").mkdir()
    (second / "titan.db").symlink_to(bench.folder.ledger)
    with pytest.raises(LedgerUnusable, check=code_is("ledger_of_other_home")) as refused:
        open_engine(Settings(home=second), actor="test")
    assert f"Set TITAN_HOME={bench.folder.root.resolve()}" in str(refused.value)
    # A home behind a link is the same home.
    (third := tmp_path / "third").symlink_to(bench.folder.root, target_is_directory=True)
    with open_engine(Settings(home=third), actor="test") as engine, pytest.raises(OverBudget):
        engine.submit(some_requests(500), SubmitOptions(tag="many"))
