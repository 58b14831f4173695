"""Checks that the key belongs to the account of the open batches; another key gets 404 for them."""

from core.batches.context import Context
from core.batches.retry import with_retries
from core.config.durations import RETENTION
from core.errors import SettingsError
from state.batches import remote_status
from state.model.timestamps import to_text


def check(context: Context, account: str | None) -> None:
    """Raise SettingsError where batches that are still needed belong to another account.

    `account` is the organization, or organization/workspace, that the API's response names.
    """
    if account is None:
        return
    # Batches that the API no longer keeps do not count.
    since = to_text(context.clock.now() - RETENTION)
    for other, count in remote_status.open_accounts(context.ledger, since_ts=since):
        if not _is_same(account, other):
            raise SettingsError(
                f"This key belongs to {account}, but {count:,} unfinished batches belong to"
                f" {other}. Set a key of that organization and workspace, or another TITAN_HOME."
                " Nothing was changed.",
                code="other_account",
            )


def fetch_and_check(context: Context) -> str | None:
    """The key's account as the API names it, checked. Raises SettingsError or ApiError."""
    page = with_retries(context, lambda: context.api().list_page(limit=1))
    check(context, page.account)
    return page.account


def _is_same(one: str, other: str) -> bool:
    """The same organization, and the same workspace where both name one."""
    return all(a == b for a, b in zip(one.split("/"), other.split("/"), strict=False))
