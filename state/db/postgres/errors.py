"""Turns errors of PostgreSQL into those of the ledger."""

from collections.abc import Generator
from contextlib import contextmanager

from state.db.postgres.connection import BUSY_TIMEOUT_S, driver
from state.files.system_errors import Cause
from state.model.errors import (
    IllegalTransition,
    LedgerBusy,
    LedgerError,
    LedgerUnusable,
    TooManyTerms,
)

# The SQLSTATE of a query that was canceled, by this program or by a timeout of the server.
CANCELED = "57014"


@contextmanager
def postgres_errors(name: str, *, did: str = "written") -> Generator[None, None, None]:
    """Raise the ledger's error for what psycopg raises inside; `name` is that of the ledger."""
    psycopg = driver()
    try:
        yield
    except psycopg.Error as error:
        raise ledger_error(error, name, did=did) from error


def ledger_error(error: Exception, name: str, *, did: str) -> LedgerError:
    """The ledger's error for one of psycopg's; `did` is what failed: `read` or `written`."""
    said = reason(error)
    state = str(getattr(error, "sqlstate", None) or "")
    # A constraint, or a value of another type than the column's.
    if state.startswith(("22", "23")):
        return IllegalTransition(f"The ledger rejects the write: {said}.")
    if state.startswith("54"):
        return TooManyTerms(f"Too many names or terms at once ({said}): use fewer.")
    if busy := _busy(state, name, said):
        return busy
    if _is_silence(error):
        return LedgerUnusable(
            f"The server of the ledger {name} hangs: {said}. Then try again.",
            code="ledger_unreachable",
        )
    is_lost = isinstance(error, driver().OperationalError) and not state
    if is_lost or state.startswith(("08", "57P")):
        advice = next((then for words, then in _ADVICE if words in said), "")
        return LedgerUnusable(
            f"The ledger {name} cannot be {did}: no connection to the server ({said}).{advice}",
            code="ledger_unreachable",
        )
    cause = _CAUSES.get(state) or Cause(text=said, code="ledger_unusable")
    return LedgerUnusable(f"The ledger {name} cannot be {did}: {cause.text}.", code=cause.code)


def _is_silence(error: Exception) -> bool:
    from state.db.postgres.watched import ServerHangs  # noqa: PLC0415 - needs psycopg

    return isinstance(error, ServerHangs)


def _busy(state: str, name: str, said: str) -> LedgerBusy | None:
    """The error of what goes away by itself."""
    if state == "55P03":
        return LedgerBusy(
            f"Another program locked the ledger {name} for {BUSY_TIMEOUT_S} s. Try again; if it"
            " lasts, look in pg_stat_activity for a session that is idle in transaction."
        )
    # A connection that is refused has no SQLSTATE.
    if state == "53300" or (not state and any(words in said for words in _CROWDED)):
        return LedgerBusy(
            f"The server of the ledger {name} has no free connection: try again, or raise its"
            " max_connections.",
            code="ledger_no_connection",
        )
    if state == CANCELED:
        return LedgerBusy(
            f"The server canceled a query of the ledger {name} ({said}). Try again.",
            code="ledger_canceled",
        )
    return None


# How the server, and PgBouncer, refuse one connection too many.
_CROWDED = (
    *("too many clients", "too many connections", "remaining connection slots"),
    "no more connections allowed",
)
_ADDRESS = "correct the address in TITAN_LEDGER or titan.toml."
# What a connection that is refused says -> what to do. Others say it themselves, or go away.
_ADVICE = (
    ("password", " Set PGPASSWORD, PGPASSFILE or a service file for that user."),
    ("does not exist", f" Create it, or {_ADDRESS}"),
    ("resolve host", f" {_ADDRESS[0].upper()}{_ADDRESS[1:]}"),
)
# SQLSTATE -> the rest of the sentence, and the code.
_CAUSES = {
    "53100": Cause(text="the disk of its server is full; free some space there", code="disk_full"),
    "25006": Cause(
        text="its server only reads, such as a standby; connect to the primary server",
        code="ledger_read_only",
    ),
    "42501": Cause(
        text="the role lacks a permission; let it own the schema and its tables",
        code="ledger_permission",
    ),
    **dict.fromkeys(
        ("42P01", "42703"),
        Cause(text="it has another schema than this version", code="ledger_unknown_schema"),
    ),
}


def reason(error: Exception) -> str:
    """PostgreSQL's message on one line, without a position in the statement."""
    diag = getattr(error, "diag", None)
    said = getattr(diag, "message_primary", None) or str(error)
    found = ""
    for line in filter(None, (" ".join(line.split()) for line in said.splitlines())):
        between = "" if not found else " " if found.endswith((".", ":", "?")) else "; "
        found += between + line
    return found.removesuffix(".")
