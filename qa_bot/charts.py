"""Charts of an evaluation report as HTML: bars, and curves in a square from 0 to 1, as SVG."""

from collections.abc import Sequence

from qa_bot.rendering import as_text

CHART_CSS = """
.chart { display: inline-block; vertical-align: top; margin: .6em 1.5em .6em 0; max-width: 100%; }
.chart figcaption { font-weight: 600; }
.chart svg { width: 330px; max-width: 100%; height: auto; }
.chart text { fill: currentColor; font-size: 11px; }
.chart polyline, .chart circle { stroke: var(--primary-400); fill: none; stroke-width: 2; }
.chart circle { fill: var(--primary-400); }
.chart .axis { stroke: currentColor; stroke-width: 1; fill: none; }
.chart .aid { stroke: currentColor; stroke-width: 1; stroke-dasharray: 3 3; opacity: .6; }
.bar { display: block; height: .35em; background: var(--primary-400); border-radius: .2em; }
"""

DOTTED = 20  # points of a curve, at most, that are shown as such

_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 310, 10, 180

Point = tuple[float, float]  # both in [0, 1], y upwards


def bar(share: float) -> str:
    """A cell of a table: a number in [0, 1] and a bar of its length."""
    width = round(100 * min(max(share, 0.0), 1.0))
    return f"<td><span class='bar' style='width:{width}%'></span>{share:.2f}</td>"


def table(head: Sequence[str], rows: Sequence[str]) -> str:
    """A table that can be scrolled; its rows are HTML already."""
    names = "".join(f"<th scope='col'>{as_text(name)}</th>" for name in head)
    return f"<div class='table' tabindex='0'><table><tr>{names}</tr>{''.join(rows)}</table></div>"


def curve(
    title: str, says: str, axes: tuple[str, str], points: Sequence[Point], aid: tuple[Point, Point]
) -> str:
    """A figure of one curve, and a dotted line to read it by; `says` is for who cannot see it."""
    placed = [_place(point) for point in points]
    drawn = f"<polyline points='{' '.join(f'{x:.1f},{y:.1f}' for x, y in placed)}'/>"
    drawn += "".join(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='2'/>" for x, y in placed if len(placed) <= DOTTED)
    (x1, y1), (x2, y2) = map(_place, aid)
    across, upwards = map(as_text, axes)
    ticks = "".join(
        f"<text x='{_place((t, 0))[0]:.0f}' y='{_BOTTOM + 14}' text-anchor='middle'>{t:g}</text>"
        f"<text x='{_LEFT - 6}' y='{_place((0, t))[1] + 4:.0f}' text-anchor='end'>{t:g}</text>"
        for t in (0, 0.5, 1)
    )
    middle, height = (_LEFT + _RIGHT) // 2, (_TOP + _BOTTOM) // 2
    return (
        f"<figure class='chart'><figcaption>{as_text(title)}</figcaption>"
        f"<svg viewBox='0 0 330 215' role='img' aria-label='{as_text(says)}'>"
        f"<path class='axis' d='M{_LEFT} {_TOP}V{_BOTTOM}H{_RIGHT}'/>"
        f"<line class='aid' x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}'/>{drawn}{ticks}"
        f"<text x='{middle}' y='210' text-anchor='middle'>{across}</text>"
        f"<text transform='rotate(-90 10 {height})' x='10' y='{height}' text-anchor='middle'>{upwards}</text>"
        "</svg></figure>"
    )


def _place(point: Point) -> Point:
    x, y = (min(max(part, 0.0), 1.0) for part in point)
    return _LEFT + x * (_RIGHT - _LEFT), _BOTTOM - y * (_BOTTOM - _TOP)
