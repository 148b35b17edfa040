"""Sweeps of ours, raw and to their end: each rule then reads them as it will."""

from __future__ import annotations

from typing import Any

from lr_widget import Task, range_test

from .tasks import SUBJECTS

#: The defaults of `range_test`.
START_LR, END_LR = 1e-7, 10.0


def sweep(task: str, optimizer: str, seed: int, steps: int) -> dict[str, Any]:
    """LR and loss of each step, from the weights that the fit of that seed has.

    It is not stopped where it diverges: where to stop is part of a rule.
    """
    setup = SUBJECTS[task].setup(optimizer, seed)
    made = Task(setup.model, setup.loader, setup.loss_fn, setup.optimizer, device="cpu")
    points = list(
        range_test(
            made, start_lr=START_LR, end_lr=END_LR, num_iter=steps, stop_div=False
        )
    )
    return {
        "lrs": [point.lr for point in points],
        "losses": [point.loss for point in points],
    }
