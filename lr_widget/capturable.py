"""Optimizers that can be captured: prepared to step without the help of the CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy
from torch.optim import SGD, Optimizer, Rprop


def check(optimizer: Optimizer) -> None:
    """Refuse an optimizer of torch that steps with the CPU's help.

    Raises
    ------
    ValueError
        Naming what to use instead.
    """
    groups = optimizer.param_groups
    theirs = type(optimizer).__module__.startswith("torch.optim")
    capturable = all("capturable" in group for group in groups)
    captured = capturable and not isinstance(optimizer, Rprop)  # asks for its LR
    if theirs and not captured and not isinstance(optimizer, SGD):
        raise ValueError(
            f"cuda_graph cannot capture {type(optimizer).__name__}, which reads its LR"
            " or counts its steps on the CPU: use SGD, Adam, AdamW, RMSprop or another"
            " with a capturable option, or leave cuda_graph out"
        )
    held = (parameter for group in groups for parameter in group["params"])
    if isinstance(optimizer, SGD) and not all(p.is_floating_point() for p in held):
        raise ValueError(
            "cuda_graph needs the fused SGD of torch, which takes floating-point"
            " parameters only: use Adam, or leave cuda_graph out"
        )


def prepare(optimizer: Optimizer, device: torch.device) -> None:
    """Have an optimizer step without the CPU: LR and counters on the device.

    Of torch's implementations those are taken that never read a tensor LR back: with
    `capturable` the foreach ones (the for-loops of RMSprop and Adadelta do read it),
    of SGD the fused one (both others do).
    """
    # Else torch warns that a capturable optimizer takes eager steps.
    vars(optimizer)["_warned_capturable_if_run_uncaptured"] = True
    for group in optimizer.param_groups:
        group["lr"] = _scalar(group["lr"], device)
        if "capturable" in group:
            group["capturable"] = True
            group["foreach"] = not group.get("fused")
            _move(optimizer, group)
        elif isinstance(optimizer, SGD):
            group["fused"], group["foreach"] = True, False
            _begin(optimizer, group)


def _scalar(lr: float | Tensor, device: torch.device) -> Tensor:
    """An LR in a tensor of its own; float32 is what fused kernels read."""
    if isinstance(lr, Tensor):
        lr = lr.detach().reshape(())
        return lr.to(device, torch.float32, non_blocking=True, copy=True)
    # Filled on the device: torch.tensor would wait for a copy.
    return torch.full((), float(lr), dtype=torch.float32, device=device)


def _move(optimizer: Optimizer, group: dict[str, Any]) -> None:
    """Counters of steps lie on the CPU, unless they are to be captured."""
    for parameter in group["params"]:
        state = optimizer.state.get(parameter, {})
        for key, value in state.items():
            if isinstance(value, Tensor) and value.device != parameter.device:
                state[key] = value.to(parameter.device, non_blocking=True)


def _begin(optimizer: Optimizer, group: dict[str, Any]) -> None:
    """Momentum from zero, which is how SGD begins; fused, it wants all or none.

    With dampening it begins otherwise, and is left alone.
    """
    # Lazy parameters get theirs from the first step, all of them.
    lazy = any(is_lazy(parameter) for parameter in group["params"])
    if not group["momentum"] or group["dampening"] or lazy:
        return
    for parameter in group["params"]:
        if parameter.requires_grad:
            state = optimizer.state[parameter]
            if state.get("momentum_buffer") is None:
                state["momentum_buffer"] = torch.zeros_like(parameter)


def on_host(optimizer: Optimizer) -> list[Any]:
    """What a replay leaves as it is: numbers, CPU tensors, and which tensors there are.

    If Python changed any of it during a capture, then each eager step does, and a
    replay would not.
    """
    found: list[Any] = []
    for held in (*optimizer.param_groups, *optimizer.state.values()):
        # Some optimizers keep in `state` what belongs to no parameter.
        for key, value in held.items() if isinstance(held, dict) else [("", held)]:
            found += [key, value if isinstance(value, (int, float)) else id(value)]
            if isinstance(value, Tensor) and value.is_cpu:
                found.append(value._version)  # grows with each change in place
    return found
