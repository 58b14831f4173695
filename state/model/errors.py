"""What can go wrong with the ledger. The message of each is a line for a person.

TitanError
 +- LedgerError
     +- LedgerUnusable      cannot be opened or written: folder, disk, damage
     |   +- LedgerTooNew    written by a later version of this program
     |   +- FileLost        a file beside it that it points at is gone, or cut
     +- LedgerBusy          another program holds it for longer than we wait
     +- IllegalMove         a state may not follow another
     +- UnknownId           no such batch, submission or remote id
     +- AlreadySubmitted    the same tag and custom_id, but another body
"""


class TitanError(Exception):
    """Anything foreseeable that Titan Console reports as one line."""


class LedgerError(TitanError):
    """The ledger refused."""


class LedgerUnusable(LedgerError):
    """The ledger cannot be opened or written."""


class LedgerTooNew(LedgerUnusable):
    """The ledger was written by a later version of this program."""


class FileLost(LedgerUnusable):
    """A file beside the ledger that it points at is gone, or cut."""


class LedgerBusy(LedgerError):
    """Another program has held the ledger for longer than the busy timeout."""


class IllegalMove(LedgerError):
    """A row may not go from the one state to the other."""


class UnknownId(LedgerError):
    """Nothing in the ledger has that key, remote id or tag."""


class AlreadySubmitted(LedgerError):
    """The tag already has that custom_id."""
