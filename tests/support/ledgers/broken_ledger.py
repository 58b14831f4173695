"""Ways to break a ledger and to repair it, for tests of what is kept meanwhile."""

from pathlib import Path

from core.bootstrap import open_engine
from core.clock import Clock
from core.config.settings import from_environment
from core.poll.poll_summary import PollSummary
from state.db.connection import sqlite3


def poll(clock: Clock | None = None) -> PollSummary:
    with open_engine(from_environment(), actor="test", clock=clock) as engine:
        return engine.poll()


def corrupt(home: Path) -> None:
    home.mkdir(exist_ok=True)
    (home / "titan.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)


def no_folder(home: Path) -> None:
    home.write_text("a file where the folder should be")


def too_new(home: Path) -> None:
    home.mkdir(exist_ok=True)
    connection = sqlite3.connect(home / "titan.db")
    connection.execute("PRAGMA user_version=99")
    connection.close()


def heal(home: Path) -> None:
    if home.is_file():
        home.unlink()
    else:
        for path in home.glob("titan.db*"):
            path.unlink()
