"""`titan-console skill` as it is typed: the file in the user's skills folder."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.processes.terminal import Terminal

from titan_console.agents import skill

NAME = "skills/titan-console/SKILL.md"


def test_the_skill_comes_and_goes_where_claude_looks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)
    terminal = Terminal(tmp_path / "titan home")
    for folder in (tmp_path / "user" / ".claude", tmp_path / "own"):
        path = folder / NAME
        shown = terminal.run("skill")
        assert not path.exists()
        done = terminal.run("skill", "--install")
        assert (done.code, done.out) == (0, f"done: write {path}\n")
        assert path.read_text("utf-8") == shown.out.removesuffix("\n")
        assert terminal.run("skill", "--install").out == "Nothing to do: already up to date.\n"
        assert terminal.run("skill", "--uninstall").out == f"done: remove {path}\n"
        assert not path.exists()
        assert terminal.run("skill", "--uninstall").out.startswith("Nothing to do")
        monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "own"))


def test_a_skill_of_that_name_that_the_user_wrote_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path))
    path = tmp_path / NAME
    path.parent.mkdir(parents=True)
    path.write_text("---\nname: titan-console\n---\nmine", "utf-8")
    before = path.read_bytes()
    for option in ("--install", "--uninstall"):
        done = Terminal(tmp_path / "home").run("skill", option, "--json")
        assert (done.code, done.out, done.error_code()) == (2, "", "name_in_use")
        assert path.read_bytes() == before
    both = Terminal(tmp_path / "home").run("skill", "--install", "--uninstall")
    assert (both.code, both.err.count("\n")) == (2, 1)


def test_its_command_runs_this_installation_on_this_folder(tmp_path: Path) -> None:
    home = tmp_path / "it's a $HOME"
    text = skill.markdown(sys.executable, str(home), for_windows=False)
    command = text.partition("```sh\n")[2].partition(" --help\n")[0]
    done = subprocess.run(
        ["/bin/sh", "-c", f"{command} jobs init"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (home / "titan.toml").exists()
    windows = skill.markdown(r"C:\it's\python.exe", r"C:\t", for_windows=True)
    command = r"$env:TITAN_HOME = 'C:\t'; & 'C:\it''s\python.exe' -P -m titan_console --help"
    assert f"```powershell\n{command}\n```" in windows


def test_its_front_matter_fits_and_no_key_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-secret")
    text = skill.markdown("/bin/python", "/srv/titan", for_windows=False)
    start, head, _ = text.split("---\n", 2)
    assert start == ""
    fields = dict(line.split(": ", 1) for line in head.splitlines() if not line.startswith("#"))
    assert fields["name"] == "titan-console"
    # The limit of the format.
    assert len(fields["description"]) <= 1024
    assert "sk-ant-secret" not in text
