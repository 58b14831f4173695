"""Alerts: raised once, cleared once, notified until it is recorded. Pauses, and failures."""

from datetime import timedelta

from support.console.console_builders import Failure, LedgerBuilder
from support.ledgers.ledger_views import count_kinds, ids

from core.clock import ManualClock
from state.batches import poll_problems
from state.db.ledger import Ledger
from state.model.records import Outcome
from state.model.timestamps import to_text
from state.operations import alerts, commands, failures, pauses
from state.operations.alerts import Alert
from state.operations.commands import Action, NewCommand
from state.queries import event_list, ledger_status

LATE, STUCK = ("late", "feed", "1 h late"), ("stuck", "tb_1", "404")


def unnotified(ledger: Ledger) -> list[Alert]:
    return alerts.unnotified(ledger, now_ts=ledger.now_text(), latest_ts="2026-12")


def test_an_alert_is_raised_once_and_cleared_once(ledger: Ledger) -> None:
    assert alerts.update(ledger, [LATE, STUCK]) == (2, 0)
    before = ledger_status.revision(ledger)
    assert alerts.update(ledger, [STUCK, LATE]) == (0, 0)
    assert ledger_status.revision(ledger) == before
    assert alerts.update(ledger, [STUCK]) == (0, 1)
    (one,) = alerts.raised(ledger)
    assert (one.rule, one.subject, one.message, one.cleared_ts) == (*STUCK, None)
    assert count_kinds(ledger) == {"alert.raised": 2, "alert.cleared": 1}


def test_the_message_of_a_raised_alert_is_kept_up_to_date(ledger: Ledger) -> None:
    alerts.update(ledger, [LATE])
    (one,) = alerts.raised(ledger)
    alerts.update(ledger, [("late", "feed", "2 h late")])
    (again,) = alerts.raised(ledger)
    assert (again.id, again.message) == (one.id, "2 h late")
    assert count_kinds(ledger) == {"alert.raised": 1}


def test_an_alert_that_returns_is_another(ledger: Ledger) -> None:
    for wrong in ([LATE], [], [LATE]):
        alerts.update(ledger, wrong)
    assert len(unnotified(ledger)) == 2
    assert [one.cleared_ts for one in unnotified(ledger)][1] is None


def silence(ledger: Ledger, until_ts: str | None = None) -> None:
    raised = [one.id for one in alerts.raised(ledger)]
    assert alerts.silence(ledger, raised, who="ops", until_ts=until_ts) == len(raised)


def is_silenced(ledger: Ledger) -> list[bool]:
    return [one.is_silenced(ledger.now_text()) for one in alerts.raised(ledger)]


def test_an_acknowledged_alert_is_not_notified_until_it_is_raised_again(ledger: Ledger) -> None:
    alerts.update(ledger, [LATE])
    silence(ledger)
    assert [one.acknowledged_by for one in alerts.raised(ledger)] == ["ops"]
    assert (is_silenced(ledger), unnotified(ledger)) == ([True], [])
    alerts.update(ledger, [])
    assert unnotified(ledger) == []
    alerts.update(ledger, [LATE])
    assert (is_silenced(ledger), len(unnotified(ledger))) == ([False], 1)
    assert count_kinds(ledger)["alert.acknowledged"] == 1


def test_a_muted_alert_is_not_notified_until_then_however_often_it_is_raised(
    ledger: Ledger, clock: ManualClock
) -> None:
    alerts.update(ledger, [LATE, STUCK])
    (late, _) = alerts.raised(ledger)
    until = to_text(clock.now() + timedelta(hours=1))
    assert alerts.silence(ledger, [late.id], who="ops", until_ts=until) == 1
    assert [one.rule for one in unnotified(ledger)] == ["stuck"]
    for wrong in ([STUCK], [LATE, STUCK]):
        alerts.update(ledger, wrong)
        assert [one.rule for one in unnotified(ledger)] == ["stuck"]
    clock.advance(3600)
    assert is_silenced(ledger) == [False, False]
    assert [one.rule for one in unnotified(ledger)] == ["stuck", "late"]


def test_the_end_of_an_alert_is_notified_if_its_begin_was(ledger: Ledger) -> None:
    alerts.update(ledger, [LATE])
    (one,) = unnotified(ledger)
    alerts.record_notified(ledger, one)
    silence(ledger)
    alerts.update(ledger, [])
    assert [one.cleared_ts for one in unnotified(ledger)] == [ledger.now_text()]


def test_an_alert_is_heard_again(ledger: Ledger) -> None:
    alerts.update(ledger, [LATE, STUCK])
    ids_ = [one.id for one in alerts.raised(ledger)]
    assert alerts.unsilence(ledger, ids_) == 0
    silence(ledger)
    silence(ledger, "2026-12")
    assert alerts.unsilence(ledger, ids_) == 2
    assert (is_silenced(ledger), len(unnotified(ledger))) == ([False, False], 2)
    assert alerts.silence(ledger, [99], who="ops", until_ts=None) == 0


def test_raising_and_clearing_are_notified_once_each(ledger: Ledger) -> None:
    alerts.update(ledger, [LATE])
    (one,) = unnotified(ledger)
    alerts.record_notified(ledger, one)
    assert unnotified(ledger) == []
    alerts.update(ledger, [])
    (cleared,) = unnotified(ledger)
    assert (cleared.id, cleared.cleared_ts) == (one.id, ledger.now_text())
    alerts.record_notified(ledger, cleared)
    assert unnotified(ledger) == []


def test_a_notification_that_failed_waits(ledger: Ledger, clock: ManualClock) -> None:
    alerts.update(ledger, [LATE])
    (one,) = unnotified(ledger)
    alerts.record_try(ledger, one, not_before_ts="2026-11-22T06:05:00.000Z")
    assert (alerts.tries(ledger, one), unnotified(ledger)) == (1, [])
    clock.advance(300)
    assert unnotified(ledger) == [one]
    # A wait from before the clock was set back.
    alerts.record_try(ledger, one, not_before_ts="2027-01-01T00:00:00.000Z")
    assert unnotified(ledger) == [one]
    alerts.record_try(ledger, one, not_before_ts="2026-11-22T07:00:00.000Z")
    alerts.record_notified(ledger, one)
    assert alerts.tries(ledger, one) == 0
    alerts.update(ledger, [])
    assert [cleared.id for cleared in unnotified(ledger)] == [one.id]


def test_unpriced_models_are_named_since_a_day(made: LedgerBuilder) -> None:
    assert alerts.first_day(made.ledger) is None
    made.collected("one", 1, cost_nano=None)
    made.collected("two", 1)
    assert alerts.unpriced_models(made.ledger, since_day="2026-11-22") == ["claude-haiku-4-5"]
    assert alerts.unpriced_models(made.ledger, since_day="2026-11-23") == []
    assert alerts.first_day(made.ledger) == "2026-11-22"


def test_a_workflow_is_paused_once_and_resumed_once(made: LedgerBuilder) -> None:
    assert pauses.pause(made.ledger, ["b", "a"], who="op", reason="why") == ["b", "a"]
    assert pauses.pause(made.ledger, ["a", "c"], who="other", reason="") == ["c"]
    assert [(one.workflow, one.who) for one in pauses.paused(made.ledger)] == [
        ("a", "op"),
        ("b", "op"),
        ("c", "other"),
    ]
    one = pauses.pause_of(made.ledger, "a")
    assert one is not None
    assert one.text == "paused since 2026-11-22T06:00:00.000Z by op: why"
    assert pauses.resume(made.ledger, ["a", "x"], reason="") == ["a"]
    assert pauses.pause_of(made.ledger, "a") is None
    assert count_kinds(made.ledger) == {"workflow.paused": 3, "workflow.resumed": 1}


def test_what_a_pause_holds_back_is_counted(made: LedgerBuilder) -> None:
    made.submit("one", ["a", "b"])
    made.release(made.submit("two", ["c"]))
    made.accept(made.submit("three", ["d"]))
    made.submit("four", ["e"], workflow="news")
    assert pauses.unsent(made.ledger, ["feed"]) == list(ids(made.ledger, "one", "two").values())
    assert pauses.count_at_api(made.ledger, ["feed", "news"]) == 1
    assert pauses.is_known(made.ledger, "news")
    assert not pauses.is_known(made.ledger, "other")


def test_failures_worth_a_replay_are_listed(made: LedgerBuilder) -> None:
    kinds = [Failure(), Failure("invalid_request_error"), Failure(outcome=Outcome.CANCELED)]
    made.collected("tag", ["a", "b", "c", "d"], [*kinds, Failure(outcome=Outcome.EXPIRED)])
    found = failures.replayable(made.ledger, since_ts="2026-11-22T06:00:00.000Z")
    names = ids(made.ledger, "tag")
    assert [(one.request_id, one.tries) for one in found] == [(names["a"], 1), (names["d"], 1)]
    assert list(failures.names_of(made.ledger, found[0].submission_id)) == [None, "feed", "tag"]
    assert failures.replayable(made.ledger, since_ts="2026-11-22T06:00:00.001Z") == []
    new = NewCommand(
        action=Action.REPLAY, items=[names["a"]], reason="", not_before=made.clock.now()
    )
    commands.enqueue(made.ledger, new)
    left = failures.replayable(made.ledger, since_ts="2026")
    assert [one.request_id for one in left] == [names["d"]]


def test_recent_outcomes_are_those_of_the_latest_batches(made: LedgerBuilder) -> None:
    made.collected("one", 4, [Failure()])
    made.clock.advance(60)
    made.collected("two", 4, [Failure(), Failure(outcome=Outcome.CANCELED)])
    made.collect(made.accept(made.submit("other", 1, workflow="news")))
    both, latest = (failures.recent_outcomes(made.ledger, "feed", last=n) for n in (9, 1))
    assert (both.batches, both.answers, both.succeeded) == (2, 7, 5)
    assert (latest.batches, latest.answers, latest.succeeded) == (1, 3, 2)
    sent = made.accept(made.submit("cut", 1))
    made.collect(sent, stop_reason="max_tokens")
    assert failures.recent_outcomes(made.ledger, "feed", last=9).succeeded == 5
    none = failures.recent_outcomes(made.ledger, "none", last=9)
    assert (none.batches, none.answers, none.succeeded) == (0, 0, 0)


def test_a_problem_of_a_poll_is_an_event_of_its_batch(made: LedgerBuilder) -> None:
    one = made.submit("tag")
    poll_problems.record(made.ledger, one.key, "disk full", batch_id=one.id)
    poll_problems.record(made.ledger, "titan.toml", "line 3")
    last, first = event_list.events(made.ledger, limit=2)
    assert (first.batch_key, first.subject) == (one.key, one.key)
    assert (last.batch_key, last.subject, last.detail) == (
        None,
        "titan.toml",
        {"problem": "line 3"},
    )
