"""The only reader of the environment."""

import os
import re
import shlex
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from core.api.credentials import Credentials, parse_headers, secrets_in
from core.config import env_file
from core.config.variables import ALLOW_HTTP, BASE_URL, PROXIES, SECRETS, Variable, examine
from core.errors import SettingsError
from core.redaction import forget, remember

DEFAULT_BASE_URL = "https://api.anthropic.com"
ENV_FILE = "poller.env"
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
# The client adds it to the base URL.
_API_PATH = re.compile(r"/v1(/messages(/batches)?)?\Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Settings of one run of the program. Credentials are never shown, stored or logged."""

    home: Path
    base_url: str = DEFAULT_BASE_URL
    api_key: str | None = field(default=None, repr=False)
    auth_token: str | None = field(default=None, repr=False)
    # One `Name: value` a line.
    custom_headers: str = field(default="", repr=False)
    # What was corrected in the environment.
    warnings: tuple[str, ...] = ()
    # Whether the console accepts no commands.
    read_only: bool = False

    def __post_init__(self) -> None:
        """Make the folder absolute: a child process may have another working folder."""
        object.__setattr__(self, "home", _absolute(self.home))

    @property
    def server(self) -> str:
        """Host, port and path of the base URL; a port is left out where it is the usual one."""
        parts = urlsplit(self.base_url)
        usual = ":443" if parts.scheme == "https" else ":80"
        return parts.netloc.lower().removesuffix(usual) + parts.path.rstrip("/")

    def has_credentials(self) -> bool:
        """Whether there is a key, a token or a header with one. Raises where it is malformed."""
        try:
            self.credentials()
        except SettingsError as error:
            if error.code != "api_key_missing":
                raise
            return False
        return True

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
                "No API key: set ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN (`titan-console doctor`"
                " lists what is set).",
                code="api_key_missing",
            )
        return found


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment: the SDK's variables of an account, and those of TITAN_*.

    Raises SettingsError for a base URL that is malformed or would send the key unencrypted.
    """
    if environment is None:
        pin_home()
    values = os.environ if environment is None else environment
    home = values.get("TITAN_HOME", "").strip()
    given = values.get(BASE_URL, "").strip().rstrip("/") or DEFAULT_BASE_URL
    api_key, auth_token, custom_headers = (values.get(name, "").strip() for name in SECRETS)
    remember(api_key, auth_token, *_header_secrets(custom_headers), *_proxy_passwords(values))
    _check_base_url(given, values.get(ALLOW_HTTP, ""))
    base_url = _API_PATH.sub("", given)
    return Settings(
        home=Path(home) if home else _default_home(),
        base_url=base_url,
        api_key=api_key or None,
        auth_token=auth_token or None,
        custom_headers=custom_headers,
        warnings=() if base_url == given else (_corrected(given, base_url),),
        read_only=values.get("TITAN_READ_ONLY", "").strip() not in ("", "0"),
    )


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


def client_variables(settings: Settings) -> list[Variable]:
    """The variables of this process that reach the API's client, or are set in vain."""
    return examine(os.environ, settings.base_url)


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
    values[BASE_URL] = settings.base_url
    given = (settings.api_key, settings.auth_token, settings.custom_headers)
    values.update({name: value for name, value in zip(SECRETS, given, strict=True) if value})
    return values


def served_environment(settings: Settings, *, with_key: bool) -> dict[str, str]:
    """The environment of a console in a browser, which needs a key only to run commands."""
    values = child_environment(settings)
    for name in () if with_key else SECRETS:
        values.pop(name, None)
    return values


def is_served() -> bool:
    """Whether the console runs in a browser (under `titan-console serve`)."""
    return "web_driver" in os.environ.get("TEXTUAL_DRIVER", "")


def forget_key() -> None:
    """Remove the credentials from the environment of this process and its future children."""
    for name in SECRETS:
        os.environ.pop(name, None)
    forget()


def command_environment(home: Path) -> dict[str, str]:
    """The environment of a command of the user: this one, with TITAN_HOME set."""
    return dict(os.environ) | {"TITAN_HOME": str(home.absolute())}


def viewer(environment: Mapping[str, str] | None = None) -> list[str]:
    """The command that shows a text: PAGER, VISUAL, EDITOR, or an installed pager."""
    values = os.environ if environment is None else environment
    for name in ("PAGER", "VISUAL", "EDITOR"):
        with suppress(ValueError):
            words = shlex.split(values.get(name, ""))
            if words:
                return words
    return [name for name in ("less", "more", "vi") if shutil.which(name)][:1]


def _absolute(home: Path) -> Path:
    return home.expanduser().absolute()


def _default_home() -> Path:
    from platformdirs import user_data_path  # noqa: PLC0415 - 30 ms, not needed with TITAN_HOME

    return user_data_path("titan-console", appauthor=False)


def _check_base_url(base_url: str, allowed_http: str) -> None:
    try:
        parts = urlsplit(base_url)
        # `.port` raises for a port that is not a number.
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        host, parts = None, urlsplit("")
    if not host or parts.scheme not in ("http", "https") or not _is_plain(base_url):
        raise SettingsError(
            f"ANTHROPIC_BASE_URL is not a server URL: {_shown(base_url)!r}."
            " Write it as https://HOST[:PORT][/PATH], without a user, a query or a fragment.",
            code="base_url_malformed",
        )
    allowed = {name.strip().lower() for name in allowed_http.split(",")}
    if parts.scheme == "http" and host not in LOOPBACK | allowed:
        raise SettingsError(
            f"ANTHROPIC_BASE_URL {base_url!r} would send the API key and all requests unencrypted:"
            f" use https. If you trust the network to this host, set {ALLOW_HTTP}={host}",
            code="base_url_insecure",
        )


def _is_plain(base_url: str) -> bool:
    """Whether it has no user, query or fragment; a user would replace the API key."""
    return re.fullmatch(r"[^\s?#@]+", base_url) is not None


def _shown(base_url: str) -> str:
    """The URL without user and password."""
    return re.sub(r"//.*@", "//", base_url)
