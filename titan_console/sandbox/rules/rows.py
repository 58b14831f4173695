"""Validation of one request of an accepted batch, with the API's own error messages.

Most rules are those that `submit` warns of: core/requests/api_rules.py.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from core.requests.api_rules import Rules
from core.requests.json_access import as_dict, as_int, as_list, as_str, is_list
from core.requests.media_type import media_type
from titan_console.sandbox.model.models import Model
from titan_console.sandbox.model.rows import RowError
from titan_console.sandbox.rules.billed_extras import region_error

SAMPLING_REMOVED = "2026-10-21"
_INVALID = "invalid_request_error"
# Parameters of the API versions before.
_SAMPLING = ("temperature", "top_k", "top_p")


@dataclass(frozen=True)
class CallOptions:
    """API version, betas and kind of call that the validation of a row depends on."""

    version: str
    betas: frozenset[str] = frozenset()
    batch: bool = True


Params = dict[str, object]
Rule = Callable[[Params, Model, CallOptions], str]


def rules_of(options: CallOptions) -> Rules:
    """The rules that hold for every row of a call."""
    return Rules(options.betas, also_known=() if options.version >= SAMPLING_REMOVED else _SAMPLING)


def row_error(
    params: Params, model: Model | None, options: CallOptions, rules: Rules
) -> RowError | None:
    """The first error of a row, or None."""
    shape = _shape(params)
    if shape:
        return RowError(_INVALID, shape)
    if model is None:
        return RowError("not_found_error", f"model: {as_str(params.get('model'))}")
    for rule in _RULES:
        message = rule(params, model, options)
        if message:
            return RowError(_INVALID, message)
    for problem in rules.problems(params, model.id):
        return RowError(_INVALID, problem.message)
    return media_error(params)


def _shape(params: Params) -> str:
    """Fields that are missing or of a wrong type."""
    for name in ("model", "messages", "max_tokens"):
        if name not in params:
            return f"{name}: Field required"
    if not isinstance(params["model"], str):
        return "model: Input should be a valid string"
    if not is_list(params["messages"]):
        return "messages: Input should be a valid list"
    if as_int(params["max_tokens"]) is None:
        return "max_tokens: Input should be a valid integer"
    return _turns(as_list(params["messages"]))


def _turns(messages: list[object]) -> str:
    if not messages:
        return "messages: at least one message is required"
    for index, message in enumerate(map(as_dict, messages)):
        for name in ("role", "content"):
            if name not in message:
                return f"messages.{index}.{name}: Field required"
    return ""


def _unsupported(params: Params, _model: Model, options: CallOptions) -> str:
    if not options.batch:
        return ""
    if params.get("stream") is True:
        return '"stream=True" is not supported in the Message Batches API'
    if "speed" in params:
        return '"speed" is not supported in the Message Batches API'
    return ""


def _max_tokens(params: Params, model: Model, options: CallOptions) -> str:
    wanted = as_int(params["max_tokens"]) or 0
    if wanted < (1 if options.batch else 0):
        return "max_tokens: must be greater than or equal to 1"
    # The long output is for batches alone.
    ceiling = model.ceiling(options.betas if options.batch else frozenset())
    if wanted > ceiling:
        return (
            f"max_tokens: {wanted} > {ceiling}, which is the maximum allowed number of output"
            f" tokens for {model.id}"
        )
    return ""


def _output(params: Params, _model: Model, _options: CallOptions) -> str:
    form = as_dict(as_dict(params.get("output_config")).get("format"))
    return schema_error(as_dict(form.get("schema"))) if form.get("type") == "json_schema" else ""


def _region(params: Params, model: Model, _options: CallOptions) -> str:
    return region_error(params, model)


_RULES: tuple[Rule, ...] = (_unsupported, _region, _max_tokens, _output)


_LIMITS = frozenset(
    {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength"}
    | {"maxLength", "maxItems", "uniqueItems", "minProperties", "maxProperties"}
)


def schema_error(schema: dict[str, object]) -> str:
    """The first keyword of an output schema that the API does not take, or an empty string."""
    pending = [schema]
    while pending:
        found = pending.pop()
        kind = as_str(found.get("type"))
        if refused := sorted(_LIMITS.intersection(found)):
            return f"output_config.format.schema: For '{kind}' type, {refused[0]} is not supported"
        if kind == "object" and found.get("additionalProperties") is not False:
            return (
                "output_config.format.schema: For 'object' type, 'additionalProperties' must be"
                " explicitly set to false"
            )
        pending += [
            as_dict(one)
            for key in ("properties", "$defs", "definitions")
            for one in as_dict(found.get(key)).values()
        ]
        pending += [as_dict(one) for key in ("anyOf", "allOf") for one in as_list(found.get(key))]
        pending += [as_dict(found["items"])] if "items" in found else []
    return ""


_HEAD = 16
# Names that can never resolve (RFC 6761): the only downloads that the sandbox lets fail.
_UNREACHABLE = (".invalid", ".test")


def media_error(params: dict[str, object]) -> RowError | None:
    """The first image that cannot be downloaded or decoded."""
    for number, message in enumerate(as_list(params.get("messages"))):
        for index, block in enumerate(as_list(as_dict(message).get("content"))):
            if as_dict(block).get("type") != "image":
                continue
            error = _image_error(as_dict(as_dict(block).get("source")), number, index)
            if error:
                return error
    return None


def _image_error(source: dict[str, object], message: int, block: int) -> RowError | None:
    if source.get("type") == "url":
        host = urlsplit(as_str(source.get("url"))).hostname or ""
        if host.endswith(_UNREACHABLE):
            text = "Unable to download the file. Please verify the URL and try again."
            return RowError(_INVALID, text, at_run_time=True)
    if source.get("type") == "base64" and not _is_image(as_str(source.get("data"))):
        where = f"messages.{message}.content.{block}.image.source.base64.data"
        return RowError(_INVALID, f"{where}: The file format is invalid or unsupported")
    return None


def _is_image(data: str) -> bool:
    """Whether the first bytes are those of a format that the API takes."""
    try:
        return (media_type(base64.b64decode(data[:_HEAD])) or "").startswith("image/")
    except binascii.Error:
        return False
