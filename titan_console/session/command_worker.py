"""Where the console's verbs are planned, given and withdrawn: a thread of its own, no key."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from core.clock import Clock
from core.config.settings import Settings
from state.db.reader import Source
from state.operations import pauses, selection
from state.operations.commands import Action, Command
from state.operations.selection import Filter
from titan_console.session.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.commands.planner import Plan
    from core.engine import Engine

Answer = TypeVar("Answer")


class CommandOptions(Struct, frozen=True, kw_only=True):
    """What the dialog adds to a verb; `settings` are edits as `--set` takes them."""

    settings: tuple[str, ...] = ()
    canary: bool = False
    force: bool = False


class ConfirmedCommand(Struct, frozen=True, kw_only=True):
    """What the operator has said yes to, and why."""

    planned: "Plan"
    reason: str


class CommandDraft:
    """A verb on a target, whose ids are found once: what comes later is not meant."""

    def __init__(self, action: Action, target: Target) -> None:
        """Nothing is asked of the ledger yet."""
        self.action = action
        self.target = target
        self._wanted: Filter | None = None

    def wanted(self, source: Source) -> Filter:
        """The exact ids; or the workflows, for a pause, which becomes a resume where all are."""
        if self._wanted is None:
            wanted = self.target.find(source)
            if self.action == Action.PAUSE:
                wanted = Filter(names=wanted.names or selection.workflows(source, wanted))
                paused = {pause.workflow for pause in pauses.paused(source)}
                if wanted.names and paused.issuperset(wanted.names):
                    self.action = Action.RESUME
            self._wanted = wanted
        return self._wanted


class CommandWorker:
    """Opens an engine without a key for each question, on one thread."""

    def __init__(self, home: Path, clock: Clock) -> None:
        """Nothing is opened or loaded yet."""
        self._settings = Settings(home=home)
        self._clock = clock
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="titan-verbs")

    async def plan(self, question: CommandDraft, how: CommandOptions) -> "Plan":
        """What it would do. Raises UnknownId, PayloadError, LedgerError."""
        return await self._ask(lambda engine: _plan(engine, question, how))

    async def give(self, planned: "Plan", reason: str) -> tuple[Command, bool]:
        """Write the command down, to be carried out after the countdown; and whether it is new."""
        return await self._ask(lambda engine: _give(engine, planned, reason))

    async def withdraw(self, key: str) -> None:
        """Take a command back. Raises TooLateError."""
        await self._ask(lambda engine: _withdraw(engine, key))

    async def carry_out(self, command: Command) -> None:
        """Do at once what needs no API, so that a poll that runs at this moment hears of it."""
        await self._ask(lambda engine: _carry_out(engine, command))

    def discard(self, planned: "Plan") -> None:
        """Forget a plan that is not wanted."""
        if planned.edits:
            self._thread.submit(self._work, lambda engine: _discard(engine, planned))

    def close(self) -> None:
        """Take no more questions; what was begun is done."""
        self._thread.shutdown(wait=False)

    async def _ask(self, work: "Callable[[Engine], Answer]") -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._work, work)

    def _work(self, work: "Callable[[Engine], Answer]") -> Answer:
        from core.bootstrap import open_engine  # noqa: PLC0415 - 0.3 s, off the drawing thread

        with open_engine(self._settings, actor="console", clock=self._clock) as engine:
            return work(engine)


def _plan(engine: "Engine", question: CommandDraft, how: CommandOptions) -> "Plan":
    from core.commands import planner  # noqa: PLC0415 - as above
    from core.commands.body_edits import parse_changes  # noqa: PLC0415 - as above
    from core.commands.request import CommandRequest  # noqa: PLC0415 - as above

    wanted = question.wanted(engine.context.ledger)
    request = CommandRequest(
        action=question.action,
        wanted=wanted,
        force=how.force,
        canary=how.canary,
        changes=parse_changes(how.settings),
    )
    return planner.plan(engine.context, request)


def _give(engine: "Engine", planned: "Plan", reason: str) -> tuple[Command, bool]:
    from core.commands import planner  # noqa: PLC0415 - as above
    from core.config import titan_file  # noqa: PLC0415 - as above

    countdown = timedelta(seconds=titan_file.read(engine.context.folder).console.countdown_s)
    wanted = replace(planned, request=replace(planned.request, reason=reason))
    command, is_new = planner.submit(engine.context, wanted, delay=countdown)
    if not is_new:
        planner.discard(engine.context, planned)
    return command, is_new


def _withdraw(engine: "Engine", key: str) -> None:
    from core.commands import planner  # noqa: PLC0415 - as above

    planner.withdraw(engine.context, [key])


def _carry_out(engine: "Engine", command: Command) -> None:
    from core.commands import executor  # noqa: PLC0415 - as above

    executor.advance(engine.context, command)


def _discard(engine: "Engine", planned: "Plan") -> None:
    from core.commands import planner  # noqa: PLC0415 - as above

    planner.discard(engine.context, planned)
