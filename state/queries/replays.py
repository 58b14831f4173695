"""The latest replays, and what became of their requests."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from state.db.dialect import LISTED, THEN_JOIN, as_list
from state.db.reader import Source, listed
from state.db.sql_conditions import REVIEW_REASON, STATUS
from state.model.id_list import IdList
from state.model.records import FAILED_STATUSES, RequestStatus
from state.operations import commands
from state.operations.commands import Action, Command, CommandState

# Replays are looked for among that many commands.
_RECENT = 200
# The status of more requests of one replay is not counted: each takes a look-up.
MOST_COUNTED = 10_000
# Of so many of its requests the former error is read.
_SAMPLED = 50
_STARTED = (CommandState.RUNNING, CommandState.DONE, CommandState.FAILED)
_FAILED = ", ".join(f"'{status}'" for status in FAILED_STATUSES)
_FIRST_ITEMS = "(SELECT item_id FROM command_items WHERE command_id = ? ORDER BY item_id LIMIT ?)"


class Replay(Struct, frozen=True, kw_only=True):
    """A replay that has started. `by_status` counts its first `MOST_COUNTED` requests.

    Of one that a later replay runs again, the status is that before the later one. Left out are
    `not_replayed` ones: those that wait for a canary, and all that were not queued because the
    canary or the replay itself failed.

    `errors` are the error types that its requests had before, and `workflows` theirs, the most
    frequent first; `message` is what one of them said.
    """

    command: Command
    by_status: Mapping[RequestStatus, int]
    errors: Sequence[str]
    workflows: Sequence[str]
    message: str
    is_edited: bool
    not_replayed: int

    @property
    def failed(self) -> int:
        """How many of its requests have no answer, and are not asked again."""
        return sum(self.by_status.get(status, 0) for status in FAILED_STATUSES)

    @property
    def canceled(self) -> int:
        """How many of these were canceled."""
        return self.by_status.get(RequestStatus.CANCELED, 0)

    @property
    def is_open(self) -> bool:
        """Whether the result of a request is still to come."""
        waiting = (RequestStatus.QUEUED, RequestStatus.IN_FLIGHT)
        is_running = self.command.state == CommandState.RUNNING
        return is_running or any(self.by_status.get(status) for status in waiting)


def latest(source: Source, *, since_ts: str, limit: int) -> list[Replay]:
    """The replays given since then, newest first."""
    found = [
        command
        for command in commands.latest(source, limit=_RECENT)
        if command.action == Action.REPLAY
        and command.state in _STARTED
        and command.created_ts >= since_ts
    ]
    shown = found[:limit]
    return [
        _replay(source, command, [later.id for later in shown[:number]])
        for number, command in enumerate(shown)
    ]


def requests_of(source: Source, command_id: int) -> Sequence[int]:
    """Its requests, newest first."""
    return list(commands.items(source, commands.get(source, command_id)))[::-1]


def failed_of(source: Source, command_id: int) -> IdList:
    """Its requests that have failed again, or were not replayed."""
    return listed(
        source,
        f"SELECT r.id FROM command_items i {THEN_JOIN} requests r ON r.id = i.item_id"  # noqa: S608 - our own words
        f" WHERE i.command_id = ? AND r.status IN ({_FAILED}) ORDER BY r.id",
        command_id,
    )


def _replayed(command: Command) -> int:
    """How many of its first requests were queued; only a canary is while it runs or if it fails."""
    return command.item_count if command.state == CommandState.DONE else min(command.step, 1)


# Of a request `r`, what came of it before the first of the later replays; else its status now.
_STATUS = (
    "coalesce((SELECT a.outcome FROM attempts a WHERE a.request_id = r.id AND a.batch_id ="  # noqa: S608 - our own words
    " (SELECT max(m.batch_id) FROM attempts m JOIN batches mb ON mb.id = m.batch_id"
    " WHERE m.request_id = r.id AND mb.created_ts < (SELECT min(n.created_ts)"
    f" FROM command_items x {THEN_JOIN} commands n ON n.id = x.command_id"
    f" WHERE x.item_id = r.id AND x.command_id IN {LISTED}))), {STATUS})"
)


def _replay(source: Source, command: Command, later: Sequence[int]) -> Replay:
    replayed = _replayed(command)
    # The look-ups of earlier attempts take most of the time.
    status, given = (_STATUS, [as_list(later)]) if later else (STATUS, [])
    counts = source.rows(
        f"SELECT {status} AS status, count(*) AS count FROM {_FIRST_ITEMS} i"  # noqa: S608 - our own words
        f" {THEN_JOIN} requests r ON r.id = i.item_id GROUP BY 1",
        *given,
        command.id,
        min(replayed, MOST_COUNTED),
    )
    before = _errors_before(source, command)
    return Replay(
        command=command,
        by_status={RequestStatus(row["status"]): row["count"] for row in counts},
        errors=tuple(dict.fromkeys(kind for kind, _, _ in before if kind)),
        workflows=tuple(dict.fromkeys(workflow for _, workflow, _ in before)),
        message=before[0][2] if before else "",
        is_edited=bool(source.rows("SELECT 1 FROM edits WHERE command_id = ? LIMIT 1", command.id)),
        not_replayed=command.item_count - replayed,
    )


def _errors_before(source: Source, command: Command) -> list[tuple[str, str, str]]:
    """Error type, workflow and message that its first requests had before it, most frequent first.

    Of an answer that was reviewed, its stop reason.
    """
    rows = source.rows(
        "SELECT coalesce(CASE WHEN a.outcome = 'succeeded' THEN"  # noqa: S608 - our own words
        f" {REVIEW_REASON} ELSE coalesce(a.error_type, a.outcome) END, '') AS kind, s.workflow,"
        " coalesce(max(a.error_message), '') AS message"
        f" FROM {_FIRST_ITEMS} i {THEN_JOIN} requests r ON r.id = i.item_id"
        f" {THEN_JOIN} submissions s ON s.id = r.submission_id"
        " LEFT JOIN attempts a ON a.request_id = r.id AND a.batch_id ="
        " (SELECT max(m.batch_id) FROM attempts m JOIN batches mb ON mb.id = m.batch_id"
        " WHERE m.request_id = r.id AND m.outcome IS NOT NULL AND mb.created_ts <= ?)"
        " GROUP BY 1, 2 ORDER BY count(*) DESC, 1, 2",
        command.id,
        _SAMPLED,
        command.created_ts,
    )
    return [(row["kind"], row["workflow"], row["message"]) for row in rows]
