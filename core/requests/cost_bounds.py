"""Bounds what the API can bill for one request: tokens, fees, and what has no bound. Pure."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import msgspec
from msgspec import Struct

from core.requests.json_access import as_list

# A byte-level tokenizer makes no token of less than a byte.
# The API scales images down to at most 4,784 tokens, on the models with the largest ones.
IMAGE_TOKENS = 5_000
# What the API adds to a prompt with tools, and for each tool that it defines itself.
_TOOLS_TOKENS = 1_000
_DEFINED_TOOL_TOKENS = 1_500
# What one use of web search adds to the prompt; the API states no limit.
SEARCH_TOKENS = 25_000
# `max_content_tokens` of web fetch is approximate.
_FETCH_MARGIN = 2
_MOST_USES = 1_000
_MOST_NAMES = 3

# Parameters whose cost is in the tokens of the body and in max_tokens.
_PLAIN = frozenset(
    {
        *("model", "max_tokens", "messages", "system", "metadata", "stop_sequences", "stream"),
        *("thinking", "tool_choice", "output_config", "output_format", "service_tier"),
        *("user_profile_id", "diagnostics", "cache_control", "tools", "inference_geo"),
    }
)
# Those of them that need no look at their value.
_COMMON = _PLAIN - {"tools", "inference_geo", "cache_control"}
_DEFINED_TOOLS = ("bash_", "text_editor_", "computer_", "memory_")
_BLOCKS = frozenset(
    {
        *("text", "image", "document", "search_result", "thinking", "redacted_thinking"),
        *("tool_use", "tool_result", "server_tool_use", "web_search_tool_result"),
        *("web_fetch_tool_result", "tool_reference", "tool_search_tool_result"),
    }
)
# Without a match, all content is plain text without cache marks.
_SPECIAL = re.compile(rb'"(?:source|cache_control)":|"(?:content|system)":\[')


class Bounds(NamedTuple):
    """What one request uses at most.

    `hour` and `five_minutes`: its prompt may be written to that cache. `unbounded` names what has
    no bound, and is empty where everything has one.
    """

    input_tokens: int
    output_tokens: int
    hour: bool = False
    five_minutes: bool = False
    web_searches: int = 0
    is_global: bool = False
    unbounded: str = ""


class _Body(Struct, gc=False):
    params: dict[str, msgspec.Raw]


_decoder = msgspec.json.Decoder(_Body)


def bounds_of(body: bytes, max_tokens: int) -> Bounds:
    """The bounds of a line as `payload.to_line` wrote it."""
    params = _decoder.decode(body).params
    is_plain = _SPECIAL.search(body) is None
    if is_plain and _COMMON.issuperset(params):
        return Bounds(len(body), max_tokens)
    names = [f"`{name}`" for name in params if name not in _PLAIN]
    media, tools = _Media(names), _Tools(names)
    for name in () if is_plain else ("messages", "system"):
        if name in params:
            media.read(name, msgspec.json.decode(params[name]))
    if "tools" in params:
        tools.read(msgspec.json.decode(params["tools"]))
    is_marked = not is_plain and b'"cache_control":' in body
    geo = msgspec.json.decode(params["inference_geo"]) if "inference_geo" in params else None
    if geo not in (None, "us", "global"):
        names.append(f"inference_geo {geo!r:.20}")
    prompt = len(body) + media.tokens + tools.tokens
    turns = tools.uses + 1
    return Bounds(
        # Each use of a server tool is one more turn, which reads all before it again.
        input_tokens=turns * prompt + tools.uses * turns // 2 * (tools.tokens_a_use + max_tokens),
        output_tokens=turns * max_tokens,
        hour=is_marked and b'"1h"' in body,
        five_minutes=is_marked,
        web_searches=tools.searches,
        is_global=geo == "global",
        unbounded=_listed(names),
    )


class _Media:
    """Adds up what images have beyond their bytes (less than none, as a rule)."""

    def __init__(self, names: list[str]) -> None:
        self.tokens = 0
        self._names = names

    def read(self, name: str, found: object) -> None:
        """The messages, or the system prompt."""
        contents = (
            [found] if name == "system" else [_dict(one).get("content") for one in as_list(found)]
        )
        pending = [block for content in contents for block in as_list(content)]
        while pending:
            block = _dict(pending.pop())
            kind, source = block.get("type"), _dict(block.get("source"))
            if not isinstance(kind, str) or kind not in _BLOCKS:
                self._names.append(f"content of type {kind!r:.30}")
            elif kind == "image":
                data = source.get("data")
                self.tokens += IMAGE_TOKENS - (len(data) if isinstance(data, str) else 0)
            elif kind == "document" and source.get("type") not in ("text", "content"):
                self._unbounded_document(source)
            pending += as_list(block.get("content")) + as_list(source.get("content"))

    def _unbounded_document(self, source: Mapping[str, Any]) -> None:
        data = source.get("data")
        self.tokens -= len(data) if isinstance(data, str) else 0
        self._names.append("a PDF" if data else "a document by reference")


class _Tools:
    """Adds up what tools may use."""

    def __init__(self, names: list[str]) -> None:
        self.tokens = self.uses = self.searches = self.tokens_a_use = 0
        self._names = names

    def read(self, found: object) -> None:
        """The tools of a request."""
        self.tokens += _TOOLS_TOKENS
        for tool in map(_dict, as_list(found)):
            kind = tool.get("type") or "custom"
            if kind == "custom":
                continue
            self.tokens += _DEFINED_TOOL_TOKENS
            name = str(kind).rpartition("_")[0]
            if name == "web_search" and self._use(tool, SEARCH_TOKENS, name):
                self.searches += int(tool["max_uses"])
            elif name == "web_fetch":
                self._fetch(tool, name)
            elif name != "web_search" and not str(kind).startswith(_DEFINED_TOOLS):
                self._names.append(f"the tool {kind!r:.40}")

    def _fetch(self, tool: Mapping[str, Any], name: str) -> None:
        most = _count(tool.get("max_content_tokens"))
        if most is None:
            self._names.append(f"{name} without max_content_tokens")
        else:
            self._use(tool, _FETCH_MARGIN * most, name)

    def _use(self, tool: Mapping[str, Any], tokens: int, name: str) -> bool:
        uses = _count(tool.get("max_uses"))
        if uses is None or uses > _MOST_USES:
            self._names.append(
                f"{name} without max_uses" if uses is None else f"{name} with {uses:,} uses"
            )
            return False
        self.uses += uses
        self.tokens_a_use = max(self.tokens_a_use, tokens)
        return True


def _listed(names: list[str]) -> str:
    """The names, each once; few of them, since a text of the caller may have any number."""
    found = list(dict.fromkeys(names))
    return ", ".join(found[:_MOST_NAMES]) + (" and more" if len(found) > _MOST_NAMES else "")


def _count(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _dict(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
