"""Repeats: several sweeps of one setting, seen as one curve with a band."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from .classics import classics
from .curve import USUAL_BETA, Curve, Point
from .fall import Level
from .plot import drawn
from .series import Array, Trace
from .suggestion import Suggestion, shared

Reduce = Callable[..., Any]


class Band(NamedTuple):
    """Lowest and highest smoothed value at each LR: read-only float64 arrays."""

    lrs: Array
    low: Array
    high: Array


class Repeats:
    """The sweeps of one variation, all over the same LRs; their median and range.

    >>> repeats = Repeats([Curve([Point(0, 0.1, loss)]) for loss in (1.0, 2.0, 6.0)])
    >>> repeats.trace(beta=0.0).smooth.tolist(), repeats.band(beta=0.0).high.tolist()
    ([2.0], [6.0])

    At each LR those count that were measured there: a repeat that has ended, because it
    diverged say, no longer does, so that the median may jump where one ends. The LRs
    are those of the longest repeat.

    Parameters
    ----------
    curves
        Sweeps to start with. They may go on growing.
    num_iter
        Steps that were planned for each; those that `append` begins get it too.

    Raises
    ------
    ValueError
        If they were not swept over the same LRs.
    """

    def __init__(
        self, curves: Iterable[Curve] = (), *, num_iter: int | None = None
    ) -> None:
        self._curves = list(curves)
        self._train_steps: int | None = None
        planned = [c.num_iter for c in self._curves if c.num_iter is not None]
        self.num_iter = num_iter if num_iter is not None else next(iter(planned), None)
        self._grid()

    def append(self, index: int, point: Point) -> None:
        """Record one more point of a repeat; the next index begins a repeat.

        Raises
        ------
        ValueError
            If a repeat is left out, or the point's LR is not that of the others.
        """
        count = len(self._curves)
        if not 0 <= index <= count:
            raise ValueError(f"index must be from 0 to {count}, not {index}")
        if index < count:
            curve = self._curves[index]
        else:
            curve = Curve(num_iter=self.num_iter, train_steps=self._train_steps)
        lrs = max((known.lrs for known in self._curves), key=len, default=curve.lrs)
        at = len(curve)
        if at < len(lrs) and lrs[at] != point.lr:
            raise _other_lrs(index, at, float(point.lr), float(lrs[at]))
        curve.append(point)
        if index == count:
            self._curves.append(curve)  # not before it has a point

    @property
    def curves(self) -> tuple[Curve, ...]:
        """The sweeps, one for each repeat."""
        return tuple(self._curves)

    def __len__(self) -> int:
        """How many repeats there are."""
        return len(self._curves)

    def __repr__(self) -> str:
        return f"<Repeats: {len(self)} sweeps>"

    @property
    def measures(self) -> tuple[str, ...]:
        """What was measured in some repeat: `"loss"`, then each metric."""
        names = (name for curve in self.curves for name in curve.measures)
        return tuple(dict.fromkeys(["loss", *names]))

    def trace(self, measure: str = "loss", beta: float | None = None) -> Trace:
        """The median over the repeats at each LR: of the values, and of the smoothed.

        Each is smoothed as by `Curve.trace`.

        Raises
        ------
        ValueError
            If `measure` was never taken, or `beta` is not in [0, 1).
        """
        lrs, values, smooth = self._table(measure, beta)
        return Trace(
            lrs, _reduced(np.nanmedian, values), _reduced(np.nanmedian, smooth)
        )

    def band(self, measure: str = "loss", beta: float | None = None) -> Band:
        """The lowest and the highest smoothed value of the repeats at each LR.

        Raises
        ------
        ValueError
            If `measure` was never taken, or `beta` is not in [0, 1).
        """
        lrs, _, smooth = self._table(measure, beta)
        return Band(lrs, _reduced(np.nanmin, smooth), _reduced(np.nanmax, smooth))

    def line(
        self, measure: str = "loss", beta: float | None = None
    ) -> tuple[Array, Array]:
        """LRs and smoothed median; see `Curve.line`."""
        lrs, _, smooth = self.trace(measure, beta)
        return lrs, smooth

    @property
    def train_steps(self) -> int | None:
        """Optimizer steps of the fit that a learning rate is sought for."""
        return self._train_steps

    @train_steps.setter
    def train_steps(self, train_steps: int | None) -> None:
        self._train_steps = train_steps
        for curve in self.curves:
            curve.train_steps = train_steps

    @property
    def suggestion(self) -> Suggestion:
        """The mean of the repeats' suggestions, in log LR (`suggestion.shared`)."""
        curves = self.curves or (Curve(num_iter=self.num_iter),)
        return shared([curve.suggestion for curve in curves])

    @property
    def levels(self) -> list[Level]:
        """None: each repeat has levels of its own."""
        return []

    def suggestions(self, beta: float | None = None) -> dict[str, float | None]:
        """The LR of every rule: `fall` first, as `suggestion`; see `Curve.suggestions`.

        The classical rules read the median curve.
        """
        lrs, _, smooth = self.trace("loss", USUAL_BETA if beta is None else beta)
        ours = {"fall": self.suggestion.lr}
        return ours | classics(lrs, smooth, self.num_iter)

    def plot(
        self, ax: Any = None, *, beta: float | None = None, lr: float | None = None
    ) -> Any:
        """Draw the median and the band with matplotlib; as `Curve.plot`."""
        found = self.suggestion
        ax = drawn(self.trace("loss", beta), found, self.suggestions(beta), ax, lr)
        ax.fill_between(
            *self.band("loss", beta), alpha=0.2, color=ax.lines[0].get_color()
        )
        return ax

    def to_frame(self, *, beta: float | None = None) -> Any:
        """A pandas DataFrame: that of each curve, below one another, and `repeat`."""
        import pandas as pd

        frames = [curve.to_frame(beta=beta) for curve in self.curves]
        repeats = [i for i, frame in enumerate(frames) for _ in range(len(frame))]
        frame = pd.concat(frames or [Curve().to_frame()], ignore_index=True)
        frame.insert(0, "repeat", repeats)
        return frame

    def record(self) -> dict[str, Any]:
        """All repeats as plain lists and numbers, for a file."""
        curves = [curve.record() for curve in self.curves]
        return {"num_iter": self.num_iter, "repeats": curves}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Repeats:
        """The repeats that a record is of.

        Raises
        ------
        LookupError, TypeError, ValueError, AttributeError
            If it is none.
        """
        planned = record["num_iter"]
        return cls(
            (Curve.of(curve) for curve in record["repeats"]),
            num_iter=None if planned is None else int(planned),
        )

    def _grid(self) -> Array:
        """The LRs of the longest repeat, of which the others' are the beginning."""
        grids = [curve.lrs for curve in self.curves]
        longest = max(grids, key=len, default=np.empty(0))
        for index, lrs in enumerate(grids):
            apart = np.flatnonzero(lrs != longest[: len(lrs)])
            if len(apart):
                at = apart[0]
                raise _other_lrs(index, at, float(lrs[at]), float(longest[at]))
        return longest

    def _table(self, measure: str, beta: float | None) -> tuple[Array, Array, Array]:
        """LRs at which something was measured; values and smooth, a row per repeat.

        NaN where a repeat has nothing to say.
        """
        curves = self.curves or (Curve(),)
        if measure not in self.measures:
            raise ValueError(
                f"measure must be one of {', '.join(self.measures)}, not {measure!r}"
            )
        taken = [curve for curve in curves if measure in curve.measures]
        traces = [curve.trace(measure, beta) for curve in taken]
        # After the traces, and cut to them: a curve may be growing.
        steps = [
            curve.steps(measure)[: len(trace.lrs)]
            for curve, trace in zip(taken, traces, strict=True)
        ]
        every = np.unique(np.concatenate(steps))
        values = np.full((len(taken), len(every)), np.nan)
        smooth = values.copy()
        for row, (trace, own) in enumerate(zip(traces, steps, strict=True)):
            at = np.searchsorted(every, own)
            values[row, at], smooth[row, at] = trace.values, trace.smooth
        lrs = self._grid()[every]
        lrs.flags.writeable = False
        return lrs, values, smooth


def _reduced(reduce: Reduce, table: Array) -> Array:
    """One number for each column, of those that are not NaN; NaN where all are."""
    known = ~np.isnan(table).all(axis=0)
    reduced = np.full(table.shape[1], np.nan)
    with np.errstate(invalid="ignore"):  # the middle of inf and -inf
        reduced[known] = reduce(table[:, known], axis=0)
    reduced.flags.writeable = False
    return reduced


def _other_lrs(index: int, step: int, lr: float, expected: float) -> ValueError:
    return ValueError(
        f"curves must be swept over the same LRs: repeat {index} has {lr:g} at step"
        f" {step}, another {expected:g}; pass the same start_lr, end_lr and num_iter"
    )
