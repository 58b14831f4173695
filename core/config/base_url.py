"""The rules for the base URL of a server. Pure."""

import re
from urllib.parse import urlsplit

from core.config.variables import ALLOW_HTTP, BASE_URL
from core.errors import SettingsError

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# The client adds it to the base URL.
_API_PATH = re.compile(r"/v1(/messages(/batches)?)?/*\Z")
_FORM = "https://HOST[:PORT][/PATH], without a user, a query or a fragment"


def server_of(base_url: str) -> str:
    """Host, port and path of the base URL; a port is left out where it is the usual one."""
    parts = urlsplit(base_url)
    usual = ":443" if parts.scheme == "https" else ":80"
    return parts.netloc.lower().removesuffix(usual) + parts.path.rstrip("/")


def is_other_host(server: str, only_host: str) -> bool:
    """Whether `only_host` of titan.toml, where it is set, is not the host of that server."""
    return bool(only_host) and urlsplit(f"//{server}").hostname != only_host.lower()


def without_api_path(base_url: str) -> str:
    """The base URL without the path of the API at its end."""
    return _API_PATH.sub("", base_url)


def malformed_base_url(base_url: str) -> str | None:
    """Its problem, without the value, which may be a secret in the wrong place; None: it has none.

    Whether `http` is allowed depends on the environment: see `check_base_url`.
    """
    return None if _host(base_url) else f"is not a server URL; write it as {_FORM}."


def check_base_url(base_url: str, allowed_http: str, name: str = BASE_URL) -> None:
    """Raise SettingsError where it is malformed or would send the key unencrypted.

    `allowed_http` are the hosts of TITAN_ALLOW_HTTP, `name` is where the URL is set.
    """
    host = _host(base_url)
    if not host:
        raise SettingsError(
            f"{name} is not a server URL: {_shown(base_url)!r}. Write it as {_FORM}.",
            code="base_url_malformed",
        )
    allowed = {name.strip().lower() for name in allowed_http.split(",")}
    if urlsplit(base_url).scheme == "http" and host not in LOOPBACK | allowed:
        raise SettingsError(
            f"{name} {base_url!r} would send the API key and all requests unencrypted:"
            f" use https. If you trust the network to this host, set {ALLOW_HTTP}={host}",
            code="base_url_insecure",
        )


def _host(base_url: str) -> str | None:
    """The host; None where it is not the URL of a server."""
    try:
        parts = urlsplit(base_url)
        # `.port` raises for a port that is not a number.
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        return None
    # A user would replace the API key.
    is_plain = re.fullmatch(r"[^\s?#@]+", base_url) is not None
    return host if parts.scheme in ("http", "https") and is_plain else None


def _shown(base_url: str) -> str:
    """The URL without user and password."""
    return re.sub(r"//.*@", "//", base_url)
