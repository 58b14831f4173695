"""A relative TITAN_HOME means one folder for this process and all its children."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.builders import JOB_WITH_HOOK, a_bench, a_request
from support.processes.terminal import NOWHERE

import titan_batch
from core.config.settings import (
    Settings,
    child_environment,
    command_environment,
    from_environment,
)

CHAIN = "import os; print(os.environ['TITAN_HOME'], file=open('seen', 'w'))"


def test_every_way_to_a_setting_is_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = str(tmp_path / "state")
    settings = from_environment({"TITAN_HOME": "state"})
    assert str(settings.home) == str(Settings(home=Path("state")).home) == wanted
    assert child_environment(settings)["TITAN_HOME"] == wanted
    assert command_environment(Path("state"))["TITAN_HOME"] == wanted
    monkeypatch.chdir("/")
    assert str(settings.home) == wanted


def test_a_hook_s_job_uses_the_same_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "state").mkdir()
    command = json.dumps([sys.executable, "-c", CHAIN])
    (tmp_path / "state" / "titan.toml").write_text(JOB_WITH_HOOK.format(command=command), "utf-8")
    monkeypatch.setenv("TITAN_HOME", "state")
    with a_bench(from_environment().home) as bench:
        bench.submit(1)
        bench.poll_after(900)
    assert (tmp_path / "state" / "seen").read_text().strip() == str(tmp_path / "state")


def test_a_job_that_changes_its_folder_keeps_its_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "later").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TITAN_HOME", "state")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", NOWHERE)
    key = titan_batch.submit([a_request()], tag="t")
    monkeypatch.chdir(tmp_path / "later")
    assert titan_batch.submit([a_request()], tag="t") == key
    assert titan_batch.reconcile("t")["submissions"] == [key]
    assert list(tmp_path.rglob("titan.db")) == [tmp_path / "state" / "titan.db"]


def test_the_folder_at_the_import_counts(tmp_path: Path) -> None:
    (tmp_path / "later").mkdir()
    program = "import os, titan_batch; os.chdir('later'); titan_batch.reconcile('t')"
    environment = child_environment(Settings(home=tmp_path, base_url=NOWHERE))
    subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment | {"TITAN_HOME": "state"},
        check=True,
    )
    assert (tmp_path / "state" / "titan.db").exists()
