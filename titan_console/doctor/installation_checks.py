"""Checks of Python, the packages, the API's settings and titan.toml."""

import importlib.util
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from core.clock import SystemClock
from core.config import titan_file
from core.config.base_url import is_other_host
from core.config.lane_access import sdk_account_of
from core.config.lanes import in_variables
from core.config.settings import (
    DEFAULT_BASE_URL,
    ENV_FILE,
    Settings,
    client_variables,
    read_env_file,
)
from core.config.variables import BASE_URL, HEADERS, KEY, TOKEN
from core.errors import SettingsError
from core.reporting.job_status import model_warnings
from state.db import integrity
from state.files import windows_calls
from state.files.folder import Folder
from titan_console.doctor import lane_checks
from titan_console.doctor.finding import Finding, Health, isolated
from titan_console.text.access import NO_KEY, SDK_ACCOUNTS, no_server

# Returns the problems in [console.keys]. It needs Textual, so the caller passes it in.
KeyCheck = Callable[[Mapping[str, str]], Sequence[str]]


def findings(settings: Settings, check_keys: KeyCheck) -> Iterator[Finding]:
    """Findings on the installation and the configuration."""
    folder = settings.folder
    yield Finding(Health.OK, "python", f"{platform.python_version()} on {platform.system()}")
    for what, check in (
        ("sqlite", lambda: [_sqlite()]),
        ("packages", lambda: [_packages()]),
        ("server", lambda: _server(settings)),
        ("key", lambda: [_key(settings)]),
        ("environment", lambda: _environment(settings)),
        (ENV_FILE, lambda: _env_file(settings)),
        ("titan.toml", lambda: _titan_toml(folder, check_keys)),
        ("lane", lambda: lane_checks.findings(settings)),
        ("model", lambda: _retirements(folder)),
    ):
        yield from isolated(what, check)


def _sqlite() -> Finding:
    library = integrity.sqlite_library()
    named = f"{library.version} from {library.module}"
    if library.is_safe:
        return Finding(Health.OK, "sqlite", named)
    return Finding(
        Health.WARN,
        "sqlite",
        f"{named}: versions before 3.51.3 can, rarely, corrupt a database with many writers;"
        " upgrade Python or install pysqlite3",
    )


def _packages() -> Finding:
    """`core` and `state` are common names: another distribution may have installed its own."""
    origins = {name: _origin(name) for name in ("core", "state", "titan_batch", "titan_console")}
    homes = {path.parent for path in origins.values() if path}
    if len(homes) == 1 and None not in origins.values():
        return Finding(Health.OK, "packages", str(homes.pop()))
    found = ", ".join(f"{name} from {path}" for name, path in origins.items())
    return Finding(Health.BAD, "packages", f"installed in different folders: {found}")


def _origin(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _server(settings: Settings) -> Iterator[Finding]:
    only = titan_file.read(settings.folder).api.only_host
    if is_other_host(settings.server, only):
        yield Finding(Health.WARN, "server", no_server(settings.server, only))
    elif settings.base_url == DEFAULT_BASE_URL:
        yield Finding(Health.OK, "server", settings.base_url)
    else:
        yield Finding(
            Health.WARN,
            "server",
            f"{settings.base_url} (from {BASE_URL}) is not Anthropic's API",
        )
    for warning in settings.warnings:
        yield Finding(Health.WARN, "server", warning)


def _key(settings: Settings) -> Finding:
    try:
        found = settings.credentials()
    except SettingsError as error:
        if error.code != "api_key_missing":
            raise
        if account := sdk_account_of(settings.variables):
            text = f"credentials of the SDK's {SDK_ACCOUNTS[account]}"
            return Finding(Health.OK, "key", text)
        text = f"{NO_KEY}; requests are queued but not sent"
        return Finding(Health.WARN, "key", text)
    name = KEY if found.api_key else TOKEN if found.auth_token else f"a header of {HEADERS}"
    return Finding(Health.OK, "key", f"{name} is set (never displayed or stored)")


def _environment(settings: Settings) -> Iterator[Finding]:
    """Each variable of the API, of proxies and of certificates: the name, never the value."""
    lanes = titan_file.read(settings.folder).lanes
    for variable in client_variables(settings, in_variables(lanes)):
        note = f": {variable.note}" if variable.note else ""
        yield Finding(
            Health.WARN if variable.is_missed else Health.OK,
            "environment",
            f"{variable.name} is set {'and' if variable.is_used else 'but not'} used{note}",
        )


def _env_file(settings: Settings) -> Iterator[Finding]:
    """The variables of scheduled polls."""
    path = settings.home / ENV_FILE
    found = read_env_file(settings.home)
    for problem in found.problems:
        yield Finding(Health.WARN, ENV_FILE, f"{problem}; see {path}")
    if found.values:
        names = ", ".join(sorted(found.values))
        yield Finding(Health.OK, ENV_FILE, f"sets {names} for scheduled polls")
        if not windows_calls.is_windows() and path.stat().st_mode & 0o077:
            advice = f"other users can read {path}; run: chmod 600 {path}"
            yield Finding(Health.WARN, ENV_FILE, advice)


def _titan_toml(folder: Folder, check_keys: KeyCheck) -> Iterator[Finding]:
    titan_toml = titan_file.read(folder)
    for problem in titan_toml.problems:
        if problem in titan_toml.console_problems:
            yield Finding(Health.WARN, "console", str(problem))
        else:
            yield Finding(Health.BAD, "titan.toml", str(problem))
    for problem in check_keys(titan_toml.console.keys) if titan_toml.console.keys else ():
        yield Finding(Health.WARN, "console", problem)


def _retirements(folder: Folder) -> Iterator[Finding]:
    for warning in model_warnings(titan_file.read(folder), SystemClock().now()):
        yield Finding(Health.WARN, "model", warning)
