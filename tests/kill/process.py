"""Makes a forked process one of the product: its clock, its environment, its output."""

import os
import random
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from kill.worker import KEY, RunTarget, SharedClock

from core import bootstrap
from core.batches import lease_keeper
from core.clock import SystemClock
from state.db.ledger import Ledger
from state.db.opening import open_ledger
from state.db.postgres.ledger import PostgresLedger
from state.files.folder import Folder
from titan_console.cli.main import main as command_line

# Crash points of one kind are passed this often at least in a process that has such work.
_FEW_POINTS = 3
_BEAT_S = lease_keeper._BEAT_S


def prepare(target: RunTarget) -> None:
    """Use the shared clock in this process and its children, and the sandbox as the API."""
    clock = SharedClock(target.origin, target.speed, ahead_s=target.ahead_s)
    for name in ("now", "monotonic", "sleep"):
        setattr(SystemClock, name, staticmethod(getattr(clock, name)))
    os.environ.update(  # noqa: TID251 - for this process and its children
        TITAN_HOME=str(target.home), ANTHROPIC_BASE_URL=target.address, ANTHROPIC_API_KEY=KEY
    )
    if target.ledger:
        os.environ.update(  # noqa: TID251 - as above
            TITAN_LEDGER=target.ledger, TITAN_HOST=target.home.name
        )
        use_clock_of_the_server(SharedClock(target.origin, target.speed))


def use_clock_of_the_server(clock: SharedClock) -> None:
    """The server's clock is the shared one, and a lease is renewed at its pace."""
    for name, read in server_clock(clock).items():
        replace_in(PostgresLedger, name, read)
    replace_in(lease_keeper, "_BEAT_S", _BEAT_S / clock.speed)


def server_clock(clock: SharedClock) -> dict[str, Callable[[PostgresLedger], object]]:
    """The methods that read the clock of the server, with that clock in its place."""

    def now(_ledger: PostgresLedger) -> datetime:
        return clock.now()

    def seconds(_ledger: PostgresLedger) -> float:
        return clock.monotonic()

    return {"_database_now": now, "_database_seconds": seconds}


def without_key(home: Path) -> None:
    """Work in another folder, without the API."""
    os.environ["TITAN_HOME"] = str(home)  # noqa: TID251 - for this process
    del os.environ["ANTHROPIC_API_KEY"]  # noqa: TID251 - for this process


def run(*arguments: str) -> int:
    """A command line of the program; its exit code."""
    try:
        command_line(list(arguments))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return 0


def redirect_output(errors: Path) -> None:
    """Standard output goes nowhere, and standard error to a file."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    log = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number, opened in enumerate((nowhere, nowhere, log)):
        os.dup2(opened, number)
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, buffering=1, closefd=False)  # noqa: SIM115 - for the whole process
        for number, mode in enumerate(("r", "w", "w"))
    )


def die_at(target: RunTarget, rng: random.Random, about: str, points: int) -> None:
    """Make the ledgers of this process kill it at a random crash point, noting which."""
    left = rng.randint(1, points if not about else _FEW_POINTS)

    def crash_point(name: str) -> None:
        nonlocal left
        left -= about in name
        if left <= 0:
            append(target.beside("crash-points"), name)
            os.kill(os.getpid(), signal.SIGKILL)

    use_crash_point(crash_point)


def use_crash_point(crash_point: Callable[[str], None]) -> None:
    """Give every ledger that this process opens this crash point."""

    def opened(folder: Folder, **options: Any) -> Ledger:
        options["crash_point"] = crash_point
        return open_ledger(folder, **options)

    def made(path: Path, **options: Any) -> Ledger:
        options["crash_point"] = crash_point
        return Ledger(path, **options)

    replace_in(bootstrap, "open_ledger", opened)
    replace_in(bootstrap, "Ledger", made)


def replace_in(owner: object, name: str, new: object) -> None:
    """Replace an attribute that is there, for the rest of this process."""
    if not hasattr(owner, name):
        raise AttributeError(f"{owner} has no {name} any more")
    setattr(owner, name, new)


def append(path: Path, line: str) -> None:
    """Add a line, whole even if the process is killed next."""
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(log, f"{line}\n".encode())
    os.close(log)
