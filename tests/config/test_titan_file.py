"""titan.toml on disk: created, edited with its comments kept, and applied by `submit`."""

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from filelock import FileLock
from support.builders import a_bench, a_request, some_requests
from support.error_codes import code_is

from core.config import titan_file
from core.errors import NeverBatched, TitanTomlError
from core.intake.options import SubmitOptions
from state.files.folder import Folder
from state.queries import ledger_status

MINE = """# mine

[workloads.own]   # a row of my own
month_in = 10
month_out = 5

[jobs.titan-daily-feed]
workload = "own"
schedule = "daily"  # at six
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "home").mkdir()
    return Folder(tmp_path / "home")


def test_init_writes_the_template_once(folder: Folder) -> None:
    assert len(titan_file.begin(folder)) == 15
    assert titan_file.path_of(folder).read_text("utf-8") == titan_file.template()
    assert titan_file.begin(folder) == []
    assert titan_file.path_of(folder).read_text("utf-8") == titan_file.template()


def test_init_adds_what_a_file_lacks_and_keeps_the_rest(folder: Folder) -> None:
    titan_file.path_of(folder).write_text(MINE, "utf-8")
    added = titan_file.begin(folder)
    assert len(added) == 14
    text = titan_file.path_of(folder).read_text("utf-8")
    assert text.startswith(MINE)
    titan_toml = titan_file.read_strictly(folder)
    assert titan_toml.jobs["titan-daily-feed"].workload == "own"
    assert titan_toml.jobs["titan-weekly-benchmark"].tokens_in == 120_000


def test_added_jobs_have_the_line_ends_of_the_file(folder: Folder) -> None:
    path, mine = titan_file.path_of(folder), MINE.replace("\n", "\r\n").encode()
    path.write_bytes(mine)
    keys = {"workload": "own", "schedule": "daily", "note": "a\nb"}
    job = titan_file.NewJob(name="mine-too", keys=keys, workload_title="own")
    assert titan_file.add(folder, [job]) == ["mine-too"]
    assert len(titan_file.begin(folder)) == 14
    now = path.read_bytes()
    assert now.startswith(mine)
    assert now.count(b"\r\n") == now.count(b"\n")
    assert titan_file.read_strictly(folder).jobs["mine-too"].note == "a\nb"


def test_an_edit_changes_one_value_and_nothing_else(folder: Folder) -> None:
    titan_file.path_of(folder).write_text(MINE, "utf-8")
    titan_file.set_key(folder, "titan-daily-feed", "schedule", "nightly")
    text = titan_file.path_of(folder).read_text("utf-8")
    assert text == MINE.replace('"daily"', '"nightly"')
    titan_file.set_key(folder, "titan-daily-feed", "deadline_h", "30")
    assert titan_file.read_strictly(folder).jobs["titan-daily-feed"].deadline_h == 30


@pytest.mark.skipif(os.name == "nt", reason="a link needs rights there")
def test_an_edit_goes_through_a_link_and_keeps_rights_and_line_ends(tmp_path: Path) -> None:
    folder, elsewhere = Folder(tmp_path / "titan"), tmp_path / "dotfiles.toml"
    folder.root.mkdir()
    titan_file.begin(folder)
    text = titan_file.path_of(folder).read_bytes().replace(b"\n", b"\r\n")
    titan_file.path_of(folder).unlink()
    elsewhere.write_bytes(text)
    elsewhere.chmod(0o640)
    titan_file.path_of(folder).symlink_to(elsewhere)
    titan_file.set_key(folder, "titan-daily-feed", "tokens_in", "31000")
    assert titan_file.path_of(folder).is_symlink()
    assert elsewhere.stat().st_mode & 0o777 == 0o640
    now = elsewhere.read_bytes()
    assert now.count(b"\r\n") == now.count(b"\n") == text.count(b"\n")
    assert titan_file.read_strictly(folder).jobs["titan-daily-feed"].tokens_in == 31_000


def test_deadline_at_replaces_deadline_h_and_a_key_is_removed(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    titan_file.begin(folder)
    job = "titan-daily-feed"
    titan_file.set_key(folder, job, "deadline_at", "07:00")
    now = titan_file.read_strictly(folder).jobs[job]
    assert (str(now.deadline_at), now.deadline_h) == ("07:00", None)
    titan_file.unset_key(folder, job, "deadline_at")
    now = titan_file.read_strictly(folder).jobs[job]
    assert (now.deadline_at, now.deadline_h) == (None, None)
    before = titan_file.path_of(folder).read_text()
    for key in ("deadline_at", "schedule"):
        with pytest.raises(TitanTomlError, match=key) as caught:
            titan_file.unset_key(folder, job, key)
        assert caught.value.code == "key_missing"
    assert titan_file.path_of(folder).read_text() == before


def test_setting_the_new_name_of_a_key_replaces_the_old_one(folder: Folder) -> None:
    titan_file.path_of(folder).write_text(f'{MINE}on_settled = ["old"]\n', "utf-8")
    titan_file.set_key(folder, "titan-daily-feed", "on_delivery", '["new"]')
    text = titan_file.path_of(folder).read_text("utf-8")
    assert "on_settled" not in text
    assert titan_file.read_strictly(folder).jobs["titan-daily-feed"].on_delivery == ("new",)


@pytest.mark.parametrize(
    ("job", "key", "value", "code"),
    [
        ("titan-daily-feed", "schedule", "sometimes", "invalid_value"),
        ("titan-daily-feed", "nonsense", "1", "unknown_key"),
        ("nobody", "schedule", "daily", "unknown_job"),
    ],
)
def test_an_invalid_edit_changes_nothing(
    folder: Folder, job: str, key: str, value: str, code: str
) -> None:
    titan_file.path_of(folder).write_text(MINE, "utf-8")
    with pytest.raises(TitanTomlError) as caught:
        titan_file.set_key(folder, job, key, value)
    assert caught.value.code == code
    assert titan_file.path_of(folder).read_text("utf-8") == MINE


def test_init_rejects_a_file_with_problems(folder: Folder) -> None:
    titan_file.path_of(folder).write_text("[jobs.x]\n", "utf-8")
    with pytest.raises(TitanTomlError, match="line 1"):
        titan_file.begin(folder)
    assert titan_file.path_of(folder).read_text("utf-8") == "[jobs.x]\n"


def test_a_file_that_is_not_utf8_is_reported(folder: Folder) -> None:
    titan_file.path_of(folder).write_bytes(b"\xff\xfe")
    (problem,) = titan_file.read(folder).problems
    assert problem.code == "not_utf8"
    with pytest.raises(TitanTomlError, check=code_is("not_utf8")):
        titan_file.read_strictly(folder)


@pytest.mark.parametrize(
    "options",
    [
        SubmitOptions(tag="titan-inbox-watch"),
        SubmitOptions(tag="t", workflow="titan-bridge-watchdog"),
        SubmitOptions(tag="t", job="swarm-health-orchestrator"),
        SubmitOptions(tag="mine"),
    ],
)
def test_a_never_batched_submission_is_rejected_with_its_reason(
    folder: Folder, options: SubmitOptions
) -> None:
    titan_file.path_of(folder).write_text('[never_batch]\nmine = "I say so"\n', "utf-8")
    with a_bench(folder.root) as bench:
        with pytest.raises(NeverBatched, match="is never batched: "):
            bench.engine.submit(some_requests(2), options)
        assert ledger_status.totals(bench.engine.context.ledger).requests == 0
        assert bench.sandbox.billing_log().creates == 0
        assert not list(folder.spool.glob("*"))


def test_the_workflow_in_a_custom_id_is_checked_too(folder: Folder) -> None:
    request = a_request("titan-hourly-progress-email-2026-11-22-001")
    with a_bench(folder.root) as bench, pytest.raises(NeverBatched, match="every hour"):
        bench.engine.submit([request], SubmitOptions(tag="t"))


def test_a_problem_that_hides_no_limit_does_not_stop_a_job(folder: Folder) -> None:
    titan_file.path_of(folder).write_text("[jobs.x]\ntier = 99\n", "utf-8")
    with a_bench(folder.root) as bench:
        assert bench.submit(2).problem is None


def edit(root: Path, number: int) -> None:
    """One of many edits at once: a job's key set, or another's removed."""
    if number % 2:
        titan_file.unset_key(Folder(root), f"job-{number}", "note")
    else:
        titan_file.set_key(Folder(root), f"job-{number}", "note", f"edit {number}")


def test_edits_at_once_lose_nothing(folder: Folder) -> None:
    jobs = "".join(
        f'[jobs.job-{number}]\nworkload = "t"\nschedule = "daily"\nnote = "old"\n\n'
        for number in range(8)
    )
    titan_file.path_of(folder).write_text(f"[workloads.t]\n\n{jobs}", "utf-8")
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        list(pool.map(edit, [folder.root] * 8, range(8)))
    found = titan_file.read_strictly(folder).jobs
    assert [found[f"job-{number}"].note for number in range(8)] == [
        "" if number % 2 else f"edit {number}" for number in range(8)
    ]


def test_an_edit_beside_another_one_says_so(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    titan_file.path_of(folder).write_text(MINE, "utf-8")
    monkeypatch.setattr(titan_file, "_LOCK_S", 0.0)
    with FileLock(folder.root / "titan.toml.lock"), pytest.raises(TitanTomlError) as caught:
        titan_file.set_key(folder, "titan-daily-feed", "note", "x")
    assert caught.value.code == "file_locked"
    assert titan_file.path_of(folder).read_text("utf-8") == MINE
