"""Divergence: when a sweep is over."""

from __future__ import annotations

import math

import numpy as np


class Divergence:
    """The stop rule of a sweep: whether the loss has left the range it moved in.

    It has at the first loss that is not finite, and, after ten steps, once

        `smooth > start + 3 * max(start - best, 4 * noise, 1e-3 * |start|)`

    with `start` the median of the first ten losses, `smooth` the moving average from
    there on (beta 0.9), `best` the lowest `smooth`, and `noise` a robust estimate of
    the standard deviation of a loss (1.4826 / sqrt 2 * median |difference|, of all
    losses or of those among the first ten that differ, whichever is more).

    Being relative to the range seen so far it holds for losses of any sign and size.
    Without the noise term a flat start would stop it, and without the last one a loss
    that neither falls nor is noisy (a trained model on one batch) would at a rise that
    nobody can see. Losses of exactly zero at the start have no size to be relative to,
    and are left out.
    """

    _START, _BETA = 10, 0.9

    def __init__(self) -> None:
        self._losses: list[float] = []
        self._start = self._smooth = math.nan
        self._best = math.inf

    def update(self, loss: float) -> bool:
        """Take in the next loss; True once the sweep should stop."""
        if not math.isfinite(loss):
            return True
        if loss == 0 and not self._losses:
            return False
        self._losses.append(loss)
        if len(self._losses) <= self._START:
            # The median: a spike among the first losses is no measure of anything.
            self._start = self._smooth = float(np.median(self._losses))
            return False
        self._smooth = smooth = self._BETA * self._smooth + (1 - self._BETA) * loss
        self._best = min(self._best, smooth)
        fall = max(self._start - self._best, 1e-3 * abs(self._start))
        if smooth <= self._start + 3 * fall:
            return False
        # Sorting all losses so far is dear, so it is done only where it decides.
        steps = np.abs(np.diff(self._losses))
        first = steps[: self._START - 1]
        moves = first[first > 0]  # of a loss that is mostly zero, say
        noise = max(np.median(steps), np.median(moves) if len(moves) else 0.0)
        noise *= 1.4826 / math.sqrt(2)
        return not smooth <= self._start + 3 * max(fall, 4 * noise)
