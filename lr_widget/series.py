"""Series: the values of one measure, at the steps at which it was taken."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .archive import number

Array = NDArray[np.float64]

#: Moving averages that are kept: a slider goes through many betas, a chart asks for
#: the same few again and again.
KEPT = 8


class Trace(NamedTuple):
    """One measure against LR: read-only float64 arrays of one length."""

    lrs: Array
    values: Array
    smooth: Array


class Column:
    """Float64 numbers that are only ever appended; a view taken stays valid.

    >>> column = Column()
    >>> column.append(2.0)
    >>> column.view().tolist(), len(column)
    ([2.0], 1)

    To append is for one thread at a time, and so is to view; they may be two.
    """

    def __init__(self) -> None:
        self._store, self._size = np.empty(0), 0
        # What has come since the last view: an array's own `append` takes 30 ns, and to
        # write into one of numpy's takes four times that.
        self._new = array("d")
        #: Add one number.
        self.append: Callable[[float], None] = self._new.append

    def __len__(self) -> int:
        return self._size + len(self._new)

    def view(self, start: int = 0) -> Array:
        """The numbers from `start` on, read-only."""
        new = self._new[:]  # what comes meanwhile stays for the next view
        if new:
            size = self._size + len(new)
            if size > len(self._store):
                store = np.empty(max(256, 2 * size))
                store[: self._size] = self._store[: self._size]
                self._store = store
            self._store[self._size : size] = new
            del self._new[: len(new)]
            self._size = size
        view = self._store[start : self._size]
        view.flags.writeable = False
        return view


class Series:
    """LR and value of each step at which a measure was taken, and its moving averages.

    >>> series = Series()
    >>> series.append(0, 1e-3, 2.0), series.append(1, 1e-2, 1.0)
    (None, None)
    >>> series.smooth(0.5).round(3).tolist()
    [2.0, 1.333]

    Parameters
    ----------
    every
        Whether it is taken at every step: LR and value may then be appended to their
        columns, in this order.
    """

    def __init__(self, every: bool = False) -> None:
        self.lrs, self.values = Column(), Column()
        self._steps = None if every else Column()
        self._averages: dict[float, _Average] = {}

    @property
    def steps(self) -> Array:
        """The step of each value."""
        if self._steps is None:
            return np.arange(float(len(self.values)))
        return self._steps.view()

    def append(self, step: float, lr: float, value: float) -> None:
        """Record the value at one more step."""
        if self._steps is not None:
            self._steps.append(step)
        self.lrs.append(lr)
        self.values.append(value)

    def view(self) -> tuple[Array, Array]:
        """LRs and values, as many of each, also while it grows."""
        values = self.values.view()
        return self.lrs.view()[: len(values)], values

    def smooth(self, beta: float) -> Array:
        """The moving average of the values; see `Curve.smooth`."""
        average = self._averages.pop(beta, None) or _Average(beta)
        self._averages[beta] = average  # last, so that the first is the longest unused
        if len(self._averages) > KEPT:
            del self._averages[next(iter(self._averages))]
        average.take(self.values)
        return average.column.view()

    def record(self) -> dict[str, list[float]]:
        """Steps, LRs and values as lists, for a file."""
        lrs, values = self.view()
        steps = self.steps[: len(values)]
        return {"step": steps.tolist(), "lr": lrs.tolist(), "value": values.tolist()}

    @classmethod
    def of(cls, record: Mapping[str, Any], every: bool = False) -> Series:
        """The series that a record is of.

        Raises
        ------
        LookupError, TypeError, ValueError
            If it is none.
        """
        series = cls(every)
        columns = (record[name] for name in ("step", "lr", "value"))
        steps, lrs, values = ([*map(number, column)] for column in columns)
        for step, lr, value in zip(steps, lrs, values, strict=True):
            series.append(step, lr, value)
        if not (np.diff(steps) > 0).all() or (every and steps != [*range(len(steps))]):
            raise ValueError("steps that do not grow")
        return series


class _Average:
    """An exponential moving average that goes on where it was."""

    def __init__(self, beta: float) -> None:
        self.beta, self.column = beta, Column()
        self._running = 0.0

    def take(self, values: Column) -> None:
        beta, running, done = self.beta, self._running, len(self.column)
        for i, value in enumerate(values.view(done).tolist(), start=done):
            running = beta * running + (1 - beta) * value
            self.column.append(running / (1 - beta ** (i + 1)))
        self._running = running


def checked_beta(beta: float) -> float:
    """The beta, if one can smooth with it.

    Raises
    ------
    ValueError
        If it is not in [0, 1).
    """
    if not 0 <= beta < 1:
        raise ValueError(f"beta must be in [0, 1), not {beta}: try 0.98")
    return float(beta)
