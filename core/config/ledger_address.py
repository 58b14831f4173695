"""Where the ledger is: TITAN_LEDGER, else `[ledger] url` in titan.toml, else in TITAN_HOME."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct, ValidationError, convert

from core.config.toml_reader import FILE, Record, Text, load
from core.errors import InputError, SettingsError
from state.files.folder import Folder
from state.files.regular_file import read_regular
from state.model.ledger_url import LedgerUrl, is_postgres, passwords, public_name

LEDGER = "TITAN_LEDGER"
PASSWORD = "PGPASSWORD"  # noqa: S105 - the name of the variable
_FORM = "postgresql://[USER@]HOST[:PORT]/DATABASE"
# A key or a table of that name: most files have none, and are not parsed for it.
_MAY_NAME_IT = re.compile(r"""^[ \t]*\[?[ \t]*["']?ledger["']?[ \t]*[\].=]""", re.MULTILINE)


class _Table(Struct):
    url: str = ""


class LedgerSettings(Record, frozen=True, kw_only=True):
    """[ledger]: the address of a ledger in PostgreSQL, without a password.

    `mirrors`: whether this host writes the JSONL mirrors of that ledger into its TITAN_HOME.
    """

    url: Text = ""
    mirrors: bool = False


def ledger_url(environment: Mapping[str, str], home: Path) -> LedgerUrl | None:
    """The address of a ledger in PostgreSQL; None for the file in `home`.

    Raises SettingsError for an address that cannot be used, and where titan.toml may have one that
    cannot be read: with a ledger in TITAN_HOME instead, work would be sent a second time.
    """
    set_in, url = LEDGER, environment.get(LEDGER, "").strip()
    try:
        named = _in_file(home)
    except SettingsError:
        if not url:
            raise
        named = ""
    if named and is_postgres(named) and passwords(named):
        raise SettingsError(
            f"{FILE}: url of [ledger] contains a password, which is never stored. Remove it there,"
            f" and set {PASSWORD}, PGPASSFILE or a service file; or set the whole address as"
            f" {LEDGER}.",
            code="ledger_url_password",
        )
    if not url:
        set_in, url = f"{FILE}: url of [ledger]", named.strip()
    if not url:
        return None
    if not is_postgres(url):
        raise SettingsError(
            f"{set_in} is not the address of a PostgreSQL database: write it as {_FORM}, with #, @,"
            " / and ? in a user or a password percent-encoded.",
            code="ledger_url_malformed",
        )
    return LedgerUrl(url)


def place_of(address: str, home: Path) -> Folder:
    """The place that an argument names: the address of a database, or a TITAN_HOME.

    `home` has the files of this host. Raises InputError for anything else.
    """
    if is_postgres(address):
        return Folder(home, LedgerUrl(address))
    path = Path(address)
    if "://" in address or (path.is_file() and path.name != Folder(home).ledger.name):
        raise InputError(
            f"{public_name(address) if '://' in address else path} is neither a TITAN_HOME nor the"
            f" address of a PostgreSQL database: write it as {_FORM}.",
            code="ledger_url_malformed",
        )
    folder = path.parent if path.name == Folder(home).ledger.name else path
    return Folder(folder.absolute())


def secrets(environment: Mapping[str, str]) -> Iterator[str]:
    """The passwords of the ledger in the environment, malformed addresses included."""
    yield environment.get(PASSWORD, "")
    url = environment.get(LEDGER, "").strip()
    try:
        yield from passwords(url)
    except ValueError:
        yield url


def _in_file(home: Path) -> str:
    """The address in titan.toml, "" without one."""
    try:
        raw = read_regular(home / FILE)
    except OSError:
        # A submission says that the file cannot be read, and stores nothing.
        return ""
    if not _MAY_NAME_IT.search(raw.decode("utf-8-sig", "replace")):
        return ""
    try:
        document, problems = load(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _unknown(f"it is not UTF-8: {error.reason}") from error
    if problems:
        raise _unknown(f"line {problems[0].line}: {problems[0].message}".removesuffix("."))
    try:
        return convert(document.get("ledger", {}), _Table).url
    except ValidationError as error:
        raise _unknown("[ledger] is a table with the key url, a string") from error


def _unknown(why: str) -> SettingsError:
    return SettingsError(
        f"{FILE} cannot be read, so that the ledger's address in it is not known ({why}). Fix"
        f" {FILE}, or set {LEDGER}.",
        code="ledger_url_unknown",
    )
