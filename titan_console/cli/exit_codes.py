"""Exit codes of the commands."""

from collections.abc import Iterable
from enum import IntEnum
from typing import TYPE_CHECKING

from core.errors import ApiError, InputError, PayloadError, SettingsError
from state.model.errors import (
    AlreadySubmitted,
    LedgerError,
    QueryError,
    TitanError,
    TooManyTerms,
    UnknownId,
)
from state.operations.commands import Command, CommandState, TooLateError

if TYPE_CHECKING:
    from core.poll.poll_summary import PollSummary


class Exit(IntEnum):
    """Exit codes of every command; the README has the same table."""

    DONE = 0
    ATTENTION = 1  # needs attention
    USAGE = 2  # wrong usage or input
    UNUSABLE = 3  # the configuration or the ledger cannot be used
    RUNNING = 4  # `wait` or `run` ended before the requests
    STOPPED = 130  # Ctrl-C


_USAGE = (
    *(PayloadError, InputError, AlreadySubmitted, UnknownId, TooManyTerms, QueryError),
    TooLateError,
)


def exit_code_of(error: TitanError) -> Exit:
    """The exit code for an error."""
    if isinstance(error, _USAGE):
        return Exit.USAGE
    if isinstance(error, SettingsError | LedgerError):
        return Exit.UNUSABLE
    return Exit.ATTENTION if isinstance(error, ApiError) else Exit.UNUSABLE


def exit_code_after_poll(summary: "PollSummary") -> Exit:
    """The exit code for a poll; one that left the work to another poll is no problem."""
    return Exit.ATTENTION if summary.problems or summary.failed else Exit.DONE


def exit_code_after_command(command: Command, problems: Iterable[str]) -> Exit:
    """The exit code for an operator's command; one that is still to begin is no problem."""
    is_well = command.state in (CommandState.DONE, CommandState.PENDING) and not any(problems)
    return Exit.DONE if is_well else Exit.ATTENTION
