"""A ledger for each test."""

from collections.abc import Generator
from pathlib import Path

import pytest
from ledger.made import a_ledger

from state.ledger import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Generator[Ledger, None, None]:
    with a_ledger(tmp_path / "titan") as made:
        yield made
