"""What a loader gives: nested tensors, and what a model makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor


def moved(batch: Any, device: torch.device) -> Any:
    """The batch with every tensor in it on `device`; what is no tensor stays.

    Mappings, tuples (named ones too) and lists are gone through; anything else that
    has a `.to(device)` of its own is asked.
    """
    if callable(getattr(batch, "to", None)):
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {key: moved(value, device) for key, value in batch.items()}
    if isinstance(batch, (tuple, list)):
        parts = [moved(value, device) for value in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
    return batch


def samples(batch: Any) -> int:
    """Number of samples in a batch: the length of the first tensor in it, or 1."""
    if isinstance(batch, Tensor):
        return len(batch) if batch.dim() else 1
    if isinstance(batch, Mapping):
        batch = list(batch.values())
    if isinstance(batch, (tuple, list)):
        parts: Iterable[Any] = (
            part for part in batch if isinstance(part, (Tensor, Mapping, tuple, list))
        )
        return next((samples(part) for part in parts), 1)
    return 1


def own_loss(output: Any) -> Any:
    """The loss that a model computed itself, after the Hugging Face convention.

    `output.loss`, `output["loss"]`, or the first item of a tuple.

    Raises
    ------
    ValueError
        If there is none.
    """
    loss = getattr(output, "loss", None)
    if loss is None and isinstance(output, Mapping):
        loss = output.get("loss")
    if loss is None and isinstance(output, (tuple, list)) and output:
        loss = output[0]
    if loss is None:
        raise ValueError(
            "loss_fn is missing and the model returns no loss: pass loss_fn, put the"
            " target into the batch under the name the model expects, or pass step"
        )
    return loss
