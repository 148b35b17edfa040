"""What is written over the curve in front: its suggestions and its regions.

Both are plain dictionaries, for the browser to draw; every number in them is the very
one that the curve gives.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import reading
from .classics import GROUNDS
from .curves import Sweep
from .palette import MARKS
from .suggestion import REASONS

#: Where each rule looks, and after the colon why one would trust it.
_GROUNDS = {"fall": "where 95 % of the fall is made: most of it, and not the cliff"}
_GROUNDS |= GROUNDS

_GUARDED = "held back by the cliff: 95 % of the fall is made nearer to it"

#: Reasons for no suggestion, and that of one, with which a curve has regions.
_SHAPED = ("", "still_falling")


def suggestions(
    sweep: Sweep, measure: str, beta: float | None, y_log: bool = False
) -> list[dict[str, Any]]:
    """Each suggested LR, at its place on the smoothed `measure`.

    `fall` is in front, as far as it suggests anything. Where it does not, the others
    have a `doubt`: why they should not be trusted.

    `minimum` has an `origin`, the place of the minimum itself, of whose LR it returns
    a tenth.
    """
    ours = sweep.suggestion
    doubt = f"not to be trusted: {REASONS[ours.reason]}" if ours.reason else ""
    guarded = {"fall": _GUARDED} if "guarded" in ours.flags else {}
    grounds = _GROUNDS | guarded
    line = _Line(sweep, measure, beta, y_log)
    return [
        {
            "name": name,
            "lr": lr,
            "y": line.height(lr),
            "color": MARKS[name],
            "reason": grounds[name],
            "doubt": doubt,
            "origin": line.place(10 * lr) if name == "minimum" else None,
        }
        for name, lr in sweep.suggestions(beta).items()
        if lr is not None
    ]


def band(found: tuple[float, float] | None) -> dict[str, float] | None:
    """The stretch of LRs to look in."""
    return None if found is None else {"start": found[0], "end": found[1]}


def levels(sweep: Sweep) -> list[dict[str, Any]]:
    """Where parts of the fall are made: a name, a loss as `y`, and an LR or None."""
    return [
        {"name": name, "y": loss, "lr": lr}
        for name, loss, lr in sweep.levels
        if math.isfinite(loss)
    ]


def regions(sweep: Sweep, beta: float | None) -> list[dict[str, Any]]:
    """The regions of a curve, by the names that are written over them.

    A curve that is flat, or all noise, has none, whatever it looks like.
    """
    if sweep.suggestion.reason not in _SHAPED:
        return []
    found = reading.regions(*sweep.line("loss", beta))
    # What still falls at the end need not have come to where it is right.
    right = "falling" if sweep.suggestion.reason else "just right"
    named = {
        "too small": found.too_small,
        right: found.just_right,
        "diverging": found.diverging,
    }
    return [
        {"name": name, "start": edges[0], "end": edges[1]}
        for name, edges in named.items()
        if edges is not None
    ]


class _Line:
    """The smoothed line of one measure as it is drawn: straight between two steps."""

    def __init__(
        self, sweep: Sweep, measure: str, beta: float | None, y_log: bool
    ) -> None:
        self._lrs = self._heights = np.empty(0)
        self._y_log = y_log
        if measure in sweep.measures:
            lrs, smooth = sweep.line(measure, beta)
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
