"""Deliberate bugs in exit codes and in what they count; commands are forked with them."""

from collections.abc import Callable
from itertools import count

from cli import test_exit_codes
from msgspec.structs import replace as changed
from simulation.mutants.patching import Rule, in_commands
from support.builders import Bench

from core.batches.engine_context import Context
from core.batches.unresolved import stuck_policy
from core.commands import executor
from core.poll.poll_summary import PollSummary
from state.db.ledger import Ledger
from state.db.reader import Source
from state.operations import commands
from state.operations.commands import Command, CommandState
from state.queries import ledger_status
from titan_console.cli.commands import poll
from titan_console.cli.exit_codes import Exit

_totals, _finish, _ended = ledger_status.totals, commands.finish, executor._ended
_homes = count()


def _all_rows(source: Source) -> ledger_status.Totals:
    """Batches that were not sent are counted, too."""
    (batches,) = source.rows("SELECT count(*) FROM batches")[0]
    return changed(_totals(source), batches=batches)


def _always_done(ledger: Ledger, command: Command, _state: CommandState, outcome: str) -> None:
    _finish(ledger, command, CommandState.DONE, outcome)


def _never_failed(context: Context, command: Command) -> executor.Ended:
    return changed(_ended(context, command), is_failed=False)


def _only_requests(summary: PollSummary) -> Exit:
    return Exit.ATTENTION if summary.failed else Exit.DONE


def _only_problems(summary: PollSummary) -> Exit:
    return Exit.ATTENTION if summary.problems else Exit.DONE


def _no_problems(_context: Context) -> tuple[str, ...]:
    return ()


def _sync(fault: str, said: str) -> Callable[[Bench], None]:
    """A `sync` whose calls have that fault."""

    def named(bench: Bench) -> None:
        home = bench.folder.root.parent / f"home-{next(_homes)}"
        with in_commands(), test_exit_codes.queued_in(home) as shell:
            test_exit_codes.test_a_sync_succeeds_only_if_all_is_answered(
                shell, fault, Exit.ATTENTION, said
            )

    return named


def _poll(fault: str) -> Callable[[Bench], None]:
    """Polls with that fault."""

    def named(bench: Bench) -> None:
        home = bench.folder.root.parent / f"home-{next(_homes)}"
        with in_commands(), test_exit_codes.queued_in(home) as shell:
            test_exit_codes.test_the_code_of_a_poll(shell, fault, Exit.ATTENTION, as_json=False)

    return named


def _vanished(bench: Bench) -> None:
    with in_commands():
        test_exit_codes.test_a_poll_with_a_batch_that_cannot_be_found_fails(
            bench.folder.root.parent, as_json=False
        )


def _counted(bench: Bench) -> None:
    with in_commands():
        test_exit_codes.test_neither_does_status_count_it(bench.folder.root.parent)


def _part(bench: Bench) -> None:
    test_exit_codes.test_a_poll_that_runs_a_command_fails_with_it(bench, 39)


RULES: dict[str, Rule] = {
    "a sync that answered nothing needs attention": (
        *(commands, "finish", _always_done),
        _sync("messages:500", "0 of 4 answered"),
    ),
    "a sync that answered a part needs attention": (
        *(commands, "finish", _always_done),
        _sync("messages:500:nth=2", "3 of 4 answered"),
    ),
    "a poll fails with the command that it runs": (executor, "_ended", _never_failed, _part),
    "a poll with problems needs attention": (
        *(poll, "exit_code_after_poll", _only_requests),
        _poll("list:connect"),
    ),
    "a poll with requests that failed needs attention": (
        *(poll, "exit_code_after_poll", _only_problems),
        _poll("row:overloaded:nth=1"),
    ),
    "a batch that cannot be found is a problem of each poll": (
        *(stuck_policy, "problems", _no_problems),
        _vanished,
    ),
    "attempts that were not sent are no batches": (
        *(ledger_status, "totals", _all_rows),
        _counted,
    ),
}
