"""Search by name: batches, tags and requests, by exact name or by prefix."""

from enum import StrEnum

from msgspec import Struct

from state.db.dialect import contains, pattern, prefix_range, starts_with
from state.db.reader import Source
from state.db.sql_conditions import STATUS

# A part of a name is looked for among that many of each kind.
_NEWEST = 20_000


class MatchKind(StrEnum):
    """The kind of thing that has the name."""

    BATCH = "batch"
    TAG = "tag"
    REQUEST = "request"


class Match(Struct, frozen=True):
    """One match: `name` is a batch's key, a tag, or a custom_id of the `tag`."""

    meaning: MatchKind
    name: str
    tag: str
    detail: str


def exact(source: Source, name: str, *, limit: int = 50) -> list[Match]:
    """Matches of exactly this key, remote id, tag or custom_id, newest first."""
    batches = source.rows(
        "SELECT key, tag, status FROM batches WHERE key = ? OR remote_id = ? OR submission_id IN"
        " (SELECT id FROM submissions WHERE key = ?) ORDER BY id DESC LIMIT ?",
        name,
        name,
        name,
        limit,
    )
    return [
        *(Match(MatchKind.BATCH, row["key"], row["tag"], row["status"]) for row in batches),
        *_tags(source, "tag = ?", (name,), limit),
        *_requests(source, "custom_id = ?", (name,), limit),
    ]


def prefixed(source: Source, text: str, *, limit: int = 8) -> list[Match]:
    """Matches that start with the text, at most `limit` of each kind."""
    names = prefix_range(text)
    batches = source.rows(
        f"SELECT key, tag, status FROM batches WHERE {starts_with('key')}"  # noqa: S608 - our own words
        f" OR {starts_with('remote_id')} ORDER BY id DESC LIMIT ?",
        *names,
        *names,
        limit,
    )
    return [
        *_tags(source, starts_with("tag"), names, limit),
        *(Match(MatchKind.BATCH, row["key"], row["tag"], row["status"]) for row in batches),
        *_requests(source, starts_with("custom_id"), names, limit),
    ]


def containing(source: Source, text: str, *, limit: int = 8) -> list[Match]:
    """Matches that contain the text, among the newest ones: at most `limit` of each kind."""
    like = pattern(text)
    batches = source.rows(
        "SELECT key, tag, status FROM batches WHERE id > (SELECT max(id) FROM batches) - ?"  # noqa: S608 - our own words
        f" AND ({contains('key')} OR {contains('remote_id')}) ORDER BY id DESC LIMIT ?",
        *(_NEWEST, like, like, limit),
    )
    recent = "id > (SELECT max(id) FROM submissions) - ?"
    of_requests = "r.id > (SELECT max(id) FROM requests) - ?"
    return [
        *_tags(source, f"{recent} AND {contains('tag')}", (_NEWEST, like), limit),
        *(Match(MatchKind.BATCH, row["key"], row["tag"], row["status"]) for row in batches),
        *_requests(source, f"{of_requests} AND {contains('r.custom_id')}", (_NEWEST, like), limit),
    ]


def _tags(source: Source, where: str, names: tuple[str | int, ...], limit: int) -> list[Match]:
    rows = source.rows(
        "SELECT tag, sum(request_count) AS requests FROM submissions"  # noqa: S608 - our own words
        f" WHERE {where} GROUP BY tag ORDER BY max(id) DESC LIMIT ?",
        *names,
        limit,
    )
    return [Match(MatchKind.TAG, r["tag"], r["tag"], f"{r['requests']:,} requests") for r in rows]


def _requests(source: Source, where: str, names: tuple[str | int, ...], limit: int) -> list[Match]:
    rows = source.rows(
        f"SELECT r.custom_id, r.tag, {STATUS} AS status FROM requests r WHERE {where}"  # noqa: S608 - our own words
        " ORDER BY r.id DESC LIMIT ?",
        *names,
        limit,
    )
    return [Match(MatchKind.REQUEST, row["custom_id"], row["tag"], row["status"]) for row in rows]


def tags_of(source: Source, custom_id: str) -> list[str]:
    """The tags under which that custom_id was submitted."""
    # The index starts with the tag: one lookup a tag instead of a full scan.
    rows = source.rows(
        "SELECT tag FROM requests WHERE tag IN (SELECT DISTINCT tag FROM submissions)"
        " AND custom_id = ? ORDER BY id",
        custom_id,
    )
    return [str(row[0]) for row in rows]
