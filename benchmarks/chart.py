"""Draws a log-log chart as SVG: one line per series, with its name at the end."""

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 640, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 150, 40, 50
_COLORS = ("#d97706", "#2563eb", "#059669", "#dc2626", "#7c3aed", "#0891b2", "#65a30d", "#475569")

Points = Sequence[tuple[float, float]]


def chart(title: str, unit: str, series: Mapping[str, Points]) -> str:
    """The SVG file: sizes on the x axis, the unit on the y axis, both in powers of ten."""
    every = [point for points in series.values() for point in points]
    xs, ys = _decades([x for x, _ in every]), _decades([y for _, y in every])
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
            ' font-family="sans-serif" font-size="12">'
        ),
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_LEFT}" y="22" font-size="15">{escape(title)}</text>',
        f'<text x="{_LEFT}" y="{_HEIGHT - 12}">requests</text>',
        f'<text x="12" y="{_TOP - 4}">{escape(unit)}</text>',
    ]
    for power in range(xs[0], xs[1] + 1):
        x = _x(10**power, xs)
        parts.append(_line(x, _TOP, x, _HEIGHT - _BOTTOM))
        label = f"{10**power:,.0f}"
        parts.append(
            f'<text x="{x:.0f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{label}</text>'
        )
    for power in range(ys[0], ys[1] + 1):
        y = _y(10**power, ys)
        parts.append(_line(_LEFT, y, _WIDTH - _RIGHT, y))
        parts.append(
            f'<text x="{_LEFT - 6}" y="{y + 4:.0f}" text-anchor="end">{10**power:g}</text>'
        )
    for (name, points), color in zip(series.items(), _COLORS * 2, strict=False):
        parts += _curve(name, points, color, xs, ys)
    return "\n".join([*parts, "</svg>\n"])


def _curve(
    name: str, points: Points, color: str, xs: tuple[int, int], ys: tuple[int, int]
) -> list[str]:
    at = [(_x(x, xs), _y(y, ys)) for x, y in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in at]
    end_x, end_y = at[-1]
    return [
        f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>',
        *dots,
        f'<text x="{end_x + 8:.0f}" y="{end_y + 4:.0f}" fill="{color}">{escape(name)}</text>',
    ]


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" y2="{y2:.0f}" stroke="#ddd"/>'


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _x(value: float, decades: tuple[int, int]) -> float:
    share = (math.log10(value) - decades[0]) / (decades[1] - decades[0])
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _y(value: float, decades: tuple[int, int]) -> float:
    share = (math.log10(value) - decades[0]) / (decades[1] - decades[0])
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)
