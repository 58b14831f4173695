"""Hosts with one ledger go by the clock of its server, whatever their own clocks say."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from support.ledgers.postgres_database import Database

from core.bootstrap import open_engine
from core.clock import SystemClock
from core.config.settings import Settings
from core.recovery.accept_loss import accept_loss
from state.model.ledger_url import LedgerUrl
from state.model.timestamps import from_text


class OffClock(SystemClock):
    """That of a host that is off by hours."""

    def __init__(self, hours: int) -> None:
        self._hours = hours

    def now(self) -> datetime:
        return super().now() + timedelta(hours=self._hours)


@pytest.mark.parametrize("hours", [-1, 1])
def test_times_in_the_ledger_are_those_of_the_server(
    tmp_path: Path, database: Database, hours: int
) -> None:
    settings = Settings(home=tmp_path / "home", ledger_url=LedgerUrl(database.url))
    with open_engine(settings, actor="test", clock=OffClock(hours)) as engine:
        context = engine.context
        times = (context.clock.now(), from_text(context.ledger.now_text()))
        accept_loss(settings.folder, actor="test", clock=OffClock(hours))
        times = (*times, from_text(context.ledger.rows("SELECT max(at) FROM events")[0][0]))
    now = SystemClock().now()
    assert all(abs(now - time) < timedelta(minutes=1) for time in times)
    file = Settings(home=tmp_path / "file")
    with open_engine(file, actor="test", clock=OffClock(hours)) as engine:
        assert abs(engine.context.clock.now() - SystemClock().now()) > timedelta(minutes=30)
