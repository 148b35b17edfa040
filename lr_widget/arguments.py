"""Arguments of a Task: what it refuses, by name and with the next move."""

from __future__ import annotations

import inspect
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import Optimizer


def kind(value: object) -> str:
    """The name of a value's type, for the words of an error."""
    return type(value).__name__


def check_model(model: object) -> None:
    """Refuse what is no module."""
    if not isinstance(model, nn.Module):
        raise ValueError(f"model must be a torch.nn.Module, not {kind(model)}")


def check_values(parameters: Iterable[Tensor], device: torch.device) -> None:
    """Refuse a model that has no values to train from."""
    if device.type != "meta" and any(p.is_meta for p in parameters):
        raise ValueError(
            "model has parameters without values, on the meta device: give it some"
            f" with model.to_empty(device={device.type!r}) or from a checkpoint first"
        )


def check_callable(name: str, given: object) -> None:
    """Refuse what cannot be called; None is for what was not given."""
    if given is not None and not callable(given):
        raise ValueError(f"{name} must be callable, not {kind(given)}")


def check_loader(name: str, loader: object) -> None:
    """Refuse what gives no batches; what has no length is seen when it is used."""
    if not isinstance(loader, Iterable):
        raise ValueError(f"{name} must be an iterable of batches, not {kind(loader)}")
    try:
        size = len(loader)  # type: ignore[arg-type]
    except TypeError:
        return
    if size == 0:
        raise ValueError(f"{name} is empty: pass one that gives at least one batch")


def check_optimizer(parameters: Iterable[Tensor], optimizer: Optimizer | None) -> None:
    """Refuse a model or an optimizer with which nothing would train."""
    trainable = {id(p) for p in parameters if p.requires_grad}
    if not trainable:
        raise ValueError(
            "model has no parameter with requires_grad=True: unfreeze what is to train"
        )
    if optimizer is None:
        return
    if not isinstance(optimizer, Optimizer):
        raise ValueError(
            f"optimizer must be a torch.optim.Optimizer, not {kind(optimizer)}"
        )
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if not held & trainable:
        raise ValueError(
            "optimizer does not hold the model's parameters: build it from"
            " model.parameters() of this very model"
        )
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise ValueError(
            f"optimizer {kind(optimizer)} needs a closure at each step, which is not"
            " supported: use SGD, AdamW or another that steps without one"
        )


def check_precision(
    parameters: Iterable[Tensor],
    device: torch.device,
    autocast: torch.dtype | None,
    scaler: GradScaler | None,
) -> None:
    """Refuse what cannot be computed there, or not in that precision."""
    if autocast not in (None, torch.bfloat16, torch.float16):
        raise ValueError(
            f"autocast must be torch.bfloat16 or torch.float16, not {autocast!r}: pass"
            " one of these, or leave it out"
        )
    if autocast is not None and not torch.amp.is_autocast_available(device.type):
        raise ValueError(
            f"autocast is not to be had on {device.type}: leave it out, or pass device="
        )
    if scaler is None or not scaler.is_enabled():
        return
    if any(p.dtype == torch.float16 for p in parameters if p.requires_grad):
        raise ValueError(
            "scaler cannot unscale the gradients of a model in float16: keep the model"
            " in float32 (model.float()) and pass autocast=torch.float16"
        )
