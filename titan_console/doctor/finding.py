"""One line of the report of `doctor`, and a check that cannot stop the others."""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from core.internal_errors import describe
from state.files.system_errors import cause
from state.model.errors import TitanError


class Health(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


class Finding(Struct, frozen=True):
    """One line of the report."""

    health: Health
    what: str
    detail: str


def isolated(what: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """A check that fails is a finding, and the others are still made."""
    try:
        yield from check()
    except OSError as error:
        named = f"{error.filename}: " if isinstance(error.filename, str) else ""
        yield Finding(Health.BAD, what, f"cannot be checked: {named}{cause(error, Path()).text}")
    except TitanError as error:
        yield Finding(Health.BAD, what, str(error))
    except Exception as error:  # noqa: BLE001 - a defect in one check must not hide the others
        yield Finding(Health.BAD, what, f"cannot be checked: {describe(error)}")
