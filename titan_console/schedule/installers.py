"""The steps to install and remove the poller, for each kind of scheduler."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

from core.config import titan_file
from core.config.lanes import in_variables
from core.config.ledger_address import ledger_url
from core.errors import InputError, SettingsError
from state.files import windows_calls
from state.files.folder import Folder
from titan_console.schedule import cron, skill, systemd, windows
from titan_console.schedule.poller import Poller, refuse_other_home
from titan_console.schedule.poller_variables import EnvFilePlan, planned
from titan_console.schedule.steps import Plan, Remove, Run, Step, Write, run

# Exists if systemd is the init system (see sd_booted(3)).
_BOOTED = Path("/run/systemd/system")
_NO_TABLE = ("no crontab for", "no such file or directory")


class Kind(StrEnum):
    """The supported schedulers."""

    CRON = "cron"
    SYSTEMD = "systemd"
    WINDOWS = "windows"
    SKILL = "skill"


def usual() -> Kind:
    """The default scheduler of this machine."""
    if windows_calls.is_windows():
        return Kind.WINDOWS
    return Kind.SYSTEMD if _BOOTED.is_dir() else Kind.CRON


def files(kind: Kind, poller: Poller) -> dict[str, str]:
    """The content of the schedule's files, by path (or "crontab")."""
    match kind:
        case Kind.CRON:
            return {"crontab": cron.block(poller)}
        case Kind.SYSTEMD:
            units = Path(_unit_folder())
            return {
                str(units / f"{poller.name}.service"): systemd.service(poller),
                str(units / f"{poller.name}.timer"): systemd.timer(poller),
            }
        case Kind.WINDOWS:
            task = windows.xml(replace(poller, python=_windowless(poller.python)))
            return {str(_own_folder(poller) / "task.xml"): task}
        case Kind.SKILL:
            text = skill.markdown(poller, for_windows=windows_calls.is_windows())
            folder = Path(poller.agent_folder, "scheduled-tasks", poller.name)
            return {str(folder / "SKILL.md"): text}


def installation(kind: Kind, poller: Poller, environment: Mapping[str, str]) -> Plan:
    """The steps that are still needed; none if it is installed and up to date.

    `environment` is that of the process that installs it.
    """
    lanes = titan_file.read(Folder(Path(poller.home))).lanes
    carry = planned(
        environment,
        _bytes(Path(poller.env_file)),
        in_variables(lanes),
        with_postgres=ledger_url(environment, Path(poller.home)) is not None,
    )
    plan = _installation(kind, poller)
    writes: list[Step] = [Write(Path(poller.env_file), carry.content)] if carry.content else []
    return Plan(
        [*writes, *plan.steps],
        [*plan.hints, *_key_hints(kind, poller, carry)],
        plan.reached_end,
        carry.found,
    )


def _installation(kind: Kind, poller: Poller) -> Plan:
    match kind:
        case Kind.CRON:
            table = _crontab(poller)
            return _crontab_step(table, cron.with_block(table, poller))
        case Kind.SYSTEMD:
            return _systemd(poller)
        case Kind.WINDOWS:
            return _windows(poller)
        case Kind.SKILL:
            return _skill(poller)


def removal(kind: Kind, poller: Poller) -> Plan:
    """The steps that remove the installation; none if there is none."""
    match kind:
        case Kind.CRON:
            table = _crontab(poller)
            return _crontab_step(table, cron.without_block(table, poller.name))
        case Kind.SYSTEMD:
            return _no_systemd(poller)
        case Kind.WINDOWS:
            return _no_windows(poller)
        case Kind.SKILL:
            return Plan([*_removals(_own_skill(poller)), *_earlier_skill(poller)])


def _crontab(poller: Poller) -> str:
    """The user's crontab; raises SettingsError if it cannot be read."""
    if not shutil.which("crontab"):
        raise SettingsError(
            "crontab not found; see `titan-console schedule --help` for other schedulers."
        )
    code, table, message = run(("crontab", "-l"))
    if code and not any(words in message.lower() for words in _NO_TABLE):
        raise SettingsError(f"`crontab -l` exited with {code}: {message}")
    if code:
        return ""
    refuse_other_home(cron.split(table, poller.name)[1], poller)
    return table


def _crontab_step(before: str, after: str) -> Plan:
    return Plan([] if after == before else [Run(("crontab", "-"), after)])


def _systemd(poller: Poller) -> Plan:
    wanted = files(Kind.SYSTEMD, poller)
    for path in wanted:
        refuse_other_home(_text(Path(path)), poller)
    steps = _writes(wanted)
    timer = f"{poller.name}.timer"
    calls: list[Step] = [
        Run(("systemctl", "--user", *words))
        for words in (("daemon-reload",), ("enable", timer), ("restart", timer))
    ]
    if not shutil.which("systemctl"):
        return Plan(steps, [f"Still to do: {call}." for call in calls], reached_end=False)
    hint = "The timer runs while you are logged in; to run it always: loginctl enable-linger"
    return Plan(steps + calls, [hint])


def _no_systemd(poller: Poller) -> Plan:
    there = files(Kind.SYSTEMD, poller)
    for path in there:
        refuse_other_home(_text(Path(path)), poller)
    timer = f"{poller.name}.timer"
    # `disable` removes the link, but does nothing without a user bus.
    link = Path(_unit_folder(), "timers.target.wants", timer)
    removals = _removals(there) + ([Remove(link)] if link.is_symlink() else [])
    if not removals or not shutil.which("systemctl"):
        return Plan(removals)
    stop = Run(("systemctl", "--user", "disable", "--now", timer), may_fail=True)
    reload = Run(("systemctl", "--user", "daemon-reload"), may_fail=True)
    return Plan([stop, *removals, reload])


def _windows(poller: Poller) -> Plan:
    ((path, text),) = files(Kind.WINDOWS, poller).items()
    steps = _writes({path: text}, encoding="utf-16")
    create = ("schtasks", "/Create", "/TN", poller.name, "/XML")
    advice = windows.NEEDS_ADMINISTRATOR
    if not shutil.which("schtasks"):
        return Plan(steps, [f"Still to do: run {' '.join((*create, path))}."], reached_end=False)
    if not steps:
        return Plan()
    # The file marks the task of this name as ours, so it is written after the task. Only our own
    # task is replaced: without /F, schtasks fails if another one exists.
    new = f"{path}.new"
    force = ("/F",) if Path(path).exists() else ()
    first = _writes({new: text}, encoding="utf-16")
    return Plan([*first, Run((*create, new, *force), advice=advice), *steps, Remove(Path(new))])


def _no_windows(poller: Poller) -> Plan:
    removals = _removals(files(Kind.WINDOWS, poller))
    if not removals or not shutil.which("schtasks"):
        return Plan(removals)
    return Plan([Run(("schtasks", "/Delete", "/TN", poller.name, "/F")), *removals])


def _skill(poller: Poller) -> Plan:
    steps = [*_writes(_own_skill(poller)), *_earlier_skill(poller)]
    return Plan(steps, [skill.INTERVAL])


def _own_skill(poller: Poller) -> dict[str, str]:
    """The file of the task. Raises InputError where another file of that name is not ours."""
    wanted = files(Kind.SKILL, poller)
    for path in wanted:
        text = _text(Path(path))
        refuse_other_home(text, poller)
        if text and poller.mark not in text.splitlines():
            raise InputError(
                f"{path} was not written by titan-console: move it, or choose another --name.",
                code="name_in_use",
            )
    return wanted


def _earlier_skill(poller: Poller) -> list[Step]:
    """The file of an earlier version, under TITAN_HOME, where no agent looks for it."""
    return _removals({str(_own_folder(poller) / "SKILL.md"): ""})


def _key_hints(kind: Kind, poller: Poller, carry: EnvFilePlan) -> list[str]:
    """Where to write the key, and how to keep it private."""
    env_file = Path(poller.env_file)
    own = None if kind in (Kind.CRON, Kind.SYSTEMD) else "or set it in the environment of the poll"
    hints = list[str]()
    if not carry.credentials:
        private = None if windows_calls.is_windows() else f"then run: chmod 600 {env_file}"
        line = f"Write ANTHROPIC_API_KEY=... to {env_file}"
        hints.append(", ".join(part for part in (line, own, private) if part))
    if _is_exposed(env_file):
        hints.append(f"Other users can read {env_file}; run: chmod 600 {env_file}")
    return hints


def _is_exposed(path: Path) -> bool:
    return path.exists() and not windows_calls.is_windows() and bool(path.stat().st_mode & 0o077)


def _writes(wanted: dict[str, str], encoding: str = "utf-8") -> list[Step]:
    encoded = {Path(path): text.encode(encoding) for path, text in wanted.items()}
    return [
        Write(path, content)
        for path, content in encoded.items()
        if not path.exists() or path.read_bytes() != content
    ]


def _removals(there: dict[str, str]) -> list[Step]:
    return [Remove(Path(path)) for path in there if Path(path).exists()]


def _windowless(python: str) -> str:
    """The interpreter beside it that opens no window; every usual installation has one."""
    found = Path(python).with_name("pythonw.exe")
    return str(found) if found.exists() else python


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace") if path.exists() else ""


def _own_folder(poller: Poller) -> Path:
    return Path(poller.home, "scheduled-tasks", poller.name)


def _unit_folder() -> str:
    from platformdirs.unix import Unix  # noqa: PLC0415 - 10 ms, only when units are looked at

    return Unix("systemd").user_config_dir + "/user"
