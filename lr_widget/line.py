"""Line and Band: bqplot marks whose size is bounded, whatever they show."""

from __future__ import annotations

import threading
from typing import Any

import bqplot
import numpy as np
from numpy.typing import NDArray

from .bulletin import Posted

Array = NDArray[np.float64]
Places = NDArray[np.intp]

#: Most points that are drawn of one line, about as many as a chart has pixels across: a
#: frame costs the same at any length.
MAX_POINTS = 1000

#: So many of the first values are always looked at.
_HEAD = 256


class Line(Posted, bqplot.Lines):
    """A line whose x and y are always sent together, also to a page that reloads."""

    def __init__(self, **kwargs: Any) -> None:
        self._both = threading.RLock()
        self._kept = _Kept()
        super().__init__(x=np.empty(0), y=np.empty(0), **kwargs)

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """Give the state, never one with a new x beside an old y."""
        with self._both:
            return super().get_state(key, drop_defaults)

    def show(self, x: Array | None, y: Array, of: object = None) -> Places:
        """Draw y against x, thinned to `MAX_POINTS`, up to the last finite y.

        Without `x` against the number of each point. `of` says what y is of: while
        equals are given, y must only have grown, and only what is new is looked at.

        Returns
        -------
        array of int
            Which of the points are drawn: with every peak and every dip.
        """
        kept = self._kept.places(y, of)
        across = kept.astype(float) if x is None else x[kept]
        down = y[kept]
        finite = np.flatnonzero(np.isfinite(down))
        end = finite[-1] + 1 if len(finite) else 0  # bqplot labels the last point
        across, down = across[:end], down[:end]
        with self._both, self.hold_sync():
            self.x, self.y = across, down
        return kept

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
    kept = _Kept(limit).places(y)
    return x[kept], y[kept]


class _Kept:
    """Which points of a line are drawn; of one that grows, found as it grows."""

    def __init__(self, limit: int = MAX_POINTS) -> None:
        self._limit = limit
        self._of: object = None
        self._width = 0
        # Two places of each run that is full: nothing more will come into it.
        self._full: Places = np.empty(0, dtype=np.intp)

    def places(self, y: Array, of: object = None) -> Places:
        """The places, rising; `of` as in `Line.show`."""
        if len(y) <= self._limit:
            return np.arange(len(y))
        width = 2 ** int(np.ceil(np.log2(len(y) / (self._limit // 2 - 1))))
        if of is None or of != self._of or width != self._width:
            # All anew, but so seldom that it costs a step of a long run nothing.
            self._of, self._width, self._full = of, width, self._full[:0]
        begun, full = len(self._full) // 2 * width, len(y) // width * width
        new = _ends(y[begun:full].reshape(-1, width), begun)
        self._full = np.concatenate([self._full, new])
        last = _ends(y[None, full:], full) if full < len(y) else new[:0]
        kept = np.concatenate([self._full, last, [len(y) - 1]])
        return kept[np.diff(kept, prepend=-1) > 0]


def sample(values: Array, kept: Places) -> Array:
    """As many of the values as their range is read off: the first, and those drawn."""
    head = values[:_HEAD]
    # What a range is read off besides its ends is the first fifty finite values.
    few = np.count_nonzero(np.isfinite(head)) < 50
    return values if few else np.concatenate([head, values[kept]])


def _ends(runs: Array, start: int) -> Places:
    """Where in each row the lowest and the highest number are, in their order."""
    at = start + np.arange(len(runs)) * runs.shape[1]
    finite = np.isfinite(runs)
    low = high = runs
    if not finite.all():
        low, high = np.where(finite, runs, np.inf), np.where(finite, runs, -np.inf)
    both = np.stack([low.argmin(axis=1), high.argmax(axis=1)], axis=1)
    both.sort(axis=1)
    ends: Places = (both + at[:, None]).ravel()
    return ends


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
