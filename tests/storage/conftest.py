"""A new ledger for each test, on each of the storage implementations."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.console.console_builders import LedgerBuilder
from support.ledgers.storage import START, STORAGES, Storage

from core.clock import ManualClock
from state.db.ledger import Ledger


@pytest.fixture(params=STORAGES)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    made = STORAGES[request.param](tmp_path, ManualClock(START))
    yield made
    made.close()


@pytest.fixture
def clock(storage: Storage) -> ManualClock:
    return storage.clock


@pytest.fixture
def ledger(storage: Storage) -> Ledger:
    return storage.open()


@pytest.fixture
def made(ledger: Ledger, clock: ManualClock) -> LedgerBuilder:
    """Writes the life of batches into that ledger."""
    return LedgerBuilder(ledger, clock)
