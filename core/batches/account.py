"""Whose batches a key can see: a 404 under the wrong key is no lost batch."""

from core.batches.context import Context
from core.batches.retry import with_retries
from core.config.durations import RETENTION
from core.errors import SettingsError
from state.batches import remote_status
from state.model.timestamps import to_text


def check(context: Context, account: str | None) -> None:
    """Refuse to go on when batches that are still needed belong to another account.

    `account` is how the API's answer names the key's organisation and workspace. Raises
    SettingsError.
    """
    if account is None:
        return
    # What the API has thrown away by now holds nobody up.
    since = to_text(context.clock.now() - RETENTION)
    for other, count in remote_status.open_accounts(context.ledger, since_ts=since):
        if not _is_same(account, other):
            raise SettingsError(
                f"This key is of {account}, but {count:,} unfinished batches are of {other}."
                " Set a key of that organisation and workspace, or another TITAN_HOME."
                " Nothing was changed."
            )


def ask_and_check(context: Context) -> str | None:
    """Ask the API whose key this is, then check. Raises SettingsError or ApiError."""
    page = with_retries(context, lambda: context.api().list_page(limit=1))
    check(context, page.account)
    return page.account


def _is_same(one: str, other: str) -> bool:
    """The same organisation, and the same workspace where both answers named one."""
    return all(a == b for a, b in zip(one.split("/"), other.split("/"), strict=False))
