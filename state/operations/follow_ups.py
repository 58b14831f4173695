"""Answers that polls ask for again: invalid, paused or cut off, as their submission wants it."""

from msgspec import Struct

from state.db.dialect import THEN_JOIN
from state.db.reader import Source
from state.db.sql_conditions import IS_IN_BATCH, REVIEW_REASON, TO_REVIEW
from state.model.records import INVALID, FollowUps, OnMaxTokens
from state.operations.failures import REPLAYABLE

_REPLAYABLE = ", ".join(f"'{kind}'" for kind in REPLAYABLE)
_WANTED = (
    f"((a.invalid IS NOT NULL AND s.reask > 0)"
    " OR (a.stop_reason = 'pause_turn' AND s.continue_turns > 0)"
    f" OR (a.stop_reason = 'max_tokens' AND s.on_max_tokens = '{OnMaxTokens.RAISE}'))"
)
# Every attempt that ended after the first answer of this kind, whatever it asked for: so the number
# grows with each follow-up, also where a restored ledger no longer knows that it was one.
_TRIES = (
    "(SELECT count(*) FROM attempts n WHERE n.request_id = r.id AND n.outcome IS NOT NULL"
    " AND n.batch_id > (SELECT min(f.batch_id) FROM attempts f WHERE f.request_id = r.id"
    " AND ((a.invalid IS NOT NULL AND f.invalid IS NOT NULL)"
    " OR (a.invalid IS NULL AND f.stop_reason = a.stop_reason))))"
)
# Canceled, rejected or lost: an operator decides about such a request.
_STOPPED = (
    "EXISTS (SELECT 1 FROM attempts n WHERE n.request_id = r.id AND n.batch_id > a.batch_id"  # noqa: S608 - as above
    " AND n.outcome IS NOT NULL AND n.outcome <> 'expired'"
    f" AND NOT (n.outcome = 'errored' AND n.error_type IN ({_REPLAYABLE})))"
)
# Commands first, which are few: the planner would read all their items.
_COMMANDED = (
    f"EXISTS (SELECT 1 FROM commands c {THEN_JOIN} command_items i ON i.command_id = c.id"  # noqa: S608 - as above
    " AND i.item_id = r.id WHERE c.state {} AND c.action <> 'cancel')"
)
_OPEN = _COMMANDED.format("IN ('pending', 'running')")
_FAILED = _COMMANDED.format("= 'failed'")


class IncompleteAnswer(Struct, frozen=True, kw_only=True):
    """An answer that counts, and that its submission may want to be asked for again."""

    request_id: int
    custom_id: str
    tag: str
    workflow: str
    #: A stop reason, or `invalid`.
    reason: str
    #: What does not match the schema. None: another reason.
    invalid: str | None
    #: Attempts that ended after the first answer of this kind.
    tries: int
    #: A command that was not executed yet asks for it.
    is_commanded: bool
    wanted: FollowUps
    batch_key: str
    result_offset: int
    result_length: int

    @property
    def is_invalid(self) -> bool:
        """Whether it does not match its schema."""
        return self.reason == INVALID


def incomplete(
    source: Source, *, since_ts: str, submission_id: int | None = None
) -> list[IncompleteAnswer]:
    """Answers collected since then whose submission asks again for such, by request id.

    Those with a failed command are left out, those that an operator has accepted, and those whose
    request is in another batch.
    """
    rows = source.rows(
        f"SELECT r.id AS request_id, r.custom_id, r.tag, s.workflow, {REVIEW_REASON} AS reason,"  # noqa: S608 - our own words
        f" a.invalid, {_TRIES} AS tries, {_OPEN} AS is_commanded,"
        " s.reask, s.continue_turns, s.on_max_tokens,"
        " b.key AS batch_key, a.result_offset, a.result_length"
        # Answers to review first, which are few: the planner would read all requests.
        f" FROM attempts a {THEN_JOIN} requests r ON r.id = a.request_id"
        " AND r.settled_by = a.batch_id JOIN batches b ON b.id = a.batch_id"
        f" JOIN submissions s ON s.id = r.submission_id WHERE {TO_REVIEW} AND {_WANTED}"
        " AND r.status = 'succeeded' AND b.collection = 'collected' AND b.collected_ts >= ?"
        " AND (? = 1 OR s.id = ?) AND a.result_offset IS NOT NULL"
        f" AND NOT {IS_IN_BATCH} AND NOT {_STOPPED} AND NOT {_FAILED} ORDER BY r.id",
        since_ts,
        int(submission_id is None),
        submission_id,
    )
    return [
        IncompleteAnswer(
            request_id=row["request_id"],
            custom_id=row["custom_id"],
            tag=row["tag"],
            workflow=row["workflow"],
            reason=row["reason"],
            invalid=row["invalid"],
            tries=row["tries"],
            is_commanded=bool(row["is_commanded"]),
            wanted=FollowUps(
                reask=row["reask"],
                continue_turns=row["continue_turns"],
                on_max_tokens=OnMaxTokens(row["on_max_tokens"]),
            ),
            batch_key=row["batch_key"],
            result_offset=row["result_offset"],
            result_length=row["result_length"],
        )
        for row in rows
    ]
