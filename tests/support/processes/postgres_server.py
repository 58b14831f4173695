"""PostgreSQL servers of the tests: each process of pytest starts one of its own, when it needs it.

It listens on a socket in a folder of its own, keeps nothing safe from a power cut, and ends with
the process.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path

import pytest

_DEBIAN = Path("/usr/lib/postgresql")
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "shared_buffers": "32MB",
    "max_connections": "50",
    "log_min_messages": "fatal",
}
_numbers = count()


def programs() -> Path | None:
    """The folder of the newest installed server's programs; None without one."""
    found = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


class PostgresServer:
    """A server that runs; `url` names one of its databases."""

    def __init__(self, folder: Path, programs: Path, **settings: str) -> None:
        self.folder = folder
        self._programs = programs
        self._data = folder / "data"
        #: Whom it runs as, if not as this user.
        self.user = _user()
        if self.user:
            os.chown(folder, *self.user)
        self._run("initdb", "-D", self._data, "-U", "titan", "-A", "trust", "-E", "UTF8", "-N",
                  "--locale=C")  # fmt: skip
        lines = "".join(f"{name} = '{value}'\n" for name, value in (_SETTINGS | settings).items())
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(f"{lines}unix_socket_directories = '{folder}'\n")
        self.start()

    def start(self) -> None:
        self._run("pg_ctl", "-D", self._data, "-w", "-l", self.folder / "log", "start")

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-D", self._data, "-w", "-m", mode, "stop")

    def become_standby(self) -> None:
        """Start again as a server that only reads, and waits for the log of a primary one."""
        self.stop("fast")
        signal = self._data / "standby.signal"
        signal.touch()
        if self.user:
            os.chown(signal, *self.user)
        self.start()

    @property
    def socket(self) -> Path:
        return self.folder / ".s.PGSQL.5432"

    def url(self, database: str, *, user: str = "titan") -> str:
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def run(self, database: str, *statements: str) -> None:
        """Run statements, each in a transaction of its own."""
        import psycopg  # noqa: PLC0415 - the tests run without it

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def new_database(self) -> str:
        """The name of a new, empty database."""
        name = f"t{next(_numbers)}"
        self.run("postgres", f"CREATE DATABASE {name} TEMPLATE template0")
        return name

    def drop_database(self, name: str) -> None:
        self.run("postgres", f"DROP DATABASE {name} WITH (FORCE)")

    def end_with_this_process(self) -> None:
        """Stop it and remove its folder when this process has ended, however it does."""
        script = 'cat >/dev/null; kill -QUIT "$(head -1 "$0/data/postmaster.pid")"; rm -rf "$0"'
        # Its input ends with this process.
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", script, self.folder], stdin=subprocess.PIPE, start_new_session=True
        )

    def end(self) -> None:
        """Stop it and remove its folder now."""
        self._watcher.communicate()

    def _run(self, program: str, *arguments: str | Path) -> None:
        user, group = self.user or (None, None)
        subprocess.run(
            [self._programs / program, *arguments],
            check=True,
            cwd=self.folder,
            user=user,
            group=group,
            extra_groups=[] if self.user else None,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def _user() -> tuple[int, int] | None:
    """User and group to run it as, where the tests run as root, which PostgreSQL refuses."""
    if os.geteuid():
        return None
    import pwd  # noqa: PLC0415 - not on Windows

    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


@cache
def the_server() -> PostgresServer:
    """The server of this process. Skips the test where PostgreSQL is not installed."""
    return _new_server()


@contextmanager
def another_server(**settings: str) -> Generator[PostgresServer, None, None]:
    """A server of its own, with these settings; skips as `the_server` does."""
    server = _new_server(**settings)
    try:
        yield server
    finally:
        server.end()


def _new_server(**settings: str) -> PostgresServer:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    found = programs()
    if found is None or os.name == "nt":
        pytest.skip("no PostgreSQL server is installed (Debian: apt install postgresql)")
    # A path of a socket has 107 bytes at most.
    folder = Path(tempfile.mkdtemp(prefix="titan-pg-"))
    server = PostgresServer(folder, found, **settings)
    server.end_with_this_process()
    return server
