"""What a scheduled poll needs of this environment besides the credentials, in poller.env.

A scheduler starts the poll with an environment of its own: without the base URL or a proxy, the
poll would look for the batches at another server, or nowhere.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum

from msgspec import Struct

from core.config import env_file
from core.config.ledger_address import LEDGER, PASSWORD, secrets
from core.config.variables import (
    ALLOW_HTTP,
    BASE_URL,
    CERTIFICATES,
    HOST,
    NO_PROXY,
    PROXIES,
    SECRETS,
    has_password,
    is_secret,
)

_PROXIES = (*PROXIES, NO_PROXY)
# Where the SDK finds its profiles, identity tokens and the credentials of AWS and Google Cloud.
_FILES = (
    *("ANTHROPIC_CONFIG_DIR", "ANTHROPIC_IDENTITY_TOKEN_FILE", "AWS_CONFIG_FILE"),
    *("AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE"),
    *("GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG"),
)
_OF_LANES = (
    *("ANTHROPIC_PROFILE", "ANTHROPIC_FEDERATION_RULE_ID", "ANTHROPIC_ORGANIZATION_ID"),
    *("ANTHROPIC_SERVICE_ACCOUNT_ID", "ANTHROPIC_WORKSPACE_ID", "ANTHROPIC_SCOPE"),
    *("ANTHROPIC_AWS_WORKSPACE_ID", "ANTHROPIC_AWS_BASE_URL", "AWS_REGION", "AWS_DEFAULT_REGION"),
    *("AWS_PROFILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME"),
    *("ANTHROPIC_GOOGLE_CLOUD_PROJECT", "ANTHROPIC_GOOGLE_CLOUD_LOCATION"),
    *("ANTHROPIC_GOOGLE_CLOUD_WORKSPACE_ID", "ANTHROPIC_GOOGLE_CLOUD_BASE_URL"),
    "GOOGLE_CLOUD_PROJECT",
)
_PLATFORMS = (
    ("aws", ("AWS_", "ANTHROPIC_AWS_")),
    ("google-cloud", ("GOOGLE_", "CLOUDSDK_", "ANTHROPIC_GOOGLE_")),
)
# What libpq reads to reach a ledger in PostgreSQL.
_POSTGRES_FILES = ("PGPASSFILE", "PGSERVICEFILE", "PGSSLCERT", "PGSSLKEY", "PGSSLROOTCERT")
_OF_POSTGRES = (
    *("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE", "PGSSLMODE"),
    *("PGOPTIONS", "PGTARGETSESSIONATTRS", PASSWORD),
    *_POSTGRES_FILES,
)
_PATHS = (*CERTIFICATES, *_FILES, *_POSTGRES_FILES)
_COPIED = (
    *(LEDGER, HOST, *_OF_POSTGRES),
    *(BASE_URL, ALLOW_HTTP),
    *_OF_LANES,
    *_FILES,
    *(spelled for name in _PROXIES for spelled in dict.fromkeys((name, name.lower()))),
    *CERTIFICATES,
)


class State(StrEnum):
    """What becomes of a variable of this environment."""

    WRITTEN = "written"
    PRESENT = "present"  # poller.env has the same value
    KEPT = "kept"  # poller.env has another value, which stays
    YOURS = "yours"  # a secret, which its user alone writes


class Variable(Struct, frozen=True):
    """A variable that is set here, and what becomes of it in poller.env."""

    name: str
    state: State


class EnvFilePlan(Struct, frozen=True):
    """What was found; `content` of the file where it changes."""

    found: tuple[Variable, ...]
    content: bytes | None
    # The credentials that the file has, or the poll will have none.
    credentials: tuple[str, ...]


def planned(
    environment: Mapping[str, str],
    raw: bytes,
    lanes: Collection[str] = (),
    *,
    with_postgres: bool = False,
) -> EnvFilePlan:
    """The plan for a file with that content. No credential and no password is ever written.

    `lanes`: see `variables.examine`. `with_postgres`: whether the ledger is in PostgreSQL.
    """
    file = env_file.parse(raw)
    needed = {
        name: value
        for name, value in environment.items()
        if _is_needed(name, lanes) and (with_postgres or name not in (HOST, *_OF_POSTGRES))
    }
    found = tuple(_examined(needed, file.values))
    new = [
        env_file.line(one.name, _absolute(one.name, environment[one.name]))
        for one in found
        if one.state is State.WRITTEN
    ]
    credentials = tuple(name for name, value in file.values.items() if is_secret(name) and value)
    if not new:
        return EnvFilePlan(found, None, credentials)
    before = env_file.text_of(raw)
    if before and not before.endswith("\n"):
        before += "\n"
    text = before + "\n".join(new) + "\n"
    return EnvFilePlan(found, text.encode("utf-8", "surrogateescape"), credentials)


def described(found: Variable, *, dry_run: bool) -> str:
    """One line on the variable for its user."""
    match found.state:
        case State.WRITTEN:
            return f"{found.name}: {'would be copied' if dry_run else 'copied'} to poller.env."
        case State.PRESENT:
            return f"{found.name}: in poller.env."
        case State.KEPT:
            return f"{found.name}: poller.env has another value, which is kept."
        case State.YOURS:
            return f"{found.name}: contains a secret, so add it to poller.env yourself."


def _is_needed(name: str, lanes: Collection[str]) -> bool:
    """Whether the environment's account or one of the lanes needs it."""
    if name in SECRETS:
        return True
    for kind, begin in _PLATFORMS:
        if name.startswith(begin):
            return kind in lanes
    return name in lanes or not is_secret(name) or name.startswith("ANTHROPIC_IDENTITY")


def _examined(environment: Mapping[str, str], file: Mapping[str, str]) -> Iterator[Variable]:
    others = sorted(name for name in environment if is_secret(name) and name not in SECRETS)
    for name in (*SECRETS, *others, *_COPIED):
        if value := environment.get(name, "").strip():
            yield Variable(name, _state(name, value, file))


def _state(name: str, value: str, file: Mapping[str, str]) -> State:
    hidden = _is_hidden(name, value)
    if name in file:
        same = hidden or file[name] == _absolute(name, value)
        return State.PRESENT if same else State.KEPT
    return State.YOURS if hidden else State.WRITTEN


def _is_hidden(name: str, value: str) -> bool:
    """Whether the value is a credential, or has a password in it."""
    if name == LEDGER:
        return any(secrets({LEDGER: value}))
    is_password = name == PASSWORD or is_secret(name)
    return is_password or (name.upper() in PROXIES and has_password(value))


def _absolute(name: str, value: str) -> str:
    """Paths from the root: a scheduler has a working folder of its own."""
    return os.path.abspath(value.strip()) if name in _PATHS else value.strip()  # noqa: PTH100 - links stay as they are
