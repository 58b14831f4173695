"""Checks that the key belongs to the account of the open batches; another key gets 404 for them."""

from urllib.parse import urlsplit

from core.batches.context import Context
from core.batches.retry import with_retries
from core.config.durations import RETENTION
from core.config.settings import LOOPBACK
from core.errors import SettingsError
from state.batches import remote_status
from state.batches.remote_status import AccountInUse
from state.model.timestamps import to_text


def check(context: Context, account: str | None) -> None:
    """Raise SettingsError where batches that are still needed are on another server or account.

    `account` is the organization, or organization/workspace, that the API's response names.
    """
    # Batches that the API no longer keeps do not count.
    since = to_text(context.clock.now() - RETENTION)
    for in_use in remote_status.accounts_in_use(context.ledger, since_ts=since):
        if not _is_same_server(context, in_use, account):
            raise SettingsError(
                f"This server is {context.server}, but {in_use.batches:,} unfinished batches are on"
                f" {in_use.server}. Set ANTHROPIC_BASE_URL to that one, or use another TITAN_HOME;"
                " if both are the same, name it as same_server under [api] in titan.toml."
                " Nothing was changed.",
                code="other_server",
            )
        if account and in_use.account and not _is_same(account, in_use.account):
            raise SettingsError(
                f"This key belongs to {account}, but {in_use.batches:,} unfinished batches belong"
                f" to {in_use.account}. Set a key of that organization and workspace, or another"
                " TITAN_HOME. Nothing was changed.",
                code="other_account",
            )


def _is_same_server(context: Context, in_use: AccountInUse, account: str | None) -> bool:
    """Whether it is known to be that server, or is not known to be another.

    A server on this machine gets another port each time it is started, such as the sandbox: it is
    the same one if it names the account of the batches. One that names none may be any program.
    """
    if not context.server or in_use.server in (None, context.server, *context.same_servers):
        return True
    if not (_is_loopback(context.server) and _is_loopback(in_use.server or "")):
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
