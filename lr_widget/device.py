"""Device: where a model is trained, and whether all that goes with it lies there."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


def home(
    parameters: Iterable[Tensor], device: torch.device | str | None
) -> torch.device:
    """Where a model is to train: `device`, or an accelerator, or where it is.

    Raises
    ------
    ValueError
        If there is no such device here, or the model lies on several.
    """
    if device is not None:
        try:
            return _numbered(device)
        except Exception as error:
            raise ValueError(
                f"device must be one that torch finds here, not {device!r} ({error}):"
                ' try "cpu"'
            ) from error
    places = {tensor.device for tensor in parameters}
    if len(places) > 1:
        named = ", ".join(sorted(map(str, places)))
        raise ValueError(
            f"model lies on several devices ({named}): move it to"
            " one with model.to(device), or pass device= to have it moved"
        )
    (place,) = places
    if place.type in ("cpu", "meta") and torch.accelerator.is_available():
        return _numbered(torch.accelerator.current_accelerator() or place)
    return place


def _numbered(device: torch.device | str) -> torch.device:
    """A device as its tensors tell it: they are on "cuda:0", which is not "cuda"."""
    return torch.empty(0, device=device).device


def at(module: nn.Module, device: torch.device) -> bool:
    """Whether a module lies there; then it is not moved, which rebuilds an LSTM."""
    tensors = [*module.parameters(), *module.buffers()]
    return all(tensor.device == device for tensor in tensors)


def apart(optimizer: Optimizer) -> bool:
    """Whether some state lies on another device than its parameter."""
    return any(
        isinstance(value, Tensor) and value.dim() and value.device != parameter.device
        for parameter, state in optimizer.state.items()
        for value in state.values()
    )
