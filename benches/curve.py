"""Draws curves over a number of rows as an SVG: two panels side by side, readable on light and dark pages, the same bytes for
the same figures."""

import math
from html import escape

WIDTH, HEIGHT = 890, 360
PANEL = {"width": 330, "height": 230, "top": 66}
LEFTS = (72, 500)
STYLE = """
  .page { fill: #ffffff } .ink { fill: #1f2328 } .soft { fill: #59636e } .grid { stroke: #d1d9e0; stroke-width: 1 }
  .a { stroke: #0969da } .b { stroke: #bc4c00 } .fa { fill: #0969da } .fb { fill: #bc4c00 }
  .line { fill: none; stroke-width: 2.5; stroke-linejoin: round } text { font: 13px system-ui, sans-serif } .title { font-weight: 600; font-size: 15px }
  .value { font-size: 12px }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 } .ink { fill: #f0f6fc } .soft { fill: #9198a1 } .grid { stroke: #3d444d }
    .a { stroke: #58a6ff } .b { stroke: #f0883e } .fa { fill: #58a6ff } .fb { fill: #f0883e }
  }
"""
MARKS = ("a", "b")


def draw(title, panels, names):
    """`panels` are two of (title, unit of values, whether in powers of ten, {name: [(rows, value)]}); `names` are two series."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{HEIGHT}" rx="8"/>',
    ]
    for left, panel in zip(LEFTS, panels):
        parts += _panel(left, panel, names)
    at = LEFTS[0]
    for mark, name in zip(MARKS, names):
        parts.append(f'<circle class="f{mark}" cx="{at + 5}" cy="{HEIGHT - 18}" r="5"/>')
        parts.append(_text(at + 16, HEIGHT - 13, name, "ink"))
        at += 30 + 7.5 * len(name)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(left, panel, names):
    title, unit, powers, series = panel
    points = [point for name in names for point in series[name]]
    steps = sorted({rows for rows, _ in points})
    values = [value for _, value in points]
    ticks, share = _powers(min(values), max(values)) if powers else _linear(max(values))
    bottom = PANEL["top"] + PANEL["height"]

    def x(rows):
        return left + PANEL["width"] * (0.5 if len(steps) == 1 else steps.index(rows) / (len(steps) - 1))

    def y(value):
        return bottom - PANEL["height"] * share(value)

    parts = [_text(left - 44, 32, title, "ink title"), _text(left - 44, 50, unit, "soft")]
    for tick in ticks:
        parts.append(f'<line class="grid" x1="{left}" x2="{left + PANEL["width"]}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(_text(left - 8, y(tick) + 4, short(tick), "soft", "end"))
    for rows in steps:
        parts.append(_text(x(rows), bottom + 20, f"{short(rows)} rows", "soft", "middle"))
    for mark, name in zip(MARKS, names):
        line = " ".join(f"{x(rows):.1f},{y(value):.1f}" for rows, value in series[name])
        parts.append(f'<polyline class="line {mark}" points="{line}"/>')
        for rows, value in series[name]:
            parts.append(f'<circle class="f{mark}" cx="{x(rows):.1f}" cy="{y(value):.1f}" r="4"><title>{escape(name)}, {short(rows)} rows: {short(value)}</title></circle>')
    return parts + _values(series, names, x, y, bottom)


def _values(series, names, x, y, bottom):
    """The figures beside their points: the upper one of two above, the lower one below, so that none stands on another."""
    parts = []
    for place, pairs in enumerate(zip(*(series[name] for name in names))):
        upper = max(range(len(pairs)), key=lambda index: pairs[index][1])
        for index, (rows, value) in enumerate(pairs):
            anchor = "start" if place == 0 else "end" if place == len(series[names[0]]) - 1 else "middle"
            shift = -10 if index == upper else 19
            parts.append(_text(x(rows), min(y(value) + shift, bottom - 5), short(value), f"value f{MARKS[index]}", anchor))
    return parts


def _linear(highest):
    """Round steps from zero to the highest value, at most five."""
    sizes = (digit * 10**power for power in range(12) for digit in (1, 2, 5))
    size = next(size for size in sizes if size * 5 >= highest)
    ticks = [size * step for step in range(math.ceil(highest / size) + 1)]
    return ticks, lambda value: value / ticks[-1]


def _powers(lowest, highest):
    """The powers of ten around the values: equal ratios are equally far apart."""
    first, last = math.floor(math.log10(lowest)), math.ceil(math.log10(highest))
    return [10**power for power in range(first, last + 1)], lambda value: (math.log10(value) - first) / (last - first)


def short(value):
    for size, name in ((1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{name}"
    return f"{value:.3g}"


def _text(x, y, text, kind, anchor="start"):
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
