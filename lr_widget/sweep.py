"""range_test: the learning-rate range test, as a generator."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, closing
from numbers import Integral, Real
from typing import Any

from .curve import Point
from .divergence import Divergence
from .snapshot import restored
from .task import Task

#: How often a step that the GradScaler skips is made again: from the usual 2^16 the
#: scale is then at 2^-16.
_SKIPS = 32


def range_test(
    task: Task,
    *,
    start_lr: float = 1e-7,
    end_lr: float = 10.0,
    num_iter: int = 100,
    stop_div: bool = True,
    snapshot_device: str = "cpu",
) -> Generator[Point, None, str]:
    """Train for `num_iter` steps while the LR grows, then put everything back.

    >>> import torch
    >>> batch = torch.randn(8, 4), torch.randn(8, 1)
    >>> task = Task(torch.nn.Linear(4, 1), [batch], torch.nn.MSELoss())
    >>> points = list(range_test(task, start_lr=1e-5, end_lr=1e-1, num_iter=5))
    >>> [f"{point.lr:.0e}" for point in points]
    ['1e-05', '1e-04', '1e-03', '1e-02', '1e-01']

    Step i of n runs at `start_lr * (end_lr / start_lr) ** (i / (n - 1))`: the first at
    exactly `start_lr`, the last at exactly `end_lr`. Param groups keep the ratios of
    their LRs; the LR given here, and in each Point, is that of the group with the
    highest. The loader is gone through as often as it takes. With `accumulate` a step
    takes several batches, and its loss is their mean. A step that a GradScaler skipped
    was none: it is made again at the same LR with the next batches, up to 32 times,
    unless its loss was not finite, which ends the test as any such loss does.

    The test is Leslie Smith's (2015, https://arxiv.org/abs/1506.01186), in the
    exponential form of fastai's `lr_find`.

    Parameters
    ----------
    task
        What to train. It must not be trained elsewhere meanwhile.
    start_lr, end_lr
        First and last LR, `0 < start_lr < end_lr`.
    num_iter
        Number of steps, at least 2.
    stop_div
        Whether to end once the loss diverges (`divergence.Divergence`).
    snapshot_device
        Where the copy of model and optimizer state is held meanwhile: `"cpu"`, or
        `"model"` for beside the model. The latter saves two copies across the bus,
        and takes as much device memory as model and optimizer state do once more.

    Yields
    ------
    Point
        After each step: the step, the LR it used, and its loss.

    Returns
    -------
    str
        `"done"`, or `"diverged"`.

    Raises
    ------
    ValueError
        At once, for arguments that cannot be.
    RuntimeError
        If the GradScaler skipped one step 33 times in a row.
    """
    lrs = sweep_lrs(start_lr, end_lr, num_iter)
    return _sweep(task, lrs, stop_div, restored(task, snapshot_device))


def sweep_lrs(start_lr: float, end_lr: float, num_iter: int) -> list[float]:
    """The LR of each step of a range test, equally spaced in log LR."""
    for name, lr, usual in ("start_lr", start_lr, "1e-7"), ("end_lr", end_lr, "10"):
        if not isinstance(lr, Real) or not (math.isfinite(lr) and lr > 0):
            raise ValueError(
                f"{name} must be a positive number, not {lr!r}: try {usual}"
            )
    if not start_lr < end_lr:
        raise ValueError(
            f"start_lr ({start_lr:g}) must be below end_lr ({end_lr:g}): lower start_lr"
            " or raise end_lr"
        )
    if not isinstance(num_iter, Integral) or num_iter < 2:
        raise ValueError(
            f"num_iter must be a whole number of at least 2, not {num_iter!r}: try 100"
        )
    start, end, last = float(start_lr), float(end_lr), int(num_iter) - 1
    return [start * (end / start) ** (i / last) for i in range(last)] + [end]


def _sweep(
    task: Task, lrs: list[float], stop_div: bool, unharmed: AbstractContextManager[None]
) -> Generator[Point, Any, str]:
    divergence = Divergence()
    ratios = task.lr_ratios()
    with unharmed, task.mode(train=True), closing(task.batches()) as batches:
        for step, lr in enumerate(lrs):
            task.set_lrs([lr * ratio for ratio in ratios])
            loss = _made(task, batches)
            yield Point(step, lr, loss)
            if stop_div and divergence.update(loss):
                return "diverged"
    return "done"


def _made(task: Task, batches: Iterator[Any]) -> float:
    """The loss of one update that the scaler has let pass."""
    for _ in range(1 + _SKIPS):
        scale = task.scale()
        loss = float(task.update(batches))  # waits for the device: one sync a step
        if not task.scale() < scale or not math.isfinite(loss):
            return loss
    raise RuntimeError(
        f"scaler skipped {1 + _SKIPS} steps in a row, down to a scale of"
        f" {task.scale():g}: the gradients are not finite at any scale; pass"
        " autocast=torch.bfloat16 without a scaler, or lower end_lr"
    )
