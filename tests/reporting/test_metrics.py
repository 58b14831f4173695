"""Prometheus' own parser reads the metrics, and finds the numbers of the ledger in them."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families
from support.console.console_builders import CENT, Failure, LedgerBuilder
from support.hostile_text import EVIL
from support.ledgers.ledger_builders import store_results

from core.config import titan_file
from core.config.alert_settings import AlertRules
from core.reporting import metrics
from core.reporting.metrics import Facts
from core.reporting.poller_health import SILENT_AFTER
from core.reporting.prometheus_text import Metric, one, text
from state.batches import repricing, stuck_batches
from state.batches.collection import Completion
from state.files.folder import Folder
from state.model.records import Batch, CollectedResult, CollectionStatus, Outcome
from state.operations import alerts, pauses

_USD = Decimal(CENT) / 10**9


class Read(NamedTuple):
    """What the parser found: each value by metric and labels, and the type of each metric."""

    values: dict[tuple[str, tuple[tuple[str, str], ...]], float]
    types: dict[str, str]

    def of(self, name: str, **labels: str) -> float:
        return self.values[name, tuple(sorted(labels.items()))]

    def total(self, name: str) -> float:
        return sum(value for (found, _), value in self.values.items() if found == name)

    def counters(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        return {key: v for key, v in self.values.items() if self.types[key[0]] == "counter"}


def parsed(shown: str) -> Read:
    values: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    types: dict[str, str] = {}
    for family in text_string_to_metric_families(shown):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in values, f"{key} comes more than once"
            values[key] = sample.value
            types[sample.name] = family.type
    return Read(values, types)


def read(made: LedgerBuilder, toml: str = "") -> Read:
    facts = Facts(
        version="1.2.3",
        now=made.clock.now(),
        silent_after=SILENT_AFTER,
        budgets=titan_file.parse(toml).budgets,
        config_problems=0,
        fallback_files=2,
    )
    return parsed(text(metrics.metrics(made.ledger, Folder(made.path.parent), facts)))


@pytest.fixture
def made(home: Path) -> LedgerBuilder:
    home.mkdir()
    return LedgerBuilder(home)


def test_what_is_open_is_counted_by_workflow(made: LedgerBuilder) -> None:
    made.submit("queued", 2, due_in=timedelta(hours=30))
    began = made.clock.now().timestamp()
    made.clock.advance(600)
    made.accept(made.submit("sent", 3, workflow="talk", due_in=timedelta(hours=1)))
    found = read(made)
    assert found.of("titan_open_batches", workflow="feed", status="queued") == 1
    assert found.of("titan_open_batches", workflow="talk", status="in_progress") == 1
    assert found.of("titan_open_batches", workflow="talk", status="queued") == 0
    assert found.of("titan_open_batch_requests", workflow="talk") == 3
    assert found.of("titan_oldest_open_batch_timestamp_seconds", workflow="feed") == began
    assert found.of("titan_oldest_queued_request_timestamp_seconds") == began
    due = "titan_next_deadline_timestamp_seconds"
    assert found.of(due, workflow="feed") == began + 30 * 3600
    assert found.of("titan_deadline_risk_batches", workflow="talk", risk="past") == 1
    assert found.of("titan_deadline_risk_batches", workflow="feed", risk="unknown") == 1
    assert found.of("titan_requests", status="queued") == 2
    assert found.of("titan_requests", status="in_flight") == 3


def test_the_oldest_queued_request_may_be_in_no_batch(made: LedgerBuilder) -> None:
    began = made.clock.now().timestamp()
    made.release(made.submit("old", 1))
    made.clock.advance(60)
    made.submit("new", 1)
    assert read(made).of("titan_oldest_queued_request_timestamp_seconds") == began


def test_money_and_outcomes_are_counted_by_workflow_model_and_mode(made: LedgerBuilder) -> None:
    made.collected("t", 5, [Failure()] * 2)
    made.collected("u", 1, workflow="talk", cost_nano=None)
    found = read(made)
    of = {"workflow": "feed", "model": "claude-haiku-4-5", "mode": "batch"}
    assert found.of("titan_attempts_total", **of, outcome="succeeded") == 3
    assert found.of("titan_attempts_total", **of, outcome="errored") == 2
    assert found.of("titan_tokens_total", **of, type="input") == 3 * 900
    assert found.of("titan_cost_dollars_total", **of) == float(3 * _USD)
    assert found.of("titan_sync_price_dollars_total", **of) == float(6 * _USD)
    assert found.of("titan_savings_dollars", **of) == float(3 * _USD)
    assert found.of("titan_unpriced_answers", **{**of, "workflow": "talk"}) == 1
    assert found.of("titan_submissions_total", workflow="talk") == 1
    assert found.of("titan_submitted_requests_total", workflow="feed") == 5


def test_budgets_holds_pauses_and_alerts_are_shown(made: LedgerBuilder) -> None:
    made.collected("t", 2)
    made.hold("429: the queue is full")
    pauses.pause(made.ledger, ["feed"], who="me", reason="")
    alerts.update(made.ledger, [("errors", "day", "many"), ("stuck", "a", "!"), ("stuck", "b", "")])
    alerts.update(made.ledger, [("stuck", "a", "!")])
    found = read(
        made,
        "[budgets]\nday_usd = 3\nworkflows = {feed = 0.5, new = 1}\n"
        "agents = {day_usd = 2, call_usd = 1}",
    )
    assert found.of("titan_agents_daily_budget_limit_dollars") == 2
    assert found.of("titan_agents_daily_budget_used_dollars") == float(2 * _USD) - 0.02
    assert found.of("titan_daily_budget_limit_dollars") == 3
    assert found.of("titan_daily_budget_used_dollars") == float(2 * _USD)
    assert found.of("titan_workflow_daily_budget_limit_dollars", workflow="feed") == 0.5
    assert found.of("titan_workflow_daily_budget_used_dollars", workflow="feed") == 0.02
    assert found.of("titan_workflow_daily_budget_used_dollars", workflow="new") == 0
    assert found.of("titan_hold", hold="queue") == 1
    assert found.total("titan_hold") == 1
    assert found.of("titan_paused_workflows", workflow="feed") == 1
    assert found.of("titan_alerts", rule="stuck") == 1
    assert found.of("titan_alerts", rule="errors") == 0
    assert found.of("titan_alerts_raised_total", rule="stuck") == 2
    assert found.of("titan_fallback_files") == 2


def test_the_poller_is_shown_with_its_times(made: LedgerBuilder) -> None:
    never = read(made)
    assert never.of("titan_poller_state", state="never_ran") == 1
    assert ("titan_last_poll_timestamp_seconds", ()) not in never.values
    made.poll()
    ended = made.clock.now().timestamp()
    made.clock.advance(60)
    found = read(made)
    assert found.of("titan_poller_state", state="ok") == found.total("titan_poller_state") == 1
    assert found.of("titan_last_successful_poll_timestamp_seconds") == ended
    assert found.of("titan_last_poll_duration_seconds") == 0
    assert found.of("titan_polls_total") == 1


@pytest.mark.parametrize("name", [EVIL, 'a"b\\n\\', '{x="1"} 5\n# TYPE titan_up counter'])
def test_a_name_cannot_leave_its_label(made: LedgerBuilder, name: str) -> None:
    made.collected("t", 1, workflow=name)
    found = read(made)
    assert found.of("titan_submissions_total", workflow=name) == 1
    assert found.of("titan_up") == 1
    assert found.types["titan_up"] == "gauge"
    assert {key for key, _ in found.values} == {key for key, _ in read(made).values}


def test_help_is_escaped() -> None:
    (family,) = text_string_to_metric_families(text([one("a", "b\nc \\ d", 1)]))
    assert family.documentation == "b\nc \\ d"


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MOST_WORKFLOWS", 2)
    monkeypatch.setattr(metrics, "MOST_COMBINATIONS", 3)


@pytest.mark.usefixtures("few")
def test_workflows_beyond_the_limit_share_their_series(made: LedgerBuilder) -> None:
    for number in range(5):
        made.collected(f"t{number}", 1, workflow=f"w{number}")
        made.clock.advance(86_400)
    made.accept(made.submit("open", 1, workflow="w9"))
    before = read(made)
    other = dict.fromkeys(("workflow", "model", "mode"), metrics.OTHER)
    assert before.of("titan_cost_dollars_total", **other) == float(2 * _USD)
    assert before.of("titan_submissions_total", workflow=metrics.OTHER) == 4
    assert before.of("titan_open_batches", workflow=metrics.OTHER, status="in_progress") == 1
    made.collected("later", 1, workflow="a-first-by-name")
    after = read(made).counters()
    assert {key for key, value in before.counters().items() if after.get(key, -1) < value} == set()
    assert after.keys() == before.counters().keys()


def test_the_number_of_series_has_an_upper_bound(made: LedgerBuilder) -> None:
    """Each workflow and each combination of three labels adds the same number of series."""
    made.accept(made.submit("t", 1, due_in=timedelta(hours=9)))
    made.collected("u", 1)
    toml = "[budgets]\nday_usd = 3\nworkflows = {feed = 0.5}"
    found = [dict(labels) for _, labels in read(made, toml).values]
    of_work = sum("mode" in labels for labels in found)
    of_workflows = sum("workflow" in labels and "mode" not in labels for labels in found)
    rest = len(found) - of_work - of_workflows + 2 * len(AlertRules.__struct_fields__)
    combinations, workflows = metrics.MOST_COMBINATIONS + 1, metrics.MOST_WORKFLOWS + 1
    most = of_work * combinations + of_workflows * workflows + rest
    assert metrics.MOST_SERIES - 300 < most < metrics.MOST_SERIES


def _repriced(made: LedgerBuilder, batch: Batch) -> None:
    found = repricing.answers(made.ledger, batch, repricing.answer_ids(made.ledger, batch))
    less = [replace(answer, cost_nano=1, sync_cost_nano=5) for answer in found]
    repricing.store(made.ledger, batch, less)


def _with_another_model(made: LedgerBuilder, batch: Batch) -> None:
    del batch
    ids = {row.request_id: "claude-opus-5" for row in repricing.unnamed_requests(made.ledger)}
    assert ids
    repricing.store_models(made.ledger, ids)


def _written_off(made: LedgerBuilder) -> Batch:
    """One of its three answers was collected."""
    batch = made.end(made.accept(made.submit("w", ["a", "b", "c"])))
    store_results(
        made.ledger,
        batch,
        CollectedResult(
            custom_id="a",
            outcome=Outcome.SUCCEEDED,
            model=batch.model,
            cost_nano=CENT,
            sync_cost_nano=2 * CENT,
        ),
        end=Completion(status=CollectionStatus.DELETED, reason="never ended"),
    )
    return made.batch(batch.key)


def _returned(made: LedgerBuilder, batch: Batch) -> None:
    assert stuck_batches.reopen(made.ledger, batch)


def _partly_failed(made: LedgerBuilder) -> Batch:
    return made.collected("t", 4, [Failure()])


@pytest.mark.parametrize(
    ("first", "correct"),
    [
        (_partly_failed, _repriced),
        (_partly_failed, _with_another_model),
        (_written_off, _returned),
    ],
)
def test_a_counter_never_goes_down_when_a_batch_is_corrected(
    made: LedgerBuilder,
    first: Callable[[LedgerBuilder], Batch],
    correct: Callable[[LedgerBuilder, Batch], None],
) -> None:
    made.collected("another", 2)
    batch = first(made)
    before = read(made)
    correct(made, batch)
    after = read(made)
    lower = {k for k, v in before.counters().items() if after.counters().get(k, -1) < v}
    assert lower == set()
    # The gauge of what is saved follows the correction.
    now = made.ledger.rows("SELECT sum(sync_cost_nano - cost_nano) FROM daily_totals")[0][0]
    assert after.total("titan_savings_dollars") == pytest.approx(now / 1e9)


def test_a_batch_that_returns_is_not_counted_twice(made: LedgerBuilder) -> None:
    batch = _written_off(made)
    before = read(made).total("titan_cost_dollars_total")
    _returned(made, batch)
    again = [
        CollectedResult(
            custom_id=custom_id,
            outcome=Outcome.SUCCEEDED,
            model=batch.model,
            cost_nano=CENT,
            sync_cost_nano=2 * CENT,
        )
        for custom_id in ("b", "c")
    ]
    store_results(made.ledger, made.batch(batch.key), *again)
    assert before == float(_USD)
    assert read(made).total("titan_cost_dollars_total") == float(3 * _USD)


def test_metrics_without_values_still_have_their_type() -> None:
    shown = text([Metric(name="titan_x", help="Y.", values={})])
    assert shown == "# HELP titan_x Y.\n# TYPE titan_x gauge\n"
