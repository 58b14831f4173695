"""The console's screens as plain text with their styles, kept in files and compared with them."""

import difflib
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from string import ascii_letters

from rich.style import Style
from textual.screen import Screen
from textual.strip import Strip

KEPT = Path(__file__).parents[2] / "tui" / "snapshots"
_LETTERS = (
    ascii_letters + "".join(map(chr, range(0x3B1, 0x3CA))) + "".join(map(chr, range(0x430, 0x450)))
)
_ATTRIBUTES = ("bold", "dim", "italic", "underline", "reverse", "strike")


class Album:
    """One file of snapshots: each screen of a walk at one size, in the order of the walk."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._legend: dict[str, str] = {}
        self._pages: list[str] = []

    def keep(self, title: str, screen: Screen[object]) -> None:
        """Add what the terminal shows now."""
        strips = screen._compositor.render_strips()
        rows = [_runs(strip) for strip in strips]
        text = [strip.text.rstrip() for strip in strips]
        styles = ["".join(self._coded(length, look) for length, look in row) for row in rows]
        self._pages.append("\n".join([f"== {title}", *text, "-- styles", *_wrapped(styles)]))

    def text(self) -> str:
        """The whole file: the screens, then what the letters of the styles stand for."""
        legend = [f"{letter} = {look}" for look, letter in self._legend.items()]
        return "\n".join([*self._pages, "== legend", *legend]) + "\n"

    def _coded(self, length: int, look: str) -> str:
        letter = self._legend.setdefault(look, _LETTERS[len(self._legend)])
        return f"{letter}{length}"


def difference(album: Album, elsewhere: Path, *, renew: bool) -> str:
    """What is other than in the kept file; the new one is then in the folder `elsewhere`."""
    kept, new = KEPT / f"{album.name}.txt", album.text()
    old = kept.read_text("utf-8") if kept.exists() else ""
    if old == new:
        return ""
    if renew:
        kept.write_text(new, "utf-8", newline="\n")
        return ""
    made = elsewhere / kept.name
    made.write_text(new, "utf-8", newline="\n")
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), str(kept.name), "now", n=2, lineterm=""
    )
    return "\n".join([*lines, f"The new one is {made}."])


def _runs(strip: Strip) -> list[tuple[int, str]]:
    """How many cells look how, from left to right."""
    cells = [(segment.cell_length, _look(segment.style)) for segment in strip]
    return [
        (sum(length for length, _ in run), look) for look, run in groupby(cells, lambda c: c[1])
    ]


def _look(style: Style | None) -> str:
    if style is None:
        return "plain"
    colours = [
        colour.get_truecolor().hex if colour else "default"
        for colour in (style.color, style.bgcolor)
    ]
    return " ".join([" on ".join(colours), *(a for a in _ATTRIBUTES if getattr(style, a))])


def _wrapped(styles: list[str]) -> Iterator[str]:
    """Lines of one look together, with the numbers of the lines."""
    at = 0
    for style, same in groupby(styles):
        count = len(list(same))
        yield f"{at}: {style}" if count == 1 else f"{at}-{at + count - 1}: {style}"
        at += count
