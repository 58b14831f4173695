"""Recognizes a line of another provider's batch file, and says what would have to change."""

from typing import NamedTuple, NoReturn, cast

from core.errors import PayloadError

_CONVERT = """jq -c '{custom_id: .%s, params: (.%s | del(.anthropic_version))}'"""
_OPENAI = (
    "its `body` belongs into `params`, a system message into `system`, and the model must be a"
    " Claude model"
)
_ANSWERS = "it has answers, no requests"


class _Format(NamedTuple):
    """A format by the keys that its lines have."""

    keys: frozenset[str]
    name: str
    advice: str


def _format(keys: str, name: str, advice: str) -> _Format:
    return _Format(frozenset(keys.split()), name, advice)


# The first that fits.
_FORMATS = (
    _format("custom_id url body", "a request of OpenAI's Batch API", _OPENAI),
    _format("custom_id body", "a request of Mistral's batch API", _OPENAI),
    _format("custom_id response", "a result of OpenAI's Batch API", _ANSWERS),
    _format("custom_id result", "a result of the Message Batches API", _ANSWERS),
    _format("modelOutput", "a result of Amazon Bedrock", _ANSWERS),
    _format(
        "modelInput",
        "a record of Amazon Bedrock batch inference",
        f"for a Claude model, convert it with {_CONVERT % ('recordId', 'modelInput')}",
    ),
    _format(
        "custom_id request",
        "a row of Vertex AI batch prediction",
        f"for a Claude model, convert it with {_CONVERT % ('custom_id', 'request')}",
    ),
    _format(
        "request",
        "a request of the Gemini Batch API",
        'write `contents` as `messages`, and the line as {"custom_id": …, "params": {…}}',
    ),
    _format(
        "contents",
        "a request of the Gemini API",
        'write `contents` as `messages`, and the line as {"custom_id": …, "params": {…}}',
    ),
    _format(
        "requests",
        "a body of the Message Batches API with other keys",
        "`requests` must be its only key",
    ),
)


def is_request(value: object) -> bool:
    """Whether it looks like a request of ours: quick, for there may be 100,000 of them."""
    return (
        type(value) is dict and "custom_id" in value and ("params" in value or "messages" in value)
    )


def check_format(value: object, place: str) -> None:
    """Raise PayloadError for the request of another provider; `place` is where it stands."""
    if not isinstance(value, dict):
        return
    keys = cast("dict[str, object]", value).keys()
    for found in _FORMATS:
        if found.keys <= keys:
            _fail(found, place)


def _fail(found: _Format, place: str) -> NoReturn:
    raise PayloadError(f"{place} is {found.name}: {found.advice}.", code="foreign_format")
