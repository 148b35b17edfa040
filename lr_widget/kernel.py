"""A Gaussian kernel average over log LR: centred, so that it does not lag."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Longer records are averaged over neighbouring steps first, to no more than this many
#: blocks: a frame costs the same at any length, and a block is far narrower than any
#: width in use.
MAX_BLOCKS = 512


class Kernel:
    """Averages values over the places x, each weighted by its distance.

    >>> Kernel(np.array([0.0, 1.0, 2.0]), 1e-3)(np.array([3.0, 1.0, 2.0])).tolist()
    [3.0, 1.0, 2.0]

    The weight of a value is `exp(-(distance / width)^2 / 2)`; the weights are divided
    by their sum, at the ends too (Nadaraya 1964, Watson 1964).

    Parameters
    ----------
    x
        Shape (n,), rising. The cost is n^2.
    width
        Standard deviation, in the unit of x; positive.
    """

    def __init__(self, x: Array, width: float) -> None:
        n, step = len(x), (x[-1] - x[0]) / max(len(x) - 1, 1)
        away = step * np.arange(n)
        even = np.abs(x - x[0] - away).max() < 1e-9 * width
        self._bell: Array | None = None
        if even:  # n exponentials instead of n^2
            half = np.exp(-0.5 * (away / width) ** 2)
            self._bell = np.concatenate([half[:0:-1], half])
            sums = np.cumsum(half)
            self._sums = sums + sums[::-1] - 1
        else:
            self._rows = np.exp(-0.5 * ((x[:, None] - x) / width) ** 2)
            self._sums = self._rows.sum(axis=1)

    def __call__(self, y: Array) -> Array:
        """The averages of y, shape (n,), or of each column of it, (n, k)."""
        # About the first: a large constant in y costs no digits.
        moved = self._weighed(y - y[0])
        sums = self._sums if y.ndim == 1 else self._sums[:, None]
        averages: Array = y[0] + moved / sums
        return averages

    def _weighed(self, y: Array) -> Array:
        """The sum of y by weight at each place."""
        if self._bell is None:
            return self._rows @ y
        if y.ndim == 1:
            return np.convolve(self._bell, y, "valid")
        windows = np.lib.stride_tricks.sliding_window_view(self._bell, len(y))
        return np.ascontiguousarray(windows[::-1]) @ y


def blocks(lrs: Array, values: Array) -> tuple[Array, Array]:
    """Place in log10 LR and mean of each block of steps: of each step, if they are few.

    >>> x, y = blocks(np.geomspace(1e-4, 1.0, 5), np.arange(5.0))
    >>> x.tolist(), y.tolist()
    ([-4.0, -3.0, -2.0, -1.0, 0.0], [0.0, 1.0, 2.0, 3.0, 4.0])
    """
    n = len(values)
    if n <= MAX_BLOCKS:
        return np.log10(lrs), values
    # A power of two, so that a growing curve does not shimmer; a block that is not full
    # waits, so that all are alike.
    size = 2 ** int(np.ceil(np.log2(n / MAX_BLOCKS)))
    full = n // size * size
    first, last = np.log10(lrs[:full:size]), np.log10(lrs[size - 1 : full : size])
    return (first + last) / 2, values[:full].reshape(-1, size).mean(axis=1)
