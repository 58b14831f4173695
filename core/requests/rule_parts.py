"""What the rules of params and of content share: a problem, and how it is worded."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from core.requests.json_access import as_dict

Params = dict[str, object]
EXTRA = "Extra inputs are not permitted"


class Problem(NamedTuple):
    """Something that the API rejects.

    `kind` groups the same problem of many requests; `message` is the API's; `hint` is ours.
    """

    kind: str
    message: str
    hint: str = ""


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


def has_beta(betas: Collection[str], needed: tuple[str, ...]) -> bool:
    """Whether one of the beta headers begins as needed."""
    return needed == ("",) or any(beta.startswith(needed) for beta in betas if needed)


def needs_beta(beginning: str) -> str:
    """The hint for what only a beta header allows."""
    return f"It needs a beta header: {beginning}…"


def beta_field(where: str, name: str, beginning: str, betas: Collection[str]) -> Iterator[Problem]:
    """The problem of a field that is there without its beta header."""
    if not has_beta(betas, (beginning,)):
        yield Problem(name, f"{where}{name}: {EXTRA}", needs_beta(beginning))


def expected(where: str, what: str) -> Problem:
    """A value of another type."""
    return Problem(where, f"{where}: Input should be a valid {what}")


def one_of(where: str, values: Sequence[str]) -> Problem:
    """A value that is none of these."""
    *others, last = map(repr, values)
    listed = f"{', '.join(others)} or {last}" if others else last
    return Problem(where, f"{where}: Input should be {listed}")


def cache_problems(where: str, block: Params) -> Iterator[Problem]:
    """The problems of the cache_control of a block."""
    mark = block.get("cache_control")
    if mark is None:
        return
    at = f"{where}.cache_control".removeprefix(".")
    if as_dict(mark).get("type") != "ephemeral":
        yield _of_any(one_of(f"{at}.type", ("ephemeral",)), "cache type")
    elif as_dict(mark).get("ttl", "5m") not in ("5m", "1h"):
        yield _of_any(one_of(f"{at}.ttl", ("5m", "1h")), "cache ttl")
    for name in as_dict(mark).keys() - {"type", "ttl"}:
        yield Problem(f"cache {name}", f"{at}.{name}: {EXTRA}")


def _of_any(problem: Problem, kind: str) -> Problem:
    """The same problem in any place."""
    return problem._replace(kind=kind)
