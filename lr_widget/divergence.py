"""Divergence: when a sweep is over."""

from __future__ import annotations

import math
from itertools import accumulate

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

#: What corrects the moving average for its start, after so many losses; at last 1.
_WARM = np.array([1 - BETA**n for n in range(400)])


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
        self._running, self._best = 0.0, math.inf
        self._at: int | None = None

    def update(self, loss: float) -> bool:
        """Take in the next loss; True once the sweep should stop."""
        if not math.isfinite(loss):
            return True
        self._losses.append(loss)
        made = len(self._losses)
        self._running = _moved(self._running, loss)
        smooth = self._running / (1 - BETA**made)
        if smooth < self._best:
            self._best = smooth
        if made <= START:
            if made == START:
                self._begin()
            return False
        least = self._start - self._best, LEAST * abs(self._start)
        if smooth <= self._start + TIMES * max(least):
            return False
        return self._left(smooth, self._best, made)

    def first(self, losses: Array) -> int | None:
        """Where the stop comes in a record that only grows; None: not so far.

        Losses that it has seen are not looked at again. It is `update` of each of the
        others, bit for bit, in less than half of the time.
        """
        seen = len(self._losses)
        if self._at is not None or seen == len(losses):
            return self._at
        new = losses[seen:]
        bad = np.flatnonzero(~np.isfinite(new))
        known = new[: bad[0]].tolist() if len(bad) else new.tolist()
        self._losses.extend(known)
        begun, made = seen < START, len(self._losses)
        if begun and made >= START:
            self._begin()
        running = [*accumulate(known, _moved, initial=self._running)]
        counts = np.arange(seen + 1, made + 1)
        smooth = np.array(running[1:]) / _WARM[np.minimum(counts, len(_WARM) - 1)]
        best = np.fmin.accumulate(np.concatenate([[self._best], smooth]))
        self._running, self._best = running[-1], float(best[-1])
        with np.errstate(over="ignore", invalid="ignore"):
            least = np.maximum(self._start - best[1:], LEAST * abs(self._start))
            quiet = (counts <= START) | (smooth <= self._start + TIMES * least)
        for i in np.flatnonzero(~quiet).tolist():
            if self._left(float(smooth[i]), float(best[i + 1]), seen + i + 1):
                self._at = seen + i
                return self._at
        self._at = made if len(bad) else None
        return self._at

    def _begin(self) -> None:
        """Know the start level."""
        with np.errstate(over="ignore"):  # a loss may be 1e308
            self._start = float(np.mean(self._losses.view()[:START]))

    def _left(self, smooth: float, best: float, made: int) -> bool:
        """Whether it has left the range, even if the noise of all losses counts."""
        # Sorting all losses so far is dear, so it is done only where it decides.
        start = self._start
        with np.errstate(over="ignore"):
            noises = NOISES * noise(self._losses.view()[:made])
        seen = max(start - best, LEAST * abs(start), noises)
        return not smooth <= start + TIMES * seen


def _moved(running: float, loss: float) -> float:
    return BETA * running + (1 - BETA) * loss
