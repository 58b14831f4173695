"""What is left of [budgets.agents] in titan.toml."""

from datetime import datetime

from msgspec import Struct

from core.config.money_settings import Budgets
from core.money.budgets import used_in
from core.money.pricing import usd
from state.db.opening import reader_if_any
from state.files.folder import Folder
from state.model.timestamps import to_text


class AgentBudgetReport(Struct, frozen=True, kw_only=True):
    """The limits, None where there is none; `used_usd` is spent or reserved on this UTC day."""

    call_usd: float | None
    day_usd: float | None
    used_usd: float | None


def report(folder: Folder, budgets: Budgets, *, now: datetime) -> AgentBudgetReport:
    """The limits of the UTC day, and what is used of that of the day.

    A server of the ledger has a time of its own, which replaces `now`.
    """
    with reader_if_any(folder) as reader:
        now = (reader and reader.server_now()) or now
        limits = budgets.limits_of_agents(to_text(now)[:10])
        call = next((limit.nano for limit in limits if limit.scope is None), None)
        a_day = next((limit for limit in limits if limit.scope is not None), None)
        used = None
        if a_day and a_day.scope:
            used = used_in(reader, folder)(a_day.scope).nano if reader else 0
    return AgentBudgetReport(
        call_usd=usd(call), day_usd=usd(a_day.nano if a_day else None), used_usd=usd(used)
    )
