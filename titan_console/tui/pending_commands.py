"""What was ordered from this console: given, counted down, taken back, carried out, told."""

from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from state.model.errors import TitanError
from state.model.timestamps import from_text
from state.operations.commands import Action, Command, CommandState
from titan_console.session.command_worker import CommandDraft, CommandWorker, ConfirmedCommand
from titan_console.session.messages import PollEnded
from titan_console.session.poll_runner import PollResult, PollRunner
from titan_console.session.target import Target
from titan_console.text import command_labels
from titan_console.text.format import Tone
from titan_console.text.lines import Part

if TYPE_CHECKING:
    from textual.app import App

    from titan_console.session.console_state import ConsoleState

# After a poll, long enough to hear what came of it; then longer and longer.
_REST = timedelta(seconds=2)
_LONGEST_REST = timedelta(seconds=60)
_HELD_UP = "▸ Another poll is at work; this one is made after it."


class PendingCommands:
    """Lives on the drawing thread; what takes time goes to the worker or to a poll."""

    def __init__(
        self,
        app: "App[None]",
        state: "ConsoleState",
        worker: CommandWorker,
        poll_runner: PollRunner | None,
    ) -> None:
        """Without `poll_runner`, what is ordered waits for the scheduler's next poll."""
        self._app = app
        self._state = state
        self._worker = worker
        self._poll_runner = poll_runner
        self._own: set[str] = set()
        self._under_way: set[str] = set()
        self._said: tuple[str, Tone] | None = None
        self._problem = ""
        self._is_polling = False
        self._held_up = False
        self._rest = _REST
        self._not_before = datetime.min.replace(tzinfo=state.now().tzinfo)

    def close(self) -> None:
        """Take no more orders; what was given is in the ledger."""
        self._worker.close()

    # What the operator does

    def ask(self, action: Action, target: Target) -> None:
        """Show the receipt; what is confirmed there is given."""
        from titan_console.tui.pages.preview_dialog import PreviewDialog  # noqa: PLC0415 - only for a verb

        question = CommandDraft(action, target)
        screen = PreviewDialog(question, self._worker, self._state.clock)
        self._app.push_screen(screen, self._take)

    def withdraw(self) -> None:
        """Take the newest command back that waits."""
        waiting = command_labels.waiting(self._state.commands)
        if waiting:
            self._own.add(waiting[-1].key)
            self._run(self._worker.withdraw(waiting[-1].key))

    def can_withdraw(self) -> bool:
        """Whether anything waits."""
        return bool(command_labels.waiting(self._state.commands))

    def say(self, text: str) -> None:
        """One quiet line, until it is seen."""
        self._said = (text, Tone.DIM)

    def dismiss_message(self) -> bool:
        """What was said has been seen; whether there was anything."""
        had = self._said is not None or bool(self._problem)
        self._said, self._problem = None, ""
        return had

    def lines(self, now: datetime) -> tuple[tuple[Part, ...], ...]:
        """What every page shows of it: the countdown, what came of it, what is in the way."""
        counted = command_labels.countdown(
            self._state.commands,
            self._own,
            now,
            is_polling=self._is_polling,
            can_withdraw=not self._state.read_only,
        )
        is_due = command_labels.is_poll_due(self._state.commands, self._own, now)
        held_up = (Part(_HELD_UP, Tone.DIM),) if self._held_up and is_due else ()
        said = (Part(*self._said),) if self._said else ()
        trouble = (Part(f"! {self._problem}", Tone.BAD),) if self._problem else ()
        return tuple(line for line in (counted, held_up, said, trouble) if line)

    # What time and others do

    def tick(self) -> bool:
        """Tell what has ended, and begin a poll where one is due; whether one was begun."""
        self._hear()
        now = self._state.now()
        if self._poll_runner is None or self._state.read_only:
            return False
        if not command_labels.is_poll_due(self._state.commands, self._own, now):
            self._rest = _REST
            return False
        if self._is_polling or now < self._not_before:
            return False
        self._is_polling = True
        self._hold_back_at_once(now)
        self._poll_runner.ask(lambda end: self._app.post_message(PollEnded(end)))
        return True

    def poll_ended(self, end: PollResult) -> None:
        """A poll that was begun here has ended."""
        self._is_polling = False
        self._not_before = self._state.now() + self._rest
        self._rest = min(_LONGEST_REST, 2 * self._rest)
        more = f" (and {len(end.problems) - 1:,} more)" if len(end.problems) > 1 else ""
        self._problem = f"{end.problems[0]}{more}" if end.problems else ""
        self._held_up = not end.ran

    def _hold_back_at_once(self, now: datetime) -> None:
        """A poll that is sending at this moment must hear of a pause, not only the next one."""
        for command in command_labels.waiting(self._state.commands):
            is_due = from_text(command.not_before_ts) <= now
            if command.action == Action.PAUSE and is_due and command.key in self._own:
                self._run(self._worker.carry_out(command))

    def _hear(self) -> None:
        """What has become of the commands that were given here."""
        for command in self._state.commands:
            if command.key not in self._own or command.state == CommandState.PENDING:
                continue
            if command.state != CommandState.RUNNING:
                self._own.discard(command.key)
                self._tell(command)
            elif not self._is_polling and command.key not in self._under_way:
                self._under_way.add(command.key)
                self._tell(command)

    def _tell(self, command: Command) -> None:
        self._said = command_labels.ending(command)

    def _take(self, confirmed: ConfirmedCommand | None) -> None:
        if confirmed is not None:
            self._run(self._give(confirmed))

    async def _give(self, confirmed: ConfirmedCommand) -> None:
        command, is_new = await self._worker.give(confirmed.planned, confirmed.reason)
        self._own.add(command.key)
        self._said, self._problem = None, ""
        if not is_new:
            self._said = (f"▸ The same was asked for already, by {command.who}.", Tone.WARN)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self._app.run_worker(self._guarded(work), name="orders")

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except (TitanError, OSError) as error:
            self._problem = str(error)
