"""`doctor` examines the server of a ledger, also one that is refused."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp

import pytest
from msgspec.structs import replace
from support.processes.postgres_server import the_server

from core.clock import SystemClock
from state.db.opening import open_ledger
from state.db.postgres.connection import connect
from state.db.postgres.server_facts import shares_sessions
from state.db.server_facts import ServerFacts
from state.files.folder import Folder
from state.model.ledger_url import LedgerUrl
from titan_console.doctor import server_checks
from titan_console.doctor.finding import Health

SOUND = ServerFacts(
    version="15.6",
    is_supported=True,
    encoding="UTF8",
    synchronous_commit="on",
    is_standby=False,
    standbys=0,
    standby_lag_s=0.0,
    schema_name="public",
    role="titan",
    may_create=True,
    may_stage=True,
    denied=(),
    bytes=8_000_000,
    connections=3,
    most_connections=100,
    latency_s=0.001,
    clock_offset=timedelta(seconds=0.2),
    pools_transactions=False,
)


@pytest.fixture
def name() -> Iterator[str]:
    made = the_server().new_database()
    yield made
    the_server().drop_database(made)


def a_folder(tmp_path: Path, name: str, user: str = "titan") -> Folder:
    return Folder(tmp_path, LedgerUrl(the_server().url(name, user=user)))


def is_listening(path: Path) -> bool:
    with closing(socket.socket(socket.AF_UNIX)) as client:
        return client.connect_ex(str(path)) == 0


def found(folder: Folder) -> dict[str, tuple[Health, str]]:
    return {one.what: (one.health, one.detail) for one in server_checks.findings(folder)}


def test_an_ordinary_server_passes(tmp_path: Path, name: str) -> None:
    folder = a_folder(tmp_path, name)
    open_ledger(folder, now=SystemClock().now, actor="test").close()
    checks = found(folder)
    assert {health for health, _ in checks.values()} == {Health.OK}
    assert list(checks) == [
        *("postgresql", "database", "role", "commits", "replication"),
        *("latency", "clock", "pooling", "connections"),
    ]
    assert "encoding UTF8" in checks["database"][1]


def test_what_keeps_a_ledger_from_being_used_is_named(tmp_path: Path, name: str) -> None:
    folder = a_folder(tmp_path, name)
    open_ledger(folder, now=SystemClock().now, actor="test").close()
    the_server().run(
        name,
        "DROP ROLE IF EXISTS visitor",
        "CREATE ROLE visitor LOGIN",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO visitor",
        f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC",
        f"ALTER DATABASE {name} SET synchronous_commit = off",
    )
    checks = found(a_folder(tmp_path, name, "visitor"))
    bad = {what for what, (health, _) in checks.items() if health == Health.BAD}
    assert bad == {"role", "commits"}
    role = checks["role"][1]
    assert "visitor lacks INSERT, UPDATE and DELETE on alert_silences, " in role
    assert all(word in role for word in ("events", "CREATE", "TEMPORARY"))
    assert "SELECT" not in role
    assert role.endswith("own the tables. What only reads, such as `status`, works without")


@pytest.mark.parametrize(("mode", "pools"), [("session", False), ("transaction", True)])
def test_a_pooler_of_transactions_is_found(name: str, mode: str, pools: bool) -> None:
    program = shutil.which("pgbouncer")
    if program is None:
        pytest.skip("PgBouncer is not installed (Debian: apt install pgbouncer)")
    place = Path(mkdtemp(dir=the_server().folder))
    settings = place / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\n* = host={the_server().folder} user=titan\n[pgbouncer]\n"
        f"unix_socket_dir = {place}\nlisten_port = 6432\nauth_type = any\npool_mode = {mode}\n"
    )
    user = the_server().user
    for path in (place, settings):
        if user:
            os.chown(path, *user)
    started = subprocess.Popen(
        [program, "-q", settings], user=user and user[0], group=user and user[1]
    )
    try:
        while not is_listening(place / ".s.PGSQL.6432"):
            assert started.poll() is None
        url = f"postgresql://titan@/{name}?host={place}&port=6432"
        with closing(connect(url)) as one, closing(connect(url)) as other:
            assert shares_sessions(one, other) == pools
    finally:
        started.terminate()
        started.wait()


@pytest.mark.parametrize(
    ("change", "what", "health", "words"),
    [
        ({"clock_offset": timedelta(hours=1)}, "clock", Health.WARN, "1h 00m behind the server"),
        ({"clock_offset": timedelta(hours=-1)}, "clock", Health.WARN, "ahead of the server"),
        ({"is_standby": True}, "replication", Health.BAD, "primary server"),
        (
            {"standbys": 2, "standby_lag_s": 90.0},
            "replication",
            Health.WARN,
            "2 standbys; one lags",
        ),
        ({"standbys": 1}, "replication", Health.OK, "1 standby"),
        ({"is_supported": False}, "postgresql", Health.BAD, "version 15"),
        ({"encoding": "LATIN1"}, "database", Health.BAD, "LATIN1"),
        ({"schema_name": None}, "database", Health.BAD, "search_path"),
        ({"latency_s": 0.25}, "latency", Health.WARN, "250.0 ms"),
        (
            {"denied": (("SELECT", "events"), ("INSERT", "events"), ("DELETE", "events, holds"))},
            "role",
            Health.BAD,
            "lacks SELECT and INSERT on events; DELETE on events, holds: grant it, or let it own",
        ),
        ({"pools_transactions": True}, "pooling", Health.BAD, "pool_mode = session"),
        ({"connections": 95}, "connections", Health.WARN, "95 of 100"),
    ],
)
def test_each_fault_of_a_server_has_a_line(
    change: dict[str, object], what: str, health: Health, words: str
) -> None:
    facts = replace(SOUND, **change)
    (line,) = (one for one in server_checks.lines(facts) if one.what == what)
    assert (line.health, words in line.detail) == (health, True)
    assert {one.health for one in server_checks.lines(SOUND)} == {Health.OK}
