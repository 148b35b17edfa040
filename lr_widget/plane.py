"""Plane: where learning rates and losses lie in a static picture, in pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .placement import Box

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Plane:
    """From LRs and losses to pixels.

    >>> plane = Plane.spanning(Box(0, 0, 100, 50), (1e-4, 1.0), (0.0, 2.0), False)
    >>> plane.x(1e-2).item(), plane.y(0.5).item()
    (50.0, 37.5)
    """

    box: Box
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    y_log: bool

    @classmethod
    def spanning(
        cls,
        box: Box,
        x_range: tuple[float, float],
        y_range: tuple[float, float] | None,
        y_log: bool,
    ) -> Plane:
        """A plane of these ranges, or of usual ones where they are none."""
        if not (np.isfinite(x_range).all() and 0 < x_range[0] < x_range[1]):
            x_range = (1e-7, 10.0)
        low, high = y_range or (np.nan, np.nan)
        # Beyond these sizes a difference is zero or infinite.
        if not (max(abs(low), abs(high)) < 1e300 and 1e-300 < high - low):
            low, high = (0.1, 1.0) if y_log else (0.0, 1.0)
        if y_log and low <= 0:
            low, high = (high / 1e3, high) if high > 0 else (0.1, 1.0)
        return cls(box, x_range, (low, high), y_log)

    def x(self, lrs: Array | float) -> Array:
        """Pixels of LRs; NaN where there is no such place."""
        box, values = self.box, np.asarray(lrs, dtype=float)
        return _spread(values, self.x_range, True, box.left, box.right)

    def y(self, losses: Array | float) -> Array:
        """Pixels of losses, those far outside brought nearer."""
        box, values = self.box, np.asarray(losses, dtype=float)
        return _spread(values, self.y_range, self.y_log, box.bottom, box.top)


def _spread(
    values: Array, ends: tuple[float, float], log: bool, start: float, stop: float
) -> Array:
    with np.errstate(all="ignore"):
        values = np.where(np.isfinite(values), values, np.nan)
        low, high = np.log10(ends) if log else ends
        part = ((np.log10(values) if log else values) - low) / (high - low)
    part = np.where(np.isneginf(part), np.nan, part)
    # Ten plots away a line is as good as vertical, and its numbers stay short.
    return np.asarray(start + np.clip(part, -10.0, 10.0) * (stop - start))
