"""Lines as values: parts with tones, and labelled totals."""

from msgspec import Struct

from titan_console.text.format import Tone


class Part(Struct, frozen=True):
    """A span of a line in one tone."""

    text: str
    tone: Tone = Tone.PLAIN
    strong: bool = False


class Total(Struct, frozen=True):
    """A number and its label."""

    label: str
    value: str
    tone: Tone = Tone.PLAIN
