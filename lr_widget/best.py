"""Best: a hook that keeps the weights of the best epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from torch import Tensor

from .curve import Epoch, Point
from .state import copied, fill
from .task import Task


class Best:
    """A hook for `on_step` that keeps a copy of the weights of the best epoch.

    >>> import torch
    >>> from lr_widget import fit_one_cycle
    >>> batch = torch.randn(8, 4), torch.randn(8, 1)
    >>> task = Task(torch.nn.Linear(4, 1), [batch], torch.nn.MSELoss(),
    ...             valid_loader=[batch])
    >>> best = Best(task)
    >>> points = list(fit_one_cycle(task, max_lr=0.1, epochs=3, on_step=best))
    >>> best.restore()
    >>> task.validate()[0] == best.epoch.valid_loss
    True

    As in fastai's SaveModelCallback the lowest value is the best if the measure has
    "loss" or "error" in its name, else the highest; of equal ones the first. NaN is
    better than nothing only. It goes on comparing in a later fit. A checkpoint keeps
    what it holds.

    Parameters
    ----------
    task
        Whose weights are kept: parameters and buffers, on the CPU.
    measure
        `"valid_loss"`, `"train_loss"`, or the name of one of the task's metrics.

    Raises
    ------
    ValueError
        If the task does not measure that.
    """

    #: It looks at the ends of epochs: a GPU need not wait for it after each step.
    each_step = False

    def __init__(self, task: Task, measure: str = "valid_loss") -> None:
        self._task, self.measure = task, measure
        #: The best epoch so far, or None.
        self.epoch: Epoch | None = None
        self._weights: dict[str, Tensor] = {}
        known = ["train_loss"]
        if task.valid_loader is not None:
            known += ["valid_loss", *task.metrics]
        elif measure == "valid_loss" or measure in task.metrics:
            raise ValueError(
                f"measure {measure!r} needs a valid_loader: pass one to the task, or"
                ' measure="train_loss"'
            )
        if measure not in known:
            raise ValueError(
                f"measure must be one of {', '.join(known)}, not {measure!r}: pass one"
                " of these, or add it to the task's metrics"
            )

    def __call__(self, point: Point) -> None:
        """Look at a Point; at the end of a better epoch copy the weights."""
        if point.epoch is not None and self._better(point.epoch):
            self._weights, self.epoch = copied(self._task), point.epoch

    def restore(self) -> None:
        """Put the weights of the best epoch into the model.

        Raises
        ------
        RuntimeError
            If no epoch has ended yet.
        """
        if self.epoch is None:
            raise RuntimeError(
                "no epoch has ended, so that there is none to restore: pass the Best"
                " as on_step= to a fit first"
            )
        fill(self._task, self._weights)

    def state_dict(self) -> dict[str, Any]:
        """All that it holds."""
        epoch = None if self.epoch is None else asdict(self.epoch)
        return {"measure": self.measure, "epoch": epoch, "weights": self._weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Hold what another Best of the same measure held.

        Raises
        ------
        ValueError
            If that had another measure.
        """
        if state["measure"] != self.measure:
            raise ValueError(
                f"measure is {state['measure']!r} there and {self.measure!r} here: make"
                f" a Best(task, {state['measure']!r})"
            )
        epoch = state["epoch"]
        self.epoch = None if epoch is None else Epoch(**epoch)
        self._weights = {
            name: value.clone() for name, value in state["weights"].items()
        }

    def _better(self, epoch: Epoch) -> bool:
        value = self._value(epoch)
        if value is None or self.epoch is None:
            return value is not None  # None: its validation was stopped
        best = self._value(self.epoch)
        if best is None or math.isnan(best):
            return not math.isnan(value)
        falls = "loss" in self.measure or "error" in self.measure
        return value < best if falls else value > best

    def _value(self, epoch: Epoch) -> float | None:
        if self.measure in ("train_loss", "valid_loss"):
            value: float | None = getattr(epoch, self.measure)
            return value
        return epoch.metrics.get(self.measure)
