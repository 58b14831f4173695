"""What a scan reads below a folder, in any encoding and state, and what it never does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.made_home import WINDOWS_TASK, MadeHome, a_home

from core.clock import SystemClock
from core.config.settings import command_environment
from core.scan.survey import survey
from core.scan.task import Runner, Source
from core.scan.text_file import MOST_BYTES, MOST_BYTES_OF_LIST, NotTextError, decoded


def test_each_kind_of_task_is_found_with_what_runs_it(tmp_path: Path) -> None:
    home = a_home(tmp_path, SystemClock().now())
    home.write("Tasks/minutes.xml", WINDOWS_TASK, "utf-16")
    home.write("cron.d/backup", "0 4 * * * root /usr/bin/backup.sh\n")
    home.write("crontab.old", "*/15 * * * * titan-console --poll --home /x\n")
    home.write("jobs/own.py", "import titan_batch\ntitan_batch.submit([], tag='x')\n")
    home.write("more.cron", "0 5 * * * python3 ~/jobs/own.py\n0 6 * * * claude -p '/tone'\n")
    found = {task.name: (task.source, task.runner) for task in survey([tmp_path]).tasks}
    assert found == {
        "ledger-notes": (Source.SCHEDULED_TASK, Runner.AGENT),
        "sly": (Source.SCHEDULED_TASK, Runner.AGENT),
        "notatki": (Source.SCHEDULED_TASK, Runner.AGENT),
        "tone-check": (Source.SKILL, Runner.AGENT),
        "translate_pages": (Source.CRONTAB, Runner.PYTHON),
        "scores": (Source.SYSTEMD, Runner.PYTHON),
        "Minutes": (Source.WINDOWS, Runner.SCRIPT),
        "backup": (Source.CRONTAB, Runner.NO_MODEL),
        "own": (Source.CRONTAB, Runner.BATCH),
        "tone": (Source.CRONTAB, Runner.AGENT),
    }


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_task_in_any_encoding_is_the_same_task(tmp_path: Path, encoding: str, end: str) -> None:
    home = MadeHome(tmp_path)
    text = "---\nname: a\ndescription: Jede Nacht\n---\nFür später.\n".replace("\n", end)
    home.write("scheduled-tasks/a/SKILL.md", text, encoding)
    (task,) = survey([tmp_path]).tasks
    assert (task.name, task.description, task.text) == ("a", "Jede Nacht", "Für später.\n")


def test_binary_files_are_named_and_not_read(tmp_path: Path) -> None:
    home = MadeHome(tmp_path)
    home.write("a/SKILL.md", bytes(range(256)) * 9)
    home.write("crontab", b"\x00\x01\x02\x03")
    found = survey([tmp_path])
    assert found.tasks == []
    assert {Path(problem.path).name for problem in found.problems} == {"SKILL.md", "crontab"}
    with pytest.raises(NotTextError):
        decoded(b"\x01\x02\x03abc")


def test_of_a_huge_task_the_beginning_is_read(tmp_path: Path) -> None:
    MadeHome(tmp_path).task("a", "Nightly", "word " * MOST_BYTES)
    found = survey([tmp_path])
    (task,) = found.tasks
    assert 0 < len(task.text) < MOST_BYTES
    assert [problem.message for problem in found.problems] == ["only its first 256 kB were read"]


def test_a_script_and_a_module_of_which_only_the_beginning_is_read_are_named(
    tmp_path: Path,
) -> None:
    home, rest = MadeHome(tmp_path), "#" * MOST_BYTES
    script = home.write("jobs/long.py", f"import asking\n{rest}\n")
    module = home.write("jobs/asking.py", f"import anthropic\n{rest}\n")
    home.write("crontab", "0 4 * * * python3 ~/jobs/long.py\n0 5 * * * python3 ~/jobs/long.py\n")
    found = survey([tmp_path])
    assert {task.runner for task in found.tasks} == {Runner.PYTHON}
    assert [(problem.path, problem.message) for problem in found.problems] == [
        (str(path), "only its first 256 kB were read") for path in (module, script)
    ]


def test_a_long_crontab_is_read_whole_and_a_longer_one_is_named(tmp_path: Path) -> None:
    home, line = MadeHome(tmp_path), "0 4 * * * /usr/bin/backup.sh\n"
    home.write("crontab", line * (MOST_BYTES // len(line)) + "0 5 * * * claude -p 'last'\n")
    found = survey([tmp_path])
    assert found.problems == []
    assert found.tasks[-1].runner == Runner.AGENT
    home.write("crontab", "#\n" * (MOST_BYTES_OF_LIST // 2) + line)
    (problem,) = survey([tmp_path]).problems
    assert problem.message == "only its first 4,000 kB were read"


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_links_in_circles_and_linked_twice_are_read_once(tmp_path: Path) -> None:
    home = MadeHome(tmp_path / "home")
    home.task("a", "Nightly")
    (home.root / "again").symlink_to(".", target_is_directory=True)
    (home.root / ".claude" / "up").symlink_to("..", target_is_directory=True)
    (home.root / "lost").symlink_to("nowhere")
    (home.root / "itself").symlink_to("itself")
    other = tmp_path / "other"
    other.symlink_to("home", target_is_directory=True)
    found = survey([home.root, other, home.root / ".claude"])
    assert [task.name for task in found.tasks] == ["a"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_in_the_place_of_a_task_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    os.mkfifo(tmp_path / "a" / "SKILL.md")
    found = survey([tmp_path, tmp_path / "absent"])
    assert found.tasks == []
    assert len(found.problems) == 2


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything"
)
def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    home = MadeHome(tmp_path)
    home.task("a", "Nightly")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o000)
    found = survey([tmp_path])
    assert [task.name for task in found.tasks] == ["a"]
    assert [problem.path for problem in found.problems] == [str(closed)]


def test_a_prompt_in_a_file_or_a_shell_script_is_read(tmp_path: Path) -> None:
    home = MadeHome(tmp_path)
    home.write("prompts/digest.md", "Summarize the week for the team, no rush")
    home.write("bin/grade.sh", "#!/bin/sh\n# Grades the answers\nclaude -p 'Grade each' < x\n")
    home.write(
        "crontab",
        '0 1 * * 0 claude -p "$(cat ~/prompts/digest.md)"\n0 2 * * * /home/x/bin/grade.sh\n',
    )
    digest, grade = survey([tmp_path]).tasks
    assert "no rush" in digest.text
    assert (grade.runner, "Grade each" in grade.text) == (Runner.AGENT, True)


_WATCHED = """
import sys
def hook(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.exec", "os.system", "os.posix_spawn")):
        print("CALLED", event, arguments, file=sys.stderr)
        sys.exit(99)
sys.addaudithook(hook)
from titan_console.cli.main import main
main(["scan", sys.argv[1], "--json", "--diff"])
"""


def test_a_scan_of_folders_opens_no_socket_and_runs_nothing(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home", SystemClock().now())
    home.write("jobs/evil.py", "import anthropic, os\nos.system('false')\nraise SystemExit\n")
    home.write("more.cron", "0 5 * * * python3 ~/jobs/evil.py\n")
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED, str(home.root)],
        capture_output=True,
        text=True,
        env=command_environment(tmp_path / "titan"),
        check=False,
    )
    assert (done.returncode, "CALLED" in done.stderr) == (0, False), done.stderr
    assert "evil" in done.stdout
    assert not (tmp_path / "titan").exists()
