"""Schedule: LR and momentum of each step of one cycle, known before the first."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch.optim import Optimizer, RMSprop

from .peak import MaxLR, listed, peaks, positive

Array = NDArray[np.float64]

#: Share of the steps in which the LR rises, where `pct_start` is not given.
PCT_START = {"torch": 0.3, "fastai": 0.25}


class Schedule(NamedTuple):
    """What each step of a fit is made at: read-only float64 arrays.

    Their shape is `(total_steps,)`, with several param groups `(total_steps, groups)`.
    `momentums` (beta 1 of an optimizer with betas) is None where it is not cycled.
    """

    lrs: Array
    momentums: Array | None


def one_cycle_schedule(
    total_steps: int,
    *,
    max_lr: MaxLR,
    optimizer: Optimizer | None = None,
    variant: str = "torch",
    pct_start: float | None = None,
    anneal_strategy: str = "cos",
    cycle_momentum: bool = True,
    base_momentum: float | Sequence[float] = 0.85,
    max_momentum: float | Sequence[float] = 0.95,
    div_factor: float = 25.0,
    final_div_factor: float | None = None,
    three_phase: bool = False,
) -> Schedule:
    """LR and momentum of each step of one cycle, as `fit_one_cycle` sets them.

    >>> lrs, momentums = one_cycle_schedule(10, max_lr=0.1, variant="fastai")
    >>> [f"{lr:.3f}" for lr in lrs[:4]]
    ['0.004', '0.037', '0.091', '0.099']
    >>> one_cycle_schedule(10, max_lr=[0.01, 0.1]).lrs.shape
    (10, 2)

    The LR rises from `max_lr / div_factor` to `max_lr` and falls far below where it
    began, while the momentum falls and rises again (Smith and Topin 2017,
    https://arxiv.org/abs/1708.07120). There are two definitions of it in use:

    - `variant="torch"`: `torch.optim.lr_scheduler.OneCycleLR`, bit for bit. The last
      step is made at the lowest LR, `max_lr / div_factor / final_div_factor`.
    - `variant="fastai"`: fastai's `fit_one_cycle` (fastai/callback/schedule.py), two
      cosine phases at the position `step / total_steps`. That does not reach 1, nor the
      LR its end, `max_lr / 1e5`. fastai itself computes the position in single
      precision, so that its LRs are off by up to 1e-7 of the peak.

    Ten thousand steps take about a millisecond.

    Parameters
    ----------
    total_steps
        Optimizer steps in all, at least 1: those of an epoch times the epochs.
    max_lr
        Peak LR, positive. A number is that of the param group with the highest LR,
        while the others keep their ratio to it. `slice(a, b)` gives discriminative
        LRs, geometric from `a` for the first group to `b` for the last; `slice(b)`
        gives `b` to the last one and `b / 10` to all others, both as in fastai. A list
        has one LR per group. A single group takes the `b` of a slice.
    optimizer
        Whose param groups are meant; it is only looked at. Without one a number means
        one group, a list as many as it has.
    variant
        `"torch"` or `"fastai"`.
    pct_start
        Share of the steps in which the LR rises, 0 to 1. Default: 0.3, fastai's 0.25.
    anneal_strategy
        `"cos"` or, torch only, `"linear"`.
    cycle_momentum
        Whether to move momentum, or beta 1, against the LR.
    base_momentum, max_momentum
        Lowest and highest momentum, at least 0 and below 1; lists have one per group.
    div_factor
        `max_lr` over the first LR.
    final_div_factor
        First LR over the lowest. Default: 1e4; fastai's `1e5 / div_factor`.
    three_phase
        Torch only: down as fast as up, and then from the first LR to the lowest, as in
        the paper; `pct_start` is then the share of each of the two legs.

    Returns
    -------
    Schedule
        `lrs` and `momentums`.

    Raises
    ------
    ValueError
        For arguments that cannot be, and for an `optimizer` without momentum or betas
        (Adagrad, Adadelta) unless `cycle_momentum=False`.
    """
    _check_kind(variant, anneal_strategy, three_phase)
    path = _Path(total_steps, pct_start, variant, anneal_strategy, three_phase)
    tops = np.array(peaks(max_lr, optimizer))
    start = tops / positive("div_factor", div_factor, "try 25")
    if final_div_factor is not None:
        end = start / positive("final_div_factor", final_div_factor, "try 1e4")
    else:
        end = start / 1e4 if variant == "torch" else tops / 1e5
    lrs = path.through(start, tops, start, end)
    if not cycle_momentum:
        return Schedule(lrs, None)
    if optimizer is not None:
        _check_momentum(optimizer)
    low = _momentum("base_momentum", base_momentum, len(tops))
    high = _momentum("max_momentum", max_momentum, len(tops))
    return Schedule(lrs, path.through(high, low, high, high))


class _Path:
    """The legs of a cycle: which one each step is on, and how far along it."""

    def __init__(
        self,
        total_steps: int,
        pct_start: float | None,
        variant: str,
        strategy: str,
        three_phase: bool,
    ) -> None:
        self._three_phase = three_phase
        steps = _checked_steps(total_steps)
        rise = _share(PCT_START[variant] if pct_start is None else pct_start)
        if variant == "fastai":
            position = np.arange(steps) / steps
            bounds = np.array([0.0, rise, 1.0])
            leg = (position >= rise).astype(np.intp)
        else:
            position = np.arange(steps, dtype=np.float64)
            top = _top(steps, rise)
            bounds = np.array(
                [0.0, top, *([2 * top] if three_phase else []), steps - 1.0]
            )
            leg = np.full(steps, len(bounds) - 2)
            for i in reversed(range(len(bounds) - 2)):
                leg[position <= bounds[i + 1]] = i
        self._leg = leg
        pct = (position - bounds[leg]) / np.diff(bounds)[leg]
        self._blend = _BLENDS["fastai" if variant == "fastai" else strategy](pct)

    def through(self, start: Array, top: Array, back: Array, end: Array) -> Array:
        """From `start` to `top` to `end`, in three phases by way of `back`."""
        knots = np.array([start, top, *([back] if self._three_phase else []), end])
        values: Array = self._blend(knots[self._leg], knots[self._leg + 1])
        if len(start) == 1:
            values = values[:, 0]
        values.setflags(write=False)
        return values


#: Goes from the first to the second, each `(steps, groups)`, a row for each step.
_Blend = Callable[[Array, Array], Array]


def _torch_cos(pct: Array) -> _Blend:
    bend = _cos(math.pi * pct) + 1
    return lambda start, end: end + (start - end) / 2.0 * bend


def _torch_linear(pct: Array) -> _Blend:
    way = pct[:, None]
    return lambda start, end: (end - start) * way + start


def _fastai_cos(pct: Array) -> _Blend:
    bend = 1 + _cos(math.pi * (1 - pct))
    return lambda start, end: start + bend * (end - start) / 2


_BLENDS = {"cos": _torch_cos, "linear": _torch_linear, "fastai": _fastai_cos}


def _cos(angles: Array) -> Array:
    """A column of Python's cosines: numpy's may differ from torch in the last bit."""
    return np.array([math.cos(angle) for angle in angles.tolist()])[:, None]


def _top(steps: int, rise: float) -> float:
    """The step, as a fraction, at which torch's LR has its peak."""
    top = rise * steps - 1
    if top == 0:
        raise ValueError(
            f"pct_start={rise:g} of {steps} steps is a single one, in which the LR"
            " cannot rise: make it a little larger, or smaller"
        )
    return top


def _check_kind(variant: str, strategy: str, three_phase: bool) -> None:
    if variant not in PCT_START:
        raise ValueError(f"variant must be 'torch' or 'fastai', not {variant!r}")
    if strategy not in ("cos", "linear"):
        raise ValueError(f"anneal_strategy must be 'cos' or 'linear', not {strategy!r}")
    alien = {"anneal_strategy": strategy != "cos", "three_phase": bool(three_phase)}
    for name, given in alien.items():
        if given and variant == "fastai":
            raise ValueError(
                f"{name} is not in fastai's definition, which is two cosine phases:"
                " leave it out, or take variant='torch'"
            )


def _checked_steps(steps: Any) -> int:
    if not isinstance(steps, Integral) or steps < 1:
        raise ValueError(
            f"total_steps must be a whole number of at least 1, not {steps!r}: pass"
            " steps per epoch times epochs"
        )
    return int(steps)


def _share(pct_start: Any) -> float:
    if not isinstance(pct_start, Real) or not 0 <= float(pct_start) <= 1:
        raise ValueError(
            f"pct_start must be a share from 0 to 1, not {pct_start!r}: try 0.3"
        )
    return float(pct_start)


def _momentum(name: str, given: Any, groups: int) -> Array:
    values = [*given] if listed(given) else [given] * groups
    if len(values) != groups:
        raise ValueError(
            f"{name} has {len(values)} values for {groups} param groups: pass one"
            " number for all, or one per group"
        )
    if not all(isinstance(value, Real) and 0 <= float(value) < 1 for value in values):
        usual = "0.85" if name == "base_momentum" else "0.95"
        raise ValueError(
            f"{name} must be at least 0 and below 1, not {given!r}: try {usual}"
        )
    return np.array(values, dtype=np.float64)


def _check_momentum(optimizer: Optimizer) -> None:
    kind = type(optimizer).__name__
    if not all({"momentum", "betas"} & set(g) for g in optimizer.param_groups):
        raise ValueError(
            f"optimizer {kind} has neither momentum nor betas to cycle: pass"
            " cycle_momentum=False, or use SGD, RMSprop, Adam or AdamW"
        )
    used = [state for state in optimizer.state.values() if state]
    if isinstance(optimizer, RMSprop):
        if not all("momentum_buffer" in state for state in used):
            raise ValueError(
                "optimizer RMSprop has been used without momentum and cannot begin with"
                " it: pass cycle_momentum=False, or a new optimizer"
            )
