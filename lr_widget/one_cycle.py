"""fit_one_cycle: training under the one-cycle policy, as a generator."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from typing import Any

from .curve import Point
from .fit import OnStep, fit
from .peak import MaxLR
from .plan import Plan, epoch_steps, pass_length, whole
from .schedule import one_cycle_schedule
from .task import Task


def fit_one_cycle(
    task: Task,
    *,
    max_lr: MaxLR,
    epochs: int = 1,
    steps_per_epoch: int | None = None,
    stopping: Callable[[], bool] = lambda: False,
    on_step: OnStep | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    **cycle: Any,
) -> Generator[Point, None, str]:
    """Train for `epochs` epochs, LR up to `max_lr` and down, momentum the other way.

    >>> import torch
    >>> batch = torch.randn(8, 4), torch.randn(8, 1)
    >>> task = Task(torch.nn.Linear(4, 1), [batch] * 5, torch.nn.MSELoss())
    >>> points = list(fit_one_cycle(task, max_lr=1e-2, epochs=2))
    >>> len(points), points[-1].epoch.epoch
    (10, 2)

    The schedule is that of `one_cycle_schedule`: torch's `OneCycleLR` step by step, or
    with `variant="fastai"` fastai's. Afterwards the weights and the optimizer's state
    are the trained ones; its own options (LR, momentum) are as they were before.

    Anything that is to happen after each step is a hook, such as an exponential moving
    average of the weights:

    >>> from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
    >>> ema = AveragedModel(task.model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    >>> for point in fit_one_cycle(
    ...     task, max_lr=1e-2, on_step=lambda point: ema.update_parameters(task.model)
    ... ):
    ...     pass
    >>> int(ema.n_averaged)
    5

    Parameters
    ----------
    task
        What to train. It must not be trained elsewhere meanwhile.
    max_lr
        Peak LR, positive, or with several param groups also `slice(a, b)`, `slice(b)`
        or a list, as in `one_cycle_schedule`. The `lr` of a Point is that of the group
        with the highest.
    epochs
        How often to go through the loader, at least 1.
    steps_per_epoch
        Optimizer steps per epoch, of `accumulate` batches each; needed for a loader
        without a length. The next epoch goes on where this one ended. Default: one
        pass of the loader, `ceil(len(loader) / accumulate)` steps.
    stopping
        Asked during validation, so that Stop need not wait for its end.
    on_step
        Called with each Point, in the thread that trains, after the optimizer step and,
        at an epoch's end, after validation. If it raises, that ends the fit. One that
        has `state_dict()` and `load_state_dict()`, as `Best` has, is kept in a
        checkpoint; a plain function is not, nor what it writes to. On a GPU each step
        waits for it and its loss, unless it has an attribute `each_step = False`, as
        `Best` has: then it may hear of a step some steps later, but of an epoch's
        last one before the next.
    checkpoint
        Path of a file that the fit is kept in: written at each epoch's end (before its
        validation and after it) and when the generator is closed, in one move, so that
        it is never half a file. Where it exists the fit goes on from there: the
        Points made before are yielded again, without training and without `on_step`,
        and on the CPU everything ends bit for bit as without the interruption. The
        file of a fit that was complete puts everything in place as at its end and
        makes no step: give another fit another path. What is kept, and what cannot
        be, is said in `Checkpoint`.
    checkpoint_every
        Optimizer steps after which it is written besides. Default: only then.
    **cycle
        Further arguments of `one_cycle_schedule`: `variant`, `pct_start`,
        `anneal_strategy`, `cycle_momentum`, `base_momentum`, `max_momentum`,
        `div_factor`, `final_div_factor`, `three_phase`.

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
        At once, for arguments that cannot be, for an optimizer without momentum or
        betas (Adagrad, Adadelta) unless `cycle_momentum=False`, and for a checkpoint
        that is of another fit, damaged, or in a folder that cannot be written to;
        nothing has been changed then.
    OSError
        If the checkpoint cannot be written later on (disk full); the options are put
        back, and the file of before is whole.
    """
    plan = one_cycle_plan(
        task, max_lr=max_lr, epochs=epochs, steps_per_epoch=steps_per_epoch, **cycle
    )
    return fit(
        task,
        plan,
        stopping=stopping,
        on_step=on_step,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
    )


def one_cycle_plan(
    task: Task,
    *,
    max_lr: MaxLR,
    epochs: int = 1,
    steps_per_epoch: int | None = None,
    **cycle: Any,
) -> Plan:
    """The Plan that `fit_one_cycle` trains by; nothing is changed.

    >>> import torch
    >>> batch = torch.randn(8, 4), torch.randn(8, 1)
    >>> task = Task(torch.nn.Linear(4, 1), [batch] * 5, torch.nn.MSELoss())
    >>> plan = one_cycle_plan(task, max_lr=1e-2, epochs=2)
    >>> plan.total_steps, plan.schedule.lrs.shape
    (10, (10,))

    Raises
    ------
    ValueError
        For arguments that cannot be; see `fit_one_cycle`.
    """
    steps = epoch_steps(task, steps_per_epoch)
    total = whole("epochs", epochs) * steps
    schedule = one_cycle_schedule(
        total, max_lr=max_lr, optimizer=task.optimizer, **cycle
    )
    return Plan(schedule, int(epochs), steps, pass_length(task, steps_per_epoch))
