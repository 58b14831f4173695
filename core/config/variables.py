"""Which variables of the environment reach the API's client, and which are set in vain."""

import re
from collections.abc import Collection, Iterator, Mapping
from urllib.parse import urlsplit

from msgspec import Struct

KEY, TOKEN, HEADERS = "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_CUSTOM_HEADERS"
SECRETS = (KEY, TOKEN, HEADERS)
BASE_URL = "ANTHROPIC_BASE_URL"
# What the SDK reads besides: other platforms, profiles and keys, and where their files are.
LANE_VARIABLE = re.compile(r"(ANTHROPIC|AWS|GOOGLE|CLOUDSDK)_\w+|APPDATA|TITAN_ALLOW_HTTP")
_LANE_SECRET = re.compile(
    r"ANTHROPIC_(API_KEY|AUTH_TOKEN)_\w+|ANTHROPIC_AWS_API_KEY|ANTHROPIC_IDENTITY_TOKEN"
    r"|AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN)"
)
# The hosts that are called without TLS, besides this machine.
ALLOW_HTTP = "TITAN_ALLOW_HTTP"
# What a host is called in a ledger that several share; by default its name in the network.
HOST = "TITAN_HOST"
PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
NO_PROXY = "NO_PROXY"
# In the order in which they count.
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")

# Other programs' certificates.
_BUNDLES = {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}
_SDK_ONLY = "only the official SDK reads it"
_OF_LANES = {
    "aws": re.compile(r"ANTHROPIC_AWS_\w+"),
    "google-cloud": re.compile(r"ANTHROPIC_GOOGLE_CLOUD_\w+"),
}
_OF_PROFILES = re.compile(
    r"ANTHROPIC_(PROFILE|CONFIG_DIR|IDENTITY_TOKEN(_FILE)?|SCOPE"
    r"|(FEDERATION_RULE|ORGANIZATION|SERVICE_ACCOUNT|WORKSPACE)_ID)"
)
_OF_KEYS = re.compile(r"ANTHROPIC_(API_KEY|AUTH_TOKEN)_\w+")
_UNUSED = (
    (
        r"ANTHROPIC_(BEDROCK|VERTEX|FOUNDRY)_\w+",
        "this platform offers no Message Batches; see docs/lanes.md for those that do",
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


def examine(
    environment: Mapping[str, str], base_url: str, lanes: Collection[str] = ()
) -> list[Variable]:
    """The variables of the API, of proxies and of certificates that are set, by name.

    `base_url` is that of the API, `lanes` are the kinds of the lanes in titan.toml, and the names
    of the variables with their keys. No value is in a note.
    """
    values = {name: value for name, value in environment.items() if value.strip()}
    found = [*_examined(values, base_url), *_of_lanes(values, lanes)]
    return sorted(found, key=lambda variable: variable.name)


def _of_lanes(values: Mapping[str, str], lanes: Collection[str]) -> Iterator[Variable]:
    """Those of other platforms, of profiles, and with the keys of lanes."""
    for name in values:
        kind = next((kind for kind, fits in _OF_LANES.items() if fits.fullmatch(name)), None)
        if kind is not None:
            note = "" if kind in lanes else f'add a lane of kind "{kind}" to titan.toml'
            yield Variable(name, is_used=kind in lanes, note=note, is_missed=bool(note))
        elif _OF_KEYS.fullmatch(name):
            note = "" if name in lanes else f'no lane of titan.toml has key = "{name}"'
            yield Variable(name, is_used=name in lanes, note=note)
        elif _OF_PROFILES.fullmatch(name):
            first = next((one for one in (KEY, TOKEN) if values.get(one)), "")
            if first and "profile" not in lanes:
                yield _after(name, first)
            else:
                yield Variable(name, is_used=True)


def _examined(values: Mapping[str, str], base_url: str) -> Iterator[Variable]:
    for names in ((KEY, TOKEN), (HEADERS,), (BASE_URL,), (ALLOW_HTTP,), CERTIFICATES):
        yield from _first_of(values, names)
    yield from _proxies(values, base_url)
    has_certificates = any(name in values for name in CERTIFICATES)
    for name in values.keys() & _BUNDLES:
        note = f"set {CERTIFICATES[0]}, as for the official SDK"
        yield Variable(name, is_used=False, note=note, is_missed=not has_certificates)
    others = (*_OF_LANES.values(), _OF_PROFILES, _OF_KEYS)
    for name in values.keys() - {*SECRETS, BASE_URL}:
        if any(fits.fullmatch(name) for fits in others):
            continue
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


def is_secret(name: str) -> bool:
    """Whether the variable is a credential, or holds some."""
    return name in SECRETS or _LANE_SECRET.fullmatch(name) is not None


def has_password(value: str) -> bool:
    """Whether the URL of a proxy carries a user or a password."""
    return "@" in value
