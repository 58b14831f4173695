"""Validates requests before they are sent, and encodes each as the JSON line of a batch body."""

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec
from msgspec import Struct

from core.errors import PayloadError
from core.requests import cache_control, supported_schema
from core.requests.cache_control import CachePolicy
from core.requests.content_rules import is_plain
from core.requests.model_limits import EXTENDED_OUTPUT_BETA, betas_for, max_tokens_limit
from core.requests.wire_id import LIMIT as CUSTOM_ID_LIMIT

CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_CONVENTION = re.compile(r"(?P<workflow>.+)-(?P<date>\d{4}-\d{2}-\d{2})-\d+")
_TAG_LIMIT = 200
# Arguments of `submit`; the API would report them as an error of the request a day later.
_SUBMIT_KEYS = frozenset(
    {"custom_id", "tag", "workflow", "job", "deadline", "on_failure", "betas", "batch_id", "key"}
)
_UNSUPPORTED = {
    "stream": "batches do not support streaming",
    "speed": "batches do not support fast mode",
    "temperature": "the API no longer accepts it",
    "top_p": "the API no longer accepts it",
    "top_k": "the API no longer accepts it",
}


class Limits(Struct, frozen=True, kw_only=True):
    """The most requests and bytes of one batch. The API allows 100,000 requests and 256 MB."""

    max_requests: int = 100_000
    # Below 256 MB, since MB may mean 10^6 and a proxy may add bytes.
    max_bytes: int = 250_000_000


class Line(NamedTuple):
    """One validated request: its custom_id, its JSON line as UTF-8, and the line's SHA-256.

    The same request has the same digest; the order of its keys counts, since a model may read it.
    `betas` are the beta headers it is sent with, `schema` the JSON of its output's schema. Where it
    `is_plain`, it has nothing but text, which needs no look for other rules and costs.
    """

    custom_id: str
    body: bytes
    digest: bytes
    model: str
    max_tokens: int
    betas: tuple[str, ...]
    schema: bytes | None = None
    is_plain: bool = False


def check_tag(tag: object) -> str:
    """The tag itself. Raises PayloadError for one that is empty or cannot be shown."""
    if not isinstance(tag, str) or not tag.strip():
        raise PayloadError(
            "tag is empty: name the submission, such as 'daily-feed'.", code="tag_missing"
        )
    return check_name("tag", tag)


def check_name(what: str, name: object) -> str:
    """The name itself. Raises PayloadError unless it is printable and short."""
    if not isinstance(name, str) or not name or len(name) > _TAG_LIMIT or not name.isprintable():
        raise PayloadError(
            f"{what} must be a string of 1 to {_TAG_LIMIT} printable characters, not {name!r:.80}.",
            code=f"{what}_invalid",
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
    position: int,
    model: str,
    betas: tuple[str, ...],
    limits: Limits,
    cache: CachePolicy = CachePolicy.HOUR,
    output: bytes | None = None,
) -> Line:
    """Validate and encode one request, flat or in the API's form `{"custom_id", "params"}`.

    `position` counts from 1; `model` is for a request without one, `output` the prepared schema
    of the submission. Raises PayloadError, which names the request.
    """
    # `type(...) is dict` is several times faster than isinstance, and there may be 100,000 of them.
    if type(request) is not dict and not isinstance(request, Mapping):
        raise PayloadError(
            f"Request {position} must be an object, not {request!r:.60}.", code="request_not_object"
        )
    fields: dict[str, object] = dict(request)  # pyright: ignore[reportUnknownArgumentType]
    custom_id = _custom_id(fields.pop("custom_id", None), position)
    named = f"Request '{custom_id}'"
    params = _params(fields, named)
    params.setdefault("model", model)
    plain = is_plain(params)
    if not plain:
        _check_content(params, named)
    checked_model = _model(params["model"], named)
    max_tokens = _max_tokens(params.get("max_tokens"), checked_model, named)
    schema = output if plain else _schema(params, output, named)
    if schema:
        params = supported_schema.with_schema(params, schema)
    body = cache_control.apply_policy(_encoded(params, named), cache, named)
    # Joined, since `%` would take half as much memory again.
    line = b"".join((b'{"custom_id":"', custom_id.encode(), b'","params":', body, b"}"))
    if len(line) + _MAX_OVERHEAD > limits.max_bytes:
        raise PayloadError(
            f"{named} is {len(line):,} bytes; the limit of a whole batch is {limits.max_bytes:,}.",
            code="request_too_large",
        )
    # By position, which takes half the time.
    return Line(
        custom_id,
        line,
        hashlib.sha256(line).digest(),
        checked_model,
        max_tokens,
        betas_for(checked_model, max_tokens, betas),
        schema,
        plain and not schema,
    )


def _schema(params: Mapping[str, object], output: bytes | None, named: str) -> bytes | None:
    """The prepared schema of the request's own format, else `output`."""
    own = supported_schema.schema_in(params)
    if own is None:
        return output
    if output is not None:
        raise PayloadError(
            f"{named} has its own output_config.format, and the submission a schema: remove one.",
            code="schema_twice",
        )
    try:
        return supported_schema.prepared(own)
    except PayloadError as error:
        raise PayloadError(f"{named}: {error}", code=error.code) from error


class _Params(msgspec.Struct):
    model: str
    max_tokens: int
    output_config: object = None


class _Body(msgspec.Struct):
    custom_id: str
    params: _Params


_decoder = msgspec.json.Decoder(_Body)


def parse_line(body: bytes, *, betas: tuple[str, ...]) -> Line:
    """Read a line of `to_line` back from disk; `betas` are those of the call."""
    found = _decoder.decode(body)
    model, max_tokens = found.params.model, found.params.max_tokens
    schema = supported_schema.schema_in({"output_config": found.params.output_config})
    return Line(
        custom_id=found.custom_id,
        body=body,
        digest=hashlib.sha256(body).digest(),
        model=model,
        max_tokens=max_tokens,
        betas=betas_for(model, max_tokens, betas),
        schema=None if schema is None else msgspec.json.encode(schema),
        is_plain=is_plain(msgspec.json.decode(body)["params"]),
    )


def wire_overhead() -> int:
    """How many bytes a line may grow by when sent: the nonce, a dash, a comma."""
    return CUSTOM_ID_LIMIT + 1


_MAX_OVERHEAD = wire_overhead() + len(b'{"requests":[]}')


def _custom_id(value: object, position: int) -> str:
    if value is None:
        raise PayloadError(
            f"Request {position}: custom_id is missing; give each request a name of its own.",
            code="custom_id_missing",
        )
    if not isinstance(value, str) or not CUSTOM_ID.fullmatch(value):
        raise PayloadError(
            f"Request {position}: custom_id must be 1 to {CUSTOM_ID_LIMIT} letters, digits, '_' or"
            f" '-', not {value!r:.100}.",
            code="custom_id_invalid",
        )
    return value


def _params(fields: dict[str, object], named: str) -> dict[str, object]:
    if "params" not in fields:
        params = fields
    elif len(fields) > 1:
        extra = ", ".join(sorted(str(key) for key in fields if key != "params"))
        raise PayloadError(
            f"{named} has 'params' and also {extra}: use one form or the other.",
            code="params_mixed",
        )
    else:
        inner = fields["params"]
        if not isinstance(inner, Mapping):
            raise PayloadError(f"{named}: 'params' must be an object.", code="params_not_object")
        params = dict(inner)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if not _SUBMIT_KEYS.isdisjoint(params):  # pyright: ignore[reportUnknownArgumentType]
        first = min(_SUBMIT_KEYS.intersection(params))  # pyright: ignore[reportUnknownArgumentType]
        raise PayloadError(
            f"{named}: {first!r} is an argument of `submit`, not a key of a request.",
            code="misplaced_key",
        )
    return params  # pyright: ignore[reportUnknownVariableType]


def _check_content(params: Mapping[str, object], named: str) -> None:
    if not _UNSUPPORTED.keys().isdisjoint(params):
        _reject_unsupported(params, named)
    _check_messages(params.get("messages"), named)


def _model(value: object, named: str) -> str:
    if not isinstance(value, str) or not value:
        raise PayloadError(
            f"{named}: model must be a non-empty string, not {value!r:.40}.", code="model_invalid"
        )
    return value


def _reject_unsupported(params: Mapping[str, object], named: str) -> None:
    for key, why in _UNSUPPORTED.items():
        if key in params and not (key == "stream" and params[key] is False):
            raise PayloadError(f"{named}: remove `{key}`: {why}.", code="unsupported_param")


def _check_messages(messages: object, named: str) -> None:
    if messages is None:
        raise PayloadError(f"{named}: messages is missing.", code="messages_missing")
    if not isinstance(messages, list) or not messages:
        raise PayloadError(
            f"{named}: messages must be a list of at least one message.", code="messages_invalid"
        )
    for number, message in enumerate(messages, 1):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        is_object = type(message) is dict or isinstance(message, Mapping)  # pyright: ignore[reportUnknownArgumentType]
        if not is_object or "role" not in message or "content" not in message:
            raise PayloadError(
                f"{named}: message {number} must have a role and content.", code="message_invalid"
            )


def _max_tokens(value: object, model: str, named: str) -> int:
    if value is None:
        raise PayloadError(f"{named}: max_tokens is missing.", code="max_tokens_missing")
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise PayloadError(
            f"{named}: max_tokens must be an integer >= 1, not {value!r:.40}.",
            code="max_tokens_invalid",
        )
    limit = max_tokens_limit(model, (EXTENDED_OUTPUT_BETA,))
    if limit is not None and value > limit:
        raise PayloadError(
            f"{named}: max_tokens {value:,} exceeds the limit of {model}, {limit:,}.",
            code="max_tokens_too_large",
        )
    return value


def _encoded(params: Mapping[str, object], named: str) -> bytes:
    try:
        body = msgspec.json.encode(params)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        said = f"{named} cannot be encoded as JSON: {error}."
        raise PayloadError(said, code="not_json") from error
    # The encoder writes NaN and infinity as null, which would change the request.
    if b"null" in body and any(_is_not_finite(value) for value in _values(params)):
        raise PayloadError(f"{named} has a NaN or infinite number.", code="not_json")
    return body


def _is_not_finite(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _values(value: object) -> Iterator[object]:
    """Every nested value, at any depth."""
    pending = [value]
    while pending:
        current = pending.pop()
        yield current
        if isinstance(current, Mapping):
            pending.extend(current.values())  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
        elif isinstance(current, list | tuple):
            pending.extend(current)  # pyright: ignore[reportUnknownArgumentType]
