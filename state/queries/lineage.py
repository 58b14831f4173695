"""Where a request comes from: under which tags its custom_id stands, and who edited its body."""

from msgspec import Struct

from state.db.reader import Source


class EditOrigin(Struct, frozen=True, kw_only=True):
    """The command that gave a request another body."""

    command: str
    who: str
    reason: str


def tags_of(source: Source, custom_id: str) -> list[str]:
    """The tags under which that custom_id was submitted."""
    # The index begins with the tag, so it is asked tag by tag instead of read through.
    rows = source.rows(
        "SELECT tag FROM requests WHERE tag IN (SELECT DISTINCT tag FROM submissions)"
        " AND custom_id = ? ORDER BY id",
        custom_id,
    )
    return [str(row[0]) for row in rows]


def origin_of(source: Source, edit_id: int | None) -> EditOrigin | None:
    """Whose edit that is; None for a body as it was submitted."""
    rows = source.rows(
        "SELECT c.key AS command, c.who, c.reason FROM edits e JOIN commands c"
        " ON c.id = e.command_id WHERE e.id = ?",
        edit_id if edit_id is not None else 0,
    )
    return EditOrigin(**dict(rows[0])) if rows else None
