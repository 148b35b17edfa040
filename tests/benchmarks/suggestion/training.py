"""What an LR is worth: it is trained with, for a one-cycle of `steps`."""

from __future__ import annotations

import math

import torch
from torch.optim.lr_scheduler import OneCycleLR

from .tasks import SUBJECTS, Setup


def fit(
    task: str, optimizer: str, seed: int, lr: float, steps: int
) -> dict[str, float]:
    """Validation loss before and after one cycle that peaks at `lr`.

    A training whose loss is not finite ends there: it does not come back.
    """
    setup = SUBJECTS[task].setup(optimizer, seed)
    init = validated(setup)
    cycle = OneCycleLR(setup.optimizer, lr, total_steps=steps, pct_start=0.3)
    setup.model.train()
    made = 0
    while made < steps:
        for inputs, target in setup.loader:
            setup.optimizer.zero_grad()
            loss = setup.loss_fn(setup.model(inputs), target)
            loss.backward()
            if not math.isfinite(loss.item()):
                return {"init": init, "loss": math.inf}
            setup.optimizer.step()
            cycle.step()
            made += 1
            if made == steps:
                break
    return {"init": init, "loss": validated(setup)}


def validated(setup: Setup) -> float:
    """Mean loss of the validation samples, in eval mode; inf if it is not finite."""
    setup.model.eval()
    inputs, target = setup.valid
    with torch.no_grad():
        loss = setup.loss_fn(setup.model(inputs), target).item()
    return loss if math.isfinite(loss) else math.inf
