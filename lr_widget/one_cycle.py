"""fit_one_cycle: training under the one-cycle policy, as a generator."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any

import torch
from torch.optim import SGD, Adam, Optimizer, RMSprop
from torch.optim.lr_scheduler import OneCycleLR

from .curve import Epoch, Point
from .task import Task


def fit_one_cycle(
    task: Task,
    *,
    max_lr: float,
    epochs: int = 1,
    steps_per_epoch: int | None = None,
    stopping: Callable[[], bool] = lambda: False,
    **cycle: Any,
) -> Generator[Point, None, str]:
    """Train for `epochs` epochs, LR up to `max_lr` and down, momentum the other way.

    >>> batch = torch.randn(8, 4), torch.randn(8, 1)
    >>> task = Task(torch.nn.Linear(4, 1), [batch] * 5, torch.nn.MSELoss())
    >>> points = list(fit_one_cycle(task, max_lr=1e-2, epochs=2))
    >>> len(points), points[-1].epoch.epoch
    (10, 2)

    The schedule is `torch.optim.lr_scheduler.OneCycleLR` step by step (Smith and Topin
    2017, https://arxiv.org/abs/1708.07120). Afterwards the weights and the optimizer's
    state are the trained ones; its own options (LR, momentum) are as they were before.

    Parameters
    ----------
    task
        What to train. It must not be trained elsewhere meanwhile.
    max_lr
        Peak LR, positive; of the param group with the highest LR, while the others
        keep their ratio to it.
    epochs
        How often to go through the loader, at least 1.
    steps_per_epoch
        Optimizer steps per epoch, of `accumulate` batches each; needed for a loader
        without a length. The next epoch goes on where this one ended. Default: one
        pass of the loader, `ceil(len(loader) / accumulate)` steps.
    stopping
        Asked during validation, so that Stop need not wait for its end.
    **cycle
        Further arguments of OneCycleLR, with its defaults: `pct_start`,
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
    if not isinstance(max_lr, Real) or not (math.isfinite(max_lr) and max_lr > 0):
        raise ValueError(
            f"max_lr must be a positive number, not {max_lr!r}: pick one on the curve"
            " of a range test"
        )
    schedule = _Schedule(task, float(max_lr), int(epochs) * steps, cycle)
    sized: Any = task.loader
    length = len(sized) if steps_per_epoch is None else None
    return _fit(task, schedule, int(epochs), steps, length, stopping)


def _fit(
    task: Task,
    schedule: _Schedule,
    epochs: int,
    steps: int,
    length: int | None,
    stopping: Callable[[], bool],
) -> Generator[Point, None, str]:
    """`length`: batches of a pass that is an epoch; None where the passes run on."""
    step, each = 0, task.accumulate
    with schedule.applied(), task.mode(train=True):
        batches: Iterator[Any] = task.batches()
        for epoch in range(1, epochs + 1):
            total = 0.0
            if length is not None:
                batches = task.epoch(length)
            for i in range(steps):
                lr = schedule.advance()
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


class _Schedule:
    """LR and momentum of each step, computed by torch on an optimizer of straw.

    The real optimizer gets the numbers only: no scheduler is attached to it, and none
    that is attached already is in the way.
    """

    def __init__(
        self, task: Task, max_lr: float, total_steps: int, cycle: dict[str, Any]
    ) -> None:
        self._task = task
        self._groups = task.optimizer.param_groups
        ratios = task.lr_ratios()
        momentum = cycle.get("cycle_momentum", True)
        self._straw = _straw(task.optimizer, momentum)
        self._cycled = {"momentum", "betas"} if momentum else set()
        try:
            self._torch = OneCycleLR(
                self._straw,
                max_lr=[max_lr * ratio for ratio in ratios],
                total_steps=total_steps,
                **cycle,
            )
        except ZeroDivisionError:
            raise ValueError(
                "pct_start, div_factor or final_div_factor cannot be used for"
                f" {total_steps} steps ({cycle}): move pct_start a little, and keep the"
                " factors above 0"
            ) from None
        self._straw.step()  # moves nothing: torch wants it before the scheduler's step
        self._top = ratios.index(max(ratios))
        self._begun = False

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Lend the optimizer's options; on leaving they are as they were."""
        keys = ("lr", "momentum", "betas")
        own = [{k: _value(g[k]) for k in keys if k in g} for g in self._groups]
        try:
            yield
        finally:
            self._task.set_lrs([options.pop("lr") for options in own])
            for group, options in zip(self._groups, own, strict=True):
                group.update(options)

    def advance(self) -> float:
        """Set the next step's LR and momentum; the LR of the leading group."""
        if self._begun:
            self._torch.step()
        self._begun = True
        straws = self._straw.param_groups
        self._task.set_lrs([straw["lr"] for straw in straws])
        for group, straw in zip(self._groups, straws, strict=True):
            group.update({k: straw[k] for k in self._cycled & set(group)})
        return float(straws[self._top]["lr"])


def _straw(optimizer: Optimizer, cycle_momentum: bool) -> Optimizer:
    """An optimizer with the same groups as far as OneCycleLR looks at them."""
    kind = type(optimizer).__name__
    options = optimizer.defaults
    if cycle_momentum and not {"momentum", "betas"} & set(options):
        raise ValueError(
            f"optimizer {kind} has neither momentum nor betas to cycle: pass"
            " cycle_momentum=False, or use SGD, RMSprop, Adam or AdamW"
        )
    used = [state for state in optimizer.state.values() if state]
    if cycle_momentum and isinstance(optimizer, RMSprop):
        if not all("momentum_buffer" in state for state in used):
            raise ValueError(
                "optimizer RMSprop has been used without momentum and cannot begin with"
                " it: pass cycle_momentum=False, or a new optimizer"
            )
    straws: list[dict[str, Any]] = [
        {"params": [torch.zeros(())]} for _ in optimizer.param_groups
    ]
    if "betas" not in options:
        return SGD(straws, lr=1.0)
    for straw, group in zip(straws, optimizer.param_groups, strict=True):
        straw["betas"] = tuple(group["betas"])
    return Adam(straws, lr=1.0)


def _value(option: Any) -> Any:
    return float(option) if isinstance(option, torch.Tensor) else option


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
