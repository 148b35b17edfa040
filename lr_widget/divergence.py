"""Divergence: when a sweep is over."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .series import Column

Array = NDArray[np.float64]

#: Steps before the first decision, and the moving average that is decided on.
START, BETA = 10, 0.9

#: So many times the range seen so far, or so many standard deviations of one loss.
TIMES, NOISES = 3.0, 4.0

#: The least range, as a part of the start level.
LEAST = 1e-6


def noise(losses: Array) -> float:
    """Robust standard deviation of a loss about its trend.

    That is `1.4826 / sqrt 2 * median |difference|`. Of a loss that mostly stays exactly
    as it is (a hinge that is mostly zero, a loss in bfloat16) the median is that of the
    differences which are not 0.
    """
    steps = np.abs(np.diff(losses))
    if not steps.any():
        return 0.0
    middle = float(np.median(steps)) or float(np.median(steps[steps > 0]))
    return 1.4826 / math.sqrt(2) * middle


class Divergence:
    """The stop rule of a sweep: whether the loss has left the range it moved in.

    >>> Divergence().first(np.array([1.0, 0.5, np.nan, 0.4]))
    2

    It has at the first loss that is not finite, and, after ten steps, once

        `smooth > start + 3 * max(start - best, 4 * noise, 1e-6 * |start|)`

    with `start` the mean of the first ten losses, `smooth` the moving average (beta
    0.9, corrected for its start), `best` its lowest value from the first loss on, and
    `noise` that of all losses so far.

    Being relative to the range seen so far it holds for losses of any sign and size.
    Without the noise term a flat start would stop it: 24 of 330 sweeps of the suite in
    `tests/benchmarks/suggestion`, where with it none is stopped there.
    """

    def __init__(self) -> None:
        self._losses = Column()
        self._start = math.nan
        self._running, self._left, self._best = 0.0, 1.0, math.inf
        # No more than the limit without the noise; none, until the start is known.
        self._limit = math.inf
        self._at: int | None = None

    def update(self, loss: float) -> bool:
        """Take in the next loss; True once the sweep should stop."""
        if not math.isfinite(loss):
            return True
        self._losses.append(loss)
        self._left *= BETA
        self._running = BETA * self._running + (1 - BETA) * loss
        smooth = self._running / (1 - self._left)
        if smooth < self._best:
            self._best = smooth
        if smooth <= self._limit:
            if self._limit == math.inf and len(self._losses) == START:
                self._begin()
            return False
        # The best may have fallen since the limit was set.
        seen = max(self._start - self._best, LEAST * abs(self._start))
        self._limit = self._start + TIMES * seen
        if smooth <= self._limit:
            return False
        # Sorting all losses so far is dear, so it is done only where it decides.
        with np.errstate(over="ignore"):
            seen = NOISES * noise(self._losses.view())
        return not smooth <= self._start + TIMES * seen

    def _begin(self) -> None:
        with np.errstate(over="ignore"):  # a loss may be 1e308
            self._start = float(np.mean(self._losses.view()))
        self._limit = self._start

    def first(self, losses: Array) -> int | None:
        """Where the stop comes in a record that only grows; None: not so far.

        Losses that it has seen are not looked at again.
        """
        seen = len(self._losses)
        new = losses[seen:].tolist() if self._at is None else []
        for i, loss in enumerate(new, start=seen):
            if self.update(loss):
                self._at = i
                break
        return self._at
