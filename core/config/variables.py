"""Which variables of the environment reach the API's client, and which are set in vain."""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from msgspec import Struct

KEY, TOKEN, HEADERS = "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_CUSTOM_HEADERS"
SECRETS = (KEY, TOKEN, HEADERS)
BASE_URL = "ANTHROPIC_BASE_URL"
# The hosts that are called without TLS, besides this machine.
ALLOW_HTTP = "TITAN_ALLOW_HTTP"
PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
NO_PROXY = "NO_PROXY"
# In the order in which they count.
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")

# Other programs' certificates.
_BUNDLES = {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}
_SDK_ONLY = "only the official SDK reads it"
_UNUSED = (
    (
        r"ANTHROPIC_(AWS|GOOGLE_CLOUD)_\w+",
        f"this platform is not supported; set {KEY} of an account of Anthropic",
    ),
    (
        r"ANTHROPIC_(BEDROCK|VERTEX|FOUNDRY)_\w+",
        f"this platform offers no Message Batches; set {KEY} of an account of Anthropic",
    ),
    (
        r"ANTHROPIC_(PROFILE|CONFIG_DIR|IDENTITY_TOKEN\w*|\w+_ID|SCOPE)",
        f"profiles and workload identity are not supported; set {KEY} or {TOKEN}",
    ),
)
_HARMLESS = (
    (r"ANTHROPIC_(LOG|OPEN_TELEMETRY\w*)", _SDK_ONLY),
    (r"ANTHROPIC_\w+", "not known here"),
)


class Variable(Struct, frozen=True):
    """A variable that is set; `is_missed` if its user may well expect it to count."""

    name: str
    is_used: bool
    note: str = ""
    is_missed: bool = False


def examine(environment: Mapping[str, str], base_url: str) -> list[Variable]:
    """The variables of the API, of proxies and of certificates that are set, by name.

    `base_url` is that of the API. No value is in a note.
    """
    values = {name: value for name, value in environment.items() if value.strip()}
    return sorted(_examined(values, base_url), key=lambda variable: variable.name)


def _examined(values: Mapping[str, str], base_url: str) -> Iterator[Variable]:
    for names in ((KEY, TOKEN), (HEADERS,), (BASE_URL,), (ALLOW_HTTP,), CERTIFICATES):
        yield from _first_of(values, names)
    yield from _proxies(values, base_url)
    has_certificates = any(name in values for name in CERTIFICATES)
    for name in values.keys() & _BUNDLES:
        note = f"set {CERTIFICATES[0]}, as for the official SDK"
        yield Variable(name, is_used=False, note=note, is_missed=not has_certificates)
    for name in values.keys() - {*SECRETS, BASE_URL}:
        if note := _note(name, _UNUSED):
            yield Variable(name, is_used=False, note=note, is_missed=True)
        elif note := _note(name, _HARMLESS):
            yield Variable(name, is_used=False, note=note)


def _first_of(values: Mapping[str, str], names: tuple[str, ...]) -> Iterator[Variable]:
    """Of these, only the first that is set counts."""
    first, *others = [name for name in names if name in values] or [""]
    if first:
        yield Variable(first, is_used=True)
    yield from (_after(name, first) for name in others)


def _note(name: str, notes: tuple[tuple[str, str], ...]) -> str | None:
    return next((note for pattern, note in notes if re.fullmatch(pattern, name)), None)


def _after(name: str, first: str) -> Variable:
    return Variable(name, is_used=False, note=f"{first} comes first")


def _proxies(values: Mapping[str, str], base_url: str) -> Iterator[Variable]:
    """The spelling in lower case comes first, and the proxy of a scheme before that of all."""
    scheme = urlsplit(base_url).scheme
    own = f"{scheme.upper()}_PROXY"
    for name in (*PROXIES, NO_PROXY):
        first, *others = [n for n in (name.lower(), name) if n in values] or [""]
        if not first:
            continue
        yield from (_after(other, first) for other in others)
        set_own = next((n for n in (own.lower(), own) if n in values), "")
        if name == "ALL_PROXY" and set_own:
            yield _after(first, set_own)
        elif name in (own, "ALL_PROXY", NO_PROXY):
            yield Variable(first, is_used=True)
        else:
            only = name.partition("_")[0].lower()
            note = f"for {only}:// only, and the API is at {scheme}://"
            yield Variable(first, is_used=False, note=note)


def has_password(value: str) -> bool:
    """Whether the URL of a proxy carries a user or a password."""
    return "@" in value
