"""Detects the format that a prompt asks for: a label, a JSON object, a tool call or prose."""

import re
from dataclasses import dataclass

from core.requests.json_access import as_dict, as_list, as_str

_LOOK = 2_000  # characters at either end; instructions stand at the start or at the end
_EXCERPT = 160

_LABELS = re.compile(
    r"(?:one of(?: the following)?(?: \w+)?|labels?(?: are)?|categor(?:y|ies)(?: are)?|choices"
    r"|options"
    r"|choose (?:between|from)|classify[^.:\n]{0,60}?(?:as|into|between))"
    r"\s*:?\s*[\[({]?\s*"
    r"((?:[\"'`]?[\w/&-]+(?: [\w/&-]+){0,3}[\"'`]?\s*(?:,\s*(?:or |and )?|\|\s*|/\s*| or | and ))+"
    r"[\"'`]?[\w/&-]+(?: [\w/&-]+){0,2}[\"'`]?)",
    re.IGNORECASE,
)
# A plain search is far quicker than the pattern, and most prompts have no choice in them.
_HINTS = ("one of", "label", "categor", "choice", "options", "choose", "classify")
_SEPARATOR = re.compile(r"\s*(?:,\s*(?:or\s+|and\s+)?|\||/|\s+or\s+|\s+and\s+)\s*", re.IGNORECASE)
_KEY = re.compile(r"[\"'](\w{1,40})[\"']\s*:")


@dataclass(frozen=True)
class AnswerFormat:
    """The format that a prompt asks for."""

    excerpt: str
    labels: tuple[str, ...] = ()
    json_keys: tuple[str, ...] = ()
    wants_json: bool = False
    schema: dict[str, object] | None = None
    tool: str = ""
    tool_schema: dict[str, object] | None = None


def detect_format(params: dict[str, object]) -> AnswerFormat:
    """Read the system prompt and the last user turn."""
    user = _last_user_text(params)
    text = "\n".join((_ends(_text(params.get("system"))), _ends(user)))
    tool, tool_schema = _forced_tool(params)
    schema = _output_schema(params)
    wants_json = schema is not None or "json" in text.lower()
    return AnswerFormat(
        excerpt=" ".join(user[: 2 * _EXCERPT].split())[:_EXCERPT],
        labels=_labels(text),
        json_keys=tuple(dict.fromkeys(_KEY.findall(text))) if wants_json else (),
        wants_json=wants_json,
        schema=schema,
        tool=tool,
        tool_schema=tool_schema,
    )


def _labels(text: str) -> tuple[str, ...]:
    """The labels of the last list that reads like a choice."""
    lower = text.lower()
    if not any(hint in lower for hint in _HINTS):
        return ()
    found = [match.group(1) for match in _LABELS.finditer(text)]
    if not found:
        return ()
    parts = (part.strip(" \"'`.") for part in _SEPARATOR.split(found[-1]))
    return tuple(dict.fromkeys(part for part in parts if part))


def _forced_tool(params: dict[str, object]) -> tuple[str, dict[str, object] | None]:
    """The tool that tool_choice demands, with its schema."""
    choice = as_dict(params.get("tool_choice"))
    tools = [as_dict(tool) for tool in as_list(params.get("tools"))]
    if choice.get("type") == "any" and tools:
        return as_str(tools[0].get("name")), as_dict(tools[0].get("input_schema"))
    if choice.get("type") != "tool":
        return "", None
    name = as_str(choice.get("name"))
    schemas = (as_dict(tool.get("input_schema")) for tool in tools if tool.get("name") == name)
    return name, next(schemas, None)


def _output_schema(params: dict[str, object]) -> dict[str, object] | None:
    """The JSON schema of a structured output, if one is asked for."""
    wanted = as_dict(as_dict(params.get("output_config")).get("format"))
    wanted = wanted or as_dict(params.get("output_format"))
    return as_dict(wanted.get("schema")) if wanted.get("type") == "json_schema" else None


def _last_user_text(params: dict[str, object]) -> str:
    """The last user message."""
    for message in reversed(as_list(params.get("messages"))):
        fields = as_dict(message)
        if fields.get("role") == "user":
            return _text(fields.get("content"))
    return ""


def _text(content: object) -> str:
    """All text of a content, plain or in blocks."""
    if isinstance(content, str):
        return content
    return "\n".join(as_str(as_dict(block).get("text")) for block in as_list(content))


def _ends(text: str) -> str:
    """The start and the end of a long text."""
    return text if len(text) <= 2 * _LOOK else f"{text[:_LOOK]}\n{text[-_LOOK:]}"
