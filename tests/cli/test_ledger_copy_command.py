"""`ledger copy`: a ledger goes to PostgreSQL and comes back, and nothing is sent again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.processes.in_process import Run, request_file, runner
from support.processes.postgres_server import the_server

from titan_console.sandbox.api import Sandbox


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(capsys)


@pytest.fixture
def database() -> Iterator[str]:
    """The name of an empty one."""
    made = the_server().new_database()
    yield made
    the_server().drop_database(made)


def a_file(folder: Path, tag: str, count: int) -> str:
    return request_file(folder / f"{tag}.jsonl", count)


def test_a_ledger_moves_with_what_it_has_queued_sent_and_answered(
    tmp_path: Path,
    home: Path,
    sandbox: Sandbox,
    run: Run,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = the_server().url(database)
    answered = run("submit", a_file(tmp_path, "answered", 3)).out.strip()
    assert run("--poll", "--json").json()["results"] == 3
    sandbox.faults.add("create:429:times=1")
    queued = run("submit", a_file(tmp_path, "queued", 2)).out.strip()
    before = run("results", answered, "--json").lines()
    creates = sandbox.billing_log().creates

    moved = run("ledger", "copy", str(home), url, "--yes", "--json").json()
    assert (moved["files"], moved["missing_files"], moved["is_shared"]) == (3, [], True)
    for command in (("--poll",), ("status",), ("submit", a_file(tmp_path, "more", 1))):
        assert run(*command, "--json").error_code() == "ledger_moved"
    # A backup in its place would send again what the other ledger sends.
    assert run("restore", "--json").code == 0
    backup = run("restore", "--json").lines()[0]["backup"]
    assert run("restore", backup, "--yes", "--json").error_code() == "ledger_moved"
    assert run("rebuild", "--yes", "--json").error_code() == "ledger_moved"
    assert sandbox.billing_log().creates == creates

    monkeypatch.setenv("TITAN_LEDGER", url)
    for file in [*(home / "spool").iterdir(), *(home / "batch-results").iterdir()]:
        file.unlink()
    run("resume", "--holds", "--yes")
    run("--poll")
    run("--poll")
    assert run("results", answered, "--json").lines() == before
    assert len(run("results", queued, "--json").lines()) == 2
    assert sandbox.billing_log().creates == creates + 1

    back = run("ledger", "copy", url, str(home / "titan.db"), "--yes")
    assert (back.code, "each is equal" in back.out) == (0, True), back
    assert run("--poll", "--json").error_code() == "ledger_moved"
    monkeypatch.delenv("TITAN_LEDGER")
    assert run("results", answered, "--json").lines() == before
    assert run("--poll", "--json").code == 0
    assert sandbox.billing_log().creates == creates + 1
    copied = [line for line in run("events", "--json").lines() if line["kind"] == "ledger.copied"]
    assert [line["detail"]["from"] for line in copied] == [
        "postgresql:///" + database,
        str(home / "titan.db"),
    ]


def test_places_that_cannot_be_are_refused_in_one_line(
    tmp_path: Path, home: Path, run: Run, database: str
) -> None:
    url = the_server().url(database)
    (home / "other").mkdir(parents=True)
    (tmp_path / "note.txt").write_text("x")

    def refused(source: object, target: object, *more: str) -> str:
        done = run("ledger", "copy", str(source), str(target), "--json", *(more or ("--yes",)))
        assert done.err.count("\n") <= 1
        assert "s3cretword" not in done.out + done.err
        return done.error_code()

    assert refused(home, url) == "ledger_missing"
    assert run("--poll").code in (0, 1)
    assert refused(home, home / "titan.db") == "ledger_same"
    assert refused(url, url) == "ledger_same"
    assert refused(home, home / "other") == "ledger_same"
    assert refused(tmp_path / "note.txt", url) == "ledger_url_malformed"
    assert refused(home, "mysql://titan:s3cretword@db/x") == "ledger_url_malformed"
    assert (
        refused(home, f"postgresql://titan:s3cretword@/x?host={tmp_path}") == "ledger_unreachable"
    )
    assert refused(url, home / "other") == "ledger_missing"
    assert refused(home, url, "--json") == "usage"
    the_server().run(database, "CREATE TABLE requests (id int)")
    assert refused(home, url) == "ledger_other_program"
    assert run("--poll", "--json").code == 0


@pytest.mark.usefixtures("home", "sandbox")
def test_a_host_without_a_home_copies_from_one_database_to_another(
    tmp_path: Path,
    run: Run,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = the_server().new_database()
    try:
        monkeypatch.setenv("TITAN_LEDGER", the_server().url(first))
        key = run("submit", a_file(tmp_path, "moved", 3)).out.strip()
        run("--poll")
        monkeypatch.delenv("TITAN_LEDGER")
        monkeypatch.setenv("TITAN_HOME", str(tmp_path / "other"))
        monkeypatch.setenv("TITAN_HOST", "mover")
        places = (the_server().url(first), the_server().url(database))
        moved = run("ledger", "copy", *places, "--yes", "--json").json()
        assert (moved["files"], moved["missing_files"]) == (2, [])
        monkeypatch.setenv("TITAN_LEDGER", places[0])
        assert "by cli@mover:" in run("status").err
        monkeypatch.setenv("TITAN_LEDGER", places[1])
        assert len(run("results", key, "--json").lines()) == 3
    finally:
        the_server().drop_database(first)


@pytest.mark.usefixtures("sandbox")
def test_a_ledger_that_returns_to_a_file_is_of_one_machine(
    tmp_path: Path, home: Path, run: Run, database: str
) -> None:
    url = the_server().url(database)
    run("submit", a_file(tmp_path, "one", 1))
    assert "Set TITAN_LEDGER to its address on every host." in (
        run("ledger", "copy", str(home), url, "--yes").out
    )
    back = run("ledger", "copy", url, str(tmp_path / "back"), "--yes").out
    assert "Set TITAN_HOME to its folder and remove TITAN_LEDGER, on this machine only." in back


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DROP VIEW v_batches", "the view v_batches is missing"),
        ("DROP TRIGGER requests_success_is_final ON requests", "requests_success_is_final is"),
        ("DROP INDEX one_active_attempt", "the index one_active_attempt is missing"),
    ],
)
@pytest.mark.usefixtures("home", "sandbox")
def test_doctor_says_what_another_program_has_dropped_on_a_server(
    run: Run, database: str, monkeypatch: pytest.MonkeyPatch, sql: str, said: str
) -> None:
    monkeypatch.setenv("TITAN_LEDGER", the_server().url(database))
    assert run("--poll").code == 0
    assert "restore it from a backup" not in run("doctor").out
    the_server().run(database, sql)
    found = " ".join(run("doctor").out.split())
    assert said in found
    assert "restore it from a backup of its server" in found
