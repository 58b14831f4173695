"""A damaged ledger is detected, rejected with instructions, and rebuilt from its files."""

import json
import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.builders import Bench, a_bench, some_requests
from support.ledgers.ledger_builders import a_ledger
from support.ledgers.rebuilt_ledger import rebuilt
from support.lifecycle import batches, check_billing, poll_until_done, requests, results
from support.processes.terminal import Terminal, a_server

from core.intake.options import SubmitOptions
from core.requests.payload import Limits
from state.db.ledger import Ledger
from state.model.errors import LedgerUnusable
from state.model.records import OnFailure, RequestStatus
from state.recovery import rebuild as rebuilding
from titan_console.cli.main import cli
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.model.timing import Plan


def test_what_was_collected_is_there_again_with_its_costs(bench: Bench) -> None:
    bench.faults.add("row:overloaded:id=*-00002-*")
    key = bench.submit(4).submission.key
    poll_until_done(bench)
    before = results(bench, key)
    mirror = bench.folder.errors_mirror.read_text("utf-8")
    _, done = rebuilt(bench)
    assert (done.submissions, done.collected, done.open, done.missing) == (1, 1, 0, 0)
    assert results(bench, key) == results(bench, "daily-feed") == before
    poll_until_done(bench)
    check_billing(bench)
    assert bench.sandbox.billing_log().creates == 1
    assert [json.loads(line)["params"] for line in mirror.splitlines()] == [
        json.loads(line)["params"]
        for line in bench.folder.errors_mirror.read_text("utf-8").splitlines()
    ]
    assert bench.submit(4).repeated


def test_what_runs_at_the_api_goes_on(bench: Bench) -> None:
    bench.submit(3)
    bench.engine.poll()
    _, done = rebuilt(bench)
    assert (done.open, done.missing) == (1, 0)
    poll_until_done(bench)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 3}
    assert bench.sandbox.billing_log().creates == 1
    check_billing(bench)


def test_a_mirror_of_version_1_is_understood(bench: Bench) -> None:
    bench.faults.add("create:drop:times=1")
    bench.submit(3)
    mirror = bench.folder.jobs_mirror
    mirror.write_bytes(mirror.read_bytes().replace(b'"unconfirmed"', b'"uncertain"'))
    assert b'"uncertain"' in mirror.read_bytes()
    _, done = rebuilt(bench)
    assert (done.open, done.missing) == (1, 0)
    poll_until_done(bench)
    assert bench.sandbox.billing_log().creates == 1


@pytest.mark.parametrize(("fault", "creates"), [("create:drop", 1), ("create:500", 2)])
def test_an_unanswered_create_is_found_or_proved_absent(
    bench: Bench, fault: str, creates: int
) -> None:
    bench.faults.add(f"{fault}:times=1")
    bench.submit(3)
    rebuilt(bench)
    poll_until_done(bench)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 3}
    assert bench.sandbox.billing_log().creates == creates
    check_billing(bench)


def test_an_unanswered_create_is_found_though_one_of_its_requests_is_unreadable(
    bench: Bench,
) -> None:
    """By the number of requests that the mirror states, not the number that can be read."""
    bench.faults.add("create:drop:times=1")
    key = bench.submit(3).submission.key
    spool = bench.folder.spool / f"{key}.jsonl"
    spool.write_bytes(b"".join(spool.read_bytes().splitlines(keepends=True)[:2]) + b"{torn\n")
    rebuilt(bench)
    poll_until_done(bench)
    assert bench.sandbox.billing_log().creates == 1
    assert requests(bench) == {RequestStatus.SUCCEEDED: 2}


def test_an_open_batch_gets_the_requests_that_no_results_name(tmp_path: Path) -> None:
    with a_bench(tmp_path, plan=Plan.manual(), limits=Limits(max_requests=2)) as bench:
        bench.faults.add("create:429:times=1")
        key = bench.submit(4).submission.key
        bench.poll_after(900)
        sent = {batch.key: batch.remote_id for batch in batches(bench) if batch.remote_id}
        # The first two requests are in the last batch.
        assert list(sent) == [f"{key}-2", f"{key}-3"]
        bench.sandbox.end(sent[f"{key}-3"])
        bench.poll_after(900)
        _, done = rebuilt(bench)
        assert (done.collected, done.open, done.missing) == (1, 1, 0)
        (listed,) = bench.engine.context.ledger.rows(
            "SELECT group_concat(substr(r.custom_id, -1), '') FROM attempts a JOIN batches b"
            " ON b.id = a.batch_id JOIN requests r ON r.id = a.request_id WHERE b.key = ?",
            f"{key}-2",
        )
        assert listed[0] == "34"
        bench.sandbox.end(sent[f"{key}-2"])
        poll_until_done(bench)
        assert [result["outcome"] for result in results(bench, key)] == ["succeeded"] * 4
        check_billing(bench)


def test_requests_without_any_trace_are_missing_and_not_sent(bench: Bench) -> None:
    bench.submit(3)
    bench.folder.jobs_mirror.unlink()
    _, done = rebuilt(bench)
    assert (done.submissions, done.missing) == (1, 3)
    poll_until_done(bench)
    assert requests(bench) == {RequestStatus.MISSING: 3}
    assert bench.sandbox.billing_log().creates == 1
    assert "may have run" in (batches(bench)[0].last_error or "")
    ledger = bench.engine.context.ledger
    (counted,) = ledger.rows("SELECT sum(requests), sum(missing) FROM daily_totals")
    assert tuple(counted) == (3, 3)


def test_a_whole_life_is_rebuilt(bench: Bench) -> None:
    bench.submit(3, tag="one")
    bench.faults.add("create:429:times=1")
    bench.submit(2, tag="two", on_failure=OnFailure.SYNC)
    bench.engine.submit(some_requests(2, "weekly"), SubmitOptions(tag="three"))
    poll_until_done(bench)
    bench.submit(5, tag="four")
    cost = bench.engine.context.ledger.rows("SELECT sum(cost_nano) FROM attempts")[0][0]
    _, done = rebuilt(bench)
    assert (done.submissions, done.collected, done.open, done.missing) == (4, 3, 1, 0)
    now = bench.engine.context.ledger.rows("SELECT sum(cost_nano) FROM attempts")[0][0]
    assert now == cost
    poll_until_done(bench)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 12}
    assert bench.engine.context.ledger.rows("PRAGMA integrity_check")[0][0] == "ok"


def _damage(path: Path) -> None:
    """Flip bytes on every page behind the first, as a bad disk does."""
    content = bytearray(path.read_bytes())
    rng = random.Random(1)
    for start in range(4096, len(content), 4096):
        for _ in range(64):
            content[start + rng.randrange(4096)] ^= 0xFF
    path.write_bytes(bytes(content))
    for side in ("-wal", "-shm"):
        path.with_name(path.name + side).unlink(missing_ok=True)


def test_status_says_nothing_before_it_has_read_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "titan.db"
    a_ledger(tmp_path).close()
    with closing(sqlite3.connect(path)) as plain:
        plain.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        # They are read last.
        sql = "SELECT rootpage FROM sqlite_master WHERE tbl_name = 'hook_runs'"
        pages = [row[0] for row in plain.execute(sql)]
    content = bytearray(path.read_bytes())
    for page in pages:
        content[4096 * (page - 1) : 4096 * page] = b"\xff" * 4096
    path.write_bytes(bytes(content))
    monkeypatch.setenv("TITAN_HOME", str(tmp_path))
    shown = CliRunner().invoke(cli, ["status"])
    assert isinstance(shown.exception, LedgerUnusable)
    assert shown.stdout == ""


def test_a_damaged_ledger_is_found_refused_and_rebuilt(tmp_path: Path) -> None:
    with a_server(Plan.instant()) as (sandbox, address):
        terminal = Terminal(tmp_path / "home", address)
        key = _submitted(terminal, tmp_path, sandbox)
        sound = terminal.run("rebuild", "--yes")
        assert (sound.code, "nothing to rebuild" in sound.err) == (2, True)
        _damage(tmp_path / "home" / "titan.db")

        polled = terminal.run("--poll")
        assert polled.code == 3
        assert polled.err.count("\n") == 1
        doctor = terminal.run("doctor", "--check")
        assert doctor.code == 1
        assert "rebuild" in doctor.out
        said = [line.partition("The ledger")[2] for line in doctor.out.splitlines()]
        damaged = [line for line in said if "malformed" in line]
        assert len(damaged) == len(set(damaged)), doctor.out
        preview = terminal.run("rebuild")
        assert (preview.code, "malformed" in preview.err) == (1, True)
        assert (preview.err.count("is damaged"), "titan-console rebuild" in preview.err) == (
            1,
            False,
        )

        done = terminal.run("rebuild", "--yes", "--json")
        assert done.code == 0, done.err
        assert done.json()["collected"] == 1
        _damage(tmp_path / "home" / "titan.db")
        without_key = replace(terminal, api_key=None).run("rebuild", "--yes")
        assert (without_key.code, "No API key" in without_key.err) == (1, True)
        assert Path(done.json()["kept"]).exists()
        assert terminal.run("doctor", "--check").code == 0
        assert len(terminal.run("results", key, "--json").lines()) == 3
        assert sandbox.billing_log().creates == 1


def test_a_ledger_that_is_not_damaged_is_not_rebuilt(tmp_path: Path) -> None:
    home = tmp_path / "home"
    terminal = Terminal(home)
    assert terminal.run("rebuild", "--json", "--yes").error_code() == "ledger_missing"
    assert not home.exists()
    a_ledger(home).close()
    with closing(sqlite3.connect(home / "titan.db")) as newer:
        newer.execute("PRAGMA user_version=999")
    refused = terminal.run("rebuild", "--json", "--yes")
    assert (refused.code, refused.error_code()) == (3, "ledger_too_new")
    assert "recovery" not in terminal.run("doctor").out


@pytest.mark.parametrize("is_sound", [True, False])
def test_an_older_ledger_is_migrated_and_only_rebuilt_where_that_fails(
    tmp_path: Path, *, is_sound: bool
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with closing(sqlite3.connect(home / "titan.db")) as old:
        old.executescript((Path(__file__).parents[1] / "db" / "ledger_v2.sql").read_text())
        if not is_sound:
            old.execute("PRAGMA ignore_check_constraints=ON")
            old.execute("UPDATE requests SET status = 'dreaming' WHERE id = 1")
            old.commit()
    terminal = Terminal(home)
    assert "recovery" not in terminal.run("doctor").out
    assert terminal.run("rebuild").code == (2 if is_sound else 1)


def _submitted(terminal: Terminal, folder: Path, sandbox: Sandbox) -> str:
    path = folder / "daily.jsonl"
    path.write_text("".join(json.dumps(request) + "\n" for request in some_requests(3)))
    key = terminal.run("submit", str(path)).out.strip()
    assert terminal.run("--poll").code == 0
    assert sandbox.billing_log().creates == 1
    return key


def test_a_kill_amid_a_rebuild_leaves_the_old_ledger_in_its_place(bench: Bench) -> None:
    bench.submit(2)
    poll_until_done(bench)
    bench.close()
    _damage(bench.folder.ledger)
    before = bench.folder.ledger.read_bytes()
    fresh = rebuilding.fresh_path(bench.folder.ledger)
    with Ledger(fresh, now=bench.clock.now, actor="killed"):
        pass
    assert bench.folder.ledger.read_bytes() == before
    with (
        pytest.raises(LedgerUnusable),
        Ledger(bench.folder.ledger, now=bench.clock.now, actor="t") as ledger,
    ):
        ledger.rows("SELECT * FROM batches")
    _, done = rebuilt(bench)
    assert done.collected == 1
    assert requests(bench) == {RequestStatus.SUCCEEDED: 2}
