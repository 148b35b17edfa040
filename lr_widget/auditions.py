"""audition: short one-cycle fits at several LRs from one state, as a generator."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count
from typing import Any

from .curve import Point
from .fit import fit
from .loader import seed_all
from .one_cycle import one_cycle_plan
from .plan import Plan
from .readback import fetched
from .snapshot import restored
from .task import Task
from .trials import INIT, STEPS, checked_lrs, checked_steps, last_steps

#: The batches are drawn by seeds from here on: another order than the fit's to come.
_SEED = 180_302_021


def audition(
    task: Task,
    lrs: Iterable[float],
    *,
    steps: int = STEPS,
    cycle_momentum: bool = True,
    stopping: Callable[[], bool] = lambda: False,
    snapshot_device: str = "cpu",
) -> Generator[tuple[int, Point], None, str]:
    """Make a short one-cycle fit at each LR, one after the other, and leave no trace.

    >>> import torch
    >>> from lr_widget import Trials
    >>> batch = torch.randn(8, 4), torch.randn(8, 1)
    >>> task = Task(torch.nn.Linear(4, 1), [batch], torch.nn.MSELoss())
    >>> trials = Trials([1e-3, 1e-2], 10, audition(task, [1e-3, 1e-2], steps=10))
    >>> [len(curve) for curve in trials.curves]
    [10, 10]

    Every fit is complete, LR up and down to nearly nothing as in `fit_one_cycle`, and
    starts from the task as it is, on the same batches in the same order. They are drawn
    by seeds of their own: where the loader draws an order, it is another one than that
    of the fit to come. It costs the time of as many steps as there are, and once more
    that of drawing one candidate's batches, a fifth of which go through the model for
    the loss before training. Each candidate draws anew, so that no batch is held.

    It is a check, not the truth: the LR that is best after few steps is too high for
    many. `Trials.marked` takes that into account. Validation, metrics and hooks are
    left out.

    Parameters
    ----------
    task
        What to train. It must not be trained elsewhere meanwhile.
    lrs
        One to seven peak LRs, in any order. Param groups keep the ratios of their LRs;
        the LR given here, and in each Point, is that of the group with the highest.
    steps
        Optimizer steps of each fit, at least 10, of `task.accumulate` batches each.
    cycle_momentum
        As in `fit_one_cycle`: False for an optimizer without momentum or betas.
    stopping
        Asked while the loss before training is measured, so that Stop need not wait for
        its end.
    snapshot_device
        As in `range_test`. A copy is made for each candidate, one at a time.

    Yields
    ------
    (int, Point)
        After each step: the place of the LR among all of them in rising order, and the
        Point. A candidate whose loss is not finite ends with that Point. The first of
        each has the metric `init_loss`: the mean training loss of the untrained model
        on the batches of the last fifth of the steps.

    Returns
    -------
    str
        `"done"`, also when some blew up; `"stopped"` if `stopping()` turned true.

    Raises
    ------
    ValueError
        At once, for arguments that cannot be, for an optimizer without momentum or
        betas (Adagrad, Adadelta) unless `cycle_momentum=False`, and for a loader that
        is an iterator: the second candidate would find it used.
    """
    rising, steps = checked_lrs(lrs), checked_steps(steps)
    if isinstance(task.loader, Iterator):
        raise ValueError(
            "loader is an iterator, which the second fit would find used: pass a"
            " DataLoader, a list, or another iterable that starts anew"
        )
    trial = task.with_loader(_Seeded(task))
    trial.valid_loader = None
    plans = [
        one_cycle_plan(
            trial, max_lr=lr, steps_per_epoch=steps, cycle_momentum=cycle_momentum
        )
        for lr in rising
    ]
    restored(task, snapshot_device)  # not entered: it has looked at its argument
    return _auditioned(task, trial, plans, stopping, snapshot_device)


def _auditioned(
    task: Task,
    trial: Task,
    plans: list[Plan],
    stopping: Callable[[], bool],
    device: str,
) -> Generator[tuple[int, Point], None, str]:
    with restored(task, device):
        init = _init_loss(trial, plans[0].total_steps, stopping)
    if init is None:
        return "stopped"
    for index, plan in enumerate(plans):
        with restored(task, device), closing(fit(trial, plan)) as points:
            for point in points:
                first = {INIT: init} if point.step == 0 else {}
                yield index, replace(point, metrics=first)
                if not math.isfinite(point.loss):
                    break
    return "done"


def _init_loss(trial: Task, steps: int, stopping: Callable[[], bool]) -> float | None:
    """Mean loss before training, on the batches of the last steps; None if stopped."""
    first, end = (n * trial.accumulate for n in (steps - last_steps(steps), steps))
    losses = []
    with trial.mode(train=True), closing(trial.batches()) as batches:
        for i, batch in zip(range(end), batches, strict=False):
            if stopping():
                return None
            if i >= first:
                losses.append(trial.loss_of(batch))
    return sum(fetched(losses)) / len(losses)


class _Seeded:
    """A task's batches without end, the same ones each time, whatever else is drawn.

    What the model draws at random follows the same seeds, so that the fits differ in
    their LR alone. Seeding costs some 40 microseconds per batch.
    """

    def __init__(self, task: Task) -> None:
        self._task = task

    def __iter__(self) -> Iterator[Any]:
        with closing(self._task.batches()) as batches:
            for number in count(_SEED):
                seed_all(self._task.loader, number, self._task.device)
                yield next(batches)
