"""What an answer is billed for beside its own tokens: region, speed, server tools, iterations."""

from core.requests.json_access import as_dict, as_int, as_list, as_str
from titan_console.sandbox.model.models import Model, find_model
from titan_console.sandbox.model.rows import Extras, IterationTokens

REGIONS = ("us", "global")
_COMPACT_FROM = 150_000
_SUMMARY_TOKENS = 400
_ADVICE_TOKENS = 300
_MOST_UNBOUNDED = 8

Params = dict[str, object]


def region_error(params: Params, model: Model) -> str:
    """Why the request's region or speed is refused; empty if it is not."""
    region, speed = params.get("inference_geo"), params.get("speed")
    if region is not None and region not in REGIONS:
        return f"inference_geo: Input should be {' or '.join(map(repr, REGIONS))}"
    if region is not None and not model.regions:
        return f"inference_geo: not supported for {model.id}"
    if speed not in (None, "standard", "fast"):
        return "speed: Input should be 'standard' or 'fast'"
    refused = speed == "fast" and not model.fast
    return f"speed: 'fast' is not supported for {model.id}" if refused else ""


def extras(params: Params, total: int, digest: int) -> Extras | None:
    """What this request is billed for beside its tokens; None for most."""
    tools = [as_dict(tool) for tool in as_list(params.get("tools"))]
    iterations = (*_compaction(params, total), *_advice(tools, total))
    found = Extras(
        region=as_str(params.get("inference_geo")),
        speed=as_str(params.get("speed")),
        searches=_uses(tools, "web_search_", digest),
        fetches=_uses(tools, "web_fetch_", digest >> 8),
        iterations=iterations,
    )
    return found if found != Extras() else None


def _uses(tools: list[Params], kind: str, digest: int) -> int | None:
    """As often as the request allows; without a limit, some."""
    for tool in tools:
        if as_str(tool.get("type")).startswith(kind):
            most = as_int(tool.get("max_uses"))
            return 1 + digest % _MOST_UNBOUNDED if most is None else most
    return None


def _compaction(params: Params, total: int) -> list[IterationTokens]:
    edits = as_list(as_dict(params.get("context_management")).get("edits"))
    for edit in map(as_dict, edits):
        from_tokens = as_int(as_dict(edit.get("trigger")).get("value")) or _COMPACT_FROM
        if as_str(edit.get("type")).startswith("compact_") and total >= from_tokens:
            return [IterationTokens("compaction", "", total // 2, _SUMMARY_TOKENS)]
    return []


def _advice(tools: list[Params], total: int) -> list[IterationTokens]:
    for tool in tools:
        model = find_model(as_str(tool.get("model")))
        if as_str(tool.get("type")).startswith("advisor_") and model:
            output = min(_ADVICE_TOKENS, as_int(tool.get("max_tokens")) or _ADVICE_TOKENS)
            return [IterationTokens("advisor_message", model.id, total, output)]
    return []
