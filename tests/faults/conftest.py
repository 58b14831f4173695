"""A bench for each test."""

from collections.abc import Generator
from pathlib import Path

import pytest
from builders import Bench, a_bench


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench, None, None]:
    with a_bench(tmp_path / "titan") as made:
        yield made
