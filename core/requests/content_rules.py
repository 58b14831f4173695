"""What the API rejects in messages: their roles, content blocks, and tool calls without results."""

from collections.abc import Collection, Iterator, Sequence
from typing import cast

from core.requests.json_access import as_dict, as_list, is_list
from core.requests.rule_parts import (
    EXTRA,
    Params,
    Problem,
    beta_field,
    cache_problems,
    has_beta,
    needs_beta,
    one_of,
    words,
)

_ROLES = ("user", "assistant", "system")
_TURNS = ("user", "assistant")
_PLAIN = frozenset({"max_tokens", "messages", "model", "system"})
# A role and content, or a type and text.
_PAIR = 2
# Also those of betas.
_MESSAGE_KEYS = frozenset({"role", "content", "clear_at", "output_config"})
_BLOCKS = words(
    """
    advisor_tool_result bash_code_execution_tool_result code_execution_tool_result compaction
    container_upload document fallback image mcp_tool_listing mcp_tool_result mcp_tool_use
    redacted_thinking search_result server_tool_use text text_editor_code_execution_tool_result
    thinking tool_addition tool_removal tool_result tool_search_tool_result tool_use
    web_fetch_tool_result web_search_tool_result
    """
)
# Types of blocks, and keys of messages, that only the SDK's beta types have, with the beginning of
# their beta.
_BETA_BLOCKS = {
    "advisor_tool_result": "advisor-tool-",
    "compaction": "compact-",
    "fallback": "server-side-fallback-",
    "mcp_tool_listing": "mcp-client-",
    "mcp_tool_result": "mcp-client-",
    "mcp_tool_use": "mcp-client-",
    "tool_addition": "mid-conversation-tool-changes-",
    "tool_removal": "mid-conversation-tool-changes-",
}
_BETA_KEYS = {
    "clear_at": "mid-conversation-system-clear-at-",
    "output_config": "mid-conversation-output-config-",
}
_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_SOURCES = {
    "image": ("base64", "url", "file"),
    "document": ("base64", "text", "content", "url", "file"),
}
# What a source of that type has.
_SOURCE_FIELDS = {
    "base64": "data",
    "text": "data",
    "content": "content",
    "url": "url",
    "file": "file_id",
}
_MEDIA = {"image": _IMAGES, "document": ("application/pdf",)}
_OPENAI = {
    "image_url": "An image is {'type': 'image', 'source': {...}} here.",
    "input_text": "A text is {'type': 'text', 'text': ...} here.",
    "input_image": "An image is {'type': 'image', 'source': {...}} here.",
    "file": "A file is {'type': 'document', 'source': {...}} here.",
}


def is_plain(params: Params) -> bool:
    """Whether a request has nothing but text and what every request has: no rule applies then."""
    return (
        _PLAIN.issuperset(params)
        and type(params.get("system", "")) is str
        and is_plain_text(as_list(params.get("messages")))
    )


def is_plain_text(messages: Sequence[object]) -> bool:
    """Whether no rule applies: text only, in turns that end with the user's.

    Quick, for there may be 100,000 requests.
    """
    message: Params = {}
    for message in cast("Sequence[Params]", messages):
        if type(message) is not dict or len(message) != _PAIR or message.get("role") not in _TURNS:
            return False
        content = message.get("content")
        if type(content) is not str and not (is_list(content) and _are_texts(as_list(content))):
            return False
        if not content:
            return False
    return message.get("role") == "user"


def _are_texts(blocks: Sequence[object]) -> bool:
    for block in cast("Sequence[Params]", blocks):
        if type(block) is not dict or len(block) != _PAIR or block.get("type") != "text":
            return False
        text = block.get("text")
        if type(text) is not str or not text:
            return False
    return True


def content_problems(messages: Sequence[object], betas: Collection[str]) -> Iterator[Problem]:
    """The problems of each message, in their order."""
    last = len(messages) - 1
    wanted: list[str] = []
    for at, message in enumerate(map(as_dict, messages)):
        role, blocks = message.get("role"), list(map(as_dict, as_list(message.get("content"))))
        yield from _message(f"messages.{at}", message, is_last=at == last)
        for name, beginning in _BETA_KEYS.items():
            if message.get(name) is not None:
                yield from beta_field(f"messages.{at}.", name, beginning, betas)
        for number, block in enumerate(blocks):
            yield from _block(f"messages.{at}.content.{number}", block, betas)
        yield from _tool_results(at, blocks, wanted, role)
        wanted = _ids(blocks, "tool_use", "id") if role == "assistant" else []
    if wanted:
        yield _without_result(last, wanted)


def _message(where: str, message: Params, *, is_last: bool) -> Iterator[Problem]:
    """The problems of a message, except those of its blocks."""
    role, content = message.get("role"), message.get("content")
    if role not in _ROLES:
        hint = "The role of a tool's result is 'user'." if role == "tool" else ""
        yield one_of(f"{where}.role", _ROLES)._replace(kind="role", hint=hint)
    if not content and not (is_last and role == "assistant"):
        text = "all messages must have non-empty content except for the optional final assistant"
        yield Problem("content empty", f"{where}: {text} message")
    elif not (isinstance(content, str) or is_list(content)):
        yield Problem("content type", f"{where}.content: Input should be a valid list")
    for name in message.keys() - _MESSAGE_KEYS:
        yield Problem(f"message {name}", f"{where}.{name}: {EXTRA}")


def marks_in(messages: Sequence[object]) -> int:
    """How many content blocks have a cache_control."""
    return sum(
        1
        for message in messages
        for block in as_list(as_dict(message).get("content"))
        if as_dict(block).get("cache_control")
    )


def _block(where: str, block: Params, betas: Collection[str]) -> Iterator[Problem]:
    kind = block.get("type")
    needed = _BETA_BLOCKS.get(kind, "") if isinstance(kind, str) else ""
    if not isinstance(kind, str) or kind not in _BLOCKS or not has_beta(betas, (needed,)):
        text = f"Input tag {kind!r:.80} found using 'type' does not match any of the expected tags"
        other = _OPENAI.get(kind, "") if isinstance(kind, str) else ""
        hint = needs_beta(needed) if needed else other
        yield Problem(f"block {kind!r:.80}", f"{where}: {text}", hint)
        return
    if kind == "text" and not block.get("text"):
        if "text" not in block:
            yield Problem("block text", f"{where}.text.text: Field required")
        else:
            yield Problem("block empty", "messages: text content blocks must be non-empty")
    if kind in _SOURCES:
        yield from _source(f"{where}.{kind}.source", kind, as_dict(block.get("source")))
    if "cache_control" in block:
        yield from cache_problems(f"{where}.{kind}", block)


def _source(where: str, kind: str, source: Params) -> Iterator[Problem]:
    of = source.get("type")
    if not source:
        yield Problem(f"{kind} source", f"{where}: Field required")
    elif not isinstance(of, str) or of not in _SOURCES[kind]:
        yield one_of(f"{where}.type", _SOURCES[kind])._replace(kind=f"{kind} source type")
    elif not source.get(_SOURCE_FIELDS[of]):
        yield Problem(f"{kind} {of}", f"{where}.{of}.{_SOURCE_FIELDS[of]}: Field required")
    elif of == "base64" and source.get("media_type") not in _MEDIA[kind]:
        found = one_of(f"{where}.base64.media_type", _MEDIA[kind])
        yield found._replace(kind=f"{kind} media_type")


def _tool_results(
    at: int, blocks: Sequence[Params], wanted: Sequence[str], role: object
) -> Iterator[Problem]:
    """Each call of a tool needs its result in the next message, and each result a call before."""
    if role == "system":
        return
    found = _ids(blocks, "tool_result", "tool_use_id")
    if missing := [one for one in wanted if one not in found]:
        yield _without_result(at - 1, missing)
    if unasked := [one for one in found if one not in wanted]:
        text = f"unexpected `tool_use_id` found in `tool_result` blocks: {unasked[0]:.80}"
        where = "Each `tool_result` block must have a corresponding `tool_use` block in the"
        yield Problem("tool_result", f"messages.{at}: {text}. {where} previous message.")


def _without_result(at: int, ids: Sequence[str]) -> Problem:
    text = "`tool_use` ids were found without `tool_result` blocks immediately after"
    return Problem("tool_use", f"messages.{at}: {text}: {ids[0]:.80}")


def _ids(blocks: Sequence[Params], kind: str, name: str) -> list[str]:
    return [str(block.get(name)) for block in blocks if block.get("type") == kind]
