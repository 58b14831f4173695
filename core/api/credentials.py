"""What a call proves its caller with: an API key, a bearer token, headers of a gateway."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.errors import SettingsError
from core.redaction import remember

_AUTHENTICATING = frozenset(("authorization", "x-api-key"))
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Such a value is no secret, and stands in every address.
_PUBLIC = "https://api.anthropic.com"


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """The API key is used before the token, and a header before both, as the SDK does."""

    api_key: str | None = field(default=None, repr=False)
    auth_token: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    def __post_init__(self) -> None:
        """Keep them out of every text from now on."""
        remember(self.api_key, self.auth_token, *secrets_in(self.headers))

    def is_complete(self) -> bool:
        """Whether there is anything that authenticates a call."""
        own = any(name.lower() in _AUTHENTICATING for name in self.headers)
        return own or bool(self.api_key or self.auth_token)

    def authorization(self) -> dict[str, str]:
        """The header of the key or the token; none without either."""
        secret = self.api_key or self.auth_token
        return {"authorization": f"Bearer {secret}"} if secret else {}


def parse_headers(text: str) -> dict[str, str]:
    r"""The headers of ANTHROPIC_CUSTOM_HEADERS, one `Name: value` a line, as the SDK reads them.

    A line without a colon is skipped. Raises SettingsError for what HTTP cannot carry; the message
    has no value.

    >>> parse_headers("X-Team: blue\nno header")
    {'X-Team': 'blue'}
    """
    headers = dict[str, str]()
    for number, line in enumerate(text.split("\n"), 1):
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not colon:
            continue
        if not _NAME.fullmatch(name) or not value.isprintable():
            raise SettingsError(
                f"ANTHROPIC_CUSTOM_HEADERS is not a list of headers (line {number}): write one"
                " `Name: value` a line.",
                code="custom_headers_malformed",
            )
        headers[name] = value
    return headers


def secrets_in(headers: Mapping[str, str]) -> list[str]:
    """The values, and each word of them: of `Bearer abc`, a server may echo `abc` alone."""
    words = (word for value in headers.values() for word in (value, *value.split()))
    return [word for word in words if word not in _PUBLIC]
