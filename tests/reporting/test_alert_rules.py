"""Which alerts hold, decided from facts; and the table [alerts], read strictly."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace
from msgspec.structs import replace as with_rules

from core.batches.holds import (
    ACCOUNT_HOLD,
    CREATE_HOLD,
    QUEUE_HOLD,
    SPEND_HOLD,
    SYNC_HOLD,
    SYNC_SPEND_HOLD,
)
from core.config.alert_settings import AlertRules
from core.config.titan_file import template
from core.config.titan_tables import parse
from core.money.kpis import Facts, kpis
from core.reporting.alert_rules import Observed, conditions
from core.reporting.poller_health import PollerHealth, PollerState
from state.model.records import Hold
from state.model.timestamps import to_text

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LONG = Hold(
    name=SPEND_HOLD,
    since_ts=to_text(NOW),
    until_ts=to_text(NOW + timedelta(hours=6)),
    reason="spend limit",
)
CALM = Observed(
    now=NOW,
    errors_a_day=5,
    due=(),
    holds=(
        replace(LONG, name=CREATE_HOLD, until_ts=to_text(NOW + timedelta(minutes=5)), reason="429"),
    ),
    orphans=0,
    unpriced_models=(),
    kpis=kpis(Facts()),
    has_a_month=True,
    poller=PollerHealth(state=PollerState.OK, age=timedelta(minutes=40)),
)
MISSED = kpis(Facts(requests=10, errored=1, batch_tokens=1, savings_nano=1))
WRONG = [
    ({"errors_a_day": 6}, {"errors_a_day": 0}, [("errors", "day")]),
    ({"holds": (LONG,)}, {"spend_cap": False}, [("spend_cap", SPEND_HOLD)]),
    *(
        ({"holds": (replace(LONG, name=name),)}, {off: False}, [(rule, name)])
        for name, rule in (
            (SYNC_SPEND_HOLD, "spend_cap"),
            (ACCOUNT_HOLD, "account"),
            (SYNC_HOLD, "account"),
            (CREATE_HOLD, "rate_limit"),
            (QUEUE_HOLD, "rate_limit"),
        )
        # `spend_cap` was the rule of every hold.
        for off in {rule, "spend_cap"}
    ),
    ({"orphans": 2}, {"orphans": False}, [("orphan", "api")]),
    ({"unpriced_models": ("m-9",)}, {"unpriced": False}, [("unpriced", "m-9")]),
    (
        {"poller": PollerHealth(state=PollerState.SILENT, age=timedelta(minutes=41))},
        {"poller_silent_min": 0},
        [("poller", "polls")],
    ),
    (
        {"poller": PollerHealth(state=PollerState.FAILED, error="The API rejected the key.")},
        {"poll_failed": False},
        [("poller", "polls")],
    ),
    ({"kpis": MISSED}, {"kpis": False}, [("kpi", "saved_usd_30d"), ("kpi", "error_rate")]),
    ({"kpis": MISSED, "has_a_month": False}, {"kpis": False}, [("kpi", "error_rate")]),
]


def test_a_calm_ledger_has_no_alerts() -> None:
    assert conditions(AlertRules(), CALM) == []


@pytest.mark.parametrize(("seen", "off", "expected"), WRONG)
def test_each_rule_holds_alone_and_can_be_switched_off(
    seen: dict[str, object], off: dict[str, object], expected: list[tuple[str, str]]
) -> None:
    facts = replace(CALM, **seen)  # pyright: ignore[reportArgumentType]
    assert [(c.rule, c.subject) for c in conditions(AlertRules(), facts)] == expected
    assert conditions(with_rules(AlertRules(), **off), facts) == []  # pyright: ignore[reportArgumentType]


def test_a_failed_poll_names_doctor_once() -> None:
    error = "No API key. `titan-console doctor` lists what is set."
    for said, ends in ((error, error), ("Lost.", "Lost. See `titan-console doctor`.")):
        failed = replace(CALM, poller=PollerHealth(state=PollerState.FAILED, error=said))
        (condition,) = conditions(AlertRules(), failed)
        assert condition.message == f"The last poll failed: {ends}"


def test_a_rule_that_is_set_does_not_follow_spend_cap() -> None:
    rules = parse("[alerts]\nspend_cap = false\naccount = true\n").alerts
    facts = replace(CALM, holds=tuple(replace(LONG, name=n) for n in (SPEND_HOLD, ACCOUNT_HOLD)))
    assert [condition.rule for condition in conditions(rules, facts)] == ["account"]


def test_the_template_says_what_holds_anyway() -> None:
    assert parse(template()).alerts == AlertRules() == parse("").alerts


def test_a_zero_switches_a_number_off() -> None:
    rules = parse("[alerts]\nerrors_a_day = 0\ndeadline_lead_h = 0\n").alerts
    assert (rules.errors_a_day, rules.deadline_lead_h, rules.poller_silent_min) == (0, 0, 40)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('command = "rm -rf /"', "command: must be a list of strings"),
        ('url = "http://example.org"\nsecret = "s"', "url: must be an https URL"),
        ('url = "file:///etc/passwd"\nsecret = "s"', "url: must be an https URL"),
        ('url = "https://example.org"', "url: needs a secret"),
        ("errors_a_day = -1", "errors_a_day: must be an integer from 0 to"),
        ("error_a_day = 1", "did you mean errors_a_day?"),
        ('kpis = "yes"', "kpis: must be true or false"),
    ],
)
def test_a_mistake_is_named(line: str, said: str) -> None:
    (problem,) = parse(f"[alerts]\n{line}\n").problems
    assert said in str(problem)


def test_a_secret_is_not_shown() -> None:
    rules = parse('[alerts]\nurl = "https://example.org"\nsecret = "hush"\n').alerts
    assert rules.secret == "hush"
    assert "hush" not in repr(rules)


def test_a_missed_kpi_is_reported_in_its_own_unit() -> None:
    missed = kpis(Facts(requests=1000, errored=17, batch_tokens=1, turnarounds_s=[90_000]))
    said = {c.subject: c.message for c in conditions(AlertRules(), replace(CALM, kpis=missed))}
    assert said["error_rate"] == (
        "error rate 1.7% misses its target (≤ 1.0%); see `titan-console kpis`."
    )
    assert said["turnaround_p50_h"].endswith(
        " 1d 01h misses its target (≤ 4h 00m); see `titan-console kpis`."
    )
    assert said["saved_usd_30d"].endswith(
        "$0.00 misses its target (≥ $40.00); see `titan-console kpis`."
    )
