"""Keeps every test away from real data, real keys and the colours of the machine."""

import gc
import os
import re
import shutil
import signal
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from support.builders import Bench, a_bench
from support.ledgers.ledger_builders import a_ledger
from support.ledgers.new_ledger import prepare_new_home
from support.ledgers.postgres_database import Database, an_empty_ledger
from support.processes.terminal import a_server
from support.processes.tmux import Pane

from state.db.ledger import Ledger
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.model.timing import Plan

# Hypothesis without deadlines: a busy machine is no failure.
settings.register_profile("titan", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("titan")


# Linux keeps it in memory: an fsync costs nothing there, and there are some twenty in each test.
_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes a folder of its own in it
_ROOM = 2 << 30
_FOREIGN = re.compile(
    r"ANTHROPIC_\w+|TITAN_\w+|PG[A-Z]+|NO_COLOR|\w*_(?i:PROXY)|SSL_CERT_\w+|(REQUESTS|CURL)_CA_BUNDLE"
)


def pytest_configure() -> None:
    """Put the folders of the tests into memory, unless their place is given or there is no room.

    Compiled modules are kept, also where the environment says otherwise: each of the processes that
    tests start would compile the packages again. Ctrl-C works in these processes also where it is
    ignored here, as it is below a job that a shell runs in the background.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # noqa: TID251 - read by Python
    has_room = os.access(_IN_MEMORY, os.W_OK) and shutil.disk_usage(_IN_MEMORY).free > _ROOM
    if has_room:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_IN_MEMORY))  # noqa: TID251 - read by pytest


def pytest_collection_finish() -> None:
    """Spare the garbage collector the modules and tests that are loaded: they stay."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # pyright: ignore[reportUnusedFunction]
    for name in list(os.environ):  # noqa: TID251 - what the machine sets is of no concern here
        if _FOREIGN.fullmatch(name):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TITAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(tmp_path / "no-profile"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench, None, None]:
    with a_bench(tmp_path / "titan") as made:
        yield made


@pytest.fixture
def ledger(tmp_path: Path) -> Generator[Ledger, None, None]:
    prepare_new_home(tmp_path / "titan" / "titan.db")
    with a_ledger(tmp_path / "titan") as made:
        yield made


@pytest.fixture
def database() -> Generator[Database, None, None]:
    """An empty ledger in PostgreSQL."""
    made = an_empty_ledger()
    yield made
    made.clear()


@pytest.fixture
def pane(tmp_path: Path) -> Generator[Pane, None, None]:
    """A terminal; the test needs tmux, which .ci/run installs."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed here")
    made = Pane(f"titan-{tmp_path.name}")
    yield made
    made.close()


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Generator[Sandbox, None, None]:
    with a_server(Plan.instant()) as (served, address):
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", address)
        yield served


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--renew-snapshots`, for tests/tui/test_snapshots.py."""
    parser.addoption(
        "--renew-snapshots", action="store_true", help="take what the console shows now as right"
    )
