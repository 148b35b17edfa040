"""The static picture of a finished curve, as SVG text, for where no widget runs."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .axis import decades, log_ticks, loss_text, lr_text, ticks
from .element import SIZE, bold, dot, halo, line, path, rect, safe, text
from .palette import LOOK, PICK
from .placement import Box, beside, leader, place, text_width
from .plane import Plane

Array = NDArray[np.float64]

_FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
_INK, _QUIET, _GRID = "#1f2328", "#57606a", "#e6e8eb"

#: Longest name that a legend writes out.
_NAME = 32


@dataclass(frozen=True, eq=False)
class Stroke:
    """A line: losses `y` at LRs `x`; a value that is not finite makes a gap."""

    x: Array
    y: Array
    color: str
    width: float = 2.0
    opacity: float = 1.0
    name: str = ""


@dataclass(frozen=True, eq=False)
class Band:
    """What lies between `low` and `high`, filled."""

    x: Array
    low: Array
    high: Array
    color: str
    name: str = ""


@dataclass(frozen=True)
class Mark:
    """A dot on the curve, with its name and its LR beside it; a doubted one is gray."""

    name: str
    lr: float
    y: float
    color: str
    doubted: bool = False


def svg(
    strokes: Sequence[Stroke],
    *,
    x_range: tuple[float, float],
    y_range: tuple[float, float] | None,
    y_log: bool = False,
    y_label: str = "loss",
    lr: float | None = None,
    marks: Sequence[Mark] = (),
    bands: Sequence[Band] = (),
    look: tuple[float, float] | None = None,
    words: str = "",
    width: int = 720,
    height: int = 400,
) -> str:
    """Draw curves against the learning rate, on a white ground.

    >>> line = Stroke(np.array([1e-3, 1e-2]), np.array([2.0, 1.0]), "#0072B2")
    >>> drawn = svg([line], x_range=(1e-3, 1e-2), y_range=(0.9, 2.1), lr=3e-3)
    >>> drawn.startswith('<svg xmlns="http://www.w3.org/2000/svg" role="img"')
    True
    >>> "lr 3e-3" in drawn
    True

    It has no script, no reference to anything outside, and no variable of a page's
    style, so that it looks the same on GitHub, in a PDF, and as a file.

    Parameters
    ----------
    strokes
        Lines, the first at the back. Labels keep clear of the last.
    x_range, y_range
        What the axes span; x is a log axis. Ranges that cannot be are replaced.
    y_log
        Whether y is a log axis too.
    y_label
        What stands at the y axis.
    lr
        The picked LR: a vertical line with its value.
    marks
        Dots with labels, the suggestions.
    bands
        Filled, behind the strokes.
    look
        LRs between which to look for one: shaded, with those words.
    words
        What the picture shows, for who cannot see it.
    width, height
        In pixels.

    Returns
    -------
    str
        An `<svg>` element, well-formed XML.
    """
    named: dict[str, Stroke | Band] = {band.name: band for band in bands}
    named |= {stroke.name: stroke for stroke in strokes}
    named.pop("", None)
    rows = _legend_rows(list(named), width) if len(named) > 1 else []
    box = Box(66.0, 16.0 + 20 * len(rows), width - 22.0, height - 50.0)
    plane = Plane.spanning(box, x_range, y_range, y_log)
    inside = "".join([*_fills(plane, bands), *_lines(plane, strokes)])
    clip = f"lr-widget-clip-{zlib.crc32(f'{box}{inside}'.encode()):08x}"
    body = [
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<clipPath id="{clip}">{rect(box)}</clipPath>',
        *_axes(plane, y_label),
        *_shade(plane, look),
        f'<g clip-path="url(#{clip})" fill="none" stroke-linejoin="round"'
        f' stroke-linecap="round">{inside}</g>',
        *_labels(plane, lr, marks, strokes),
        *_legend(rows, named),
    ]
    title = f"{y_label} against learning rate"
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" role="img" class="lr-widget-picture"'
        f' width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        f' style="max-width:100%;height:auto" font-family="{_FONT}"'
        f' font-size="{SIZE}">'
        f"<title>{safe(title)}</title><desc>{safe(words)}</desc>"
        f"{''.join(body)}</svg>"
    )


def _lines(plane: Plane, strokes: Sequence[Stroke]) -> list[str]:
    return [
        f'<path d="{path(plane.x(each.x), plane.y(each.y))}"'
        f' stroke="{safe(each.color)}" stroke-width="{each.width:g}"'
        f' stroke-opacity="{each.opacity:g}"/>'
        for each in strokes
    ]


def _shade(plane: Plane, look: tuple[float, float] | None) -> list[str]:
    """The stretch to look in: a faint ground, and a strip on the axis."""
    if look is None:
        return []
    box = plane.box
    left, right = np.clip([plane.x(lr) for lr in look], box.left, box.right).tolist()
    if not left < right:
        return []
    ground = rect(Box(left, box.top, right, box.bottom), f' fill="{LOOK}" opacity=".1"')
    strip = rect(Box(left, box.bottom - 4, right, box.bottom), f' fill="{LOOK}"')
    fits = text_width("look here", SIZE) + 8 < right - left
    middle = (left + right) / 2
    words = text(middle, box.bottom - 9, "look here", _QUIET, "middle")
    return [ground, strip, *([words] if fits else [])]


def _fills(plane: Plane, bands: Sequence[Band]) -> list[str]:
    found = []
    for band in bands:
        x, low, high = plane.x(band.x), plane.y(band.low), plane.y(band.high)
        there = np.isfinite(x) & np.isfinite(low) & np.isfinite(high)
        around = np.concatenate([x[there], x[there][::-1]])
        edge = np.concatenate([low[there], high[there][::-1]])
        found.append(
            f'<path d="{path(around, edge)}" fill="{safe(band.color)}"'
            ' fill-opacity="0.2"/>'
        )
    return found


def _axes(plane: Plane, y_label: str) -> list[str]:
    """Grid, ticks and titles."""
    box = plane.box
    drawn = []
    for loss in (log_ticks if plane.y_log else ticks)(*plane.y_range):
        y = float(plane.y(loss))
        drawn.append(line(box.left, y, box.right, y, _GRID))
        short = loss_text(loss)
        said = short if float(short) == loss else f"{loss:.6g}"
        drawn.append(text(box.left - 8, y + 4, said, _QUIET, "end"))
    powers = decades(*plane.x_range)
    rates = powers if len(powers) > 1 else log_ticks(*plane.x_range)
    # From the right, so that a narrow picture keeps the LRs where something happens.
    every = int(np.ceil(44 * len(rates) / (box.right - box.left)))
    for at, rate in enumerate(rates[::-1]):
        x = float(plane.x(rate))
        drawn.append(line(x, box.top, x, box.bottom, _GRID))
        if at % every == 0:
            drawn.append(text(x, box.bottom + 18, lr_text(rate), _QUIET, "middle"))
    drawn.append(line(box.left, box.bottom, box.right, box.bottom, _QUIET))
    drawn.append(line(box.left, box.top, box.left, box.bottom, _QUIET))
    middle = (box.left + box.right) / 2
    drawn.append(text(middle, box.bottom + 40, "learning rate", _INK, "middle"))
    across = (box.top + box.bottom) / 2
    drawn.append(
        f'<g transform="translate(16 {across:.1f}) rotate(-90)">'
        f"{text(0, 0, y_label, _INK, 'middle')}</g>"
    )
    return drawn


def _labels(
    plane: Plane, lr: float | None, marks: Sequence[Mark], strokes: Sequence[Stroke]
) -> list[str]:
    """The pick and the suggestions, their labels over nothing that matters."""
    box, behind, front = plane.box, [], []
    taken = []
    picked = np.nan if lr is None else float(plane.x(lr))
    if lr is not None and box.left <= picked <= box.right:
        said = f"lr {lr_text(lr)}"
        wide = text_width(said, SIZE) + 14
        left = beside(picked, wide, box)
        label = Box(left, box.top + 4, left + wide, box.top + 24)
        taken += [label, Box(picked - 2, box.top, picked + 2, box.bottom)]
        behind.append(line(picked, box.top, picked, box.bottom, PICK, 2))
        front.append(rect(label, f' rx="4" fill="{PICK}"'))
        front.append(bold(left + wide / 2, label.top + 14.5, said, "#ffffff"))
    dots = [(mark, float(plane.x(mark.lr)), float(plane.y(mark.y))) for mark in marks]
    dots = [each for each in dots if np.isfinite(each[1:]).all()]
    taken += [Box(x - 6, y - 6, x + 6, y + 6) for _, x, y in dots]
    curve = _dense(plane, strokes[-1]) if strokes else np.empty((0, 2))
    for mark, x, y in dots:
        said = f"{_short(mark.name)} {lr_text(mark.lr)}"
        label = place(x, y, text_width(said, SIZE), box, taken, curve)
        taken.append(label)
        way = leader(x, y, label)
        taken += way
        color = _QUIET if mark.doubted else mark.color
        if way:
            behind.append(line(x, y, way[-1].left + 1, way[-1].top + 1, color))
        front.append(dot(x, y, color, hollow=mark.doubted))
        ink = _QUIET if mark.doubted else _INK
        front.append(halo(label.left, label.bottom - 3.5, said, ink))
    return behind + front


def _dense(plane: Plane, stroke: Stroke) -> Array:
    """Points of a stroke in pixels, none further from the next than a label is high."""
    x, y = plane.x(stroke.x), plane.y(stroke.y)
    there = np.isfinite(x) & np.isfinite(y)
    x, y = x[there], y[there]
    if len(x) < 2:
        return np.stack([x, y], axis=1)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    even = np.arange(0.0, along[-1], 4.0)
    return np.stack([np.interp(even, along, x), np.interp(even, along, y)], axis=1)


def _short(name: str) -> str:
    return name if len(name) <= _NAME else name[: _NAME - 1] + "…"


def _legend_rows(names: list[str], width: int) -> list[list[tuple[float, str]]]:
    """Names in rows, each with its left edge."""
    rows: list[list[tuple[float, str]]] = [[]]
    left = 66.0
    for name in names:
        wide = 26 + text_width(_short(name), SIZE) + 18
        if rows[-1] and left + wide > width:
            rows.append([])
            left = 66.0
        rows[-1].append((left, name))
        left += wide
    return rows


def _legend(
    rows: list[list[tuple[float, str]]], named: Mapping[str, Stroke | Band]
) -> list[str]:
    drawn = []
    for row, names in enumerate(rows):
        y = 16.0 + 20 * row
        for left, name in names:
            item = named[name]
            thick = item.width if isinstance(item, Stroke) else 8.0
            faint = item.opacity if isinstance(item, Stroke) else 0.3
            drawn.append(line(left, y, left + 20, y, item.color, thick, faint))
            drawn.append(text(left + 26, y + 4, _short(name), _INK))
    return drawn
