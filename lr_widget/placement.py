"""Where the labels of a static picture go: beside what they name, over nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Advance of a character relative to the font's size: an average of common fonts.
_ADVANCE = 0.58

_GAP, _ROW = 9.0, 17.0


class Box(NamedTuple):
    """A rectangle in pixels, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """Area that both cover."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(wide, 0.0) * max(high, 0.0)

    def outside(self, other: Box) -> float:
        """Area of this one that the other does not cover."""
        area = (self.right - self.left) * (self.bottom - self.top)
        return area - self.overlap(other)


def text_width(text: str, size: float) -> float:
    """Width of a text in pixels, estimated: a picture has no font to ask.

    >>> text_width("valley", 10)
    34.8
    """
    return round(_ADVANCE * size * len(text), 1)


def beside(x: float, wide: float, plot: Box) -> float:
    """Left edge of a text beside a vertical line: on its right while it fits there.

    >>> plot = Box(0, 0, 100, 50)
    >>> beside(10, 40, plot), beside(90, 40, plot)
    (19.0, 41.0)
    """
    fits_right = x + _GAP + wide <= plot.right
    fits_left = x - _GAP - wide >= plot.left
    right = fits_right or (not fits_left and x - plot.left < plot.right - x)
    return x + _GAP if right else x - _GAP - wide


def place(
    x: float, y: float, wide: float, plot: Box, taken: Sequence[Box], line: Array
) -> Box:
    """The cheapest place for a label of a dot at (x, y).

    Parameters
    ----------
    x, y, wide
        The dot, and the width of its label.
    plot
        What the label may not leave.
    taken
        What it must not cover: other labels, and dots.
    line
        Points of shape (n, 2) that it should not cover.

    Returns
    -------
    Box
        Near the dot; further up or down where the near places are taken.
    """
    high = _ROW - 2
    candidates = [
        Box(left, top, left + wide, top + high)
        for row in sorted(range(-9, 10), key=abs)
        for beside_x in (x + _GAP, x - _GAP - wide, x - wide / 2)
        for left in [max(min(beside_x, plot.right - wide), plot.left)]
        for top in [y + row * _ROW - high / 2]
    ]

    best, least = candidates[0], np.inf
    for box in candidates:
        away = abs((box.top + box.bottom) / 2 - y)
        if away >= least:
            break  # the rest lie further off, which alone costs more
        cost = away + 100 * (sum(map(box.overlap, taken)) + box.outside(plot))
        in_x = (line[:, 0] > box.left - 2) & (line[:, 0] < box.right + 2)
        in_y = (line[:, 1] > box.top - 2) & (line[:, 1] < box.bottom + 2)
        cost += 4 * int(np.count_nonzero(in_x & in_y))
        if cost < least:
            way = leader(x, y, box)
            cost += 4 * sum(bool(other.overlap(at)) for at in way for other in taken)
        if cost < least:
            best, least = box, cost
    return best


def leader(x: float, y: float, label: Box) -> list[Box]:
    """Steps of the way from a dot to its label; none where that lies beside it."""
    middle = (label.top + label.bottom) / 2
    if abs(middle - y) < _ROW / 2:
        return []
    to_x = min(max(x, label.left), label.right)
    to_y = label.bottom if middle < y else label.top
    away = float(np.hypot(to_x - x, to_y - y))
    ways = np.arange(7.0, max(away, 7.5), 3.0) / max(away, 7.5)
    spots = [(x + way * (to_x - x), y + way * (to_y - y)) for way in [*ways, 1.0]]
    return [Box(a - 1, b - 1, a + 1, b + 1) for a, b in spots]
