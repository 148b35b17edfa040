"""Curve: the record of what a run did, one Point per optimizer step."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

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

    def suggestions(self) -> Suggestions:
        """The LR that each rule reads off the smoothed curve (`suggestion.RULES`).

        A rule that has none gives None; `.reason` says why when no rule has any.
        """
        smooth = self.smooth()
        return suggest(self.lrs[: len(smooth)], smooth, self.num_iter)
