"""fine_tune: the head alone first, then all of a pretrained model, as a generator."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from .curve import Point
from .fit import OnStep, fit
from .peak import positive
from .plan import Plan, epoch_steps, pass_length, whole
from .schedule import Schedule, one_cycle_schedule
from .task import Task


def fine_tune(
    task: Task,
    *,
    base_lr: float,
    epochs: int = 1,
    freeze_epochs: int = 1,
    freeze: Sequence[int] | None = None,
    lr_mult: float = 100.0,
    pct_start: float = 0.3,
    div_factor: float = 5.0,
    steps_per_epoch: int | None = None,
    stopping: Callable[[], bool] = lambda: False,
    on_step: OnStep | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    **cycle: Any,
) -> Generator[Point, None, str]:
    """Train the last param group first, then all, after fastai's `fine_tune`.

    >>> import torch
    >>> body, head = torch.nn.Linear(4, 4), torch.nn.Linear(4, 1)
    >>> groups = [{"params": part.parameters()} for part in (body, head)]
    >>> batch = torch.randn(8, 4), torch.randn(8, 1)
    >>> task = Task(torch.nn.Sequential(body, head), [batch] * 5, torch.nn.MSELoss(),
    ...             torch.optim.AdamW(groups))
    >>> points = list(fine_tune(task, base_lr=2e-3, epochs=2))
    >>> len(points), points[-1].epoch.epoch
    (15, 3)

    The definition is that of fastai 2.8 (fastai/callback/schedule.py): with all groups
    frozen but the last, `freeze_epochs` of one cycle up to `slice(base_lr)` in which
    the LR rises for 0.99 of the steps; then with all groups `epochs` of a second cycle,
    up to `slice(base_lr / 2 / lr_mult, base_lr / 2)`. The optimizer's state goes on
    from one to the other. Layers of normalisation train in the frozen groups too. Steps
    and epochs are counted through.

    What is borrowed goes back: however the fit is left, the optimizer's options are as
    before, and what was frozen by it, or by `task.freeze()` before, is unfrozen.

    Parameters
    ----------
    task
        What to train; its optimizer has a param group for the head, the last, and one
        or more before it. The task must not be trained elsewhere meanwhile.
    base_lr
        Peak LR of the last group in the frozen epochs: the one picked on a curve.
    epochs
        Epochs after those, at least 1.
    freeze_epochs
        Epochs with frozen groups. With 0 there are none, and the second cycle is as
        said above.
    freeze
        Indices of the param groups that are frozen. Default: all but the last.
    lr_mult
        The last group's LR over the first one's in the second cycle, at least 1.
    pct_start, div_factor
        As in `one_cycle_schedule`, for the second cycle; the first has 0.99 and 25.
    steps_per_epoch, stopping, on_step, checkpoint, checkpoint_every
        As in `fit_one_cycle`. One checkpoint keeps both cycles.
    **cycle
        Further arguments of `one_cycle_schedule`, for both cycles. The default of
        `variant` is `"fastai"` here.

    Yields
    ------
    Point
        After each step; the last one of an epoch carries its Epoch.

    Returns
    -------
    str
        `"done"`.

    Raises
    ------
    ValueError
        At once, for arguments that cannot be, and for an optimizer with a single param
        group, of which none can be frozen; nothing has been changed then.
    """
    plan = fine_tune_plan(
        task,
        base_lr=base_lr,
        epochs=epochs,
        freeze_epochs=freeze_epochs,
        freeze=freeze,
        lr_mult=lr_mult,
        pct_start=pct_start,
        div_factor=div_factor,
        steps_per_epoch=steps_per_epoch,
        **cycle,
    )
    return fit(
        task,
        plan,
        stopping=stopping,
        on_step=on_step,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
    )


def fine_tune_plan(
    task: Task,
    *,
    base_lr: float,
    epochs: int = 1,
    freeze_epochs: int = 1,
    freeze: Sequence[int] | None = None,
    lr_mult: float = 100.0,
    pct_start: float = 0.3,
    div_factor: float = 5.0,
    steps_per_epoch: int | None = None,
    **cycle: Any,
) -> Plan:
    """The Plan that `fine_tune` trains by; nothing is changed.

    Its arrays have the shape `(total_steps, groups)`.

    Raises
    ------
    ValueError
        For arguments that cannot be; see `fine_tune`.
    """
    steps = epoch_steps(task, steps_per_epoch)
    top = positive("base_lr", base_lr, "pick one on the curve of a range test")
    count, frozen = whole("epochs", epochs), whole("freeze_epochs", freeze_epochs, 0, 1)
    lowest = top / 2 / _mult(lr_mult)
    cycle = {"variant": "fastai", **cycle, "optimizer": task.optimizer}
    second = {**cycle, "pct_start": pct_start, "div_factor": div_factor}
    parts = [one_cycle_schedule(count * steps, max_lr=slice(lowest, top / 2), **second)]
    groups: tuple[int, ...] = ()
    if frozen:
        groups = _groups(task, freeze)
        first = {**cycle, "pct_start": 0.99}
        lead = one_cycle_schedule(frozen * steps, max_lr=slice(top), **first)
        parts.insert(0, lead)
    return Plan(
        _joined(parts, len(task.optimizer.param_groups)),
        frozen + count,
        steps,
        pass_length(task, steps_per_epoch),
        frozen,
        groups,
    )


def _joined(parts: Sequence[Schedule], groups: int) -> Schedule:
    """One schedule after the other, a row per step and a column per group."""
    lrs, momentums = (
        None if column[0] is None else np.concatenate(column).reshape(-1, groups)
        for column in zip(*parts, strict=True)
    )
    for values in (lrs, momentums):
        if values is not None:
            values.setflags(write=False)
    assert lrs is not None
    return Schedule(lrs, momentums)


def _groups(task: Task, freeze: Any) -> tuple[int, ...]:
    """Which param groups are frozen."""
    count = len(task.optimizer.param_groups)
    if count < 2:
        raise ValueError(
            "optimizer has a single param group, and fine_tune freezes all but the"
            " last: make it of two,\n"
            f"    torch.optim.{type(task.optimizer).__name__}([\n"
            '        {"params": model.body.parameters()},\n'
            '        {"params": model.head.parameters()},\n'
            "    ])\n"
            "with your model's parts, or pass freeze_epochs=0"
        )
    if freeze is None:
        return tuple(range(count - 1))
    listed = isinstance(freeze, Sequence) and not isinstance(freeze, str)
    if not listed or not all(
        isinstance(i, Integral) and 0 <= int(i) < count for i in freeze
    ):
        raise ValueError(
            "freeze must be a list of param groups, counted from 0 to"
            f" {count - 1}, not {freeze!r}: try [0]"
        )
    if not 0 < len({*freeze}) < count:
        raise ValueError(
            f"freeze must leave out a param group and name one, not {freeze!r} of"
            f" {count}: pass freeze_epochs=0 to freeze none"
        )
    return tuple(sorted({int(i) for i in freeze}))


def _mult(given: Any) -> float:
    mult = positive("lr_mult", given, "try 100")
    if mult < 1:
        raise ValueError(
            f"lr_mult must be at least 1, not {given!r}: the first param group gets the"
            " last one's LR divided by it; try 100"
        )
    return mult
