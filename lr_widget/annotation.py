"""What is written over the curve in front: its suggestions and its regions.

Both are plain dictionaries, for the browser to draw; every number in them is the very
one that the curve gives.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import reading
from .curves import Sweep
from .palette import MARKS
from .suggestion import REASONS


def suggestions(
    sweep: Sweep, measure: str, beta: float, y_log: bool = False
) -> list[dict[str, Any]]:
    """Each suggested LR, at its place on the smoothed `measure`.

    The one to look at first is in front: keys begin there.

    `minimum` has an `origin`, the place of the minimum itself, of whose LR it returns
    a tenth.
    """
    lrs, _, smooth = sweep.trace("loss", beta)
    found = sweep.suggestions(beta)
    line = _Line(sweep, measure, beta, y_log)
    return [
        {
            "name": name,
            "lr": lr,
            "y": line.height(lr),
            "color": MARKS[name],
            "reason": REASONS[name],
            "origin": line.place(10 * lr) if name == "minimum" else None,
        }
        for name in reading.ranked(found, reading.regions(lrs, smooth))
        if (lr := found[name]) is not None
    ]


def regions(sweep: Sweep, beta: float) -> list[dict[str, Any]]:
    """The regions of a curve, by the names that are written over them.

    A curve that is flat, or all noise, has none, whatever it looks like.
    """
    if sweep.suggestions(beta).kind not in ("", "still_falling"):
        return []
    lrs, _, smooth = sweep.trace("loss", beta)
    found = reading.regions(lrs, smooth)
    named = {
        "too small": found.too_small,
        "just right": found.just_right,
        "diverging": found.diverging,
    }
    return [
        {"name": name, "start": edges[0], "end": edges[1]}
        for name, edges in named.items()
        if edges is not None
    ]


class _Line:
    """The smoothed line of one measure as it is drawn: straight between two steps."""

    def __init__(self, sweep: Sweep, measure: str, beta: float, y_log: bool) -> None:
        self._lrs = self._heights = np.empty(0)
        self._y_log = y_log
        if measure in sweep.measures:
            lrs, _, smooth = sweep.trace(measure, beta)
            with np.errstate(divide="ignore", invalid="ignore"):
                heights = np.log(smooth) if y_log else smooth
            kept = np.isfinite(heights)
            self._lrs, self._heights = np.log(lrs[kept]), heights[kept]

    def height(self, lr: float) -> float | None:
        """Where the line is at an LR; None if there is no line, or it is no number."""
        if not len(self._lrs):
            return None
        with np.errstate(all="ignore"):  # between 1e308 and -1e308
            found = np.interp(np.log(lr), self._lrs, self._heights)
            height = float(np.exp(found) if self._y_log else found)
        return height if math.isfinite(height) else None

    def place(self, lr: float) -> dict[str, Any]:
        """A point of the line."""
        return {"lr": lr, "y": self.height(lr)}
