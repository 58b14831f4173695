"""The console's colours, and the style of each tone in each theme."""

from collections.abc import Mapping
from dataclasses import replace

from textual.theme import Theme
from textual.widget import Widget

from titan_console.text.format import Tone

DARK = Theme(
    name="titan-dark",
    primary="#7aa2d6",
    secondary="#6a7a8e",
    accent="#e3a25f",
    success="#7fc4b2",
    warning="#e3b869",
    error="#ef8279",
    foreground="#c6cfda",
    background="#11151b",
    surface="#11151b",
    panel="#1a212a",
    dark=True,
    variables={"footer-background": "#11151b", "footer-key-foreground": "#e3a25f"},
)
LIGHT = Theme(
    name="titan-light",
    primary="#2a62a0",
    secondary="#7b848d",
    accent="#a8560f",
    success="#1a7566",
    warning="#8a5a00",
    error="#b0352b",
    foreground="#2b3138",
    background="#faf9f6",
    surface="#faf9f6",
    panel="#efede7",
    dark=False,
    variables={"footer-background": "#faf9f6", "footer-key-foreground": "#a8560f"},
)
# For NO_COLOR: distinct greys, and weight where the others have a hue.
MONO = Theme(
    name="titan-mono",
    primary="#ffffff",
    secondary="#707070",
    accent="#ffffff",
    success="#e0e0e0",
    warning="#ffffff",
    error="#ffffff",
    foreground="#e0e0e0",
    background="#000000",
    surface="#000000",
    panel="#1c1c1c",
    dark=True,
    variables={"footer-background": "#000000", "footer-key-foreground": "#ffffff"},
)
# The accents of titan.toml: on dark, on light.
_ACCENTS = {
    "red": ("#ef6f64", "#b0352b"),
    "orange": ("#e3a25f", "#a8560f"),
    "yellow": ("#e0cc62", "#7d6400"),
    "green": ("#8ec07c", "#3f7326"),
    "blue": ("#7aa2d6", "#2a62a0"),
    "purple": ("#c297e0", "#7a3fa0"),
}


def themes(accent: str | None) -> tuple[Theme, ...]:
    """The themes in that accent of titan.toml; without colours there is none."""
    if accent is None:
        return DARK, LIGHT, MONO
    dark, light = _ACCENTS[accent]
    return _in_accent(DARK, dark), _in_accent(LIGHT, light), MONO


def _in_accent(theme: Theme, accent: str) -> Theme:
    variables = {**theme.variables, "footer-key-foreground": accent}
    return replace(theme, accent=accent, variables=variables)


_MONO_STYLES = {
    Tone.PLAIN: "",
    Tone.DIM: "#9a9a9a",
    Tone.GOOD: "",
    Tone.BUSY: "",
    Tone.WARN: "bold",
    Tone.BAD: "bold underline",
    Tone.MARK: "bold reverse",
}


def tones_of(widget: Widget) -> Mapping[Tone, str]:
    """The style of each tone in the current theme."""
    theme: Theme = widget.app.current_theme  # pyright: ignore[reportUnknownMemberType]
    return tone_styles(theme)


def without_colours(widget: Widget) -> bool:
    """Whether the theme has no colours."""
    theme: Theme = widget.app.current_theme  # pyright: ignore[reportUnknownMemberType]
    return theme.name == MONO.name


def tone_styles(theme: Theme) -> Mapping[Tone, str]:
    """The style of each tone in that theme."""
    if theme.name == MONO.name:
        return _MONO_STYLES
    return {
        Tone.PLAIN: "",
        Tone.DIM: "#76828f" if theme.dark else "#6d757d",
        Tone.GOOD: theme.success or "",
        Tone.BUSY: theme.primary,
        Tone.WARN: theme.warning or "bold",
        Tone.BAD: f"bold {theme.error or ''}",
        Tone.MARK: f"bold {theme.background} on {theme.accent}",
    }
