"""Checks that the key belongs to the account of the open batches; another key gets 404 for them."""

from collections.abc import Callable, Iterable
from datetime import datetime
from urllib.parse import urlsplit

from msgspec import Struct

from core.api.protocol import BatchApi
from core.batches.engine_context import Context
from core.batches.read_retry import with_retries
from core.config.base_url import LOOPBACK
from core.config.durations import RETENTION
from core.errors import SettingsError
from state.batches import remote_status
from state.batches.remote_status import AccountInUse
from state.db.reader import Source
from state.model.records import DEFAULT_LANE
from state.model.timestamps import to_text


def check(context: Context, account: str | None) -> None:
    """Raise SettingsError where batches that are still needed are on another server or account.

    `account` is the organization, or organization/workspace, that the API's response names.
    """
    server = Server(context.server, context.same_servers, context.lane)
    server.check(_in_use(context.ledger, context.clock.now(), context.lane), account)


def check_server(
    source: Source,
    server: "Server",
    api: Callable[[], BatchApi],
    now: datetime,
) -> None:
    """The same before calls whose responses name no account. Raises SettingsError or ApiError.

    Asks for the account only where the names of the servers do not decide.
    """
    in_use = _in_use(source, now, server.lane)
    try:
        server.check(in_use, None)
    except SettingsError:
        if not _is_loopback(server.name):
            raise
        server.check(in_use, api().list_page(limit=1).account)


def check_context(context: Context) -> None:
    """`check_server` with the collaborators of an engine."""
    server = Server(context.server, context.same_servers, context.lane)
    check_server(context.ledger, server, context.api, context.clock.now())


def _in_use(source: Source, now: datetime, lane: str) -> list[AccountInUse]:
    # Batches that the API no longer keeps do not count.
    return remote_status.accounts_in_use(source, since_ts=to_text(now - RETENTION), lane=lane)


class Server(Struct, frozen=True):
    """The server in use of a lane, "" where it is not to be checked, and other names of it."""

    name: str
    same: tuple[str, ...] = ()
    lane: str = DEFAULT_LANE

    def check(self, used: Iterable[AccountInUse], account: str | None) -> None:
        """Raise SettingsError where it is not the server and account of these batches."""
        for in_use in used:
            if not self._is_same(in_use, account):
                raise SettingsError(
                    f"The server is {self.name}, but {in_use.batches:,} unfinished batches are at"
                    f" {in_use.server}. {self._way_back()}, or use another TITAN_HOME. If both are"
                    f" the same API, add that server to same_server under [{self._table()}] in"
                    " titan.toml. Nothing was changed.",
                    code="other_server",
                )
            if account and in_use.account and not _is_same(account, in_use.account):
                raise SettingsError(
                    f"The API key belongs to {account}, but {in_use.batches:,} unfinished batches"
                    f" belong to {in_use.account}. Set a key of that organization and workspace, or"
                    " use another TITAN_HOME. Nothing was changed.",
                    code="other_account",
                )

    def _way_back(self) -> str:
        if self.lane == DEFAULT_LANE:
            return "Set ANTHROPIC_BASE_URL to that server"
        return f"Set what names the server in [{self._table()}] of titan.toml as it was"

    def _table(self) -> str:
        return "api" if self.lane == DEFAULT_LANE else f"lanes.{self.lane}"

    def _is_same(self, in_use: AccountInUse, account: str | None) -> bool:
        """Whether it is known to be that server, or is not known to be another.

        A server on this machine gets another port each time it is started, such as the sandbox: it
        is the same one if it names the account of the batches. One that names none may be any
        program.
        """
        if not self.name or in_use.server in (None, self.name, *self.same):
            return True
        if not (_is_loopback(self.name) and _is_loopback(in_use.server or "")):
            return False
        return bool(account and in_use.account) and _is_same(account or "", in_use.account or "")


def _is_loopback(server: str) -> bool:
    return urlsplit(f"//{server}").hostname in LOOPBACK


def fetch_and_check(context: Context) -> str | None:
    """The key's account as the API names it, checked. Raises SettingsError or ApiError."""
    page = with_retries(context, lambda: context.api().list_page(limit=1))
    check(context, page.account)
    return page.account


def _is_same(one: str, other: str) -> bool:
    """The same organization, and the same workspace where both name one."""
    return all(a == b for a, b in zip(one.split("/"), other.split("/"), strict=False))
