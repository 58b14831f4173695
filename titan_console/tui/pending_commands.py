"""The commands given from this console: preview, countdown, withdrawal, poll, result.

docs/commands.md draws the way from a key to the poll that runs the command.
"""

from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from state.model.errors import TitanError
from state.model.timestamps import from_text
from state.operations.commands import Action, Command, CommandState
from titan_console.session.command_worker import CommandDraft, CommandWorker, Target
from titan_console.session.messages import PollEnded
from titan_console.session.poll_helper import PollResult, PollRunner
from titan_console.text import command_labels
from titan_console.text.format import Tone
from titan_console.text.lines import Part

if TYPE_CHECKING:
    from textual.app import App

    from core.commands.planner import Plan
    from titan_console.session.console_state import ConsoleState

# Pause after a poll, until its result is read; doubled while commands stay due.
_BACKOFF = timedelta(seconds=2)
_MAX_BACKOFF = timedelta(seconds=60)
_ANOTHER_POLL = "▸ Another poll is running; the next one starts after it."


class PendingCommands:
    """Lives on the drawing thread; slow work goes to the worker or to a poll."""

    def __init__(
        self,
        app: "App[None]",
        state: "ConsoleState",
        worker: CommandWorker,
        poll_runner: PollRunner | None,
    ) -> None:
        """Without `poll_runner`, commands wait for the scheduler's next poll."""
        self._app = app
        self._state = state
        self._worker = worker
        self._poll_runner = poll_runner
        # Keys of the commands given here, until their results are shown.
        self._own: set[str] = set()
        self._shown_running: set[str] = set()
        self._message: tuple[str, Tone] | None = None
        # The command whose result is shown.
        self._ended: Command | None = None
        self._poll_failed = False
        self._problem = ""
        self._is_polling = False
        self._another_polls = False
        self._backoff = _BACKOFF
        self._not_before = datetime.min.replace(tzinfo=state.now().tzinfo)

    def close(self) -> None:
        """Accept no more commands; those given are in the ledger."""
        self._worker.close()

    # Actions of the operator

    def preview(self, action: Action, target: Target) -> None:
        """Show the preview of a command; submit it once it is confirmed there."""
        from titan_console.tui.pages.preview_dialog import PreviewDialog  # noqa: PLC0415 - only for a command

        draft = CommandDraft(action, target)
        self._app.push_screen(
            PreviewDialog(draft, self._worker, self._state.clock), self._confirmed
        )

    def withdraw(self) -> None:
        """Withdraw the newest pending command."""
        pending = command_labels.pending(self._state.commands)
        if pending:
            self._own.add(pending[-1].key)
            self._run(self._worker.withdraw(pending[-1].key))
        else:
            self.show_message("No pending command to withdraw.")

    def show_message(self, text: str) -> None:
        """Show one dim line until it is dismissed."""
        self._message, self._ended = (text, Tone.DIM), None

    def dismiss_message(self) -> bool:
        """Remove the message and the problem; whether there was one."""
        had = bool(self._message or self._ended or self._problem)
        self._message, self._ended, self._problem = None, None, ""
        return had

    def lines(self, now: datetime) -> tuple[tuple[Part, ...], ...]:
        """The lines on every page: the countdown, the last result, the problem of the last poll."""
        countdown = command_labels.countdown(
            self._state.commands,
            self._own,
            now,
            is_polling=self._is_polling,
            can_withdraw=not self._state.read_only,
        )
        is_due = command_labels.is_poll_due(self._state.commands, self._own, now)
        another = (Part(_ANOTHER_POLL, Tone.DIM),) if self._another_polls and is_due else ()
        shown = self._message
        if self._ended is not None:
            shown = command_labels.result(self._ended, poll_failed=self._poll_failed)
        message = (Part(*shown),) if shown else ()
        problem = (Part(f"! {self._problem}", Tone.BAD),) if self._problem else ()
        return tuple(line for line in (countdown, another, message, problem) if line)

    # Time and the ledger

    def tick(self) -> bool:
        """Show new results, and start a poll where one is due; whether one was started."""
        self._show_results()
        now = self._state.now()
        if self._poll_runner is None or self._state.read_only:
            return False
        if not command_labels.is_poll_due(self._state.commands, self._own, now):
            self._backoff = _BACKOFF
            return False
        if self._is_polling or now < self._not_before:
            return False
        self._is_polling, self._poll_failed = True, False
        self._pause_at_once(now)
        self._poll_runner.start(lambda result: self._app.post_message(PollEnded(result)))
        return True

    def poll_ended(self, result: PollResult) -> None:
        """A poll that was started here has ended."""
        self._is_polling = False
        self._not_before = self._state.now() + self._backoff
        self._backoff = min(_MAX_BACKOFF, 2 * self._backoff)
        problems = result.problems
        more = f" (and {len(problems) - 1:,} more)" if len(problems) > 1 else ""
        self._poll_failed = result.failed
        what = "The poll failed: " if result.failed else ""
        self._problem = f"{what}{problems[0]}{more}" if problems else ""
        self._another_polls = not result.ran

    def _pause_at_once(self, now: datetime) -> None:
        """A poll that is sending now must see a pause; the next poll would be too late."""
        for command in command_labels.pending(self._state.commands):
            is_due = from_text(command.not_before_ts) <= now
            if command.action == Action.PAUSE and is_due and command.key in self._own:
                self._run(self._worker.run_now(command))

    def _show_results(self) -> None:
        for command in self._state.commands:
            if command.key not in self._own or command.state == CommandState.PENDING:
                continue
            if command.state != CommandState.RUNNING:
                self._own.discard(command.key)
                self._ended = command
            elif not self._is_polling and command.key not in self._shown_running:
                self._shown_running.add(command.key)
                self._ended = command

    def _confirmed(self, plan: "Plan | None") -> None:
        if plan is not None:
            self._run(self._submit(plan))

    async def _submit(self, plan: "Plan") -> None:
        command, is_new = await self._worker.submit(plan)
        self._own.add(command.key)
        self._message, self._ended, self._problem = None, None, ""
        if not is_new:
            self._message = (f"▸ {command.who} already issued this command.", Tone.WARN)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self._app.run_worker(self._guarded(work), name="commands")

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except (TitanError, OSError) as error:
            self._problem = str(error)
