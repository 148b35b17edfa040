"""Line and Band: bqplot marks whose size is bounded, whatever they show."""

from __future__ import annotations

import threading
from typing import Any

import bqplot
import numpy as np
from numpy.typing import NDArray

from .bulletin import Posted

Array = NDArray[np.float64]

#: Most points that are drawn of one line: a frame costs the same at any length.
MAX_POINTS = 2000


class Line(Posted, bqplot.Lines):
    """A line whose x and y are always sent together, also to a page that reloads."""

    def __init__(self, **kwargs: Any) -> None:
        self._both = threading.RLock()
        super().__init__(x=np.empty(0), y=np.empty(0), **kwargs)

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """Give the state, never one with a new x beside an old y."""
        with self._both:
            return super().get_state(key, drop_defaults)

    def show(self, x: Array, y: Array) -> None:
        """Draw y against x, thinned to `MAX_POINTS`; nothing, if no y is finite."""
        # bqplot complains about a line of NaN alone.
        x, y = thin(x, y) if np.isfinite(y).any() else np.empty((2, 0))
        with self._both, self.hold_sync():
            self.x, self.y = x, y

    def clear(self) -> None:
        """Draw nothing."""
        if len(self.x):
            self.show(np.empty(0), np.empty(0))


def thin(x: Array, y: Array, limit: int = MAX_POINTS) -> tuple[Array, Array]:
    """At most `limit` of the points, keeping every peak, every dip, and the newest.

    Of each run of neighbours the lowest and the highest point are kept, where they
    are. The width of the runs is a power of two, so that a growing line does not
    shimmer. The arrays returned are copies.
    """
    if len(x) <= limit:
        return x.copy(), y.copy()
    width = 2 ** int(np.ceil(np.log2(len(x) / (limit // 2 - 1))))
    runs = np.pad(y, (0, -len(y) % width), constant_values=np.nan).reshape(-1, width)
    at = np.arange(0, len(y), width)
    low = at + np.argmin(np.where(np.isfinite(runs), runs, np.inf), axis=1)
    high = at + np.argmax(np.where(np.isfinite(runs), runs, -np.inf), axis=1)
    kept = np.unique(np.concatenate([low, high, [len(x) - 1]]))
    return x[kept], y[kept]


class Band(Line):
    """The area between two lines over the same x, as one closed line."""

    def __init__(self, color: str, **kwargs: Any) -> None:
        super().__init__(
            colors=[color],
            stroke_width=0.0,
            close_path=True,
            fill="inside",
            fill_colors=[color],
            fill_opacities=[0.18],
            **kwargs,
        )

    def span(self, x: Array, low: Array, high: Array) -> None:
        """Fill between `low` and `high`, at no more than about `MAX_POINTS` places."""
        kept = np.flatnonzero(np.isfinite(low) & np.isfinite(high))
        kept = kept[:: -(-2 * len(kept) // MAX_POINTS) or 1]
        back = kept[::-1]
        self.show(
            np.concatenate([x[kept], x[back]]), np.concatenate([low[kept], high[back]])
        )
