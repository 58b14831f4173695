"""Migration from version 1 to version 2: every table is created again from the old one."""

from sqlite_utils import Database

from state.db.recreate_tables import Values, recreate
from state.db.tables_v2 import TABLES

# New name of a renamed table -> its name in version 1.
_OLD_TABLES = {
    "budget_reservations": "bookings",
    "fallback_imports": "rescues",
    "hook_runs": "settled_runs",
    "polls": "passes",
}
# Values of version 1 and their names in version 2.
_BATCH = {
    "intent": "queued",
    "uncertain": "unconfirmed",
    "released": "not_sent",
    "refused": "rejected",
}
_REQUEST = {"waiting": "queued", "live": "assigned", "given_up": "dismissed"}
_VERDICT = {"suspect": "candidate", "ours": "own", "gone": "unresolved"}
_EVENT = {
    **{f"batch.{old}": f"batch.{new}" for old, new in _BATCH.items()},
    "batch.look_failed": "batch.poll_failed",
    "batch.lost": "batch.deleted",
    "batch.collected_in_part": "batch.partly_collected",
    "batch.running_inline": "batch.sync_started",
    "batch.may_be_paid_twice": "batch.possible_duplicate_charge",
    "batch.called_off": "batch.canceled_unsent",
    "batch.twin_found": "batch.duplicate_found",
    "submission.taken_in": "submission.created",
    "submission.may_be_paid_twice": "submission.possible_duplicate_charge",
    "rescue.taken_in": "fallback.imported",
    "orphan.seen": "orphan.found",
    "orphan.gone": "orphan.unresolved",
    "settled.started": "hook.started",
    "settled.cut_short": "hook.interrupted",
    "settled.done": "hook.done",
    "settled.failed": "hook.failed",
    "command.taken": "command.started",
}
# Keys of an event's detail that changed.
_DETAIL = {"trouble": "problem", "fence": "watermark", "of": "duplicate_of"}


def _mapped(column: str, words: dict[str, str]) -> str:
    cases = " ".join(f"WHEN '{old}' THEN '{new}'" for old, new in words.items())
    return f"CASE {column} {cases} ELSE {column} END"


def _event_detail() -> str:
    made = "detail"
    for old, new in _DETAIL.items():
        made = (
            f"CASE WHEN json_type(detail, '$.{old}') IS NULL THEN {made}"
            f" ELSE json_remove(json_set({made}, '$.{new}', detail -> '$.{old}'), '$.{old}') END"
        )
    for key, words in (("verdict", _VERDICT), ("was", _BATCH)):
        value = f"detail ->> '$.{key}'"
        known = ", ".join(f"'{word}'" for word in words)
        made = (
            f"CASE WHEN {value} IN ({known})"
            f" THEN json_set({made}, '$.{key}', {_mapped(value, words)}) ELSE {made} END"
        )
    return made


# New column -> its value, where that is not the column of the same name in the old table.
_VALUES: Values = {
    "requests": {"status": _mapped("status", _REQUEST)},
    "batches": {
        # Not known for batches of version 1.
        "server": "NULL",
        "duplicate_of": "twin_of",
        "status": _mapped("status", _BATCH),
        # A batch that the API no longer knew had an event of its own.
        "collection": "CASE WHEN collection <> 'gone' THEN collection WHEN EXISTS (SELECT 1"
        " FROM v1_events e WHERE e.batch_id = v1_batches.id AND e.kind = 'batch.lost')"
        " THEN 'deleted' ELSE 'results_expired' END",
        "watermark_id": "fence_id",
        "watermark_ts": "fence_ts",
        "next_poll_ts": "next_look_ts",
        "not_found_ts": "NULL",
        "stuck_ts": "NULL",
        "duplicate_nano": "surplus_nano",
        "requeue_canceled": "0",
    },
    "attempts": {"active": "live", "duplicate": "surplus"},
    "commands": {
        "action": "verb",
        "state": _mapped("state", {"taken": "running"}),
    },
    "events": {"kind": _mapped("kind", _EVENT), "detail": _event_detail()},
    "orphans": {"verdict": _mapped("verdict", _VERDICT)},
    "leases": {"name": _mapped("name", {"pass": "poll"})},
    "alerts": {
        "notified_raised_ts": "told_raised_ts",
        "notified_cleared_ts": "told_cleared_ts",
        "tries": "0",
        "not_before_ts": "NULL",
    },
    "hook_runs": {"problem": "trouble"},
    "polls": {"error": "NULL"},
    "listings": {"started_ts": "began_ts"},
    "daily_totals": {"duplicate_nano": "surplus_nano"},
}


def rename_to_standard_terms(db: Database) -> None:
    """Tables, columns, statuses and event kinds get standard names.

    Dropped columns: `rev`, and `commands.taken_ts`, which the event `command.started` has too.
    """
    recreate(db, TABLES, _VALUES, old="v1", old_names=_OLD_TABLES)
