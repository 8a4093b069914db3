"""A chart of what each quantized file costs: size against the rise of perplexity (SVG)."""

from __future__ import annotations

import math
from html import escape

from tutor.workshop.report import ModelFile, Report

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 30, 50, 60


def draw(report: Report) -> str:
    """Return the chart as SVG. Across: megabytes; up: the perplexity's rise, on a logarithmic
    scale, because the types lie a hundredfold apart."""
    files = [f for f in report.files.values() if f.quality]
    rises = {f.type: max(1e-4, f.quality.rise) for f in files if f.quality}
    low, high = _decades(list(rises.values()))
    widest = 1.15 * max(f.bytes for f in files) / 1e6
    marks = [_mark(f, rises[f.type], widest, low, high) for f in files]
    lines = [_line(power, low, high) for power in range(low, high + 1)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            'font-family="sans-serif" font-size="13">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
            f'<text x="{LEFT}" y="28" font-size="16">{escape(report.name)}</text>',
            *lines,
            *_ticks(widest),
            *marks,
            f'<text x="{WIDTH / 2}" y="{HEIGHT - 12}" text-anchor="middle">MB</text>',
            f'<text x="18" y="{HEIGHT / 2}" text-anchor="middle" '
            f'transform="rotate(-90 18 {HEIGHT / 2})">perplexity over F16</text>',
            "</svg>\n",
        ]
    )


def _decades(rises: list[float]) -> tuple[int, int]:
    low = math.floor(math.log10(min(rises)))
    return low, max(low + 1, math.ceil(math.log10(max(rises))))


def _x(megabytes: float, widest: float) -> float:
    return LEFT + megabytes / widest * (WIDTH - LEFT - RIGHT)


def _y(rise: float, low: int, high: int) -> float:
    share = (math.log10(rise) - low) / (high - low)
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _line(power: int, low: int, high: int) -> str:
    y = _y(10.0**power, low, high)
    return (
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
        f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{100 * 10.0**power:g}%</text>'
    )


def _ticks(widest: float) -> list[str]:
    step = 10 ** math.floor(math.log10(widest))
    y = HEIGHT - BOTTOM + 18
    return [
        f'<text x="{_x(n * step, widest):.1f}" y="{y}" text-anchor="middle">{n * step:g}</text>'
        for n in range(int(widest / step) + 1)
    ]


def _mark(file: ModelFile, rise: float, widest: float, low: int, high: int) -> str:
    x, y = _x(file.bytes / 1e6, widest), _y(rise, low, high)
    assert file.quality
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="#2463a8"/>'
        f'<text x="{x:.1f}" y="{y - 10:.1f}" text-anchor="middle">'
        f"{escape(file.type)} {100 * file.quality.rise:+.2f}%</text>"
    )
