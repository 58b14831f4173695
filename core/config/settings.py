"""The only reader of the environment."""

import os
import re
import shlex
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from core.errors import SettingsError
from core.redaction import forget, remember

DEFAULT_BASE_URL = "https://api.anthropic.com"
_SECRETS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Settings of one run of the program. The API key is never shown, stored or logged."""

    home: Path
    base_url: str = DEFAULT_BASE_URL
    api_key: str | None = field(default=None, repr=False)
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

    def require_key(self) -> str:
        """The API key. Raises SettingsError when it is missing or contains an invalid character."""
        if not self.api_key:
            raise SettingsError(
                "No API key: set ANTHROPIC_API_KEY.",
                code="api_key_missing",
            )
        if not re.fullmatch(r"[!-~]+", self.api_key):
            raise SettingsError(
                "ANTHROPIC_API_KEY contains an invalid character; copy the key again.",
                code="api_key_malformed",
            )
        return self.api_key


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from TITAN_HOME, ANTHROPIC_API_KEY, ANTHROPIC_BASE_URL and TITAN_READ_ONLY.

    Raises SettingsError for a base URL that is malformed or would send the key unencrypted.
    """
    if environment is None:
        pin_home()
    values = os.environ if environment is None else environment
    home = values.get("TITAN_HOME", "").strip()
    base_url = values.get("ANTHROPIC_BASE_URL", "").strip() or DEFAULT_BASE_URL
    remember(*(values.get(name, "").strip() for name in _SECRETS))
    _check_base_url(base_url)
    return Settings(
        home=Path(home) if home else _default_home(),
        base_url=base_url.rstrip("/"),
        api_key=values.get("ANTHROPIC_API_KEY", "").strip() or None,
        read_only=values.get("TITAN_READ_ONLY", "").strip() not in ("", "0"),
    )


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
    values["ANTHROPIC_BASE_URL"] = settings.base_url
    if settings.api_key:
        values["ANTHROPIC_API_KEY"] = settings.api_key
    return values


def served_environment(settings: Settings, *, with_key: bool) -> dict[str, str]:
    """The environment of a console in a browser, which needs a key only to run commands."""
    values = child_environment(settings)
    if not with_key:
        values.pop("ANTHROPIC_API_KEY", None)
    return values


def is_served() -> bool:
    """Whether the console runs in a browser (under `titan-console serve`)."""
    return "web_driver" in os.environ.get("TEXTUAL_DRIVER", "")


def forget_key() -> None:
    """Remove the API key from the environment of this process and its future children."""
    for name in _SECRETS:
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


def _check_base_url(base_url: str) -> None:
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
    if parts.scheme == "http" and host not in LOOPBACK:
        raise SettingsError(
            f"ANTHROPIC_BASE_URL {base_url!r} would send the API key unencrypted:"
            " use https, or http to a loopback address.",
            code="base_url_insecure",
        )


def _is_plain(base_url: str) -> bool:
    """Whether it has no user, query or fragment; a user would replace the API key."""
    return re.fullmatch(r"[^\s?#@]+", base_url) is not None


def _shown(base_url: str) -> str:
    """The URL without user and password."""
    return re.sub(r"//.*@", "//", base_url)
