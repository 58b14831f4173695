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

DEFAULT_BASE_URL = "https://api.anthropic.com"
_SECRETS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What a run of the program was given. The key is never shown, stored or logged."""

    home: Path
    base_url: str = DEFAULT_BASE_URL
    api_key: str | None = field(default=None, repr=False)
    # Whether the console takes no orders.
    read_only: bool = False

    def require_key(self) -> str:
        """The API key. Raises SettingsError when there is none, or one that cannot be sent."""
        if not self.api_key:
            raise SettingsError(
                "No API key: set ANTHROPIC_API_KEY and run `titan-console --poll`."
                " What was submitted stays queued."
            )
        if not re.fullmatch(r"[!-~]+", self.api_key):
            raise SettingsError(
                "ANTHROPIC_API_KEY holds a character that no key has: copy the key anew."
                " What was submitted stays queued."
            )
        return self.api_key


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from TITAN_HOME, ANTHROPIC_API_KEY, ANTHROPIC_BASE_URL and TITAN_READ_ONLY.

    Raises SettingsError for a base URL that would send the key in the clear.
    """
    values = os.environ if environment is None else environment
    home = values.get("TITAN_HOME", "").strip()
    base_url = values.get("ANTHROPIC_BASE_URL", "").strip() or DEFAULT_BASE_URL
    _check_base_url(base_url)
    return Settings(
        home=Path(home).expanduser() if home else _default_home(),
        base_url=base_url.rstrip("/"),
        api_key=values.get("ANTHROPIC_API_KEY", "").strip() or None,
        read_only=values.get("TITAN_READ_ONLY", "").strip() not in ("", "0"),
    )


def child_environment(settings: Settings) -> dict[str, str]:
    """The environment for a process of ours that is to work under these settings."""
    values = dict(os.environ)
    values["TITAN_HOME"] = str(settings.home)
    values["ANTHROPIC_BASE_URL"] = settings.base_url
    if settings.api_key:
        values["ANTHROPIC_API_KEY"] = settings.api_key
    return values


def served_environment(settings: Settings, *, with_key: bool) -> dict[str, str]:
    """The environment for a console in a browser, which needs a key only to give orders."""
    values = child_environment(settings)
    if not with_key:
        values.pop("ANTHROPIC_API_KEY", None)
    return values


def is_served() -> bool:
    """Whether a browser stands where the terminal would."""
    return "web_driver" in os.environ.get("TEXTUAL_DRIVER", "")


def forget_key() -> None:
    """Take the key out of the environment of this process and of what it starts from now on."""
    for name in _SECRETS:
        os.environ.pop(name, None)


def command_environment(home: Path) -> dict[str, str]:
    """The environment for a program of the user's: ours, and where the state lies."""
    return dict(os.environ) | {"TITAN_HOME": str(home)}


def viewer(environment: Mapping[str, str] | None = None) -> list[str]:
    """What shows a text, with its options: PAGER, else EDITOR, else a program that is there."""
    values = os.environ if environment is None else environment
    for name in ("PAGER", "VISUAL", "EDITOR"):
        with suppress(ValueError):
            words = shlex.split(values.get(name, ""))
            if words:
                return words
    return [name for name in ("less", "more", "vi") if shutil.which(name)][:1]


def _default_home() -> Path:
    from platformdirs import user_data_path  # noqa: PLC0415 - 30 ms that TITAN_HOME saves

    return user_data_path("titan-console", appauthor=False)


def _check_base_url(base_url: str) -> None:
    try:
        parts = urlsplit(base_url)
        # To ask for a port that is no number raises.
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        host, parts = None, urlsplit("")
    if not host or parts.scheme not in ("http", "https") or not _is_plain(base_url):
        raise SettingsError(
            f"ANTHROPIC_BASE_URL is no address of a server: {_shown(base_url)!r}."
            " Write it as https://HOST[:PORT][/PATH], without a user, a query or a fragment."
        )
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise SettingsError(
            f"ANTHROPIC_BASE_URL {base_url!r} would send the API key in the clear:"
            " use https, or a loopback address."
        )


def _is_plain(base_url: str) -> bool:
    """Whether it is an address and no more: a user in it would take the place of the key."""
    return re.fullmatch(r"[^\s?#@]+", base_url) is not None


def _shown(base_url: str) -> str:
    """The address without a user and a password."""
    return re.sub(r"//.*@", "//", base_url)
