"""Which keys a tool definition may have."""

from titan_console.sandbox.model.json_access import as_dict, as_str

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
    """What is wrong with the first bad tool, or nothing."""
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
