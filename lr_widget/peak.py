"""Peak: the highest LR of each param group, from what `max_lr` says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from torch.optim import Optimizer

from .readback import fetched

#: One LR for all groups, discriminative ones, or a list of one per group.
MaxLR: TypeAlias = float | slice | Sequence[float]

_CURVE = "pick one on the curve of a range test"


def peaks(max_lr: MaxLR, optimizer: Optimizer | None = None) -> list[float]:
    """The peak LR of each param group; without an optimizer of as many as are named.

    >>> import torch
    >>> groups = [{"params": [torch.zeros(1)]} for _ in range(3)]
    >>> optimizer = torch.optim.SGD(groups, lr=0.1)
    >>> peaks(slice(1e-4, 1e-2), optimizer)
    [0.0001, 0.001, 0.01]
    >>> peaks(slice(1e-2), optimizer)
    [0.001, 0.001, 0.01]

    See `max_lr` of `one_cycle_schedule`. The slices are those of fastai
    (`Optimizer.set_hyper` in fastai/optimizer.py).

    Raises
    ------
    ValueError
        If `max_lr` is none, or not for these groups.
    """
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise ValueError(
            "optimizer must be a torch.optim.Optimizer, not"
            f" {type(optimizer).__name__}: of a Task pass task.optimizer"
        )
    if isinstance(max_lr, slice):
        return _spread(max_lr, optimizer)
    if listed(max_lr):
        return _each(max_lr, optimizer)
    peak = positive("max_lr", max_lr, _CURVE)
    if optimizer is None:
        return [peak]
    lrs = fetched([group["lr"] for group in optimizer.param_groups])
    highest = max(lrs)
    return [peak * (lr / highest if highest > 0 else 1.0) for lr in lrs]


def _spread(given: slice, optimizer: Optimizer | None) -> list[float]:
    """Discriminative LRs: from the first group to the last."""
    bare = given.start is None and given.step is None
    name = f"slice({given.stop})" if bare else str(given)
    if optimizer is None:
        raise ValueError(
            f"max_lr={name} is spread over param groups: pass optimizer= too, or a"
            " list of one LR per group"
        )
    if given.stop is None or given.step is not None:
        raise ValueError(
            f"max_lr={name} must be slice(a, b), from the first group's LR to the"
            " last one's, or slice(b)"
        )
    stop = positive(f"the end of max_lr={name}", given.stop, _CURVE)
    count = len(optimizer.param_groups)
    if given.start is None:
        return [stop / 10] * (count - 1) + [stop]
    start = positive(f"the start of max_lr={name}", given.start, _CURVE)
    if start > stop:
        raise ValueError(
            f"max_lr={name} falls from the first param group to the last:"
            f" pass slice({stop:g}, {start:g}), or a list of one LR per group"
        )
    steps = range(count - 1)
    return [start * (stop / start) ** (i / (count - 1)) for i in steps] + [stop]


def _each(given: Any, optimizer: Optimizer | None) -> list[float]:
    count = len(given) if optimizer is None else len(optimizer.param_groups)
    if not count or len(given) != count:
        raise ValueError(
            f"max_lr has {len(given)} LRs for {count or 'no'} param groups: pass one"
            " per group, or a single number"
        )
    return [positive(f"max_lr[{i}]", lr, _CURVE) for i, lr in enumerate(given)]


def listed(given: object) -> bool:
    """Whether there is one value per group."""
    array = isinstance(given, np.ndarray) and given.ndim > 0
    return array or (isinstance(given, Sequence) and not isinstance(given, str))


def positive(name: str, number: Any, move: str) -> float:
    """The number, if it is positive and finite."""
    if not isinstance(number, Real) or not 0 < float(number) < math.inf:
        raise ValueError(f"{name} must be a positive number, not {number!r}: {move}")
    return float(number)
