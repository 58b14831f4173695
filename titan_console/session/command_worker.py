"""Plans, submits and withdraws the console's commands on a thread of its own, without a key."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from core.clock import Clock
from core.config.settings import Settings
from state.db.reader import Source
from state.files.folder import Folder
from state.model.timestamps import to_text
from state.operations import alerts, pauses, selection
from state.operations.commands import Action, Command
from state.operations.selection import Filter

if TYPE_CHECKING:
    from core.commands.params_edit import EditableParams, EditSample
    from core.commands.planner import Plan
    from core.engine import Engine

Answer = TypeVar("Answer")


class Target(Struct, frozen=True, kw_only=True):
    """The items of a command: `label`, such as "3 selected", and the query for the ids.

    A page makes targets at each drawing, so nothing is read before `find` runs on the worker.
    """

    label: str
    find: Callable[[Source], Filter]


class CommandOptions(Struct, frozen=True, kw_only=True):
    """The fields of the preview dialog; `settings` are edits as `--set` takes them.

    `edited` is the text of the editor, and what it was made from.
    """

    settings: tuple[str, ...] = ()
    edited: "tuple[EditableParams, str] | None" = None
    canary: bool = False
    force: bool = False


class CommandDraft:
    """An action on a target. Its ids are read once, so rows that match later are not included."""

    def __init__(self, action: Action, target: Target) -> None:
        """Nothing is read yet."""
        self.action = action
        self.target = target
        self._filter: Filter | None = None

    def resolve(self, source: Source) -> Filter:
        """The exact ids; for a pause the workflows. A pause of paused workflows is a resume."""
        if self._filter is None:
            found = self.target.find(source)
            if self.action == Action.PAUSE:
                found = Filter(names=found.names or selection.workflows(source, found))
                paused = {pause.workflow for pause in pauses.paused(source)}
                if found.names and paused.issuperset(found.names):
                    self.action = Action.RESUME
            self._filter = found
        return self._filter


class CommandWorker:
    """Opens an engine for each task, on one thread."""

    def __init__(self, folder: Folder, clock: Clock) -> None:
        """Nothing is opened or loaded yet."""
        self._settings = Settings(home=folder.root, ledger_url=folder.ledger_url)
        self._clock = clock
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="titan-commands")

    async def plan(
        self, draft: CommandDraft, options: CommandOptions
    ) -> "tuple[Plan, tuple[EditSample, ...]]":
        """Plan the command; also samples of its edit.

        Raises UnknownId, PayloadError, LedgerError.
        """
        return await self._run(lambda engine: _plan(engine, draft, options))

    async def editable(self, draft: CommandDraft) -> "EditableParams":
        """The common parameters of the requests of a replay. Raises as `plan` does."""
        return await self._run(lambda engine: _editable(engine, draft))

    async def submit(self, plan: "Plan") -> tuple[Command, bool]:
        """Write the command, to run after the countdown; and whether it is new."""
        return await self._run(lambda engine: _submit(engine, plan))

    async def withdraw(self, key: str) -> None:
        """Withdraw a command. Raises TooLateError."""
        await self._run(lambda engine: _withdraw(engine, key))

    async def run_now(self, command: Command) -> None:
        """Run a command that needs no API, so that a poll that is sending sees it at once."""
        await self._run(lambda engine: _run_now(engine, command))

    async def silence(self, ids: Sequence[int], hours: float | None) -> None:
        """Acknowledge these alerts, or mute them for so long; 0 hours ends both."""
        await self._run(lambda engine: _silence(engine, ids, hours))

    def discard(self, plan: "Plan") -> None:
        """Drop a plan that was not confirmed."""
        if plan.edits:
            self._thread.submit(self._work, lambda engine: _discard(engine, plan))

    def close(self) -> None:
        """Take no more tasks; those in the queue are finished."""
        self._thread.shutdown(wait=False)

    async def _run(self, work: "Callable[[Engine], Answer]") -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._work, work)

    def _work(self, work: "Callable[[Engine], Answer]") -> Answer:
        from core.bootstrap import open_engine  # noqa: PLC0415 - 0.3 s, off the drawing thread

        with open_engine(
            self._settings, actor="console", clock=self._clock, creates=False
        ) as engine:
            return work(engine)


def _editable(engine: "Engine", draft: CommandDraft) -> "EditableParams":
    from core.commands import planner  # noqa: PLC0415 - as above
    from core.commands.command_request import CommandRequest  # noqa: PLC0415 - as above

    wanted = draft.resolve(engine.context.ledger)
    return planner.editable(engine.context, CommandRequest(action=draft.action, wanted=wanted))


def _plan(
    engine: "Engine", draft: CommandDraft, options: CommandOptions
) -> "tuple[Plan, tuple[EditSample, ...]]":
    from core.commands import params_edit, planner  # noqa: PLC0415 - as above
    from core.commands.body_edits import parse_changes  # noqa: PLC0415 - as above
    from core.commands.command_request import CommandRequest  # noqa: PLC0415 - as above

    wanted = draft.resolve(engine.context.ledger)
    changes = params_edit.changes_in(*options.edited) if options.edited else {}
    request = CommandRequest(
        action=draft.action,
        wanted=wanted,
        force=options.force,
        canary=options.canary,
        changes=changes | parse_changes(options.settings),
    )
    plan = planner.plan(engine.context, request)
    return plan, planner.samples(engine.context, plan)


def _submit(engine: "Engine", plan: "Plan") -> tuple[Command, bool]:
    from core.commands import planner  # noqa: PLC0415 - as above
    from core.config import titan_file  # noqa: PLC0415 - as above

    countdown = timedelta(seconds=titan_file.read(engine.context.folder).console.countdown_s)
    command, is_new = planner.submit(engine.context, plan, delay=countdown)
    if not is_new:
        planner.discard(engine.context, plan)
    return command, is_new


def _withdraw(engine: "Engine", key: str) -> None:
    from core.commands import planner  # noqa: PLC0415 - as above

    planner.withdraw(engine.context, [key])


def _run_now(engine: "Engine", command: Command) -> None:
    from core.commands import executor  # noqa: PLC0415 - as above

    executor.advance(engine.context, command)


def _silence(engine: "Engine", ids: Sequence[int], hours: float | None) -> None:
    ledger, now = engine.context.ledger, engine.context.clock.now()
    if hours == 0:
        alerts.unsilence(ledger, ids)
        return
    until = None if hours is None else to_text(now + timedelta(hours=hours))
    alerts.silence(ledger, ids, who=ledger.actor, until_ts=until)


def _discard(engine: "Engine", plan: "Plan") -> None:
    from core.commands import planner  # noqa: PLC0415 - as above

    planner.discard(engine.context, plan)
