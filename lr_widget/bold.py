"""Bold: the bold line of a sweep, and the smooth that the suggestion is read off."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .divergence import noise
from .kernel import Kernel, blocks

Array = NDArray[np.float64]

#: Blur of the smooth in decades of LR, a factor of 2.5: 5 points of 100 over 8 decades;
#: and in steps, where these are wide.
H, STEPS = 0.4, 1.5

#: An explosion counts no more than so many standard deviations above the start.
CLIP = 3.0


@dataclass(frozen=True, eq=False)
class Bold:
    """A Gaussian kernel average of finite losses over log LR.

    >>> lrs = np.geomspace(1e-3, 1.0, 4)
    >>> Bold.of(lrs, np.array([2.0, 2.0, 1.0, 9.0])).smooth.round(2).tolist()
    [2.09, 2.37, 2.9, 3.64]

    It is centred, so it does not lag. Each array has an entry for each step, or, of
    more than 512 steps, one for each block of some.

    Attributes
    ----------
    x : array
        log10 LR.
    y, cut, averages : array
        Losses, those with what lies far above the start cut off, and the averages of
        these, all times `unit`.
    unit : float
        A power of two that brings losses of any size near 1: nothing is rounded, and
        no sum is too large.
    kernel : Kernel
        What averages.
    """

    x: Array
    y: Array
    cut: Array
    averages: Array
    unit: float
    kernel: Kernel

    @classmethod
    def of(cls, lrs: Array, values: Array, clipped: bool = True) -> Bold:
        """The line of finite losses, one or more; not `clipped`, of other values."""
        x, y = blocks(lrs, values)
        unit = math.ldexp(1.0, -_exponent(y))
        y = cut = y * unit
        if clipped:
            start = y[: _first(len(y))]
            cut = np.minimum(y, start.mean() + CLIP * noise(start))
        kernel = Kernel(x, max(H, STEPS * _step(x)))
        return cls(x, y, cut, kernel(cut), unit, kernel)

    @property
    def smooth(self) -> Array:
        """The averages in the unit of the losses."""
        return self.averages / self.unit

    @property
    def first(self) -> int:
        """How many losses the start level is the mean of."""
        return _first(len(self.y))

    @property
    def start(self) -> float:
        """The start level, times `unit`."""
        return float(self.y[: self.first].mean())

    @property
    def window(self) -> float:
        """How many losses count in an average, as for its standard error."""
        return min(len(self.x), 2 * math.sqrt(math.pi) * self.width / _step(self.x))

    @property
    def width(self) -> float:
        """Standard deviation of the kernel in decades."""
        return max(H, STEPS * _step(self.x))


def _step(x: Array) -> float:
    """Decades between two places."""
    return float(x[-1] - x[0]) / max(len(x) - 1, 1)


def _first(n: int) -> int:
    return max(5, n // 5)


def _exponent(y: Array) -> int:
    return min(max(math.frexp(float(np.abs(y).max()))[1], -1000), 1000)
