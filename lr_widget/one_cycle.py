"""fit_one_cycle: training under the one-cycle policy, as a generator."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import Any

from torch import Tensor

from .curve import Epoch, Point
from .peak import MaxLR
from .schedule import Schedule, one_cycle_schedule
from .task import Task


def fit_one_cycle(
    task: Task,
    *,
    max_lr: MaxLR,
    epochs: int = 1,
    steps_per_epoch: int | None = None,
    stopping: Callable[[], bool] = lambda: False,
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
        At once, for arguments that cannot be, and for an optimizer without momentum
        or betas (Adagrad, Adadelta) unless `cycle_momentum=False`.
    """
    steps = epoch_steps(task, steps_per_epoch)
    if not isinstance(epochs, Integral) or epochs < 1:
        raise ValueError(
            f"epochs must be a whole number of at least 1, not {epochs!r}: try 3"
        )
    total = int(epochs) * steps
    schedule = one_cycle_schedule(
        total, max_lr=max_lr, optimizer=task.optimizer, **cycle
    )
    sized: Any = task.loader
    length = len(sized) if steps_per_epoch is None else None
    return _fit(task, schedule, int(epochs), steps, length, stopping)


def _fit(
    task: Task,
    schedule: Schedule,
    epochs: int,
    steps: int,
    length: int | None,
    stopping: Callable[[], bool],
) -> Generator[Point, None, str]:
    """`length`: batches of a pass that is an epoch; None where the passes run on."""
    step, each = 0, task.accumulate
    lrs = _steered(task, schedule)
    with _lent(task), task.mode(train=True):
        batches: Iterator[Any] = task.batches()
        for epoch in range(1, epochs + 1):
            total = 0.0
            if length is not None:
                batches = task.epoch(length)
            for i in range(steps):
                lr = next(lrs)
                count = each if length is None else min(each, length - i * each)
                loss = float(task.update(batches, count))  # waits: one sync a step
                total += loss
                record = None
                if i == steps - 1:
                    if length is not None:
                        next(batches, None)  # ends the pass, as a plain loop does
                    valid = task.validate(stopping) or (None, {})
                    record = Epoch(epoch, step, total / steps, *valid)
                yield Point(step, lr, loss, record)
                step += 1
    return "done"


def _steered(task: Task, schedule: Schedule) -> Iterator[float]:
    """Set what each step is made at; the LR of the leading group.

    The optimizer gets the numbers only: no scheduler is attached to it, and none that
    is attached already is in the way.
    """
    lrs, momentums = schedule
    rows = lrs.reshape(len(lrs), -1)
    top = int(rows[0].argmax())
    for step, row in enumerate(rows):
        task.set_lrs(row.tolist())
        if momentums is not None:
            _set_momentums(task, momentums[step].reshape(-1).tolist())
        yield float(row[top])


def _set_momentums(task: Task, momentums: list[float]) -> None:
    for group, momentum in zip(task.optimizer.param_groups, momentums, strict=True):
        key = "betas" if "betas" in group else "momentum"
        first = _first(group[key])
        if isinstance(first, Tensor):
            first.fill_(momentum)  # a compiled or captured step holds this tensor
        elif key == "betas":
            group[key] = (momentum, *group[key][1:])
        else:
            group[key] = momentum


@contextmanager
def _lent(task: Task) -> Iterator[None]:
    """Lend the optimizer's LRs and momentums; on leaving they are as they were."""
    groups = task.optimizer.param_groups
    lrs = [float(group["lr"]) for group in groups]
    own = []
    for group in groups:
        for key in {"momentum", "betas"} & set(group):
            first = _first(group[key])
            held = first.clone() if isinstance(first, Tensor) else None
            own.append((group, key, group[key], held))
    try:
        yield
    finally:
        task.set_lrs(lrs)
        for group, key, option, held in own:
            if held is not None:
                _first(option).copy_(held)
            group[key] = option


def _first(option: Any) -> Any:
    """A momentum; of betas the one that is cycled."""
    return option[0] if isinstance(option, (tuple, list)) else option


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
    if not isinstance(steps_per_epoch, Integral) or steps_per_epoch < 1:
        raise ValueError(
            "steps_per_epoch must be a whole number of at least 1, not"
            f" {steps_per_epoch!r}"
        )
    return int(steps_per_epoch)
