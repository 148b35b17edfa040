"""The loops that are compared: bare, bare with a record, ours; rivals.py has more."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from lr_widget import Task, range_test

from .subjects import END_LR, START_LR, Setup

#: Of a setup and a number of steps: what is ready to be timed.
Sweep = Callable[[Setup, int], Callable[[], object]]


def bare(setup: Setup, num_iter: int) -> Callable[[], object]:
    """The training loop of any tutorial: it records nothing, and the LR stays."""

    def run() -> None:
        step = 0
        while step < num_iter:
            for inputs, target in setup.loader:
                train(setup, inputs, target)
                step += 1
                if step == num_iter:
                    break

    return run


def recording(setup: Setup, num_iter: int) -> Callable[[], object]:
    """The least that a range test does: set the LR, train, keep the loss."""
    factor = (END_LR / START_LR) ** (1 / (num_iter - 1))

    def run() -> list[float]:
        losses: list[float] = []
        lr = START_LR
        while len(losses) < num_iter:
            for inputs, target in setup.loader:
                for group in setup.optimizer.param_groups:
                    group["lr"] = lr
                losses.append(train(setup, inputs, target).item())
                lr *= factor
                if len(losses) == num_iter:
                    break
        return losses

    return run


def train(setup: Setup, inputs: Tensor, target: Tensor) -> Tensor:
    """One step; the loss before it."""
    setup.optimizer.zero_grad()
    loss: Tensor = setup.loss_fn(setup.model(inputs), target)
    loss.backward()
    setup.optimizer.step()
    return loss


def ours(setup: Setup, num_iter: int) -> Callable[[], object]:
    """`range_test`, from the making of the Task to everything being put back."""

    def run() -> object:
        task = Task(setup.model, setup.loader, setup.loss_fn, setup.optimizer)
        sweep = range_test(
            task,
            start_lr=START_LR,
            end_lr=END_LR,
            num_iter=num_iter,
            stop_div=False,
        )
        return list(sweep)

    return run


@dataclass(frozen=True)
class Trial:
    """A sweep that was looked at: what lies around its steps, and their number."""

    set_up: float  # seconds from the call to the first forward pass
    restore: float  # seconds from the end of the last optimizer step to the return
    steps: int

    @classmethod
    def of(cls, sweep: Sweep, setup: Setup, num_iter: int) -> Trial:
        """Run it with a hook on the first forward pass, and one on every step."""
        passes: list[float] = []
        steps: list[float] = []

        def on_pass(*_: object) -> None:
            passes.append(time.perf_counter())

        def on_step(*_: object) -> None:
            steps.append(time.perf_counter())

        run = sweep(setup, num_iter)
        handles = [
            setup.model.register_forward_pre_hook(on_pass),
            setup.optimizer.register_step_post_hook(on_step),
        ]
        called = time.perf_counter()
        run()
        returned = time.perf_counter()
        for handle in handles:
            handle.remove()
        return cls(passes[0] - called, returned - steps[-1], len(steps))
