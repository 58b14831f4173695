"""Each format, read by its own tool where the machine has it, and by us everywhere."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from core.errors import InputError
from titan_console.schedule import cron, skill, systemd, windows
from titan_console.schedule.poller import Poller

ODD = """a b/it's "50%n" $HOME [x] ünï"""
UNQUOTED = "c d/50%n $HOME [x] ünï"
PLAIN = Poller(python="/opt/venv/bin/python", home="/srv/titan")
_NAMESPACE = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
_RECORDER = '#!/bin/sh\nprintf "%s|" "$ANTHROPIC_API_KEY" "$@" > "$RECORD"\n'


def an_odd_one(root: Path, program: str = ODD) -> Poller:
    """A poller whose paths hold whatever a file name may; its Python only writes down its call."""
    python = root / program / "python"
    python.parent.mkdir(parents=True)
    python.write_text(_RECORDER)
    python.chmod(0o755)
    return Poller(python=str(python), home=str(root / ODD / "home"))


def as_cron_reads(block: str) -> str:
    """The command of the one line that is no comment: a bare percent sign would end it."""
    (line,) = (line for line in block.splitlines() if not line.startswith("#"))
    minute, hour, day, month, weekday, command = line.split(" ", 5)
    assert (minute, hour, day, month, weekday) == ("*/15", "*", "*", "*", "*")
    assert "%" not in command.replace(r"\%", "")
    return command.replace(r"\%", "%")


def test_crons_command_runs_whatever_the_paths_hold(tmp_path: Path) -> None:
    poller = an_odd_one(tmp_path)
    Path(poller.home).mkdir()
    Path(poller.env_file).write_text("ANTHROPIC_API_KEY=sk-ant-from-the-file\n")
    record = tmp_path / "record"
    subprocess.run(
        ["/bin/sh", "-c", as_cron_reads(cron.block(poller))],
        env={"RECORD": str(record)},
        check=True,
    )
    # The file is read by Python: the shell has no part of it.
    assert record.read_text().split("|") == ["", *poller.arguments, ""]


@pytest.mark.skipif(not shutil.which("crontab"), reason="there is no cron here")
def test_cron_itself_takes_the_block(tmp_path: Path) -> None:
    table = tmp_path / "table"
    table.write_text(cron.block(an_odd_one(tmp_path)))
    # Debian's says -n for a dry run, cronie's -T.
    said = [
        subprocess.run(["crontab", flag, str(table)], capture_output=True, check=False)
        for flag in ("-n", "-T")
    ]
    assert any(done.returncode == 0 for done in said), said


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd here")
def test_systemd_itself_takes_the_units(tmp_path: Path) -> None:
    poller = an_odd_one(tmp_path, UNQUOTED)
    units = [tmp_path / f"{poller.name}.{kind}" for kind in ("service", "timer")]
    for unit, text in zip(units, (systemd.service(poller), systemd.timer(poller)), strict=True):
        unit.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *map(str, units)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd here")
def test_systemd_accepts_the_quoting_of_the_program(tmp_path: Path) -> None:
    poller = an_odd_one(tmp_path, UNQUOTED)
    unit = tmp_path / f"{poller.name}.service"
    unit.write_text(systemd.service(poller).replace("%%", "%"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr


def test_units_name_no_specifier_and_no_pattern(tmp_path: Path) -> None:
    poller = an_odd_one(tmp_path, UNQUOTED)
    service = systemd.service(poller)
    assert '50%%n\\" $$HOME [x] ünï/home"' in service
    assert "Environment" not in service


def test_the_task_is_xml_in_the_order_of_the_schema() -> None:
    poller = Poller(
        python=r"C:\Py & Co\pythonw.exe", home=r"C:\Users\Zoë <1>\titan", user=r"R&D\Zoë"
    )
    root = ET.fromstring(windows.xml(poller).encode("utf-16"))  # noqa: S314 - our own
    names = [child.tag.removeprefix(_NAMESPACE) for child in root]
    assert names == ["RegistrationInfo", "Triggers", "Principals", "Settings", "Actions"]
    # triggerBaseType is a sequence: these, in this order (learn.microsoft.com, Task Scheduler).
    trigger = root.find(f"{_NAMESPACE}Triggers/{_NAMESPACE}TimeTrigger")
    assert trigger is not None
    allowed = ["Enabled", "StartBoundary", "EndBoundary", "Repetition", "ExecutionTimeLimit"]
    found = [child.tag.removeprefix(_NAMESPACE) for child in trigger]
    assert found == [name for name in allowed if name in found]
    context = root.find(f"{_NAMESPACE}Actions[@Context='Author']")
    assert context is not None
    principal = root.find(f"{_NAMESPACE}Principals/{_NAMESPACE}Principal[@id='Author']")
    assert principal is not None
    # Also while its user is logged off, without a password and without a desktop.
    assert [child.text for child in principal] == [r"R&D\Zoë", "S4U", "LeastPrivilege"]
    assert context.findtext(f"{_NAMESPACE}Exec/{_NAMESPACE}Command") == poller.python
    arguments = context.findtext(f"{_NAMESPACE}Exec/{_NAMESPACE}Arguments")
    assert arguments == r'-P -m titan_console --poll --home "C:\Users\Zoë <1>\titan"'


def test_the_skill_says_the_command_for_its_shell(tmp_path: Path) -> None:
    poller = an_odd_one(tmp_path)
    text = skill.markdown(poller, for_windows=False)
    assert text.startswith("---\nname: titan-batch-poll-15m\ndescription: ")
    command = text.partition("```sh\n")[2].partition("\n```")[0]
    record = tmp_path / "record"
    subprocess.run(["/bin/sh", "-c", command], env={"RECORD": str(record)}, check=True)
    assert record.read_text().split("|")[1:-1] == [*poller.arguments]
    windows_text = skill.markdown(
        Poller(python=r"C:\it's\python.exe", home=r"C:\t"), for_windows=True
    )
    assert r"& 'C:\it''s\python.exe' -P -m titan_console --poll --home 'C:\t'" in windows_text


def test_no_format_holds_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-secret")
    for text in (
        cron.block(PLAIN),
        systemd.service(PLAIN),
        systemd.timer(PLAIN),
        windows.xml(PLAIN),
        skill.markdown(PLAIN, for_windows=False),
    ):
        assert "sk-ant-secret" not in text
        assert "<" in text or "ANTHROPIC_API_KEY" in text or "[Timer]" in text


@pytest.mark.parametrize(
    "table",
    [
        pytest.param("", id="empty"),
        pytest.param("0 1 * * * one\n", id="one line"),
        pytest.param("# a comment\nMAILTO=me\n\n0 1 * * * date +\\%F\n\n", id="many"),
    ],
)
def test_a_crontab_gets_the_block_once_and_loses_it_on_removal(table: str) -> None:
    once = cron.with_block(table, PLAIN)
    assert once == table + cron.block(PLAIN)
    assert cron.with_block(once, PLAIN) == once
    assert cron.without_block(once, PLAIN.name) == table


def test_a_block_is_renewed_in_its_place() -> None:
    table = cron.with_block("0 1 * * * one\n", PLAIN) + "0 2 * * * two\n"
    other = Poller(python="/new/python", home=PLAIN.home)
    renewed = cron.with_block(table, other)
    assert renewed == table.replace(PLAIN.python, other.python)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: cron.block(Poller(python="/p", home="/a\\b")), "unsupported_path"),
        (lambda: systemd.service(Poller(python="/it's/python", home="/h")), "unsupported_path"),
        (lambda: cron.block(Poller(python="/p", home="/" + "a" * 1000)), "path_too_long"),
        (lambda: windows.xml(Poller(python="p", home="C:\\100%")), "unsupported_path"),
        (lambda: windows.xml(Poller(python="$(Arg0)", home="C:\\t")), "unsupported_path"),
        (lambda: Poller(python="/p", home="/a\nb"), "unsupported_path"),
        (lambda: Poller(python="/p", home="/h", name="a/b"), "invalid_name"),
    ],
)
def test_what_a_format_cannot_say_is_refused(make: Callable[[], object], code: str) -> None:
    with pytest.raises(InputError) as error:
        make()
    assert error.value.code == code


def test_a_block_without_its_end_is_left_alone() -> None:
    table = cron.with_block("", PLAIN).rsplit("#", 1)[0] + "0 1 * * * precious\n"
    with pytest.raises(InputError) as error:
        cron.without_block(table, PLAIN.name)
    assert error.value.code == "damaged_crontab"
