"""Validation of one request of an accepted batch, with the API's own error messages."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from titan_console.sandbox.model.json_access import as_dict, as_int, as_list, as_str, is_list
from titan_console.sandbox.model.models import Model
from titan_console.sandbox.model.rows import RowError
from titan_console.sandbox.rules.billed_extras import region_error

SAMPLING_REMOVED = "2026-10-21"
_INVALID = "invalid_request_error"
_EXTRA = "Extra inputs are not permitted"
_MAX_BREAKPOINTS = 4
_KNOWN_TEXT = """
betas billing_policy cache_control compaction container context_management diagnostics
fallback_credit_token fallbacks inference_geo max_tokens mcp_servers messages metadata model
output_config output_format prefill service_tier speed stop_sequences stream system
temperature thinking thread tool_choice tools top_k top_p user_profile_id
"""
_KNOWN = frozenset(_KNOWN_TEXT.split())
_KNOWN_NOW = _KNOWN - {"temperature", "top_p", "top_k"}


@dataclass(frozen=True)
class CallOptions:
    """API version, betas and kind of call that the validation of a row depends on."""

    version: str
    betas: frozenset[str] = frozenset()
    batch: bool = True


Params = dict[str, object]
Rule = Callable[[Params, Model, CallOptions], str]


def row_error(params: Params, model: Model | None, options: CallOptions) -> RowError | None:
    """The first error of a row, or None."""
    shape = _shape(params, options)
    if shape:
        return RowError(_INVALID, shape)
    if model is None:
        return RowError("not_found_error", f"model: {as_str(params.get('model'))}")
    for rule in _RULES:
        message = rule(params, model, options)
        if message:
            return RowError(_INVALID, message)
    return media_error(params)


def _shape(params: Params, options: CallOptions) -> str:
    """Fields that are missing, of a wrong type or not known."""
    for name in ("model", "messages", "max_tokens"):
        if name not in params:
            return f"{name}: Field required"
    if not isinstance(params["model"], str):
        return "model: Input should be a valid string"
    if not is_list(params["messages"]):
        return "messages: Input should be a valid list"
    if as_int(params["max_tokens"]) is None:
        return "max_tokens: Input should be a valid integer"
    allowed = _KNOWN_NOW if options.version >= SAMPLING_REMOVED else _KNOWN
    unknown = params.keys() - allowed
    return f"{min(unknown)}: {_EXTRA}" if unknown else ""


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


def _messages(params: Params, model: Model, _options: CallOptions) -> str:
    messages = [as_dict(message) for message in as_list(params["messages"])]
    if not messages:
        return "messages: at least one message is required"
    for index, message in enumerate(messages):
        problem = _message(index, message, last=index == len(messages) - 1)
        if problem:
            return problem
    if (
        messages[-1].get("role") == "assistant"
        and not model.prefill
        and not _is_paused(messages[-1])
    ):
        return (
            "This model does not support assistant message prefill. The conversation must end"
            " with a user message."
        )
    return ""


def _is_paused(message: Params) -> bool:
    """Whether the turn called a tool at the API, and goes on there."""
    blocks = [as_dict(block) for block in as_list(message["content"])]
    return any(block.get("type") == "server_tool_use" for block in blocks)


def _message(index: int, message: Params, *, last: bool) -> str:
    where = f"messages.{index}"
    for name in ("role", "content"):
        if name not in message:
            return f"{where}.{name}: Field required"
    if as_str(message["role"]) not in {"user", "assistant", "system"}:
        return f"{where}.role: Input should be 'user', 'assistant' or 'system'"
    if not message["content"] and not (last and message["role"] == "assistant"):
        return (
            f"{where}: all messages must have non-empty content except for the optional final"
            " assistant message"
        )
    for block in as_list(message["content"]):
        if as_dict(block).get("type") == "text" and not as_dict(block).get("text"):
            return "messages: text content blocks must be non-empty"
    return ""


def _thinking(params: Params, model: Model, _options: CallOptions) -> str:
    if as_dict(params.get("thinking")).get("type") != "enabled" or model.thinking_budget:
        return ""
    return (
        '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive"'
        ' and "output_config.effort"'
    )


def _tools(params: Params, _model: Model, _options: CallOptions) -> str:
    return tool_error(as_list(params.get("tools")))


def _breakpoints(params: Params, _model: Model, _options: CallOptions) -> str:
    blocks = [*as_list(params.get("tools")), *as_list(params.get("system"))]
    for message in as_list(params["messages"]):
        blocks += as_list(as_dict(message).get("content"))
    marked = sum(1 for block in blocks if as_dict(block).get("cache_control"))
    if marked <= _MAX_BREAKPOINTS:
        return ""
    return (
        f"A maximum of {_MAX_BREAKPOINTS} blocks with cache_control may be provided."
        f" Found {marked}."
    )


def _output(params: Params, _model: Model, _options: CallOptions) -> str:
    form = as_dict(as_dict(params.get("output_config")).get("format"))
    return schema_error(as_dict(form.get("schema"))) if form.get("type") == "json_schema" else ""


def _region(params: Params, model: Model, _options: CallOptions) -> str:
    return region_error(params, model)


_RULES: tuple[Rule, ...] = (
    _unsupported,
    _region,
    _messages,
    _max_tokens,
    _thinking,
    _tools,
    _breakpoints,
    _output,
)


_CUSTOM_TEXT = """
allowed_callers cache_control defer_loading description eager_input_streaming input_examples
input_schema name strict type
"""
_CUSTOM = frozenset(_CUSTOM_TEXT.split())
_SERVER_TEXT = """
allowed_callers allowed_domains blocked_domains cache_control caching citations configs
defer_loading display_height_px display_number display_width_px enable_zoom input_examples
max_characters max_content_tokens max_tokens max_uses mcp_server_name model default_config name
response_inclusion strict type url_sources use_cache user_location
"""
_SERVER = frozenset(_SERVER_TEXT.split())


def tool_error(tools: list[object]) -> str:
    """The error of the first invalid tool, or an empty string."""
    for index, tool in enumerate(tools):
        fields = as_dict(tool)
        kind = as_str(fields.get("type")) or "custom"
        known = _CUSTOM if kind == "custom" else _SERVER
        for name in fields:
            if name not in known:
                return f"tools.{index}.{kind}.{name}: Extra inputs are not permitted"
        if kind == "custom" and "name" not in fields:
            return f"tools.{index}.custom.name: Field required"
        if kind == "custom" and "input_schema" not in fields:
            return f"tools.{index}.custom.input_schema: Field required"
    return ""


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


_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF")
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
        return base64.b64decode(data[:_HEAD]).startswith(_SIGNATURES)
    except binascii.Error:
        return False
