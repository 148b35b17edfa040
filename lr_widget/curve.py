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
from .bold import Bold
from .classics import classics
from .divergence import Divergence
from .fall import Fall, Level
from .plot import drawn
from .series import Array, Series, Trace, checked_beta
from .suggestion import Suggestion

_Self = TypeVar("_Self", bound="Curve")

_FILE = Archive("curve", "Curve.save")

#: That of fastai's recorder, and of its rules.
USUAL_BETA = 0.98

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


# Not frozen: to make one would take three times as long, 1 % of a tiny model's step.
@dataclass(slots=True, unsafe_hash=True)
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
        Steps that were planned; the suggestions go by them.
    train_steps
        Optimizer steps of the fit that a learning rate is sought for, if it is known.

    Attributes
    ----------
    num_iter, train_steps : int or None
        As given; `train_steps` may be set at any time, and moves `suggestion`.
    """

    def __init__(
        self,
        points: Iterable[Point] = (),
        *,
        num_iter: int | None = None,
        train_steps: int | None = None,
    ) -> None:
        self.num_iter, self.train_steps = num_iter, train_steps
        self._divergence = Divergence()
        self._risen = 0, True
        # What the rule has read, and after how many steps of how many planned.
        self._read: tuple[tuple[int, int | None], Fall] | None = None
        self.epochs: list[Epoch] = []
        # For all but the two columns that each step is appended to: those need none.
        self._lock = threading.Lock()
        self._keep({"loss": Series(every=True)})
        for point in points:
            self.append(point)

    def append(self, point: Point) -> None:
        """Record one more point.

        Raises
        ------
        ValueError
            If one of its metrics has the name of another column (`curve.RESERVED`).
        """
        if not point.metrics and point.momentum is None and point.epoch is None:
            self._add_lr(point.lr)
            self._add_loss(point.loss)
            return
        for name in point.metrics:
            if name in RESERVED:
                raise ValueError(f"metrics has {name!r}, which is taken: rename it")
        with self._lock:
            step = len(self._series["loss"].values)
            self._add_lr(point.lr)
            self._add_loss(point.loss)
            for name, value in point.metrics.items():
                self._measure(name).append(step, point.lr, value)
            if point.momentum is not None:
                self._measure("momentum").append(step, point.lr, point.momentum)
            if point.epoch is not None:
                self.epochs.append(point.epoch)

    def _keep(self, series: dict[str, Series]) -> None:
        """Have these measures, the loss among them."""
        self._series, loss = series, series["loss"]
        self._add_lr, self._add_loss = loss.lrs.append, loss.values.append

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
            rows = zip(*loss.view(), strict=True)
            ends = {epoch.step: epoch for epoch in self.epochs}
            found: dict[int, dict[str, float]] = {}
            for name, series in zip([*self._series][1:], rest, strict=True):
                steps, values = series.steps.tolist(), series.values.view().tolist()
                for step, value in zip(steps, values, strict=True):
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
            return self._series["loss"].view()[0]

    @property
    def losses(self) -> Array:
        """Raw loss of each step, shape (n,), float64, read-only."""
        with self._lock:
            return self._series["loss"].values.view()

    @property
    def measures(self) -> tuple[str, ...]:
        """What was measured: `"loss"`, then all else as it first came."""
        return tuple(self._series)

    def smooth(self, beta: float | None = None) -> Array:
        """The losses without their noise.

        Without `beta` by the centred kernel that `suggestion` is read from (`Bold`):
        it does not lag, and ends where the loss diverges; from there on there is NaN.
        Of a curve whose LRs do not rise, that of a fit, it is the moving average, beta
        0.98.

        With `beta` by an exponential moving average, corrected for its start:
        `m_i = beta * m_(i-1) + (1 - beta) * loss_i`, divided by `1 - beta^(i+1)`, as in
        Adam and in fastai's recorder; `beta=0` gives the raw losses. It lags: at 0.98
        by some 50 steps. From the first non-finite loss on it is not finite either.

        Returns
        -------
        array of shape (n,), float64, read-only

        Raises
        ------
        ValueError
            If `beta` is not in [0, 1).
        """
        return self.trace("loss", beta).smooth

    def trace(self, measure: str = "loss", beta: float | None = None) -> Trace:
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
        lrs, values, places, levels = self._smoothed(measure, beta)
        if levels is not values and len(levels) != len(values):
            # It was taken in blocks, or ends before the record does.
            smooth = np.full(len(values), np.nan)
            kept = lrs <= places[-1] if len(places) else np.zeros(len(lrs), bool)
            if len(places):
                x = np.log10(lrs[kept])
                smooth[kept] = np.interp(x, np.log10(places), levels)
            levels = smooth
        levels.flags.writeable = False
        return Trace(lrs, values, levels)

    def line(
        self, measure: str = "loss", beta: float | None = None
    ) -> tuple[Array, Array]:
        """LRs and smoothed values of a measure, as they are drawn.

        They are those of `trace`, but without `beta` there are at most 512 of them,
        so that they cost the same however long the record.

        Raises
        ------
        ValueError
            If `measure` was never taken, or `beta` is not in [0, 1).
        """
        _, _, places, levels = self._smoothed(measure, beta)
        return places, levels

    def _smoothed(
        self, measure: str, beta: float | None
    ) -> tuple[Array, Array, Array, Array]:
        """LRs and values as they are now; LRs and values of the smooth."""
        beta = None if beta is None else checked_beta(beta)
        series = self._measured(measure)
        with self._lock:
            lrs, values = series.view()
            if measure.startswith("valid_") or beta == 0:
                return lrs, values, lrs, values
            if beta is None and not self._sweeps():
                beta = USUAL_BETA
            if beta is not None:
                return lrs, values, lrs, series.smooth(beta)[: len(values)]
            stop = self._divergence.first(values) if measure == "loss" else None
        places, levels = _drawn(lrs, values, stop, clipped=measure == "loss")
        return lrs, values, places, levels

    def steps(self, measure: str = "loss") -> NDArray[np.intp]:
        """The steps at which a measure was taken, one for each entry of its `trace`.

        Raises
        ------
        ValueError
            If `measure` was never taken.
        """
        series = self._measured(measure)
        with self._lock:
            return series.steps.astype(np.intp)

    @property
    def suggestion(self) -> Suggestion:
        """Where to train, how sure that is, and why; or why there is none (`fall`).

        For the fit of `train_steps`, where that is set. While the sweep grows it is
        that of the part there is.
        """
        return self._fall().suggestion(self.train_steps)

    @property
    def levels(self) -> list[Level]:
        """Where 0, 50 and 95 % of the fall are made; empty, if there is no fall."""
        return self._fall().levels()

    def suggestions(self, beta: float | None = None) -> dict[str, float | None]:
        """The LR of every rule: `fall` first, then the classical ones (`classics`).

        A rule that has none gives None. The classical rules never say no: do not trust
        them where `suggestion.reason` says why there is none. They read the moving
        average, without `beta` fastai's, 0.98.
        """
        lrs, _, smooth = self.trace("loss", USUAL_BETA if beta is None else beta)
        ours = {"fall": self.suggestion.lr}
        return ours | classics(lrs, smooth, self.num_iter)

    def _fall(self) -> Fall:
        with self._lock:
            lrs, losses = self._series["loss"].view()
            rises = self._sweeps()
            stop = self._divergence.first(losses)
            known = (len(losses), self.num_iter)
            if self._read is not None and self._read[0] == known:
                return self._read[1]
        if not rises:  # that of a fit, in which there is nothing to find
            lrs = losses = np.empty(0)
        found = Fall(lrs, losses, self.num_iter, -1 if stop is None else stop)
        self._read = known, found
        return found

    def to_frame(self, *, beta: float | None = None) -> Any:
        """A pandas DataFrame: step, lr, loss, smooth, and each measure; a row per step.

        Where a metric was not measured there is NaN.
        """
        import pandas as pd

        lrs, losses, smooth = self.trace("loss", beta)
        steps = range(len(losses))
        frame = pd.DataFrame(
            {"step": steps, "lr": lrs, "loss": losses, "smooth": smooth}
        )
        with self._lock:
            for name, series in [*self._series.items()][1:]:
                taken = series.steps.astype(int)
                taken = taken[taken < len(steps)]  # it may have grown since
                frame[name] = float("nan")
                frame.loc[taken, name] = series.values.view()[: len(taken)]
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
        self, ax: Any = None, *, beta: float | None = None, lr: float | None = None
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
        found = self.suggestion
        return drawn(self.trace("loss", beta), found, self.suggestions(beta), ax, lr)

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
        measures = {
            k: Series.of(v, every=k == "loss") for k, v in record["measures"].items()
        }
        curve._keep({"loss": measures.pop("loss"), **measures})
        steps = set(range(len(curve)))
        if not all(steps.issuperset(series.steps) for series in measures.values()):
            raise ValueError("a measure of a step that was not made")
        if measures.keys() & (RESERVED - {"momentum"}):
            raise ValueError(f"metrics have names of {sorted(RESERVED)}")
        return curve

    def _sweeps(self) -> bool:
        """Whether its LRs rise, as those of a sweep: of a fit they go up and down."""
        done, rises = self._risen
        lrs = self._series["loss"].lrs.view()
        if rises and done < len(lrs):  # what has been looked at has not changed
            new = lrs[max(done - 1, 0) :]
            rises = bool(lrs[0] > 0 and (new[1:] > new[:-1]).all())
            self._risen = len(lrs), rises
        return rises

    def _measured(self, measure: str) -> Series:
        if measure not in self._series:
            raise ValueError(
                f"measure must be one of {', '.join(self.measures)}, not {measure!r}"
            )
        return self._series[measure]


def _drawn(
    lrs: Array, values: Array, stop: int | None, clipped: bool
) -> tuple[Array, Array]:
    """LRs and values of the kernel average; that of a loss is what the rule reads."""
    finite = np.isfinite(values)
    if clipped and stop is not None:
        finite[stop + 1 :] = False
    if not finite.all():
        lrs, values = lrs[finite], values[finite]
    if not len(lrs):
        return lrs, values
    with np.errstate(all="ignore"):  # a diverged loss may be 1e300
        found = Bold.of(lrs, values, clipped)
    if len(found.x) == len(lrs):
        return lrs, found.smooth
    places = 10**found.x
    places[0], places[-1] = lrs[0], lrs[-1]  # half a block to each end
    return places, found.smooth


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
