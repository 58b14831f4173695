"""A relative TITAN_HOME means one folder for this process and all its children."""

import json
import sys
from pathlib import Path

import pytest
from support.builders import JOB_WITH_HOOK, a_bench

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
