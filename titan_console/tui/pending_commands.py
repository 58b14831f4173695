"""The commands given from this console: preview, countdown, withdrawal, poll, result.

docs/commands.md draws the way from a key to the poll that runs the command.
"""

from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from state.model.errors import TitanError
from state.model.records import CollectionStatus
from state.model.timestamps import from_text
from state.operations.commands import Action, Command, CommandState
from titan_console.session.command_worker import CommandDraft, CommandWorker, Target
from titan_console.session.messages import PollEnded
from titan_console.session.poll_helper import PollResult, PollRunner
from titan_console.session.program import program
from titan_console.text import command_labels, ledger_messages
from titan_console.text.format import Tone, span
from titan_console.text.lines import Part

if TYPE_CHECKING:
    from textual.app import App

    from core.commands.planner import Plan
    from titan_console.session.console_state import ConsoleState

# Pause after a poll, until its result is read; doubled while commands stay due.
_BACKOFF = timedelta(seconds=2)
_MAX_BACKOFF = timedelta(seconds=60)
# For so long a result that needs nothing of the operator is shown.
_READ = timedelta(seconds=15)
_LASTING = (Tone.WARN, Tone.BAD)
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
        self._shown_since = state.now()
        self._poll_failed = False
        self._problem = ""
        self._is_polling = False
        # When the operator started the poll that runs now.
        self._polls_since: datetime | None = None
        self._another_polls = False
        self._backoff = _BACKOFF
        self._not_before = datetime.min.replace(tzinfo=state.now().tzinfo)

    def close(self) -> None:
        """Accept no more commands; those given are in the ledger."""
        self._worker.close()

    # Actions of the operator

    def preview(
        self,
        action: Action,
        target: Target,
        confirmed: Callable[[], object],
        *,
        edit: bool = False,
    ) -> None:
        """Show the preview of a command; submit it once it is confirmed there.

        `confirmed` is called then: what was selected for the command is not for the next one.
        `edit`: after the operator has edited the parameters.
        """
        from titan_console.tui.pages.preview_dialog import PreviewDialog  # noqa: PLC0415 - only for a command

        def done(plan: "Plan | None") -> None:
            if plan is not None:
                confirmed()
                self._run(self._submit(plan))

        draft = CommandDraft(action, target)
        self._app.push_screen(
            PreviewDialog(draft, self._worker, self._state.clock, edit=edit), done
        )

    def withdraw(self) -> None:
        """Withdraw the newest pending command."""
        pending = command_labels.pending(self._state.commands)
        if pending:
            self._own.add(pending[-1].key)
            self._run(self._worker.withdraw(pending[-1].key))
        else:
            self.show_message("No pending command to withdraw.")

    def silence(self, ids: Sequence[int], hours: float | None) -> None:
        """Acknowledge alerts, mute them for so many hours, or with 0 hear them again."""
        self._run(self._worker.silence(ids, hours))

    def poll_now(self) -> None:
        """Start a poll that the operator asked for."""
        if self._poll_runner is None:
            self.show_message("This console starts no polls. Run: titan-console --poll")
        elif self._is_polling:
            self.show_message("A poll of this console is running already.")
        else:
            self._message, self._ended, self._problem = None, None, ""
            self._polls_since = self._state.now()
            self._start_poll(self._poll_runner, self._polls_since)

    def show_message(self, text: str) -> None:
        """Show one dim line for a while."""
        self._message, self._ended = (text, Tone.DIM), None
        self._shown_since = self._state.now()

    def dismiss_message(self) -> bool:
        """Remove the message and the problem; whether one was shown."""
        had = bool(self._shown_message(self._state.now()) or self._problem)
        self._message, self._ended, self._problem = None, None, ""
        return had

    def last_words(self, *, is_demo: bool = False) -> str:
        """What becomes of a command given here that has not run; empty where there is none.

        `is_demo`: the API ends with the console.
        """
        found = [
            one for one in command_labels.pending(self._state.commands) if one.key in self._own
        ]
        if not found:
            return ""
        more = f" (and {len(found) - 1:,} more)" if len(found) > 1 else ""
        named, keys = command_labels.named(found[-1]), " ".join(one.key for one in found)
        if is_demo:
            return f"Pending: {named}{more}. The demo's API has ended, so it does not run."
        name = program()
        return (
            f"Pending: {named}{more}. The next poll runs it: {name} --poll\n"
            f"To withdraw it: {name} withdraw {keys}"
        )

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
        polling = self._polling(now)
        another = (Part(_ANOTHER_POLL, Tone.DIM),) if self._another_polls and is_due else ()
        shown = self._shown_message(now)
        message = (Part(*shown),) if shown else ()
        problem = (Part(f"! {self._problem}", Tone.BAD),) if self._problem else ()
        shown_lines = (line for line in (countdown, polling, another, message, problem) if line)
        return tuple(tuple(_in_list(part, now) for part in line) for line in shown_lines)

    def _shown_message(self, now: datetime) -> tuple[str, Tone] | None:
        """The message or the last result; one that needs nothing of the operator leaves."""
        shown = self._message
        if self._ended is not None:
            shown = command_labels.result(self._ended, poll_failed=self._poll_failed)
        is_read = now - self._shown_since > _READ and shown and shown[1] not in _LASTING
        return None if is_read else shown

    def _polling(self, now: datetime) -> tuple[Part, ...]:
        """How far the poll is that the operator started."""
        snapshot = self._state.snapshot
        if self._polls_since is None:
            return ()
        parts = [f"Polling for {span(now - self._polls_since)}"]
        if snapshot is not None:
            open_ones = snapshot.open_batches
            left = sum(batch.collection == CollectionStatus.PENDING for batch in open_ones)
            parts.append(f"{snapshot.totals.open_batches:,} open")
            parts += [f"{left:,} to collect"] if left else []
            parts.append(f"{snapshot.totals.queued_requests:,} requests queued")
        return (Part(f"▸ {'  ·  '.join(parts)}", Tone.BUSY, strong=True),)

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
        self._start_poll(self._poll_runner, now)
        return True

    def _start_poll(self, runner: PollRunner, now: datetime) -> None:
        self._is_polling, self._poll_failed = True, False
        self._pause_at_once(now)
        runner.start(lambda result: self._app.post_message(PollEnded(result)))

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
        if self._polls_since is not None and not result.failed and self._ended is None:
            text = f"✓ Poll ended: {result.done or 'nothing new'}." if result.ran else _ANOTHER_POLL
            self._message = (text, Tone.GOOD if result.ran else Tone.DIM)
            self._shown_since = self._state.now()
        self._polls_since = None

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
                self._show_result(command)
            elif not self._is_polling and command.key not in self._shown_running:
                self._shown_running.add(command.key)
                self._show_result(command)

    def _show_result(self, command: Command) -> None:
        self._ended, self._shown_since = command, self._state.now()

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


def _in_list(part: Part, now: datetime) -> Part:
    return replace(part, text=ledger_messages.in_list(part.text, now))
