"""Trials: the short fits of an audition side by side, and the one that is marked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from numbers import Integral, Real
from typing import Any

import numpy as np

from .axis import loss_text, lr_text, percent_text
from .curve import Curve, Point

#: Most candidates of an audition.
MOST = 7

#: Steps of a candidate, if nothing else is said.
STEPS = 30

#: Fewest steps of a candidate: in fewer a cycle is no cycle.
FEWEST_STEPS = 10

#: Share of a candidate's steps, the last ones, whose mean loss is its score.
LAST = 0.2

#: How much of the best candidate's progress the marked one may lack.
TOLERANCE = 0.1

#: The measure in which the loss before training comes, in a candidate's first Point.
INIT = "init_loss"

#: Longest runs for which it was measured by how much their best LR is too high.
_MEASURED = 100


class Trials:
    """Short fits at several LRs, one Curve each; all else is derived.

    >>> losses = {0.01: 1.9, 0.1: 0.55, 1.0: 0.5}
    >>> trials = Trials(losses, steps=10)
    >>> for i, loss in enumerate(losses.values()):
    ...     for step in range(10):
    ...         trials.append(i, Point(step, trials.lrs[i], loss, metrics={INIT: 2.0}))
    >>> trials.marked, [round(trials.progress(i), 2) for i in range(3)]
    (0.1, [0.07, 0.97, 1.0])

    The lowest loss of a short run is at too high an LR, so that not it is marked but
    the smallest LR that comes within a tenth of its progress.

    Parameters
    ----------
    lrs
        The candidates' LRs.
    steps
        Steps planned for each, at least 10.
    points
        `(index, Point)` to start with, such as an `audition` gives them.

    Attributes
    ----------
    lrs : tuple of float
        Rising; a candidate's index is its place here.
    curves : tuple of Curve
        The steps that each has made.
    init_loss : float or None
        Mean loss before training, on the batches that the scores are of.

    Raises
    ------
    ValueError
        For LRs or steps that cannot be.
    """

    def __init__(
        self,
        lrs: Iterable[float],
        steps: int = STEPS,
        points: Iterable[tuple[int, Point]] = (),
    ) -> None:
        self.lrs, self.steps = checked_lrs(lrs), checked_steps(steps)
        self.curves = tuple(Curve(num_iter=self.steps) for _ in self.lrs)
        self.init_loss: float | None = None
        for index, point in points:
            self.append(index, point)

    def __len__(self) -> int:
        """How many candidates there are."""
        return len(self.lrs)

    def __repr__(self) -> str:
        lrs = ", ".join(map(lr_text, self.lrs))
        found = "none" if self.marked is None else lr_text(self.marked)
        return f"<Trials of {lrs}: {found} marked>"

    def append(self, index: int, point: Point) -> None:
        """Record one more step of a candidate.

        Raises
        ------
        ValueError
            If there is no such candidate, or it has ended.
        """
        if not 0 <= index < len(self):
            raise ValueError(f"index must be from 0 to {len(self) - 1}, not {index}")
        if self.finished(index):
            raise ValueError(f"candidate {index} has ended: it takes no more points")
        self.curves[index].append(point)
        self.init_loss = point.metrics.get(INIT, self.init_loss)

    def blew_up(self, index: int) -> bool:
        """Whether a candidate's loss became no finite number, which ended it."""
        return not np.isfinite(self.curves[index].losses).all()

    def finished(self, index: int) -> bool:
        """Whether a candidate has made all of its steps, or has blown up."""
        return len(self.curves[index]) == self.steps or self.blew_up(index)

    def score(self, index: int) -> float | None:
        """Mean training loss of the last fifth of a candidate's steps.

        None before it has finished, and where it blew up.
        """
        if not self.finished(index) or self.blew_up(index):
            return None
        return float(self.curves[index].losses[-last_steps(self.steps) :].mean())

    def progress(self, index: int) -> float | None:
        """How far a candidate got below the loss before training; the best one is 1.

        None where it has no score, and where none of those that have one got below.
        """
        score, best, init = self.score(index), self._best(), self.init_loss
        if score is None or best is None or init is None:
            return None
        return (init - score) / (init - best)

    @property
    def marked(self) -> float | None:
        """The smallest LR whose score is within a tenth of the best one's progress.

        None until all have finished, and where none got below the loss before training.
        """
        best, init = self._best(), self.init_loss
        if best is None or init is None or not self._all_finished():
            return None
        limit = best + TOLERANCE * (init - best)
        scores = map(self.score, range(len(self)))
        pairs = zip(self.lrs, scores, strict=True)
        return next(lr for lr, score in pairs if score is not None and score <= limit)

    @property
    def sentence(self) -> str:
        """What has come of it, for a person."""
        if not self._all_finished():
            done = sum(map(self.finished, range(len(self))))
            each = f"short fits of {self.steps} steps each"
            return f"Audition: {done} of {len(self)} {each} finished."
        if self.marked is None:
            return f"{self._no_progress()}{self._blown()} Nothing is marked."
        return f"lr {lr_text(self.marked)} is marked.{self._blown()} {self._caveat()}"

    def told(self, index: int) -> str:
        """What has come of one candidate, in a few words."""
        made, score = len(self.curves[index]), self.score(index)
        if self.blew_up(index):
            return f"blew up at step {made} of {self.steps}"
        if score is None:
            return f"step {made} of {self.steps}" if made else "waits"
        share = self.progress(index)
        words = f"ends at {loss_text(score)}"
        if share is None or not self._all_finished():
            return words
        if share <= 0:
            return f"{words}: not below the start"
        # Rounded down: what is shown as 90 % is within a tenth.
        percent = percent_text(math.floor(100 * share + 1e-9))
        return f"{words}: {percent} of the best"

    def to_frame(self) -> Any:
        """A pandas DataFrame, a row per candidate: lr, score, progress, marked, ..."""
        import pandas as pd

        every = range(len(self))
        return pd.DataFrame({
            "lr": self.lrs,
            "score": pd.Series(map(self.score, every), dtype=float),
            "progress": pd.Series(map(self.progress, every), dtype=float),
            "marked": [lr == self.marked for lr in self.lrs],
            "blew_up": [self.blew_up(i) for i in every],
        })  # fmt: skip

    def _best(self) -> float | None:
        """The lowest score, if it is below the loss before training."""
        scores = [s for s in map(self.score, range(len(self))) if s is not None]
        init = math.nan if self.init_loss is None else self.init_loss
        found = scores and min(scores) < init < math.inf
        return min(scores) if found else None

    def _all_finished(self) -> bool:
        return all(map(self.finished, range(len(self))))

    def _caveat(self) -> str:
        runs, much = f"{self.steps}-step", "about twice too high"
        if self.steps > _MEASURED:
            runs, much = "Short", "that are too high"
        return (
            f"{runs} runs favour LRs {much}, so the smallest LR whose progress is"
            f" within {percent_text(round(100 * TOLERANCE))} of the best is marked. It"
            " is a check, not the truth."
        )

    def _no_progress(self) -> str:
        init = math.nan if self.init_loss is None else self.init_loss
        if not math.isfinite(init):
            return "The loss before training is no finite number: check model and data."
        return f"No LR got below the loss before training, {loss_text(init)}."

    def _blown(self) -> str:
        blown = [lr_text(lr) for i, lr in enumerate(self.lrs) if self.blew_up(i)]
        return f" Blew up: lr {', '.join(blown)}." if blown else ""


def last_steps(steps: int) -> int:
    """How many of a candidate's steps, the last ones, its score is of."""
    return max(1, round(LAST * steps))


def checked_lrs(lrs: Any) -> tuple[float, ...]:
    """The LRs of an audition, rising.

    Raises
    ------
    ValueError
        If they are none, too many, not positive and finite, or not different.
    """
    listed = isinstance(lrs, Iterable) and not isinstance(lrs, (str, bytes))
    found: Sequence[Any] = list(lrs) if listed else []
    if not 1 <= len(found) <= MOST:
        what = f"{len(found)} of them" if listed else repr(lrs)
        raise ValueError(
            f"lrs must be a list of 1 to {MOST} learning rates, not {what}: pick an LR"
            " on the chart or pass lrs=[1e-3, 1e-2]"
        )
    for lr in found:
        if not isinstance(lr, Real) or not 0 < float(lr) < math.inf:
            raise ValueError(
                f"lrs must be positive numbers, not {lr!r}: pass lrs=[1e-3, 1e-2]"
            )
    rising = tuple(sorted(map(float, found)))
    for lower, higher in pairwise(rising):
        if lower == higher:
            raise ValueError(f"lrs has {lower:g} twice: leave one of them out")
    return rising


def checked_steps(steps: Any) -> int:
    """The steps of a candidate.

    Raises
    ------
    ValueError
        If they are no whole number, or too few.
    """
    if not isinstance(steps, Integral) or steps < FEWEST_STEPS:
        raise ValueError(
            f"steps must be a whole number of at least {FEWEST_STEPS}, not {steps!r}:"
            f" try {STEPS}"
        )
    return int(steps)
