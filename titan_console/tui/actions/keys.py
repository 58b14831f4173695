"""The keys of the tools; what each does lies in the module of its name."""

from textual.binding import Binding

TOOL_KEYS = (
    Binding("colon", "tool('go_to')", "Go to", key_display=":", id="tool.go_to"),
    Binding("ctrl+p", "tool('palette')", "All actions", show=False, id="tool.palette"),
    Binding("y", "tool('copy')", "Copy", id="tool.copy"),
    Binding("e", "tool('export')", "Export", show=False, id="tool.export"),
    Binding("o", "tool('view')", "Open in a pager or an editor", show=False, id="tool.view"),
    Binding(
        "ctrl+s", "tool('picture')", "Keep the screen as a file", show=False, id="tool.picture"
    ),
    Binding("d", "tool('compare')", "Compare", show=False, id="tool.compare"),
)
