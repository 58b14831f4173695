"""What a scheduled poll needs of this environment besides the credentials, in poller.env.

A scheduler starts the poll with an environment of its own: without the base URL or a proxy, the
poll would look for the batches at another server, or nowhere.
"""

import os
from collections.abc import Iterator, Mapping
from enum import StrEnum

from msgspec import Struct

from core.config import env_file
from core.config.variables import (
    ALLOW_HTTP,
    BASE_URL,
    CERTIFICATES,
    NO_PROXY,
    PROXIES,
    SECRETS,
    has_password,
)

_PROXIES = (*PROXIES, NO_PROXY)
_COPIED = (
    *(BASE_URL, ALLOW_HTTP),
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


def planned(environment: Mapping[str, str], raw: bytes) -> EnvFilePlan:
    """The plan for a file with that content. No credential and no password is ever written."""
    file = env_file.parse(raw)
    found = tuple(_examined(environment, file.values))
    new = [
        env_file.line(one.name, _absolute(one.name, environment[one.name]))
        for one in found
        if one.state is State.WRITTEN
    ]
    credentials = tuple(name for name in SECRETS if file.values.get(name))
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


def _examined(environment: Mapping[str, str], file: Mapping[str, str]) -> Iterator[Variable]:
    for name in (*SECRETS, *_COPIED):
        if value := environment.get(name, "").strip():
            yield Variable(name, _state(name, value, file))


def _state(name: str, value: str, file: Mapping[str, str]) -> State:
    is_secret = name in SECRETS or (name.upper() in PROXIES and has_password(value))
    if name in file:
        same = is_secret or file[name] == _absolute(name, value)
        return State.PRESENT if same else State.KEPT
    return State.YOURS if is_secret else State.WRITTEN


def _absolute(name: str, value: str) -> str:
    """Paths from the root: a scheduler has a working folder of its own."""
    return os.path.abspath(value.strip()) if name in CERTIFICATES else value.strip()  # noqa: PTH100 - links stay as they are
