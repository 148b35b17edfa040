"""Curve: the record of what a run did, one Point per optimizer step."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .archive import Archive, number
from .plot import drawn
from .series import Array, Series, Trace, checked_beta
from .suggestion import Suggestions, suggest

_Self = TypeVar("_Self", bound="Curve")

_FILE = Archive("curve", "Curve.save")

#: What a metric cannot be called: these are columns of a curve already.
RESERVED = frozenset({"curve", "repeat", "step", "lr", "loss", "smooth", "momentum"})
RESERVED |= {"epoch", "train_loss", "seconds"}


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one finished epoch of a fit came to.

    `train_loss` is the mean of the epoch's step losses, `valid_loss` the mean over the
    validation samples (None without a `valid_loader`), as are the values of `metrics`.
    `epoch` counts from 1; `step` is that of its last Point. `seconds` is how long it
    took, validation with it and pauses without; two epochs are equal whatever it is.
    """

    epoch: int
    step: int
    train_loss: float
    valid_loss: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Point:
    """One optimizer step: the LR it used and the loss it was computed from.

    `step` counts from 0. `epoch` is set on the last point of each epoch of a fit.
    `metrics` has what else was measured at this step, by name: metrics of the batch
    that was trained on, and those on the validation batches as `valid_...`. `momentum`
    (beta 1 of an optimizer with betas) is that of a step of a fit, where it is cycled.

    >>> Point(step=0, lr=1e-7, loss=2.3).lr
    1e-07
    """

    step: int
    lr: float
    loss: float
    epoch: Epoch | None = None
    metrics: dict[str, float] = field(default_factory=dict, hash=False)
    momentum: float | None = None


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
        self._series = {"loss": Series()}
        self._lock = threading.Lock()
        for point in points:
            self.append(point)

    def append(self, point: Point) -> None:
        """Record one more point.

        Raises
        ------
        ValueError
            If one of its metrics has the name of another column (`curve.RESERVED`).
        """
        for name in point.metrics:
            if name in RESERVED:
                raise ValueError(f"metrics has {name!r}, which is taken: rename it")
        with self._lock:
            loss = self._series["loss"]
            step = len(loss.values)
            loss.append(step, point.lr, point.loss)
            for name, value in point.metrics.items():
                self._measure(name).append(step, point.lr, value)
            if point.momentum is not None:
                self._measure("momentum").append(step, point.lr, point.momentum)
            if point.epoch is not None:
                self.epochs.append(point.epoch)

    def _measure(self, name: str) -> Series:
        if name not in self._series:
            # A new dict: who goes through the measures keeps the old one.
            self._series = {**self._series, name: Series()}
        return self._series[name]

    def __len__(self) -> int:
        return len(self.losses)

    def __iter__(self) -> Iterator[Point]:
        with self._lock:
            loss, *rest = self._series.values()
            rows = zip(loss.lrs.view(), loss.values.view(), strict=True)
            ends = {epoch.step: epoch for epoch in self.epochs}
            found: dict[int, dict[str, float]] = {}
            for name, series in zip([*self._series][1:], rest, strict=True):
                steps, values = series.steps.view(), series.values.view()
                for step, value in zip(steps.tolist(), values.tolist(), strict=True):
                    found.setdefault(int(step), {})[name] = value
        return (
            Point(i, float(lr), float(loss), ends.get(i), values, momentum)
            for i, (lr, loss) in enumerate(rows)
            for values in [found.get(i, {})]
            for momentum in [values.pop("momentum", None)]
        )

    def __repr__(self) -> str:
        return f"<Curve of {len(self)} points>"

    @property
    def lrs(self) -> Array:
        """LR of each step, shape (n,), float64, read-only."""
        with self._lock:
            return self._series["loss"].lrs.view()

    @property
    def losses(self) -> Array:
        """Raw loss of each step, shape (n,), float64, read-only."""
        with self._lock:
            return self._series["loss"].values.view()

    @property
    def measures(self) -> tuple[str, ...]:
        """What was measured: `"loss"`, then all else as it first came."""
        return tuple(self._series)

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
        return self.trace("loss", beta).smooth

    def trace(self, measure: str = "loss", beta: float = 0.98) -> Trace:
        """One measure at the steps at which it was taken: LRs, values, and smoothed.

        Smoothed as the losses are in `smooth`, but for `valid_...` measures: those are
        always of the same batches, and stay as they are.

        >>> Curve([Point(0, 0.1, 2.0, metrics={"accuracy": 0.5})]).trace("accuracy")
        Trace(lrs=array([0.1]), values=array([0.5]), smooth=array([0.5]))

        Raises
        ------
        ValueError
            If `measure` was never taken, or `beta` is not in [0, 1).
        """
        beta, series = checked_beta(beta), self._measured(measure)
        with self._lock:
            values = series.values.view()
            fixed = measure.startswith("valid_")
            smooth = values if fixed else series.smooth(beta)
            return Trace(series.lrs.view(), values, smooth)

    def steps(self, measure: str = "loss") -> NDArray[np.intp]:
        """The steps at which a measure was taken, one for each entry of its `trace`.

        Raises
        ------
        ValueError
            If `measure` was never taken.
        """
        series = self._measured(measure)
        with self._lock:
            return series.steps.view().astype(np.intp)

    def suggestions(self, beta: float = 0.98) -> Suggestions:
        """The LR that each rule reads off the smoothed curve (`suggestion.RULES`).

        A rule that has none gives None; `.reason` says why when no rule has any.
        """
        lrs, losses, smooth = self.trace("loss", beta)
        return suggest(lrs, smooth, self.num_iter, losses=losses)

    def to_frame(self, *, beta: float = 0.98) -> Any:
        """A pandas DataFrame: step, lr, loss, smooth, and each measure; a row per step.

        Where a metric was not measured there is NaN.
        """
        import pandas as pd

        with self._lock:
            columns = dict(self._series)
            loss = columns.pop("loss")
            frame = pd.DataFrame({
                "step": range(len(loss.values)),
                "lr": loss.lrs.view(),
                "loss": loss.values.view(),
                "smooth": loss.smooth(checked_beta(beta)),
            })  # fmt: skip
            for name, series in columns.items():
                frame[name] = float("nan")
                frame.loc[series.steps.view().astype(int), name] = series.values.view()
        return frame

    def epochs_to_frame(self) -> Any:
        """A pandas DataFrame of the epochs of a fit, a row each, as fastai's table.

        Its columns are epoch, train_loss, valid_loss, each metric, and seconds; where a
        value was not measured there is NaN.
        """
        import pandas as pd

        epochs = list(self.epochs)
        names = dict.fromkeys(name for epoch in epochs for name in epoch.metrics)
        columns = ["epoch", "train_loss", "valid_loss", *names, "seconds"]
        rows = [{**asdict(epoch), **epoch.metrics} for epoch in epochs]
        frame = pd.DataFrame(rows, columns=columns)
        return frame.astype({name: float for name in columns[1:]})

    def plot(
        self, ax: Any = None, *, beta: float = 0.98, lr: float | None = None
    ) -> Any:
        """Draw loss against LR with matplotlib, with the suggestions.

        Parameters
        ----------
        ax
            Axes to draw into. Default: those of a new figure.
        beta
            Smoothing, as in `smooth`.
        lr
            A learning rate to mark with a line, such as the one that was picked.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        return drawn(self.trace("loss", beta), self.suggestions(beta), ax, lr)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the curve to a JSON file, every float exactly; `load` reads it.

        A file of that name is replaced, in one move, once the new one is complete.
        """
        _FILE.write(path, self.record())

    @classmethod
    def load(cls: type[_Self], path: str | os.PathLike[str]) -> _Self:
        """The curve in a file that `save` wrote.

        Raises
        ------
        OSError
            If there is no file, or it cannot be read.
        ValueError
            If it is another kind of file, damaged, or a newer version's.
        """
        return _FILE.read(path, cls.of)

    def record(self) -> dict[str, Any]:
        """All of the curve as plain lists and numbers, for a file."""
        with self._lock:
            measures = {k: series.record() for k, series in self._series.items()}
            epochs = [asdict(epoch) for epoch in self.epochs]
        return {"num_iter": self.num_iter, "measures": measures, "epochs": epochs}

    @classmethod
    def of(cls: type[_Self], record: Mapping[str, Any]) -> _Self:
        """The curve that a record is of.

        Raises
        ------
        LookupError, TypeError, ValueError, AttributeError
            If it is none.
        """
        planned = record["num_iter"]
        curve = cls(num_iter=None if planned is None else int(planned))
        curve.epochs = [_epoch(entry) for entry in record["epochs"]]
        measures = {k: Series.of(v) for k, v in record["measures"].items()}
        curve._series = {"loss": measures.pop("loss"), **measures}
        steps = set(range(len(curve)))
        if not all(steps.issuperset(s.steps.view()) for s in curve._series.values()):
            raise ValueError("a measure of a step that was not made")
        if measures.keys() & (RESERVED - {"momentum"}):
            raise ValueError(f"metrics have names of {sorted(RESERVED)}")
        return curve

    def _measured(self, measure: str) -> Series:
        if measure not in self._series:
            raise ValueError(
                f"measure must be one of {', '.join(self.measures)}, not {measure!r}"
            )
        return self._series[measure]


def _epoch(entry: dict[str, Any]) -> Epoch:
    """An epoch as it lies in a file."""
    valid = entry["valid_loss"]
    return Epoch(
        int(entry["epoch"]),
        int(entry["step"]),
        number(entry["train_loss"]),
        None if valid is None else number(valid),
        {str(k): number(v) for k, v in entry["metrics"].items()},
        number(entry.get("seconds", 0.0)),  # files of before have none
    )
