"""Write answers that read well and come out the same for the same seed and request."""

from dataclasses import dataclass
from random import Random

import msgspec

from core.requests.json_access import as_dict, as_list, as_str
from titan_console.sandbox.answers.prompts import AnswerFormat
from titan_console.sandbox.answers.server_tools import server_tool_blocks, unfinished_call
from titan_console.sandbox.answers.tokens import CHARACTERS_PER_TOKEN, tokens
from titan_console.sandbox.model.rows import Row

_TOOL_TOKENS = 12
_DEPTH = 8
_LARGE = 1e9

_OPENINGS = (
    "Here is a short answer.",
    "In brief:",
    "Looking at what you gave me, this is what stands out.",
    "A few points on this.",
)
_MIDDLES = (
    "The main point is clear from the text itself.",
    "Two details deserve a second look, the dates and the amounts.",
    "Nothing in it contradicts the rest.",
    "The tone is matter-of-fact and the claims are specific.",
    "It would help to know who the reader is.",
    "The strongest part is the opening; the end could be shorter.",
)
_CLOSINGS = (
    "I would keep it as it is.",
    "I can go into more detail on any part of it.",
    "If I had to choose, I would act on the first point.",
)
_THOUGHT = "The request is short, so I check what it asks for, then answer it directly."
_WORDS = ("alpha", "harbour", "ledger", "meadow", "signal", "summit", "timber", "vector")


@dataclass(frozen=True)
class Answer:
    """The content of a message with its stop reason and token counts."""

    content: list[dict[str, object]]
    stop_reason: str
    output_tokens: int
    thinking_tokens: int


def choose_answer(wanted: AnswerFormat, seed: int) -> tuple[str, str, str]:
    """Decide kind, text and tool of an answer; prose keeps only an excerpt to echo."""
    rng = Random(seed)  # noqa: S311 - reproducible text, no secrets
    if wanted.tool:
        return "tool", _json(_tool_input(wanted, rng)), wanted.tool
    if wanted.schema is not None:
        return "json", _json(_example(wanted.schema, rng, _DEPTH, wanted.schema)), ""
    if wanted.wants_json:
        return "json", _json(_guess(wanted, rng)), ""
    if wanted.labels:
        return "label", rng.choice(wanted.labels), ""
    return "text", wanted.excerpt, ""


def wrong_output(text: str) -> str:
    """A structured output without its end, which no schema accepts."""
    return text[: max(len(text) - 2, 1)]


def compose(row: Row) -> Answer:
    """The whole answer to a row, cut where max_tokens ends it."""
    if row.stop == "refusal":
        return Answer([], "refusal", 1, 0)
    thinking = tokens(len(_THOUGHT)) if row.thinking else 0
    content = [_thinking(row)] if row.thinking else []
    content += server_tool_blocks(row)
    if row.kind == "tool":
        spent = thinking + _TOOL_TOKENS + tokens(len(row.text))
        content.append(_tool_use(row))
        return Answer(content, row.stop or "tool_use", spent, thinking)
    text = _prose(row) if row.kind == "text" else row.text
    allowed = max(row.max_tokens - thinking, 0)
    if row.stop == "max_tokens":
        allowed = min(allowed, max(tokens(len(text)) // 2, 1))
    cut = tokens(len(text)) + 1 > allowed
    if cut:
        text = text[: allowed * CHARACTERS_PER_TOKEN]
    if text:
        content.append({"type": "text", "text": text})
    if row.stop == "pause_turn" and not cut:
        content.append(unfinished_call(row))
    spent = thinking + (allowed if cut else tokens(len(text)) + 1)
    return Answer(content, "max_tokens" if cut else row.stop or "end_turn", spent, thinking)


def _prose(row: Row) -> str:
    """A few sentences with a bit of the input in them."""
    rng = Random(row.digest)  # noqa: S311 - reproducible text, no secrets
    middle = rng.sample(_MIDDLES, rng.randint(1, 4))
    echo = f'You wrote: "{row.text}".' if row.text else "There was no text to go on."
    return " ".join((rng.choice(_OPENINGS), echo, *middle, rng.choice(_CLOSINGS)))


def _thinking(row: Row) -> dict[str, object]:
    return {"type": "thinking", "thinking": _THOUGHT, "signature": f"{row.digest:016x}" * 4}


def _tool_use(row: Row) -> dict[str, object]:
    return {
        "type": "tool_use",
        "id": f"toolu_01{row.digest:022d}"[:30],
        "name": row.tool,
        "input": msgspec.json.decode(row.text),
    }


def _guess(wanted: AnswerFormat, rng: Random) -> object:
    """An object with the keys that the prompt shows; a label where labels are named."""
    if not wanted.json_keys:
        label = rng.choice(wanted.labels) if wanted.labels else "yes"
        return {"answer": label, "confidence": round(rng.uniform(0.6, 0.99), 2)}
    return {key: _value(key, wanted, rng) for key in wanted.json_keys}


def _value(key: str, wanted: AnswerFormat, rng: Random) -> object:
    """A value that fits the key's name."""
    lower = key.lower()
    if any(part in lower for part in ("score", "confidence", "probability", "amount")):
        return round(rng.uniform(0, 1), 2)
    if any(part in lower for part in ("count", "number", "index", "id", "rank")):
        return rng.randint(1, 20)
    if lower.startswith(("is_", "has_")):
        return rng.random() < 0.5  # noqa: PLR2004 - an even coin
    if lower.endswith(("tags", "list", "items", "keywords")):
        return rng.sample(_WORDS, 2)
    return rng.choice(wanted.labels) if wanted.labels else rng.choice(_WORDS)


def _tool_input(wanted: AnswerFormat, rng: Random) -> object:
    schema = wanted.tool_schema or {}
    return _example(schema, rng, _DEPTH, schema)


def _example(schema: dict[str, object], rng: Random, depth: int, root: dict[str, object]) -> object:
    """A value that a JSON schema accepts."""
    if "$ref" in schema:
        schema, depth = _referred(as_str(schema["$ref"]), root), depth - 1
    if depth < 0 or "const" in schema:
        return schema.get("const")
    if as_list(schema.get("enum")):
        return rng.choice(as_list(schema["enum"]))
    for union in ("anyOf", "oneOf", "allOf"):
        if as_list(schema.get(union)):
            return _example(as_dict(as_list(schema[union])[0]), rng, depth - 1, root)
    kind = schema.get("type")
    name = as_str(next(iter(as_list(kind)), kind))
    if name in {"", "object"}:
        properties = as_dict(schema.get("properties")) if depth else {}
        return {
            name: _example(as_dict(sub), rng, depth - 1, root) for name, sub in properties.items()
        }
    if name == "array":
        return [_example(as_dict(schema.get("items")), rng, depth - 1, root)] if depth else []
    return _example_scalar(name, schema, rng)


def _referred(ref: str, root: dict[str, object]) -> dict[str, object]:
    found = root
    for name in ref.removeprefix("#/").split("/"):
        found = as_dict(found.get(name))
    return found


# A text of each format that the API produces.
FORMATTED = {
    "date-time": "2026-05-02T07:00:00Z",
    "time": "07:00:00Z",
    "date": "2026-05-02",
    "duration": "P1D",
    "email": "reader@example.com",
    "hostname": "example.com",
    "uri": "https://example.com/a",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "4f9b7c1e-2d3a-4b5c-8d6e-7f8091a2b3c4",
}


def _example_scalar(name: str, schema: dict[str, object], rng: Random) -> object:
    low = schema.get("minimum")
    floor = low if isinstance(low, (int, float)) and abs(low) < _LARGE else 0
    match name:
        case "integer":
            return int(floor) + rng.randint(0, 10)
        case "number":
            return round(floor + rng.random(), 2)
        case "boolean":
            return rng.choice((True, False))
        case "null":
            return None
        case _:
            return FORMATTED.get(as_str(schema.get("format"))) or rng.choice(_WORDS)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
