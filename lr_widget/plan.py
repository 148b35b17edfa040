"""Plan: a whole fit, known before its first step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from typing import Any

from .curve import Epoch, Point
from .schedule import Array, Schedule
from .task import Task


@dataclass(frozen=True, eq=False)
class Plan:
    """A whole fit, known before its first step.

    Parameters
    ----------
    schedule
        LR and momentum of each of the steps of all epochs.
    epochs
        How many there are, frozen ones and all.
    steps_per_epoch
        Optimizer steps of each.
    length
        Batches of a pass of the loader that is an epoch; None where the passes run on.
    freeze_epochs
        How many of the first epochs are trained with some param groups frozen.
    freeze
        Which groups, as indices.
    """

    schedule: Schedule
    epochs: int
    steps_per_epoch: int
    length: int | None
    freeze_epochs: int = 0
    freeze: tuple[int, ...] = ()

    @property
    def total_steps(self) -> int:
        """Optimizer steps of all epochs."""
        return self.epochs * self.steps_per_epoch

    @cached_property
    def lrs(self) -> Array:
        """LR of each step and group, shape `(total_steps, groups)`."""
        return self.schedule.lrs.reshape(self.total_steps, -1)

    @cached_property
    def momentums(self) -> Array | None:
        """Momentum of each step and group, in the same shape, or None."""
        values = self.schedule.momentums
        return None if values is None else values.reshape(self.total_steps, -1)

    @cached_property
    def _top(self) -> int:
        """The group whose LR is the highest."""
        return int(self.lrs[0].argmax())

    def point(self, step: int, loss: float, epoch: Epoch | None = None) -> Point:
        """The Point of a step that was made; LR and momentum of the leading group.

        That is the group whose LR is the highest.
        """
        top, momentums = self._top, self.momentums
        momentum = None if momentums is None else float(momentums[step, top])
        return Point(step, float(self.lrs[step, top]), loss, epoch, momentum=momentum)


def whole(name: str, given: Any, least: int = 1, usual: int = 3) -> int:
    """The number, if it is a whole one and at least `least`."""
    if not isinstance(given, Integral) or given < least:
        raise ValueError(
            f"{name} must be a whole number of at least {least}, not {given!r}: try"
            f" {usual}"
        )
    return int(given)


def pass_length(task: Task, steps_per_epoch: int | None) -> int | None:
    """Batches of a pass that is an epoch; None where the passes run on."""
    sized: Any = task.loader
    return len(sized) if steps_per_epoch is None else None


def epoch_steps(task: Task, steps_per_epoch: int | None = None) -> int:
    """How many steps make an epoch of the task."""
    if steps_per_epoch is None:
        try:
            return -(-len(task.loader) // task.accumulate)  # type: ignore[arg-type]
        except TypeError:
            raise ValueError(
                "steps_per_epoch is needed: the loader has no length; pass how many"
                " steps make an epoch"
            ) from None
    return whole("steps_per_epoch", steps_per_epoch, usual=100)
