"""docs/recipes.md: its shell parts are run against the sandbox, its Python parts compiled."""

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest
from support.builders import some_requests
from support.processes.terminal import Ended, a_server

from core.config.settings import Settings, child_environment
from titan_console.sandbox.model.timing import Plan

PAGE = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text("utf-8")
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


def _recipe(title: str) -> str:
    """The code of a section."""
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    (code,) = re.findall(r"^```\w+\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    return code


def _step(workflow: str) -> str:
    """The shell of the step with several lines of a GitHub workflow."""
    (found,) = re.findall(r"^      - run: \|\n((?: {10}.*\n)+)", workflow, re.MULTILINE)
    return dedent(found)


def _cron(line: str) -> str:
    """The command of a line of a crontab, as cron passes it to the shell."""
    return line.split(" ", 5)[5].replace(r"\%", "%").replace('cd "$HOME/feed" && ', "")


# GitHub runs `bash -e`, and cron the line as it is.
SHELL: dict[str, tuple[Callable[[str], str], list[str]]] = {
    "Shell": (str, ["bash", "-c"]),
    "cron": (_cron, ["bash", "-c"]),
    "GitHub Actions": (_step, ["bash", "-e", "-c"]),
}


@dataclass(frozen=True)
class Folder:
    """A folder with requests.jsonl, and a shell in it that finds `titan-console`."""

    path: Path
    address: str
    api_key: str | None = "sk-ant-test"

    def environment(self) -> dict[str, str]:
        settings = Settings(home=self.path / "home", base_url=self.address, api_key=self.api_key)
        path = f"{self.path / 'bin'}{os.pathsep}{os.defpath}"
        return child_environment(settings) | {"PATH": path, "GITHUB_RUN_ID": "17"}

    def start(self, *command: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            command,
            cwd=self.path,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str) -> Ended:
        with self.start(*command) as process:
            out, err = process.communicate()
        return Ended(process.returncode, out, err)

    def answers(self) -> int:
        """How many answers the recipe left; -1 for none at all."""
        file = self.path / "answers.jsonl"
        return len(file.read_bytes().splitlines()) if file.exists() else -1


def _folder(path: Path, address: str, api_key: str | None = "sk-ant-test") -> Folder:
    lines = "".join(json.dumps(request) + "\n" for request in some_requests(3))
    (path / "requests.jsonl").write_text(lines)
    program = path / "bin" / "titan-console"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m titan_console "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return Folder(path, address, api_key)


@pytest.mark.parametrize("title", SHELL)
def test_a_recipe_ends_with_the_answers(tmp_path: Path, title: str) -> None:
    shell, bash = SHELL[title]
    with a_server() as (_, address):
        folder = _folder(tmp_path, address)
        done = folder.run(*bash, shell(_recipe(title)))
    assert (done.code, folder.answers()) == (0, 3), done.err


@pytest.mark.parametrize("title", SHELL)
def test_a_failed_request_stops_it(tmp_path: Path, title: str) -> None:
    shell, bash = SHELL[title]
    with a_server(None, "row:overloaded:id=*-00001*") as (_, address):
        folder = _folder(tmp_path, address)
        done = folder.run(*bash, shell(_recipe(title)))
    assert (done.code, folder.answers()) == (1, -1), done.err
    assert "1 of 3 requests failed" in done.err


@pytest.mark.parametrize("title", SHELL)
def test_a_timeout_ends_it_and_a_second_run_goes_on(tmp_path: Path, title: str) -> None:
    shell, bash = SHELL[title]
    code = re.sub(r"--timeout \w+", "--timeout 0", shell(_recipe(title)))
    with a_server(Plan.manual()) as (sandbox, address):
        folder = _folder(tmp_path, address)
        done = folder.run(*bash, code)
        assert (done.code, folder.answers()) == (4, -1), done.err
        sandbox.end(sandbox.billing_log().batches[0].batch_id)
        done = folder.run(*bash, code.replace("--timeout 0", "--every 1s"))
        assert (done.code, folder.answers()) == (0, 3), done.err
        assert sandbox.billing_log().creates == 1


def test_a_wrong_name_stops_it(tmp_path: Path) -> None:
    code = _recipe("Shell").replace('wait "$tag"', 'wait "another"')
    with a_server() as (_, address):
        folder = _folder(tmp_path, address)
        done = folder.run("bash", "-c", code)
    assert (done.code, folder.answers()) == (2, -1), done.err


def test_ctrl_c_stops_it(tmp_path: Path) -> None:
    with a_server(Plan.manual()) as (_, address):
        folder = _folder(tmp_path, address, api_key=None)
        with folder.start("bash", "-c", _recipe("Shell")) as process:
            assert process.stderr is not None
            lines = iter(process.stderr.readline, "")
            assert any("waiting for the scheduled poller" in line for line in lines)
            os.killpg(process.pid, signal.SIGINT)
            process.communicate()
    assert (process.returncode, folder.answers()) == (130, -1)


def test_requests_that_could_not_be_sent_are_sent_by_the_wait(tmp_path: Path) -> None:
    with a_server(None, "create:429:retry=1:times=1") as (_, address):
        folder = _folder(tmp_path, address)
        code = _recipe("Shell").replace("--timeout", "--every 1s --timeout")
        done = folder.run("bash", "-c", code)
    assert (done.code, folder.answers()) == (0, 3), done.err


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_builds_the_answers_once(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(_recipe("Make"))
    with a_server() as (sandbox, address):
        folder = _folder(tmp_path, address)
        done = [folder.run("make") for _ in range(2)]
        assert sandbox.billing_log().creates == 1
    assert [one.code for one in done] == [0, 0], done
    assert folder.answers() == 3
    assert "up to date" in done[1].out


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_leaves_no_answers_at_a_timeout(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(_recipe("Make").replace("20h", "0"))
    with a_server(Plan.manual()) as (_, address):
        folder = _folder(tmp_path, address)
        done = folder.run("make")
    assert (done.code, "Error 4" in done.err, folder.answers()) == (2, True, -1), done


@pytest.mark.parametrize("title", ["Airflow", "Dagster", "Prefect"])
def test_the_python_of_a_framework_compiles(title: str) -> None:
    code = _recipe(title)
    compile(code, title, "exec")
    assert "wait" in code
    assert '"submit"' in code or "titan-console submit" in code
