"""The only reader of the environment."""

import os
import platform
import re
import shlex
import shutil
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from core.api.credentials import Credentials, parse_headers, secrets_in
from core.config import env_file, ledger_address
from core.config.base_url import check_base_url, server_of, without_api_path
from core.config.variables import (
    ALLOW_HTTP,
    BASE_URL,
    HOST,
    LANE_VARIABLE,
    PROXIES,
    SECRETS,
    TOKEN,
    Variable,
    examine,
    is_secret,
)
from core.errors import SettingsError
from core.redaction import forget, remember
from state.files.folder import Folder
from state.model.ledger_url import LedgerUrl

DEFAULT_BASE_URL = "https://api.anthropic.com"
ENV_FILE = "poller.env"
# The name of TITAN_HOME where that is not set.
DEFAULT_NAME = "titan-console"
_NOT_OF_HOST = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Settings of one run of the program. Credentials are never shown, stored or logged."""

    home: Path
    # Where the ledger is; None: in `home`.
    ledger_url: LedgerUrl | None = field(default=None, repr=False)
    base_url: str = DEFAULT_BASE_URL
    api_key: str | None = field(default=None, repr=False)
    auth_token: str | None = field(default=None, repr=False)
    # One `Name: value` a line.
    custom_headers: str = field(default="", repr=False)
    # What else the SDK and lanes read: profiles, workload identity, other platforms, other keys.
    variables: Mapping[str, str] = field(default_factory=dict[str, str], repr=False, compare=False)
    is_base_url_given: bool = True
    # What was corrected in the environment.
    warnings: tuple[str, ...] = ()
    # Whether the console accepts no commands.
    read_only: bool = False
    # What this host is called in a ledger that several share.
    host: str = field(default_factory=lambda: this_host(os.environ))

    def __post_init__(self) -> None:
        """Make the folder absolute: a child process may have another working folder."""
        object.__setattr__(self, "home", _absolute(self.home))

    @property
    def folder(self) -> Folder:
        """The files of `home`, and where the ledger is."""
        return Folder(self.home, self.ledger_url)

    @property
    def server(self) -> str:
        """That of the base URL."""
        return server_of(self.base_url)

    def credentials(self) -> Credentials:
        """The credentials. Raises SettingsError when they are missing or malformed."""
        for name, value in zip(SECRETS, (self.api_key, self.auth_token), strict=False):
            if value and not re.fullmatch(r"[!-~]+", value):
                raise SettingsError(
                    f"{name} contains an invalid character; copy the key again.",
                    code="api_key_malformed",
                )
        found = Credentials(
            api_key=self.api_key,
            auth_token=self.auth_token,
            headers=parse_headers(self.custom_headers),
        )
        if not found.is_complete():
            raise SettingsError(
                "No API key. Set ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN. `titan-console doctor`"
                " lists what is set.",
                code="api_key_missing",
            )
        return found

    def key_of(self, variable: str) -> Credentials:
        """The key or token in another variable. Raises SettingsError without one."""
        value = self.variables.get(variable, "").strip()
        if not value or not re.fullmatch(r"[!-~]+", value):
            said = "contains an invalid character; copy it again" if value else "is not set"
            raise SettingsError(f"{variable} {said}.", code="api_key_missing")
        headers = parse_headers(self.custom_headers)
        if variable.startswith(TOKEN):
            return Credentials(auth_token=value, headers=headers)
        return Credentials(api_key=value, headers=headers)


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment: the SDK's variables of an account, and those of TITAN_*.

    Raises SettingsError for a base URL that is malformed or would send the key unencrypted, and for
    an address of the ledger that cannot be used.
    """
    if environment is None:
        pin_home()
    values = os.environ if environment is None else environment
    home = values.get("TITAN_HOME", "").strip()
    own = values.get(BASE_URL, "").strip().rstrip("/")
    given = own or DEFAULT_BASE_URL
    api_key, auth_token, custom_headers = (values.get(name, "").strip() for name in SECRETS)
    others = {name: value for name, value in values.items() if LANE_VARIABLE.fullmatch(name)}
    secrets = (value for name, value in others.items() if is_secret(name))
    remember(
        api_key, auth_token, *secrets, *_header_secrets(custom_headers), *_proxy_passwords(values)
    )
    remember(*ledger_address.secrets(values))
    folder = _absolute(Path(home) if home else _default_home())
    check_base_url(given, values.get(ALLOW_HTTP, ""))
    base_url = without_api_path(given)
    return Settings(
        home=folder,
        ledger_url=ledger_address.ledger_url(values, folder),
        base_url=base_url,
        api_key=api_key or None,
        auth_token=auth_token or None,
        custom_headers=custom_headers,
        variables=others,
        is_base_url_given=bool(own),
        warnings=() if base_url == given else (_corrected(given, base_url),),
        read_only=values.get("TITAN_READ_ONLY", "").strip() not in ("", "0"),
        host=this_host(values),
    )


def this_host(values: Mapping[str, str]) -> str:
    """TITAN_HOST, or what the system calls this host. Raises SettingsError for a malformed one."""
    name = values.get(HOST, "").strip()
    if not name:
        return _plain_host(platform.node())
    if _plain_host(name) != name:
        raise SettingsError(
            f"{HOST} may have letters, digits, '.', '_' and '-' only, up to 100, not"
            f" {name[:100]!r}.",
            code="host_malformed",
        )
    return name


def _plain_host(name: str) -> str:
    """The name in the characters that a host may have."""
    return _NOT_OF_HOST.sub("-", name)[:100] or "host"


def _corrected(given: str, used: str) -> str:
    return (
        f"ANTHROPIC_BASE_URL ends in {given.removeprefix(used)!r}, which is added to it for each"
        f" call: using {used!r}."
    )


def _header_secrets(text: str) -> list[str]:
    """The values, also where the list is malformed."""
    return secrets_in({line: line.partition(":")[2].strip() for line in text.split("\n")})


def _proxy_passwords(values: Mapping[str, str]) -> Iterator[str]:
    for name in PROXIES:
        for spelled in (name, name.lower()):
            with suppress(ValueError):
                if password := urlsplit(values.get(spelled, "")).password:
                    yield password


def enter_home(home: Path) -> tuple[str, ...]:
    """Poll that folder with the variables of its poller.env; returns the file's problems.

    They take the place of those of this process, and commands of the user get them as well.
    """
    found = read_env_file(home)
    os.environ.update(found.values)
    os.environ["TITAN_HOME"] = str(_absolute(home))
    if "TZ" in found.values and hasattr(time, "tzset"):
        time.tzset()
    return found.problems


def read_env_file(home: Path) -> env_file.EnvFile:
    """The poller.env of that folder; an empty one if there is none."""
    try:
        return env_file.parse((home / ENV_FILE).read_bytes())
    except FileNotFoundError:
        return env_file.EnvFile({})


def folder_of(home: Path) -> Folder:
    """That home's files, and where its ledger is. Raises SettingsError, as `from_environment`."""
    remember(*ledger_address.secrets(os.environ))
    home = _absolute(home)
    return Folder(home, ledger_address.ledger_url(os.environ, home))


def client_environment(settings: Settings) -> dict[str, str]:
    """The variables of this process, with the base URL as it is used."""
    values = dict(os.environ)
    return values | {BASE_URL: settings.base_url} if values.get(BASE_URL, "").strip() else values


def is_proxied(base_url: str) -> bool:
    """Whether a proxy's variable counts for that address, unless NO_PROXY excepts it."""
    return any(v.is_used and v.name.upper() in PROXIES for v in examine(os.environ, base_url))


def account() -> str:
    r"""The name of this process's account on Windows, DOMAIN\USER."""
    parts = (os.environ.get(name, "") for name in ("USERDOMAIN", "USERNAME"))
    return "\\".join(part for part in parts if part)


def client_variables(settings: Settings, lanes: Collection[str] = ()) -> list[Variable]:
    """The variables of this process that reach the API's client, or are set in vain.

    `lanes`: see `examine`.
    """
    return examine(os.environ, settings.base_url, lanes)


def claude_folders() -> list[Path]:
    """Where Claude Code keeps tasks, skills and transcripts; CLAUDE_CONFIG_DIR names another."""
    named = os.environ.get("CLAUDE_CONFIG_DIR", "").strip()
    if named:
        return [_absolute(Path(folder.strip())) for folder in named.split(",") if folder.strip()]
    home = Path.home()
    return [home / ".claude", home / ".config" / "claude"]


def pin_home() -> None:
    """Make a relative TITAN_HOME of this process absolute: a job may change its folder later."""
    home = os.environ.get("TITAN_HOME", "").strip()
    if home:
        with suppress(OSError, RuntimeError):
            os.environ["TITAN_HOME"] = str(_absolute(Path(home)))


def child_environment(settings: Settings) -> dict[str, str]:
    """The environment of a child process that uses these settings."""
    values = dict(os.environ)
    values["TITAN_HOME"] = str(settings.home)
    values.pop(ledger_address.LEDGER, None)
    if settings.ledger_url is not None:
        values[ledger_address.LEDGER] = settings.ledger_url
    if settings.is_base_url_given:
        values[BASE_URL] = settings.base_url
    else:
        # A profile may have one.
        values.pop(BASE_URL, None)
    given = (settings.api_key, settings.auth_token, settings.custom_headers)
    values.update({name: value for name, value in zip(SECRETS, given, strict=True) if value})
    values.update({k: v for k, v in settings.variables.items() if v and is_secret(k)})
    return values


def served_environment(settings: Settings, *, with_key: bool) -> dict[str, str]:
    """The environment of a console in a browser, which needs a key only to run commands."""
    values = child_environment(settings)
    return {k: v for k, v in values.items() if with_key or not is_secret(k)}


def is_served() -> bool:
    """Whether the console runs in a browser (under `titan-console serve`)."""
    return "web_driver" in os.environ.get("TEXTUAL_DRIVER", "")


def forget_key() -> None:
    """Remove the credentials from the environment of this process and its future children."""
    for name in filter(is_secret, list(os.environ)):
        os.environ.pop(name, None)
    forget()
    remember(*ledger_address.secrets(os.environ))


def command_environment(home: Path) -> dict[str, str]:
    """The environment of a command of the user: this one, with TITAN_HOME set."""
    return dict(os.environ) | {"TITAN_HOME": str(home.absolute())}


def claude_folder() -> Path:
    """Where Claude keeps the skills and scheduled tasks of this user. Raises SettingsError."""
    given = os.environ.get("CLAUDE_CONFIG_DIR", "").strip()
    try:
        return _absolute(Path(given or "~/.claude"))
    except RuntimeError:
        raise SettingsError(
            "This user has no home folder: set CLAUDE_CONFIG_DIR.", code="no_home_folder"
        ) from None


def viewer(environment: Mapping[str, str] | None = None) -> list[str]:
    """The command that shows a text: PAGER, VISUAL, EDITOR, or an installed pager."""
    found = _first_command(("PAGER", "VISUAL", "EDITOR"), environment)
    return found or [name for name in ("less", "more", "vi") if shutil.which(name)][:1]


def editor(environment: Mapping[str, str] | None = None) -> list[str]:
    """The operator's editor: VISUAL or EDITOR; empty where neither is set."""
    return _first_command(("VISUAL", "EDITOR"), environment)


def _first_command(names: Iterable[str], environment: Mapping[str, str] | None) -> list[str]:
    values = os.environ if environment is None else environment
    for name in names:
        with suppress(ValueError):
            words = shlex.split(values.get(name, ""))
            if words:
                return words
    return []


def _absolute(home: Path) -> Path:
    return home.expanduser().absolute()


def _default_home() -> Path:
    from platformdirs import user_data_path  # noqa: PLC0415 - 30 ms, not needed with TITAN_HOME

    return user_data_path(DEFAULT_NAME, appauthor=False)
