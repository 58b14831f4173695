"""Commands of operators and policies: rows of `commands`, each executed once by polls.

The ids of a command are fixed when the command is stored. It can be withdrawn until a poll starts
it.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from msgspec import Struct, field

from state.batches import edits
from state.batches.edits import Edit
from state.db.dialect import LISTED, as_list, is_not, text_in, with_text
from state.db.ledger import Ledger, Transaction
from state.db.reader import Source, listed
from state.files.folder import Folder
from state.model.errors import LedgerError, UnknownId
from state.model.id_list import IdList
from state.model.timestamps import to_text

if TYPE_CHECKING:
    from state.db.reader import Row

_KEY_LENGTH = 8
_WORKFLOWS = "workflows"
# How the outcome of a command begins that found nothing left to change.
NOTHING_TO_DO = "no change, "
# Of an older version.
_NOTHING_TO_DO_BEFORE = "nothing to do: "


class Action(StrEnum):
    """What a command does. Replay, sync and acknowledge name requests."""

    #: Run errored requests again in a new batch.
    REPLAY = "replay"
    #: End open batches early.
    CANCEL = "cancel"
    #: Run requests synchronously now.
    SYNC = "sync"
    #: Take errored requests off the list of errors without a replay, and accept answers to review.
    ACKNOWLEDGE = "acknowledge"
    #: Keep what a workflow submits queued.
    PAUSE = "pause"
    #: End a pause.
    RESUME = "resume"


class CommandState(StrEnum):
    """State of a command. `docs/lifecycle.md` shows the transitions."""

    #: Not started; can be withdrawn.
    PENDING = "pending"
    #: At least one step has run.
    RUNNING = "running"
    #: Completed. Final.
    DONE = "done"
    #: Could not be completed; the outcome says why. Final.
    FAILED = "failed"
    #: Taken back before it started. Final.
    WITHDRAWN = "withdrawn"


class NewCommand(Struct, frozen=True, kw_only=True):
    """A command to store."""

    #: What to do.
    action: Action
    #: Row ids of requests or, for a cancel, of batches.
    items: Collection[int] = ()
    #: Names, for a pause or resume.
    workflows: Sequence[str] = ()
    #: The operator's reason; may be empty.
    reason: str
    #: Polls start the command from then on; until then it can be withdrawn.
    not_before: datetime
    #: Options of the action, as JSON values.
    options: Mapping[str, object] = field(default_factory=dict[str, object])
    #: New bodies, for a replay with edits.
    edits: Sequence[Edit] = ()


class Command(Struct, frozen=True, kw_only=True):
    """A stored command."""

    #: Row id.
    id: int
    #: Name shown to operators, such as `cmd_8d2k1m0q`.
    key: str
    #: What to do.
    action: Action
    #: How far the command is.
    state: CommandState
    #: Operator or policy that gave it.
    who: str
    #: Why; may be empty.
    reason: str
    #: Requests, batches or workflows it names.
    item_count: int
    #: Options of the action, the workflows of a pause or resume, and why it waits.
    options: dict[str, object]
    #: Steps completed, so that the next poll continues after the last one.
    step: int
    #: When it was given.
    created_ts: str
    #: Polls start it from then on.
    not_before_ts: str
    #: When it was done, failed or withdrawn. None: open.
    ended_ts: str | None
    #: Result, one line. None: open.
    outcome: str | None

    @property
    def workflows(self) -> list[str]:
        """The workflows of a pause or resume; empty for other actions."""
        return cast("list[str]", self.options.get(_WORKFLOWS, []))

    @property
    def changed_nothing(self) -> bool:
        """Whether it ended without a change, because there was nothing left to change."""
        return (self.outcome or "").startswith((NOTHING_TO_DO, _NOTHING_TO_DO_BEFORE))

    @property
    def waits(self) -> str | None:
        """Why its last step could not run, recorded by `record_wait`; None without a reason."""
        return cast("str | None", self.options.get("waits"))


def enqueue(
    ledger: Ledger, new: NewCommand, admit: Callable[[int], None] = lambda _id: None
) -> tuple[Command, bool]:
    """Store the command, and return it and whether it is new.

    If an identical command is pending or running, nothing is stored and that one is returned.
    `admit` gets the id of a new one inside the transaction, and raises to reject it.
    """
    workflows = sorted(set(new.workflows))
    named = {_WORKFLOWS: workflows} if workflows else {}
    options = json.dumps({**new.options, **named}, sort_keys=True)
    items = IdList.of(new.items)
    digest = _digest(new, items, options)
    with ledger.transaction("command") as tx:
        known = ledger.row(
            "SELECT id FROM commands WHERE digest = ? AND state IN ('pending', 'running')",
            digest,
        )
        if known is not None:
            return get(ledger, int(known[0])), False
        key = f"cmd_{ledger.new_id(_KEY_LENGTH)}"
        command_id = ledger.insert(
            "INSERT INTO commands (key, action, state, digest, who, reason, item_count, options,"
            " created_ts, not_before_ts) VALUES (?, ?, 'pending', ?, ?, ?, ?, ?, ?, ?)",
            key,
            new.action,
            digest,
            ledger.actor,
            new.reason,
            len(items) + len(workflows),
            options,
            tx.at,
            to_text(new.not_before),
        )
        ledger.execute(
            f"INSERT INTO command_items (command_id, item_id) SELECT ?, value FROM {LISTED} listed",  # noqa: S608 - our own words
            command_id,
            as_list(items),
        )
        spool = Folder(ledger.path.parent).spool
        for name in dict.fromkeys(edit.spool_file for edit in new.edits):
            ledger.files.keep(spool / name)
        edits.insert(ledger, command_id, new.edits)
        ledger.event(
            tx,
            f"command.{new.action}",
            subject=key,
            items=len(items) + len(workflows),
            reason=new.reason,
            not_before=to_text(new.not_before),
        )
        admit(command_id)
    return get(ledger, command_id), True


def _digest(new: NewCommand, items: IdList, options: str) -> bytes:
    """Of what makes two commands the same."""
    bodies = [edit.sha256.hex() for edit in new.edits]
    before, after = json.dumps([new.action, [], options, bodies]).split("[]", 1)
    return hashlib.sha256(f"{before}{items.json.replace(',', ', ')}{after}".encode()).digest()


def get(source: Source, command_id: int) -> Command:
    """One command."""
    return _to_command(source.rows("SELECT * FROM commands WHERE id = ?", command_id)[0])


def by_key(source: Source, key: str) -> Command:
    """The command with that key. Raises UnknownId."""
    rows = source.rows("SELECT * FROM commands WHERE key = ?", key)
    if not rows:
        raise UnknownId(
            f"Command {key!r} not found; `titan-console commands` lists them.",
            code="unknown_command",
        )
    return _to_command(rows[0])


def latest(source: Source, *, limit: int) -> list[Command]:
    """The newest commands, newest first."""
    rows = source.rows("SELECT * FROM commands ORDER BY id DESC LIMIT ?", limit)
    return [_to_command(row) for row in rows]


def count(source: Source) -> int:
    """The number of commands."""
    return int(source.rows("SELECT count(*) FROM commands")[0][0])


def open_and_recent(source: Source, *, latest: int) -> list[Command]:
    """All pending and running commands, and the latest finished ones; oldest first."""
    rows = source.rows(
        "SELECT * FROM commands WHERE state IN ('pending', 'running') UNION"
        " SELECT * FROM (SELECT * FROM commands ORDER BY id DESC LIMIT ?) latest"
        " ORDER BY id",
        latest,
    )
    return [_to_command(row) for row in rows]


def due(source: Source, *, now: datetime) -> list[Command]:
    """The commands to execute now, oldest first; interrupted ones are continued."""
    rows = source.rows(
        "SELECT * FROM commands WHERE state = 'running'"
        " OR (state = 'pending' AND not_before_ts <= ?) ORDER BY id",
        to_text(now),
    )
    return [_to_command(row) for row in rows]


def items(source: Source, command: Command) -> IdList:
    """The ids fixed when the command was given, in order."""
    sql = "SELECT item_id FROM command_items WHERE command_id = ? ORDER BY item_id"
    return listed(source, sql, command.id)


def claim(
    ledger: Ledger, command: Command, refusal: Callable[[], str | None] = lambda: None
) -> CommandState | None:
    """Mark the command as running; None if it was withdrawn or another poll started it.

    A `refusal`, asked for inside the transaction, ends it as failed instead.
    """
    with ledger.transaction("command") as tx:
        if get(ledger, command.id).state != CommandState.PENDING:
            return None
        refused = refusal()
        ledger.execute("UPDATE commands SET state = 'running' WHERE id = ?", command.id)
        ledger.event(tx, "command.started", subject=command.key)
        if refused is not None:
            _end(ledger, tx, command, CommandState.FAILED, refused)
    return CommandState.RUNNING if refused is None else CommandState.FAILED


def record_step(ledger: Ledger, command: Command, step: int) -> None:
    """Record the progress of a running command."""
    with ledger.transaction("command"):
        ledger.execute(
            "UPDATE commands SET step = ? WHERE id = ? AND state = 'running'",
            step,
            command.id,
        )


def record_wait(ledger: Ledger, command: Command, reason: str) -> None:
    """Record why a step of a running command could not run."""
    with ledger.transaction("command") as tx:
        if ledger.execute(
            f"UPDATE commands SET options = {with_text('options', 'waits')}"  # noqa: S608 - our own words
            f" WHERE id = ? AND state = 'running' AND {is_not(text_in('options', 'waits'))}",
            reason,
            command.id,
            reason,
        ):
            ledger.event(tx, "command.waits", subject=command.key, reason=reason)


def finish(ledger: Ledger, command: Command, state: CommandState, outcome: str) -> None:
    """Record the end of a command and its outcome."""
    with ledger.transaction("command") as tx:
        _end(ledger, tx, command, state, outcome)


def _end(
    ledger: Ledger, tx: Transaction, command: Command, state: CommandState, outcome: str
) -> None:
    if ledger.execute(
        "UPDATE commands SET state = ?, outcome = ?, ended_ts = ?"
        " WHERE id = ? AND state = 'running'",
        state,
        outcome,
        tx.at,
        command.id,
    ):
        ledger.event(tx, f"command.{state}", subject=command.key, outcome=outcome)


def withdraw(ledger: Ledger, command: Command) -> None:
    """Withdraw a pending command. Raises TooLateError if a poll has started it."""
    with ledger.transaction("command") as tx:
        if not ledger.execute(
            "UPDATE commands SET state = 'withdrawn', ended_ts = ?"
            " WHERE id = ? AND state = 'pending'",
            tx.at,
            command.id,
        ):
            state = get(ledger, command.id).state
            raise TooLateError(f"Cannot withdraw {command.key}: it is already {state}.")
        ledger.event(tx, "command.withdrawn", subject=command.key)


class TooLateError(LedgerError):
    """The command has started, so it cannot be withdrawn."""

    default_code = "command_started"


def _to_command(row: "Row") -> Command:
    return Command(
        id=row["id"],
        key=row["key"],
        action=Action(row["action"]),
        state=CommandState(row["state"]),
        who=row["who"],
        reason=row["reason"],
        item_count=row["item_count"],
        options=cast("dict[str, object]", json.loads(row["options"])),
        step=row["step"],
        created_ts=row["created_ts"],
        not_before_ts=row["not_before_ts"],
        ended_ts=row["ended_ts"],
        outcome=row["outcome"],
    )
