"""`titan-console schedule` as it is typed, on a machine whose schedulers only record."""

import sys
from pathlib import Path

import pytest
from support.processes.fake_schedulers import Machine
from support.processes.terminal import Terminal

OTHERS = "MAILTO=me\n0 1 * * * date +\\%F\n"
NAME = "titan-batch-poll-15m"


def test_cron_is_installed_once_and_taken_away_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path, monkeypatch, "crontab")
    machine.table.write_text(OTHERS)
    done = machine.terminal.run("schedule", "--install", "cron")
    written = f"done: write {machine.home / 'poller.env'}\n"
    assert (done.code, done.out) == (0, f"{written}done: run crontab -\n")
    assert "Write ANTHROPIC_API_KEY=... to" in done.err
    installed = machine.table.read_text()
    assert installed.startswith(OTHERS)
    assert sys.executable in installed
    assert "100\\%" in installed
    assert "sk-ant-test" not in installed
    again = machine.terminal.run("schedule", "--install", "cron")
    assert (again.code, again.out) == (0, "Nothing to do: already up to date.\n")
    assert machine.terminal.run("schedule", "--uninstall", "cron").code == 0
    assert machine.table.read_text() == OTHERS
    assert "Nothing to do" in machine.terminal.run("schedule", "--uninstall", "cron").out


def test_a_first_crontab_and_one_without_a_last_line_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path, monkeypatch, "crontab")
    assert machine.terminal.run("schedule", "--install", "cron").code == 0
    assert machine.table.read_text().startswith("# >>> titan-console")
    machine.table.write_text("0 1 * * * one")
    assert machine.terminal.run("schedule", "--install", "cron").code == 0
    assert machine.table.read_text().startswith("0 1 * * * one\n# >>>")


def test_a_crontab_that_cannot_be_read_is_never_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path, monkeypatch, "crontab")
    machine.fails("crontab", "You are not allowed to use this program")
    done = machine.terminal.run("schedule", "--install", "cron")
    assert (done.code, done.out, done.err.count("\n")) == (3, "", 1)
    assert "not allowed" in done.err
    assert machine.asked() == ["crontab -l"]


def test_the_poller_of_another_folder_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path, monkeypatch, "crontab", "systemctl")
    for kind in ("cron", "systemd"):
        assert machine.terminal.run("schedule", "--install", kind).code == 0
    machine.terminal = Terminal(tmp_path / "second")
    for kind in ("cron", "systemd"):
        for verb in ("--install", "--uninstall"):
            done = machine.terminal.run("schedule", verb, kind)
            assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
            assert "titan home, 100%" in done.err
    named = machine.terminal.run("schedule", "--install", "cron", "--name", "second")
    assert named.code == 0
    assert machine.table.read_text().count(">>> titan-console:") == 2


def test_systemd_gets_its_units_and_is_reloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path, monkeypatch, "systemctl")
    done = machine.terminal.run("schedule", "--install", "systemd")
    assert done.code == 0
    assert "loginctl enable-linger" in done.err
    assert sorted(p.name for p in machine.units.iterdir()) == [f"{NAME}.service", f"{NAME}.timer"]
    assert machine.asked() == [
        "systemctl --user daemon-reload",
        f"systemctl --user enable {NAME}.timer",
        f"systemctl --user restart {NAME}.timer",
    ]
    assert machine.terminal.run("schedule", "--uninstall", "systemd").code == 0
    assert list(machine.units.iterdir()) == []
    assert machine.asked()[3:] == [
        f"systemctl --user disable --now {NAME}.timer",
        "systemctl --user daemon-reload",
    ]


def test_systemd_that_fails_is_tried_again_by_the_next_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path, monkeypatch, "systemctl")
    machine.fails("systemctl", "Failed to connect to bus")
    done = machine.terminal.run("schedule", "--install", "systemd")
    assert (done.code, done.err.count("\n")) == (3, 1)
    assert "Failed to connect to bus" in done.err
    (machine.folder / "systemctl.fails").unlink()
    assert machine.terminal.run("schedule", "--install", "systemd").code == 0
    assert machine.asked()[-1] == f"systemctl --user restart {NAME}.timer"


def test_windows_gets_a_task_and_loses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(tmp_path, monkeypatch, "schtasks")
    terminal = Terminal(tmp_path / "titan & co")
    done = terminal.run("schedule", "--install", "windows")
    assert done.code == 0, done.err
    (call,) = machine.calls()
    kept = tmp_path / "titan & co" / "scheduled-tasks" / NAME / "task.xml"
    assert call["asked"] == ["/Create", "/TN", NAME, "/XML", f"{kept}.new"]
    (registered,) = call["files"].values()
    assert bytes.fromhex(registered) == kept.read_bytes()
    assert "titan &amp; co" in kept.read_bytes().decode("utf-16")
    assert [path.name for path in kept.parent.iterdir()] == ["task.xml"]
    assert "Nothing to do" in terminal.run("schedule", "--install", "windows").out
    assert terminal.run("schedule", "--uninstall", "windows").code == 0
    assert machine.asked()[-1] == f"schtasks /Delete /TN {NAME} /F"
    assert not kept.exists()


def test_a_task_of_another_folder_is_not_forced_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path, monkeypatch, "schtasks")
    machine.fails("schtasks", "ERROR: the task exists")
    terminal = Terminal(tmp_path / "home")
    for _ in range(2):
        assert terminal.run("schedule", "--install", "windows").code == 3
    assert ["/F" in call["asked"] for call in machine.calls()] == [False, False]


def test_the_skill_comes_and_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(tmp_path, monkeypatch)
    for agent_folder in (machine.user / ".claude", tmp_path / "own"):
        skill = agent_folder / "scheduled-tasks" / NAME / "SKILL.md"
        assert machine.terminal.run("schedule", "--install", "skill").code == 0
        assert f"name: {NAME}" in skill.read_text("utf-8")
        assert machine.terminal.run("schedule", "--uninstall", "skill").code == 0
        assert not skill.exists()
        monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "own"))
    # Where an earlier version wrote it, it is removed.
    old = machine.home / "scheduled-tasks" / NAME / "SKILL.md"
    for option in ("--install", "--uninstall"):
        old.parent.mkdir(parents=True, exist_ok=True)
        old.write_text("old")
        assert machine.terminal.run("schedule", option, "skill").code == 0
        assert not old.exists()


@pytest.mark.parametrize("option", ["--install", "--uninstall"])
def test_a_task_that_the_user_wrote_or_of_another_folder_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    machine = Machine(tmp_path, monkeypatch)
    skill = machine.user / ".claude" / "scheduled-tasks" / NAME / "SKILL.md"
    assert Terminal(tmp_path / "second").run("schedule", "--install", "skill").code == 0
    for text, said in ((skill.read_text("utf-8"), "already polls"), ("mine", "was not written by")):
        skill.write_text(text, "utf-8")
        done = machine.terminal.run("schedule", option, "skill", "--json")
        assert (done.code, done.error_code()) == (2, "name_in_use")
        assert said in done.err
        assert skill.read_text("utf-8") == text


def test_what_the_sessions_of_an_agent_cost_is_in_each_preview(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path, monkeypatch)
    (tmp_path / machine.home).mkdir()
    own = "[[prices.claude-sonnet-4-6]]\nfrom = 2026-01-01\ninput = 30\noutput = 150\n"
    for prices, day, month in (("", "$9.07", "$272.16"), (own, "$90.72", "$2,721.60")):
        (machine.home / "titan.toml").write_text(prices)
        for shown in (["skill"], ["--install", "skill", "--dry-run"], ["--install", "skill"]):
            done = machine.terminal.run("schedule", *shown)
            assert f"96 agent sessions a day cost about {day} a day, {month} a month" in done.err
            assert "cron, systemd and the Windows Task Scheduler poll at no cost" in done.err
    assert "sessions" not in machine.terminal.run("schedule", "cron").err


def test_without_the_scheduler_files_are_written_and_the_rest_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path, monkeypatch)
    done = machine.terminal.run("schedule", "--install", "systemd")
    assert done.code == 1
    assert "Still to do: run systemctl --user daemon-reload." in done.err
    assert len(list(machine.units.iterdir())) == 2
    cron = machine.terminal.run("schedule", "--install", "cron")
    assert (cron.code, cron.err.count("\n")) == (3, 1)


@pytest.mark.parametrize("kind", ["cron", "systemd", "skill"])
def test_a_dry_run_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    machine = Machine(tmp_path, monkeypatch, "crontab", "systemctl")
    done = machine.terminal.run("schedule", "--install", kind, "--dry-run")
    assert done.code == 0
    assert done.out
    assert all(line.startswith("would ") for line in done.out.splitlines())
    assert not machine.user.exists()
    assert not machine.home.exists()
    assert set(machine.asked()) <= {"crontab -l"}


def test_what_would_be_installed_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(tmp_path, monkeypatch)
    assert "*/15 * * * *" in machine.terminal.run("schedule", "cron").out
    shown = machine.terminal.run("schedule", "systemd", "--json").json()
    assert [Path(file["path"]).suffix for file in shown["files"]] == [".service", ".timer"]
    assert machine.terminal.run("schedule").code == 0


def test_a_key_file_that_others_may_read_is_pointed_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path, monkeypatch, "crontab")
    machine.home.mkdir()
    key_file = machine.home / "poller.env"
    key_file.touch(0o644)
    assert "chmod 600" in machine.terminal.run("schedule", "--install", "cron").err


@pytest.mark.parametrize(
    "arguments",
    [("--install", "at"), ("cron", "--install", "cron"), ("--dry-run",), ("--name", "a b")],
)
def test_slips_end_with_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert Terminal(tmp_path / "home").run("schedule", *arguments).code == 2


def test_without_a_user_bus_the_units_are_removed_and_the_failure_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path, monkeypatch, "systemctl")
    assert machine.terminal.run("schedule", "--install", "systemd").code == 0
    wants = machine.units / "timers.target.wants"
    wants.mkdir()
    (wants / f"{NAME}.timer").symlink_to(machine.units / f"{NAME}.timer")
    machine.fails("systemctl", "Failed to connect to bus: No medium found")
    done = machine.terminal.run("schedule", "--uninstall", "systemd")
    assert done.code == 1
    assert [path.name for path in machine.units.rglob("*")] == ["timers.target.wants"]
    assert done.out.count("done: remove ") == 3
    assert "done: run" not in done.out
    disable = f"Could not run systemctl --user disable --now {NAME}.timer: exit code 1:"
    assert disable in done.err
    assert "No medium found" in done.err
    assert "Nothing to do" in machine.terminal.run("schedule", "--uninstall", "systemd").out


def test_a_failed_installation_leaves_the_files_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path, monkeypatch, "systemctl")
    machine.units.mkdir(parents=True)
    timer = machine.units / f"{NAME}.timer"
    timer.write_text("# mine\n")
    machine.fails("systemctl", "Failed to connect to bus")
    done = machine.terminal.run("schedule", "--install", "systemd")
    assert done.code == 3
    assert "Earlier steps were rolled back." in done.err
    assert [(p.name, p.read_text()) for p in machine.units.iterdir()] == [(timer.name, "# mine\n")]


def test_windows_shown_elsewhere_has_windows_paths_to_replace(tmp_path: Path) -> None:
    done = Terminal(tmp_path / "home").run("schedule", "windows")
    assert str(tmp_path) not in done.out
    assert sys.executable not in done.out
    assert r"<Command>C:\Users\YOU\titan\.venv\Scripts\pythonw.exe</Command>" in done.out
    assert r"-P -m titan_console --poll --home C:\Users\YOU\titan<" in done.out
    assert "not a Windows machine" in done.err
