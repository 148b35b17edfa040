"""Update: how the gradients of some batches become one optimizer step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor
from torch.amp import GradScaler
from torch.optim import Optimizer


class Update:
    """One optimizer step from the losses of one or more batches, as torch's recipe.

    >>> weight = torch.nn.Parameter(torch.ones(()))
    >>> update = Update(torch.optim.SGD([weight], lr=0.1), clip_norm=1.0)
    >>> seen = [update.add(weight * x, i, 2) for i, x in enumerate((6.0, 8.0))]
    >>> update.step(seen)
    tensor(7.)
    >>> round(weight.item(), 6)
    0.9

    Parameters are those of `Task`.

    Raises
    ------
    ValueError
        If one of them cannot work; nothing has been changed then.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        *,
        accumulate: int = 1,
        clip_norm: float | None = None,
        scaler: GradScaler | None = None,
    ) -> None:
        check_update(accumulate, clip_norm, scaler)
        self._optimizer = optimizer
        self.accumulate = int(accumulate)
        self.clip_norm = clip_norm
        self.scaler = scaler

    def add(self, loss: Tensor, i: int, count: int) -> Tensor:
        """Add the gradients of the i-th of `count` losses; it, detached, is returned.

        Its graph is gone before the next batch needs the memory, if nobody holds it.
        """
        if i == 0:
            # Not before: a batch that is refused leaves the gradients as they were.
            self._clear()
        part = loss if count == 1 else loss / count
        if self.scaler is not None:
            part = self.scaler.scale(part)
        part.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def step(self, seen: Sequence[Tensor]) -> Tensor:
        """Take the step; the mean of the losses, a detached scalar tensor."""
        if self.clip_norm is not None:
            self._clip(self.clip_norm)
        if self.scaler is None:
            self._optimizer.step()
        else:
            self.scaler.step(self._optimizer)
            self.scaler.update()
        # And now, so that they take no memory during the next forward pass.
        self._clear()
        return seen[0] if len(seen) == 1 else torch.stack([*seen]).mean()

    def scale(self) -> float:
        """The scaler's factor; lower after a step than before, it was skipped."""
        return 1.0 if self.scaler is None else self.scaler.get_scale()

    def _clip(self, norm: float) -> None:
        if self.scaler is not None:
            self.scaler.unscale_(self._optimizer)
        groups = self._optimizer.param_groups
        held = [parameter for group in groups for parameter in group["params"]]
        torch.nn.utils.clip_grad_norm_(held, norm)

    def _clear(self) -> None:
        """What `zero_grad` does; torch's own takes 8 us, most of it for profilers."""
        if type(self._optimizer).zero_grad is not Optimizer.zero_grad:
            self._optimizer.zero_grad(set_to_none=True)
            return
        for group in self._optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None


def check_update(accumulate: Any, clip_norm: Any, scaler: object) -> None:
    """Refuse what an Update cannot be made of."""
    if not isinstance(accumulate, Integral) or accumulate < 1:
        raise ValueError(
            "accumulate must be a whole number of batches, at least 1, not"
            f" {accumulate!r}: try 4, or leave it out"
        )
    if clip_norm is not None and not (
        isinstance(clip_norm, Real) and 0 < float(clip_norm) < math.inf
    ):
        raise ValueError(
            f"clip_norm must be a positive number, not {clip_norm!r}: try 1.0, or leave"
            " it out"
        )
    if scaler is not None and not isinstance(scaler, GradScaler):
        raise ValueError(
            f"scaler must be a torch.amp.GradScaler, not {type(scaler).__name__}: pass"
            " torch.amp.GradScaler(device), or leave it out"
        )
