"""Checks requests before they cost anything, and turns them into the lines that are sent."""

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec
from msgspec import Struct

from core.errors import PayloadError
from core.requests import cache_control
from core.requests.cache_control import CachePolicy
from core.requests.models import EXTENDED_OUTPUT_BETA, betas_for, max_tokens_limit
from core.requests.wire_id import LIMIT as CUSTOM_ID_LIMIT

CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_CONVENTION = re.compile(r"(?P<workflow>.+)-(?P<date>\d{4}-\d{2}-\d{2})-\d+")
_TAG_LIMIT = 200
# Words that are ours, not the API's: in a request they would come back as an error a day later.
_OURS = frozenset(
    {"custom_id", "tag", "workflow", "job", "deadline", "on_failure", "betas", "batch_id", "key"}
)
_REFUSED_PARAMS = {
    "stream": "a batch does not stream; leave `stream` out",
    "speed": "a batch has no fast mode; leave `speed` out",
    "temperature": "the API no longer takes `temperature`; leave it out",
    "top_p": "the API no longer takes `top_p`; leave it out",
    "top_k": "the API no longer takes `top_k`; leave it out",
}


class Limits(Struct, frozen=True, kw_only=True):
    """What one batch may hold. The API's are 100,000 requests and 256 MB of body."""

    max_requests: int = 100_000
    # MB may mean 10^6, and what a proxy adds is not ours to know.
    max_bytes: int = 250_000_000


class Line(NamedTuple):
    """One request, checked: its id, the line that goes into the spool, and its digest.

    The same request made again has the same digest; the order of its keys counts, since a model
    may read it. `betas` are those that it is sent with.
    """

    custom_id: str
    body: bytes
    digest: bytes
    model: str
    betas: tuple[str, ...]


def check_tag(tag: object) -> str:
    """The tag itself. Raises PayloadError when it cannot name anything."""
    if not isinstance(tag, str) or not tag.strip():
        raise PayloadError("The tag is empty: give the submission a name, such as 'daily-feed'.")
    return check_name("tag", tag)


def check_name(what: str, name: object) -> str:
    """A name that is safe to keep and to show. Raises PayloadError."""
    if not isinstance(name, str) or not name or len(name) > _TAG_LIMIT or not name.isprintable():
        raise PayloadError(
            f"The {what} must be text of at most {_TAG_LIMIT} printable characters: {name!r:.80}."
        )
    return name


def workflow_and_date(custom_id: str, tag: str, today: str) -> tuple[str, str]:
    """From the convention `<workflow>-<YYYY-MM-DD>-<seq>`; else the tag, and today.

    >>> workflow_and_date("feed-classify-2026-05-02-007", "t", "2026-05-03")
    ('feed-classify', '2026-05-02')
    """
    found = _CONVENTION.fullmatch(custom_id)
    return (found["workflow"], found["date"]) if found else (tag, today)


def to_line(
    request: object,
    *,
    position: int,
    model: str,
    betas: tuple[str, ...],
    limits: Limits,
    cache: CachePolicy = CachePolicy.HOUR,
) -> Line:
    """One request in our form or in the API's `{"custom_id", "params"}`, as its line.

    `position` counts from 1; `model` is for a request that names none. Raises PayloadError, which
    names the request.
    """
    # A plain dictionary is what comes 100,000 times; asking it for its kind is the quick way.
    if type(request) is not dict and not isinstance(request, Mapping):
        raise PayloadError(f"Request {position} is not an object: {request!r:.60}.")
    fields: dict[str, object] = dict(request)  # pyright: ignore[reportUnknownArgumentType]
    custom_id = _custom_id(fields.pop("custom_id", None), position)
    named = f"Request '{custom_id}'"
    params = _params(fields, named)
    params.setdefault("model", model)
    asked, most = _check_params(params, named)
    body = cache_control.apply_policy(_encoded(params, named), cache, named)
    line = b'{"custom_id":"%b","params":%b}' % (custom_id.encode(), body)
    if len(line) + _MOST_AROUND > limits.max_bytes:
        raise PayloadError(
            f"{named} is {len(line):,} bytes long; a batch takes {limits.max_bytes:,} in all."
        )
    return Line(
        custom_id=custom_id,
        body=line,
        digest=hashlib.sha256(line).digest(),
        model=asked,
        betas=betas_for(asked, most, betas),
    )


class _Params(msgspec.Struct):
    model: str
    max_tokens: int


class _Body(msgspec.Struct):
    custom_id: str
    params: _Params


_decoder = msgspec.json.Decoder(_Body)


def parse_line(body: bytes, *, betas: tuple[str, ...]) -> Line:
    """A line that `to_line` made, read back from the disk; `betas` are those of the call."""
    found = _decoder.decode(body)
    return Line(
        custom_id=found.custom_id,
        body=body,
        digest=hashlib.sha256(body).digest(),
        model=found.params.model,
        betas=betas_for(found.params.model, found.params.max_tokens, betas),
    )


def wire_overhead() -> int:
    """How many bytes a line may grow by on its way into a body: the nonce, a dash, a comma."""
    return CUSTOM_ID_LIMIT + 1


_MOST_AROUND = wire_overhead() + len(b'{"requests":[]}')


def _custom_id(value: object, position: int) -> str:
    if value is None:
        raise PayloadError(f"Request {position} has no custom_id.")
    if not isinstance(value, str) or not CUSTOM_ID.fullmatch(value):
        raise PayloadError(
            f"Request {position}: custom_id {value!r:.100} is not 1 to {CUSTOM_ID_LIMIT} letters,"
            " digits, '_' or '-'. The API would refuse the whole batch."
        )
    return value


def _params(fields: dict[str, object], named: str) -> dict[str, object]:
    if "params" not in fields:
        params = fields
    elif len(fields) > 1:
        extra = ", ".join(sorted(str(key) for key in fields if key != "params"))
        raise PayloadError(
            f"{named} has 'params' and beside it {extra}: use the one form or the other."
        )
    else:
        inner = fields["params"]
        if not isinstance(inner, Mapping):
            raise PayloadError(f"{named}: 'params' is not an object.")
        params = dict(inner)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if not _OURS.isdisjoint(params):  # pyright: ignore[reportUnknownArgumentType]
        first = min(_OURS.intersection(params))  # pyright: ignore[reportUnknownArgumentType]
        raise PayloadError(
            f"{named} has the key {first!r}, which belongs to the submission:"
            " give it to `submit`, not to a request."
        )
    return params  # pyright: ignore[reportUnknownVariableType]


def _check_params(params: Mapping[str, object], named: str) -> tuple[str, int]:
    """The model, and the most tokens of its answer."""
    if not _REFUSED_PARAMS.keys().isdisjoint(params):
        _refuse(params, named)
    _check_messages(params.get("messages"), named)
    model = params["model"]
    if not isinstance(model, str) or not model:
        raise PayloadError(f"{named}: model must be a name, not {model!r:.40}.")
    return model, _max_tokens(params.get("max_tokens"), model, named)


def _refuse(params: Mapping[str, object], named: str) -> None:
    for key, why in _REFUSED_PARAMS.items():
        if key in params and not (key == "stream" and params[key] is False):
            raise PayloadError(f"{named}: {why}.")


def _check_messages(messages: object, named: str) -> None:
    if messages is None:
        raise PayloadError(f"{named} has no messages.")
    if not isinstance(messages, list) or not messages:
        raise PayloadError(f"{named}: messages must be a list with at least one message.")
    for number, message in enumerate(messages, 1):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        is_object = type(message) is dict or isinstance(message, Mapping)  # pyright: ignore[reportUnknownArgumentType]
        if not is_object or "role" not in message or "content" not in message:
            raise PayloadError(f"{named}: message {number} needs a role and content.")


def _max_tokens(value: object, model: str, named: str) -> int:
    if value is None:
        raise PayloadError(f"{named} has no max_tokens.")
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise PayloadError(
            f"{named}: max_tokens must be a whole number from 1 on, not {value!r:.40}."
        )
    ceiling = max_tokens_limit(model, (EXTENDED_OUTPUT_BETA,))
    if ceiling is not None and value > ceiling:
        raise PayloadError(f"{named}: max_tokens {value:,} is over {model}'s limit of {ceiling:,}.")
    return value


def _encoded(params: Mapping[str, object], named: str) -> bytes:
    try:
        body = msgspec.json.encode(params)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise PayloadError(f"{named} cannot be written as JSON: {error}.") from error
    # Numbers that JSON does not know are written as null, which would change the request.
    if b"null" in body and any(_is_no_number(value) for value in _values(params)):
        raise PayloadError(f"{named} holds a number that JSON cannot write (NaN or infinite).")
    return body


def _is_no_number(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _values(value: object) -> Iterator[object]:
    """Everything inside, at any depth."""
    pending = [value]
    while pending:
        current = pending.pop()
        yield current
        if isinstance(current, Mapping):
            pending.extend(current.values())  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
        elif isinstance(current, list | tuple):
            pending.extend(current)  # pyright: ignore[reportUnknownArgumentType]
