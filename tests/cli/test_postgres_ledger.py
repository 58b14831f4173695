"""Every command on a ledger in PostgreSQL, and what of a ledger file it refuses in one line."""

import asyncio
import json
import shlex
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from mcp import Client
from support.ledgers.postgres_database import an_empty_ledger
from support.processes.in_process import Run, request_file, runner
from support.processes.mcp_client import Session
from support.processes.postgres_server import the_server

from core.bootstrap import open_engine
from core.clock import SystemClock
from core.commands import planner
from core.commands.planner import CommandRequest
from core.config.settings import from_environment
from state.batches import leases
from state.db import liveness_lock
from state.db.postgres import ledger as postgres_ledger
from state.db.postgres.reader import PostgresReader
from state.db.public_query import select
from state.files.folder import Folder
from state.model.ledger_url import LedgerUrl
from state.operations import previews, selection
from state.operations.commands import Action
from state.operations.selection import Filter
from state.queries import ledger_status
from titan_console.agents.server import make_server
from titan_console.agents.tools import Agent
from titan_console.sandbox.api import Sandbox


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(capsys)


@pytest.fixture(autouse=True)
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    database = an_empty_ledger()
    monkeypatch.setenv("TITAN_LEDGER", database.url)
    yield database.url
    database.clear()


def a_file(folder: Path, count: int, name: str = "daily-feed.jsonl") -> str:
    return request_file(folder / name, count)


def test_the_life_of_a_submission(
    tmp_path: Path, home: Path, sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.faults.add("row:overloaded:id=*-00002*")
    key = run("submit", a_file(tmp_path, 3)).out.strip()
    assert run("submit", a_file(tmp_path, 3)).out.strip() == key
    polled = run("--poll", "--json")
    assert (polled.code, polled.json()["results"]) == (1, 3)
    assert [line["custom_id"][-3:] for line in run("errors", "--json").lines()] == ["002"]

    sandbox.faults.clear()
    replayed = run("replay", "daily-feed", "--yes", "--json")
    assert replayed.code == 0, replayed
    assert run("--poll", "--json").code == 0
    outcomes = [line["outcome"] for line in run("results", key, "--json").lines()]
    assert outcomes == ["succeeded"] * 3
    assert sandbox.billing_log().creates == 2

    for command in (
        *(("status",), ("savings", "--month"), ("kpis",), ("digest",), ("jobs",), ("forecast",)),
        *(("events",), ("commands",), ("orphans",), ("show", key), ("savings", "--explain", key)),
        *(("savings", "--cache"), ("scan", str(tmp_path)), ("doctor",)),
        ("submit", a_file(tmp_path, 4, "more.jsonl"), "--tag", "more", "--dry-run"),
    ):
        done = run(*command, "--json")
        assert done.code in (0, 1), (command, done)
        assert all(json.loads(line) for line in done.out.splitlines()), command
    assert run("metrics").code == 0
    assert len(run("export", "daily-feed").out.splitlines()) == 3
    assert run("savings", "--recompute").code == 0
    assert "postgresql:///" in run("doctor").out
    assert not (home / "titan.db").exists()
    # A poll that lacks the address does not begin a second ledger.
    monkeypatch.delenv("TITAN_LEDGER")
    assert run("--poll", "--json").error_code() == "ledger_lost"


@pytest.mark.parametrize("command", [("restore",), ("restore", "x", "--yes"), ("rebuild", "--yes")])
def test_what_replaces_a_ledger_file_is_the_servers_business(
    run: Run, command: tuple[str, ...]
) -> None:
    done = run(*command, "--json")
    assert done.error_code() == "ledger_in_postgres"
    assert "pg_dump" in done.err


@pytest.mark.parametrize("left", ["batch-jobs.jsonl", "spool/tb_0123456789.jsonl", "titan.db"])
def test_an_empty_database_beside_earlier_work_is_no_new_ledger(
    home: Path, run: Run, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    (home / left).parent.mkdir(parents=True)
    (home / left).write_text("{}\n")
    name = the_server().new_database()
    monkeypatch.setenv("TITAN_LEDGER", the_server().url(name))
    for command in (("--poll", "--json"), ("status", "--json"), ("jobs", "--json")):
        done = run(*command)
        assert (done.code, done.error_code()) == (3, "ledger_lost"), command
        assert left.partition("/")[0] in done.err
    (home / left).unlink()
    assert run("status", "--json").error_code() == "ledger_missing"
    assert run("--poll").code == 0
    the_server().drop_database(name)


def test_a_query_is_read_only_bounded_and_streamed(run: Run) -> None:
    assert run("query", "--json", "SELECT ';' AS mark ;;\n;").lines() == [{"mark": ";"}]
    rows = run("query", "SELECT i FROM generate_series(1, 10000000) i", "--limit", "3", "--json")
    assert rows.lines() == [{"i": 1}, {"i": 2}, {"i": 3}]
    assert "--limit 0" in rows.err
    values = "SELECT 1.5::numeric n, 7::numeric m, 'NaN'::numeric o, 1 = 1 AS b, now() AS t"
    (row,) = run("query", f"{values}, '[1]'::json AS j, '\\x00ff'::bytea AS x", "--json").lines()
    assert (row["n"], row["m"], row["o"], row["b"]) == (1.5, 7, None, True)
    assert (row["j"], row["x"], row["t"][:2]) == ("[1]", "00ff", "20")
    assert run("query", "SELECT '%s?' AS a").out.split() == ["a", "%s?"]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("DELETE FROM requests", "query_invalid"),
        ("SELECT 1; DELETE FROM requests", "query_invalid"),
        ("WITH x AS (DELETE FROM requests RETURNING 1) SELECT * FROM x", "query_invalid"),
        ("SELECT setval('polls_id_seq', 5)", "query_not_read_only"),
        ("COMMIT", "query_invalid"),
        ("SELECT nothing FROM nowhere", "query_invalid"),
        ("SELECT 1/0", "query_invalid"),
        ("SELECT '\ud800'", "query_invalid"),
        ("SELECT repeat('x', 20000000)", "query_too_large"),
        ("SELECT 1 FROM titan_ledger FOR UPDATE", "query_not_read_only"),
        ("SELECT query_to_xml('LOCK TABLE titan_ledger', true, true, '')", "query_invalid"),
        ("SELECT pg_sleep(60)", "query_timeout"),
        ("SELECT count(*) FROM generate_series(1, 10000000000)", "query_timeout"),
        ("SELECT set_config('statement_timeout', '0', true), pg_sleep(60)", "query_timeout"),
    ],
)
def test_a_query_that_does_more_than_read_is_refused(run: Run, sql: str, code: str) -> None:
    timeout_s = "0.2" if code == "query_timeout" else "20"
    done = run("query", sql, "--json", "--timeout", timeout_s)
    assert (done.code, done.error_code()) == (2, code)


@pytest.mark.usefixtures("sandbox")
def test_a_query_keeps_no_writer_waiting_whatever_locks_it_takes(
    tmp_path: Path, home: Path, run: Run, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql = "SELECT pg_advisory_lock(1414091854), pg_advisory_xact_lock(1414091854) FROM titan_ledger"
    short = postgres_ledger._BEGIN.replace(b"'30s'", b"'50ms'")
    monkeypatch.setattr(postgres_ledger, "_BEGIN", short)
    with (
        PostgresReader(LedgerUrl(url), home / "titan.db") as reader,
        select(reader, sql, timeout_s=60) as selected,
    ):
        assert len(list(selected.rows)) == 1
        submitted = run("submit", a_file(tmp_path, 3), "--json")
    assert submitted.code == 0, submitted


def test_doctor_names_the_hosts_whose_rules_about_money_differ(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, limit in (("one", 5), ("two", 7)):
        (tmp_path / name).mkdir()
        rules = tmp_path / name / "titan.toml"
        rules.write_text(f"[budgets]\nday_usd = {limit}.0\n")
        monkeypatch.setenv("TITAN_HOME", str(tmp_path / name))
        monkeypatch.setenv("TITAN_HOST", name)
        assert run("--poll").code in (0, 1)
    assert "titan.toml of host one differs from that of this host, two, in [budgets]" in hosts(run)
    rules.write_text("[budgets]\nday_usd = 5.0\n")
    assert "2 hosts, whose rules about money agree" in hosts(run)


def hosts(run: Run) -> str:
    """What `doctor` says of the hosts."""
    found = run("doctor", "--json").json()["findings"]
    return next(one["detail"] for one in found if one["what"] == "hosts")


def test_ages_and_periods_go_by_the_clock_of_the_server(
    tmp_path: Path, sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.faults.add("row:overloaded:id=*-00002*")
    key = run("submit", a_file(tmp_path, 3)).out.strip()
    run("--poll")
    now = SystemClock().now

    def later(_clock: SystemClock) -> datetime:
        return now() + timedelta(hours=3)

    monkeypatch.setattr(SystemClock, "now", later)
    assert run("events", "--since", "1h", "--json").lines()
    assert run("savings", "--since", "1h", "--json").lines()
    assert "3h" not in run("status").out
    assert "3h" not in run("show", key).out
    assert "3h" not in run("errors", "--groups").out
    sandbox.faults.clear()
    replayed = run("replay", "daily-feed", "--since", "1h", "--yes", "--json")
    assert replayed.code == 0, replayed


@pytest.mark.parametrize("hours", [-48, 48])
@pytest.mark.usefixtures("sandbox")
def test_what_is_left_of_a_budget_is_that_of_the_servers_day(
    tmp_path: Path,
    home: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    hours: int,
) -> None:
    limits = "[budgets]\nday_usd = 5\n[budgets.agents]\ncall_usd = 1\nday_usd = 5\n"
    home.mkdir(exist_ok=True)
    (home / "titan.toml").write_text(limits, "utf-8")
    run("submit", a_file(tmp_path, 3))
    run("--poll")
    spent = run("savings", "--json").lines()[0]["cost_usd"]
    now = SystemClock().now

    def wrong(_clock: SystemClock) -> datetime:
        return now() + timedelta(hours=hours)

    monkeypatch.setattr(SystemClock, "now", wrong)
    assert asyncio.run(used_by_agents()) == pytest.approx(spent)
    more = a_file(tmp_path, 4, "more.jsonl")
    adds = run("submit", more, "--dry-run", "--json").json()["batch_usd"]
    limit = adds + spent / 2
    (home / "titan.toml").write_text(f"[budgets]\nday_usd = {limit:.9f}\n", "utf-8")
    for extra in ((), ("--dry-run",)):
        refused = run("submit", more, *extra, "--json")
        assert refused.error_code() == "over_budget", extra


async def used_by_agents() -> float:
    """The budget of the day that a client of MCP reads."""
    agent = Agent(settings=from_environment(), writes=False)
    async with Client(make_server(agent)) as client:
        return (await Session(client).call("status"))["agent_budgets"]["used_usd"]


def test_the_month_of_a_forecast_goes_by_the_clock_of_the_server(
    tmp_path: Path, sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("submit", a_file(tmp_path, 3))
    run("--poll")
    assert sandbox.billing_log().creates == 1
    before = run("forecast", "--json").json()["elsewhere"]
    now = SystemClock().now

    def later(_clock: SystemClock) -> datetime:
        return now() + timedelta(days=40)

    monkeypatch.setattr(SystemClock, "now", later)
    assert before is not None
    assert run("forecast", "--json").json()["elsewhere"] == before


@pytest.mark.usefixtures("home")
def test_the_command_line_of_a_preview_selects_the_same_requests(
    tmp_path: Path, sandbox: Sandbox, run: Run
) -> None:
    sandbox.faults.add("row:overloaded:p=1")
    for tag in ("one", "two"):
        assert run("submit", a_file(tmp_path, 3), "--tag", tag).code == 0
    run("--poll")
    with open_engine(from_environment(), actor="test", creates=False) as engine:
        context = engine.context
        ids = selection.request_ids(context.ledger, Filter(names=("one",)))
        few = CommandRequest(action=Action.REPLAY, wanted=Filter(request_ids=tuple(ids)[1:]))
        names = shlex.split(planner.plan(context, few).preview.cli)[3:]
        assert [name.partition("/")[0] for name in names] == ["one", "one"]
        again = selection.request_ids(context.ledger, Filter(names=tuple(names)))
        assert tuple(again) == tuple(ids)[1:]
        common = previews.common_filter(context.ledger, ids, ())
        assert (common.outcome, common.error_type) == ("errored", "overloaded_error")


def test_a_lease_of_this_home_ends_with_its_process_and_that_of_another_host_in_time(
    home: Path, url: str
) -> None:
    lock = Folder(home).poll_lock
    with open_engine(from_environment(), actor="test") as engine:
        ledger = engine.context.ledger
        until = engine.context.clock.now() + timedelta(minutes=15)
        with liveness_lock.try_lock(lock):
            here = liveness_lock.place_id(lock)
            leases.acquire(ledger, "poll", "poller@here:1/x", until=until, lock_id=here)
            assert ledger_status.poller(ledger).lease_holder == "poller@here:1/x"
        with PostgresReader(url, home / "titan.db") as reader, reader.read_transaction():
            assert ledger_status.poller(reader).lease_holder is None
        leases.release(ledger, "poll", "poller@here:1/x")
        leases.acquire(ledger, "poll", "poller@there:1/x", until=until, lock_id="another")
        assert ledger_status.poller(ledger).lease_holder == "poller@there:1/x"
