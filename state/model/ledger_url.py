"""The address of a ledger in PostgreSQL."""

import re
from urllib.parse import parse_qsl, unquote, urlsplit

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_SCHEMES = ("postgresql", "postgres")


class LedgerUrl(str):
    """A URL as libpq reads it. It may have a password: shown is only `public_name`."""

    __slots__ = ()

    def __repr__(self) -> str:
        """The name that may be shown."""
        return f"LedgerUrl({public_name(self)!r})"


def is_postgres(url: str) -> bool:
    """Whether the address is one of PostgreSQL, and its user and password can be told apart."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return (
        parts.scheme in _SCHEMES and url.startswith(f"{parts.scheme}://") and not _is_blurred(url)
    )


def passwords(url: str) -> tuple[str, ...]:
    """Each password in the address, as it is written there and as it is meant."""
    parts = urlsplit(url)
    user, _, _ = parts.netloc.rpartition("@")
    _, _, password = user.partition(":")
    named = (value for name, value in parse_qsl(parts.query) if name.endswith("password"))
    found = [password, unquote(password), *named]
    return tuple(dict.fromkeys(one for one in found if one))


def public_name(url: str) -> str:
    """The address as it is shown: without user, password and parameters."""
    if not is_postgres(url):
        scheme = _SCHEME.match(url)
        return f"{scheme[0] if scheme else ''}…"
    parts = urlsplit(url)
    _, _, host = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{host}{parts.path}"


def _is_blurred(url: str) -> bool:
    """Whether a password may have a character that ends it, which must be percent-encoded."""
    rest = url.partition("://")[2]
    authority = urlsplit(url).netloc
    return "#" in rest or "@" in rest[len(authority) :] or authority.count("@") > 1
