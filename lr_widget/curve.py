"""Curve: the record of what a run did, one Point per optimizer step."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .suggestion import Suggestions, suggest

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one finished epoch of a fit came to.

    `train_loss` is the mean of the epoch's step losses, `valid_loss` the mean over the
    validation samples (None without a `valid_loader`), as are the values of `metrics`.
    `epoch` counts from 1; `step` is that of its last Point.
    """

    epoch: int
    step: int
    train_loss: float
    valid_loss: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Point:
    """One optimizer step: the LR it used and the loss it was computed from.

    `step` counts from 0. `epoch` is set on the last point of each epoch of a fit.

    >>> Point(step=0, lr=1e-7, loss=2.3).lr
    1e-07
    """

    step: int
    lr: float
    loss: float
    epoch: Epoch | None = None


class Trace(NamedTuple):
    """LR, value and smoothed value of each step."""

    lrs: Array
    values: Array
    smooth: Array


class _Column:
    """Float64 numbers that are only ever appended; a view taken stays valid."""

    def __init__(self) -> None:
        self._store = np.empty(256)
        self._size = 0

    def append(self, value: float) -> None:
        if self._size == len(self._store):
            self._store = np.concatenate([self._store, np.empty(self._size)])
        self._store[self._size] = value
        self._size += 1

    def view(self) -> Array:
        view = self._store[: self._size]
        view.flags.writeable = False
        return view


class Curve:
    """Append-only record of a sweep or a fit: raw losses; all else is derived.

    >>> curve = Curve([Point(0, 1e-3, 2.0), Point(1, 1e-2, 1.0)])
    >>> curve.losses.tolist(), curve.smooth(beta=0.5).round(3).tolist()
    ([2.0, 1.0], [2.0, 1.333])

    Parameters
    ----------
    points
        Points to start with.
    num_iter
        Steps that were planned; the suggestions leave out the first tenth of them.
    """

    def __init__(
        self, points: Iterable[Point] = (), *, num_iter: int | None = None
    ) -> None:
        self.num_iter = num_iter
        self.epochs: list[Epoch] = []
        self._lrs, self._losses = _Column(), _Column()
        self._smooth: dict[float, _Column] = {}
        self._running: dict[float, float] = {}
        self._lock = threading.Lock()
        for point in points:
            self.append(point)

    def append(self, point: Point) -> None:
        """Record one more point."""
        with self._lock:
            self._lrs.append(point.lr)
            self._losses.append(point.loss)
            if point.epoch is not None:
                self.epochs.append(point.epoch)

    def __len__(self) -> int:
        return len(self.losses)

    def __iter__(self) -> Iterator[Point]:
        with self._lock:
            rows = zip(self._lrs.view(), self._losses.view(), strict=True)
            ends = {epoch.step: epoch for epoch in self.epochs}
        return (
            Point(i, float(lr), float(loss), ends.get(i))
            for i, (lr, loss) in enumerate(rows)
        )

    def __repr__(self) -> str:
        return f"<Curve of {len(self)} points>"

    @property
    def lrs(self) -> Array:
        """LR of each step, shape (n,), float64, read-only."""
        with self._lock:
            return self._lrs.view()

    @property
    def losses(self) -> Array:
        """Raw loss of each step, shape (n,), float64, read-only."""
        with self._lock:
            return self._losses.view()

    def smooth(self, beta: float = 0.98) -> Array:
        """Exponential moving average of the losses, corrected for its start.

        `m_i = beta * m_(i-1) + (1 - beta) * loss_i`, divided by `1 - beta^(i+1)`, as
        in Adam and in fastai's recorder; `beta=0` gives the raw losses. From the first
        non-finite loss on it is not finite either.

        Returns
        -------
        array of shape (n,), float64, read-only

        Raises
        ------
        ValueError
            If `beta` is not in [0, 1).
        """
        if not 0 <= beta < 1:
            raise ValueError(f"beta must be in [0, 1), not {beta}: try 0.98")
        with self._lock:
            smoothed = self._smooth.setdefault(beta, _Column())
            running = self._running.get(beta, 0.0)
            done = len(smoothed.view())
            for i, loss in enumerate(self._losses.view()[done:].tolist(), start=done):
                running = beta * running + (1 - beta) * loss
                smoothed.append(running / (1 - beta ** (i + 1)))
            self._running[beta] = running
            return smoothed.view()

    def trace(self, measure: str = "loss", beta: float = 0.98) -> Trace:
        """LR, raw and smoothed loss of each step."""
        smooth = self.smooth(beta)
        return Trace(self.lrs[: len(smooth)], self.losses[: len(smooth)], smooth)

    def suggestions(self, beta: float = 0.98) -> Suggestions:
        """The LR that each rule reads off the smoothed curve (`suggestion.RULES`).

        A rule that has none gives None; `.reason` says why when no rule has any.
        """
        lrs, losses, smooth = self.trace("loss", beta)
        return suggest(lrs, smooth, self.num_iter, losses)


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
