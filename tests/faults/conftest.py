"""A bench for each test, or a served sandbox and a home for what jobs do."""

from collections.abc import Generator
from pathlib import Path

import pytest
from builders import Bench, a_bench
from terminal import a_server

from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.plan import Plan


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench, None, None]:
    with a_bench(tmp_path / "titan") as made:
        yield made


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Generator[Sandbox, None, None]:
    with a_server(Plan.instant()) as (served, address):
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", address)
        yield served
