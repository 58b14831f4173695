"""What the API rejects in the params of a request: found at submit, and in the sandbox as errors.

The API reads params only after it has accepted a batch, and reports what it rejects when the batch
has ended, up to a day later. Whatever is not listed here is left to the API.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from difflib import get_close_matches

from core.requests.content_rules import content_problems, is_plain, is_plain_text, marks_in
from core.requests.json_access import as_dict, as_list, is_dict, is_list
from core.requests.model_limits import takes_prefill, takes_thinking_budget
from core.requests.rule_parts import (
    EXTRA,
    Params,
    Problem,
    beta_field,
    cache_problems,
    expected,
    has_beta,
    needs_beta,
    one_of,
    words,
)

_FIELDS = words(
    """
    cache_control container diagnostics inference_geo max_tokens messages metadata model
    output_config service_tier speed stop_sequences stream system thinking tool_choice tools
    user_profile_id
    """
)
# Beta fields with the beginning of each beta that has it.
_BETA_FIELDS = {
    "billing_policy": ("user-profiles-billing-",),
    "compaction": ("compact-",),
    "context_management": ("context-management-", "compact-"),
    "fallback_credit_token": ("fallback-credit-",),
    "fallbacks": ("server-side-fallback-",),
    "mcp_servers": ("mcp-client-",),
    "output_format": ("structured-outputs-",),
    "thread": ("message-threads-",),
}
# Types of tools that only the SDK's beta types have, with the beginning of their beta.
_BETA_TOOLS = {
    "advisor_20260301": "advisor-tool-",
    "bash_20241022": "computer-use-",
    "computer_20241022": "computer-use-",
    "computer_20250124": "computer-use-",
    "computer_20251124": "computer-use-",
    "mcp_toolset": "mcp-client-",
    "text_editor_20241022": "computer-use-",
}
_SDK_ARGUMENTS = words(
    """
    api_key base_url extra_body extra_headers extra_query http_client idempotency_key max_retries
    timeout workspace_id
    """
)
# Parameters of other APIs, and what they are called here.
_ELSEWHERE = {
    "frequency_penalty": "",
    "function_call": "tool_choice",
    "functions": "tools",
    "logit_bias": "",
    "logprobs": "",
    "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "max_tokens_to_sample": "max_tokens",
    "n": "",
    "presence_penalty": "",
    "prompt": "messages",
    "reasoning_effort": "output_config.effort",
    "response_format": "output_config.format",
    "seed": "",
    "stop": "stop_sequences",
    "user": "metadata.user_id",
}
_THINKING = ("adaptive", "between_tools", "disabled", "enabled")
_LEAST_BUDGET = 1024
# Then the budget is that of all turns between tools, which may be more than max_tokens.
_INTERLEAVED = ("interleaved-thinking-",)
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_MOST_MARKS = 4
_DATE = re.compile(r"_\d{8}$")
_TOOL_FAMILIES = words(
    """
    advisor agent_toolset bash browser_toolset code_execution computer computer_toolset custom
    mcp_toolset memory text_editor tool_search_tool_bm25 tool_search_tool_regex web_fetch web_search
    """
)
_CUSTOM_KEYS = words(
    """
    allowed_callers cache_control defer_loading description eager_input_streaming input_examples
    input_schema name strict type
    """
)
_SERVER_KEYS = words(
    """
    allowed_callers allowed_domains blocked_domains cache_control caching citations configs
    default_config defer_loading display_height_px display_number display_width_px enable_zoom
    input_examples max_characters max_content_tokens max_tokens max_uses mcp_server_name model name
    response_inclusion strict type url_sources use_cache user_location
    """
)
_NAMED_BY_SERVER = frozenset({"mcp_toolset", "browser_toolset", "computer_toolset"})
_PER_REQUEST = frozenset({"custom_id", "messages"})

_Rule = Callable[[Params, str, Collection[str]], Iterator[Problem]]


class Rules:
    """The rules for the requests of one batch.

    What requests have beside their messages is mostly the same, and is checked once.
    """

    def __init__(self, betas: Collection[str], *, also_known: Collection[str] = ()) -> None:
        """`betas` are the beta headers; `also_known` more fields that are no problem."""
        self._betas = betas
        self._known = _FIELDS.union(also_known)
        self._last: Params = {}
        self._found: Sequence[Problem] = ()
        self._marks = 0

    def problems(self, params: Params, model: str) -> Sequence[Problem]:
        """What the API rejects in these params, which are sent to that model."""
        if is_plain(params):
            return ()
        messages = as_list(params.get("messages"))
        is_text = is_plain_text(messages)
        beside = {name: params[name] for name in params if name not in _PER_REQUEST}
        beside["model"] = model
        if beside != self._last:
            blocks = (*as_list(beside.get("tools")), *as_list(beside.get("system")))
            self._marks = sum(1 for block in blocks if as_dict(block).get("cache_control"))
            self._last, self._found = beside, tuple(self._problems_beside(beside, model))
        if is_text:
            return self._found
        return (
            *self._found,
            *content_problems(messages, self._betas),
            *_prefill(messages, model),
            *_cache_marks(self._marks + marks_in(messages)),
        )

    def _problems_beside(self, params: Params, model: str) -> Iterator[Problem]:
        yield from self._unknown(params)
        for rule in _RULES:
            yield from rule(params, model, self._betas)
        yield from _cache_marks(self._marks)

    def _unknown(self, params: Params) -> Iterator[Problem]:
        for name in params.keys() - self._known:
            needed = _BETA_FIELDS.get(name, ())
            if not has_beta(self._betas, needed):
                yield Problem(f"field {name}", f"{name}: {EXTRA}", _hint(name, needed))


def _hint(name: str, needed: tuple[str, ...]) -> str:
    if needed:
        return needs_beta(needed[0])
    if name in _SDK_ARGUMENTS:
        return "It is an argument of the SDK's call, not a parameter of a request."
    if name in _ELSEWHERE:
        here = _ELSEWHERE[name]
        return f"Did you mean {here}?" if here else "It is a parameter of another API."
    near = get_close_matches(name, _FIELDS | _BETA_FIELDS.keys(), n=1, cutoff=0.7)
    return f"Did you mean {near[0]}?" if near else ""


def _types(params: Params, _model: str, _betas: Collection[str]) -> Iterator[Problem]:
    stops = params.get("stop_sequences")
    if stops is not None and not is_list(stops):
        yield expected("stop_sequences", "list")
    for at, stop in enumerate(as_list(stops)):
        if not isinstance(stop, str):
            yield expected(f"stop_sequences.{at}", "string")
        elif not stop.strip():
            text = "stop_sequences: each stop sequence must contain non-whitespace"
            yield Problem("stop_sequences blank", text)
    metadata = params.get("metadata")
    if metadata is not None and not is_dict(metadata):
        yield expected("metadata", "dictionary")
    for name in as_dict(metadata).keys() - {"user_id"}:
        yield Problem(f"metadata.{name}", f"metadata.{name}: {EXTRA}")
    if params.get("service_tier", "auto") not in ("auto", "standard_only"):
        yield one_of("service_tier", ("auto", "standard_only"))


def _output(params: Params, _model: str, betas: Collection[str]) -> Iterator[Problem]:
    config = params.get("output_config")
    if config is not None and not is_dict(config):
        yield expected("output_config", "dictionary")
    fields = as_dict(config)
    for name in fields.keys() - {"effort", "format", "task_budget"}:
        yield Problem(f"output_config.{name}", f"output_config.{name}: {EXTRA}")
    if fields.get("task_budget"):
        yield from beta_field("", "output_config.task_budget", "task-budgets-", betas)
    if fields.get("effort") is not None and fields["effort"] not in _EFFORTS:
        yield one_of("output_config.effort", _EFFORTS)
    wanted = fields.get("format")
    if wanted is None:
        return
    if as_dict(wanted).get("type") != "json_schema":
        yield one_of("output_config.format.type", ("json_schema",))
    elif not isinstance(as_dict(wanted).get("schema"), dict):
        yield Problem("output_config.format.schema", "output_config.format.schema: Field required")


def _thinking(params: Params, model: str, betas: Collection[str]) -> Iterator[Problem]:
    thinking = params.get("thinking")
    if thinking is None:
        return
    kind, budget = as_dict(thinking).get("type"), as_dict(thinking).get("budget_tokens")
    if kind not in _THINKING:
        yield one_of("thinking.type", _THINKING)
    if kind != "enabled":
        return
    most = params.get("max_tokens")
    if takes_thinking_budget(model) is False:
        yield Problem(
            "thinking.enabled",
            '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive"'
            ' and "output_config.effort"',
        )
    elif not isinstance(budget, int):
        yield Problem("thinking budget", "thinking.enabled.budget_tokens: Field required")
    elif budget < _LEAST_BUDGET:
        text = f"Input should be greater than or equal to {_LEAST_BUDGET}"
        yield Problem("thinking budget", f"thinking.enabled.budget_tokens: {text}")
    elif isinstance(most, int) and budget >= most and not has_beta(betas, _INTERLEAVED):
        text = "`max_tokens` must be greater than `thinking.budget_tokens`"
        yield Problem("thinking budget", text)


def _binding(params: Params, _model: str, betas: Collection[str]) -> Iterator[Problem]:
    if as_dict(params.get("thinking")).get("block_binding"):
        yield from beta_field("", "thinking.block_binding", "thinking-binding-controls-", betas)


def _system(params: Params, _model: str, _betas: Collection[str]) -> Iterator[Problem]:
    system = params.get("system")
    if system is not None and not (isinstance(system, str) or is_list(system)):
        yield expected("system", "list")
    for at, block in enumerate(map(as_dict, as_list(system))):
        if block.get("type") != "text":
            yield one_of(f"system.{at}.type", ("text",))
        elif not block.get("text"):
            yield Problem("system empty", "system: text content blocks must be non-empty")
        yield from cache_problems(f"system.{at}", block)


def _tools(params: Params, _model: str, betas: Collection[str]) -> Iterator[Problem]:
    tools = params.get("tools")
    if tools is not None and not is_list(tools):
        yield expected("tools", "list")
    names: set[object] = set()
    for at, tool in enumerate(map(as_dict, as_list(tools))):
        yield from _tool(f"tools.{at}", tool, betas)
        name = tool.get("name")
        if isinstance(name, str) and name in names:
            yield Problem(
                "tools twice", "tools: Tool names must be unique.", f"{name!r:.80} is not."
            )
        names.add(name if isinstance(name, str) else None)
    yield from _tool_choice(params, names)


def _tool(where: str, tool: Params, betas: Collection[str]) -> Iterator[Problem]:
    kind = tool.get("type") or "custom"
    family = _DATE.sub("", kind) if isinstance(kind, str) else ""
    needed = _BETA_TOOLS.get(kind, "") if isinstance(kind, str) else ""
    if family not in _TOOL_FAMILIES or not has_beta(betas, (needed,)):
        hint = "A function of OpenAI is a tool with a name and an input_schema here."
        hint = needs_beta(needed) if needed else hint if kind == "function" else ""
        text = f"{where}: Input tag {kind!r:.80} found using 'type' does not match any known tool"
        yield Problem(f"tool type {kind!r:.80}" if needed else "tool type", text, hint)
        return
    known = _CUSTOM_KEYS if family == "custom" else _SERVER_KEYS
    for name in tool.keys() - known:
        yield Problem(f"tool {name}", f"{where}.{kind}.{name}: {EXTRA}")
    required = ("name", "input_schema") if family == "custom" else ("name",)
    for name in required if family not in _NAMED_BY_SERVER else ():
        if name not in tool:
            yield Problem(f"tool {name}", f"{where}.{kind}.{name}: Field required")
    name = tool.get("name", "x")
    if family == "custom" and not (isinstance(name, str) and _TOOL_NAME.fullmatch(name)):
        text = f"String should match pattern '^{_TOOL_NAME.pattern}$'"
        yield Problem("tool name", f"{where}.custom.name: {text}")
    yield from cache_problems(where, tool)


def _tool_choice(params: Params, names: Collection[object]) -> Iterator[Problem]:
    choice = as_dict(params.get("tool_choice"))
    if not choice:
        if params.get("tool_choice") is not None:
            yield expected("tool_choice", "dictionary")
        return
    kind = choice.get("type")
    if kind not in ("auto", "any", "tool", "none"):
        yield one_of("tool_choice.type", ("auto", "any", "tool", "none"))
    elif not names and not params.get("mcp_servers"):
        yield Problem(
            "tool_choice alone", "tool_choice may only be specified while providing `tools`"
        )
    elif kind == "tool" and choice.get("name") not in names and None not in names:
        text = f"Tool {choice.get('name')!r:.80} not found in provided tools"
        yield Problem("tool_choice name", f"tool_choice: {text}")
    if kind in ("any", "tool") and as_dict(params.get("thinking")).get("type") == "enabled":
        text = "Thinking may not be enabled when tool_choice forces tool use."
        yield Problem("tool_choice thinking", text)


def _prefill(messages: Sequence[object], model: str) -> Iterator[Problem]:
    last = as_dict(messages[-1]) if messages else {}
    if last.get("role") != "assistant" or takes_prefill(model) is not False or _is_paused(last):
        return
    text = (
        "This model does not support assistant message prefill. The conversation must end with a"
        " user message."
    )
    yield Problem("prefill", text)


def _is_paused(message: Params) -> bool:
    """Whether the turn called a tool at the API, and goes on there."""
    blocks = map(as_dict, as_list(message.get("content")))
    return any(block.get("type") == "server_tool_use" for block in blocks)


def _cache_marks(marked: int) -> Iterator[Problem]:
    if marked > _MOST_MARKS:
        text = f"A maximum of {_MOST_MARKS} blocks with cache_control may be provided."
        yield Problem("cache marks", f"{text} Found {marked}.")


def _top_cache(params: Params, _model: str, _betas: Collection[str]) -> Iterator[Problem]:
    yield from cache_problems("", params)


_RULES: tuple[_Rule, ...] = (_types, _output, _system, _thinking, _binding, _tools, _top_cache)
