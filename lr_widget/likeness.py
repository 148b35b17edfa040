"""Likeness: what a fit must share with another one to go on from where that was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from .chance import drawers
from .plan import Plan
from .state import plain, weights
from .task import Task


def likeness(task: Task, plan: Plan, *, with_state: bool) -> dict[str, Any]:
    """What makes a fit this fit, by the name that users know it by, as plain data.

    `with_state`: whether its hook has a state. A tensor without a shape yet (of a lazy
    module) is None, and is like any other.
    """
    momentums, optimizer = plan.momentums, task.optimizer
    return {
        "epochs": plan.epochs,
        "steps_per_epoch": plan.steps_per_epoch,
        "batches of a pass": plan.length,
        "freeze_epochs": plan.freeze_epochs,
        "freeze": plan.freeze,
        "optimizer": type(optimizer).__name__,
        "model": {
            name: None if is_lazy(each) else [[*each.shape], str(each.dtype)]
            for name, each in weights(task).items()
        },
        "params of the groups": [len(g["params"]) for g in optimizer.param_groups],
        "LR": _table(plan.lrs),
        "momentum": None if momentums is None else _table(momentums),
        "accumulate": task.accumulate,
        "clip_norm": plain(task.clip_norm, "clip_norm"),
        "autocast": str(task.autocast),
        "scaler": task.scaler is not None and task.scaler.is_enabled(),
        "generators": drawers(task),
        "a state of on_step": with_state,
    }


def _table(values: Any) -> Tensor:
    """A row per step, in memory, also under another default device."""
    return torch.tensor(values, device="cpu")


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Where two likenesses differ, in words: `there` of the file, `here` of the fit."""
    found = []
    for name, value in here.items():
        other = there[name]
        if isinstance(value, dict):
            found += _parts(name, other, value)
        elif isinstance(value, Tensor) and isinstance(other, Tensor):
            found += _rows(name, other, value)
        elif isinstance(value, Tensor) or isinstance(other, Tensor):
            was, now = ("cycled" if isinstance(v, Tensor) else "not cycled" for v in
                        (other, value))  # fmt: skip
            found.append(f"{name} is {was} there, {now} here")
        elif other != value:
            found.append(f"{name} is {other} there, {value} here")
    return found


def _parts(name: str, there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    found = []
    for part in dict.fromkeys([*there, *here]):
        if part not in here:
            found.append(f"{name} has {part} there, and not here")
        elif part not in there:
            found.append(f"{name} has {part} here, and not there")
        elif None not in (there[part], here[part]) and there[part] != here[part]:
            words = " there, ".join(_words(side[part]) for side in (there, here))
            found.append(f"{part} is {words} here")
    return found


def _rows(name: str, there: Tensor, here: Tensor) -> list[str]:
    if there.shape != here.shape:  # their epochs or groups are told of already
        return [f"{name} is of {_shape(there)} there, of {_shape(here)} here"]
    rows = (there != here).any(1).nonzero()
    if not len(rows):
        return []
    step = int(rows[0])
    group = int((there[step] != here[step]).nonzero()[0])
    was, now = float(there[step, group]), float(here[step, group])
    place = f" of group {group}" if here.shape[1] > 1 else ""
    return [f"{name}{place} at step {step} is {was:g} there, {now:g} here"]


def _shape(rows: Tensor) -> str:
    return f"{rows.shape[0]} steps and {rows.shape[1]} groups"


def _words(value: Any) -> str:
    if isinstance(value, str):
        return value
    shape, dtype = value
    return f"{tuple(shape)} {dtype.removeprefix('torch.')}"
