"""Commands: stored once, started once, ended once, with the ids that they were given."""

from datetime import timedelta

import pytest
from support.console.console_builders import LedgerBuilder
from support.ledgers.ledger_views import count_kinds, detail, ids, kinds, request
from support.ledgers.storage import Storage

from state.batches.edits import Edit
from state.db.ledger import Ledger
from state.model.errors import LedgerUnusable, UnknownId
from state.operations import command_effects, commands
from state.operations.commands import Action, Command, CommandState, NewCommand, TooLateError
from state.queries import request_detail


def new(made: LedgerBuilder, *items: int, delay: float = 0, **fields: object) -> NewCommand:
    return NewCommand(
        **{  # pyright: ignore[reportArgumentType]
            "action": Action.REPLAY,
            "items": items,
            "reason": "why",
            "not_before": made.clock.now() + timedelta(seconds=delay),
            **fields,
        }
    )


def enqueue(made: LedgerBuilder, *items: int, **fields: object) -> Command:
    command, is_new = commands.enqueue(made.ledger, new(made, *items, **fields))  # pyright: ignore[reportArgumentType]
    assert is_new
    return command


def test_a_command_is_stored_with_its_ids(made: LedgerBuilder) -> None:
    command = enqueue(made, 3, 1, 3, 2**40)
    assert commands.by_key(made.ledger, command.key) == command
    assert (command.item_count, command.who, command.step) == (3, "test", 0)
    assert list(commands.items(made.ledger, command)) == [1, 3, 2**40]
    assert detail(made.ledger, "command.replay")["items"] == 3
    with pytest.raises(UnknownId):
        commands.by_key(made.ledger, "cmd_none")


def test_the_same_command_of_two_consoles_is_stored_once(
    storage: Storage, made: LedgerBuilder
) -> None:
    first = enqueue(made, 1, 2)
    other = storage.open("op:other")
    assert commands.enqueue(other, new(made, 2, 1, reason="other")) == (first, False)
    commands.claim(made.ledger, first)
    again, is_new = commands.enqueue(other, new(made, 1, 2))
    assert (again.id, is_new) == (first.id, False)
    commands.finish(made.ledger, first, CommandState.DONE, "2 queued")
    assert commands.enqueue(other, new(made, 1, 2))[1]
    assert commands.count(made.ledger) == 2


@pytest.mark.parametrize(
    "fields",
    [{"action": Action.ACKNOWLEDGE}, {"options": {"force": True}}, {"items": [1, 2, 3]}],
    ids=["action", "options", "items"],
)
def test_another_command_is_another(made: LedgerBuilder, fields: dict[str, object]) -> None:
    enqueue(made, 1, 2)
    assert commands.enqueue(made.ledger, new(made, 1, 2, **fields))[1]  # pyright: ignore[reportArgumentType]


def test_a_command_that_is_not_admitted_is_not_stored(made: LedgerBuilder) -> None:
    seen: list[Command] = []

    def refuse(number: int) -> None:
        seen.append(commands.get(made.ledger, number))
        raise LedgerUnusable("over budget")

    with pytest.raises(LedgerUnusable):
        commands.enqueue(made.ledger, new(made, 1), refuse)
    assert [one.state for one in seen] == [CommandState.PENDING]
    assert (commands.count(made.ledger), kinds(made.ledger)) == (0, [])


def test_a_command_is_started_by_one_poll(storage: Storage, made: LedgerBuilder) -> None:
    command = enqueue(made, 1)
    other = storage.open("other")
    assert commands.claim(made.ledger, command) == CommandState.RUNNING
    assert commands.claim(other, command) is None
    assert count_kinds(made.ledger)["command.started"] == 1


def test_a_refused_command_fails_at_its_start(made: LedgerBuilder) -> None:
    command = enqueue(made, 1)
    assert commands.claim(made.ledger, command, lambda: "over budget") == CommandState.FAILED
    found = commands.get(made.ledger, command.id)
    assert (found.state, found.outcome) == (CommandState.FAILED, "over budget")
    assert found.ended_ts == made.ledger.now_text()


def test_a_withdrawn_command_is_never_started(made: LedgerBuilder) -> None:
    command = enqueue(made, 1)
    commands.withdraw(made.ledger, command)
    assert commands.claim(made.ledger, command) is None
    with pytest.raises(TooLateError):
        commands.withdraw(made.ledger, command)
    assert commands.get(made.ledger, command.id).state == CommandState.WITHDRAWN


def test_a_command_is_due_at_its_time_and_while_it_runs(made: LedgerBuilder) -> None:
    later, running, now = enqueue(made, 1, delay=60), enqueue(made, 2), enqueue(made, 3)
    commands.claim(made.ledger, running)
    commands.record_step(made.ledger, running, 2)
    commands.record_step(made.ledger, now, 9)
    found = commands.due(made.ledger, now=made.clock.now())
    assert [(one.id, one.step) for one in found] == [(running.id, 2), (now.id, 0)]
    made.clock.advance(60)
    assert len(commands.due(made.ledger, now=made.clock.now())) == 3
    assert later.not_before_ts == made.ledger.now_text()


def test_open_commands_and_the_latest_are_listed(made: LedgerBuilder) -> None:
    made_ones = [enqueue(made, number) for number in range(6)]
    for one in made_ones[1:]:
        commands.withdraw(made.ledger, one)
    numbers = [one.id for one in made_ones]
    latest = [one.id for one in commands.latest(made.ledger, limit=2)]
    assert latest == [numbers[5], numbers[4]]
    listed = [one.id for one in commands.open_and_recent(made.ledger, latest=2)]
    assert listed == [numbers[0], numbers[4], numbers[5]]


def test_the_workflows_of_a_pause_are_its_items(made: LedgerBuilder) -> None:
    command = enqueue(made, action=Action.PAUSE, workflows=["b", "a", "b"])
    assert (command.workflows, command.item_count) == (["a", "b"], 2)


def test_an_edit_is_named_by_the_request_it_changed(ledger: Ledger, made: LedgerBuilder) -> None:
    made.refuse(made.submit("tag", ["a"]))
    number = ids(ledger, "a")["a"]
    edit = Edit(request_id=number, spool_file="e", offset=0, length=1, sha256=b"2" * 32, betas="")
    command = enqueue(made, number, edits=[edit])
    assert command_effects.requeue(ledger, command.id, [number]) == 1
    made.plan()
    found = request(ledger, "tag", "a")
    origin = request_detail.origin_of(ledger, found.attempts[-1].edit_id)
    assert origin is not None
    assert (origin.command, origin.who, origin.reason) == (command.key, "test", "why")
    assert request_detail.origin_of(ledger, found.attempts[0].edit_id) is None


def test_a_command_names_many_requests(made: LedgerBuilder) -> None:
    many = range(2**33, 2**33 + 100_001)
    command = enqueue(made, *many)
    assert list(commands.items(made.ledger, command)) == list(many)
