"""Errors of the ledger. The message of each is one line for people.

TitanError
 +- LedgerError
     +- LedgerUnusable      cannot be opened or written: folder, disk, damage
     |   +- LedgerTooNew    written by a later version of this program
     |   +- FileUnusable    a file beside the ledger cannot be read or written
     |       +- FileMissing     a file that the ledger refers to is missing or too short
     +- LedgerBusy          another program has locked the ledger for longer than the timeout
     |   +- LeaseLost       another process has taken over what this one was doing
     +- IllegalTransition   a row may not change from one state to another
     +- TooManyTerms        a selection or filter is longer than a query can be
     +- QueryError          a SQL query of the user is invalid, writes or takes too long
     +- UnknownId           no such batch, submission or remote id
     +- AlreadySubmitted    the same tag and custom_id, but another body
"""

from typing import ClassVar


class TitanError(Exception):
    """Anything foreseeable that Titan Console reports as one line.

    `code` is stable and for programs; the message is for people and may improve.
    """

    default_code: ClassVar[str] = "error"

    def __init__(self, message: str = "", *, code: str | None = None) -> None:
        """`code` where one class stands for several causes."""
        super().__init__(message)
        self.code = code or self.default_code


# The code of a LedgerUnusable after a commit whose reply was lost: all of it is stored, or nothing.
COMMIT_UNKNOWN = "commit_unknown"


class LedgerError(TitanError):
    """The ledger rejected a read or a write."""

    default_code = "ledger_error"


class LedgerUnusable(LedgerError):
    """The ledger cannot be opened or written."""

    default_code = "ledger_unusable"


class LedgerTooNew(LedgerUnusable):
    """The ledger was written by a later version of this program."""

    default_code = "ledger_too_new"


class FileUnusable(LedgerUnusable):
    """One file beside the ledger cannot be read or written; the others may be in order."""

    default_code = "file_unusable"


class FileMissing(FileUnusable):
    """A file that the ledger refers to is missing or too short."""

    default_code = "file_missing"


class LedgerBusy(LedgerError):
    """Another program has held the ledger for longer than the busy timeout."""

    default_code = "ledger_locked"


class LeaseLost(LedgerBusy):
    """Another process has taken over the lease of this one, which must write no more."""

    default_code = "lease_lost"


class TooManyTerms(LedgerError):
    """A selection or filter is longer than a query can be."""

    default_code = "too_many_terms"


class QueryError(LedgerError):
    """A SQL query is invalid, does more than read, or takes too long; `code` says which."""

    default_code = "query_invalid"


class IllegalTransition(LedgerError):
    """The transition of a row from one state to another is not allowed."""

    default_code = "illegal_transition"


class UnknownId(LedgerError):
    """Nothing in the ledger has that key, remote id or tag."""

    default_code = "not_found"


class AlreadySubmitted(LedgerError):
    """The tag already has that custom_id."""

    default_code = "already_submitted"
