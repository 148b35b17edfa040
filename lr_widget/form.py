"""The form of a batch, and how it is held still: for a step that is replayed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from copy import copy
from typing import Any

import torch
from torch import Tensor


def form(batch: Any) -> Any:
    """All of a batch but the values in its tensors; equal for equal forms only.

    What is unknown equals nothing, not even itself.
    """
    if isinstance(batch, Tensor):
        if batch.layout is torch.strided and not batch.is_nested:
            return Tensor, batch.dtype, batch.shape
    elif isinstance(batch, Mapping):
        return type(batch), [(key, form(value)) for key, value in batch.items()]
    elif isinstance(batch, (tuple, list)) and not hasattr(batch, "to"):
        return type(batch), [form(part) for part in batch]
    elif batch is None or isinstance(batch, (bool, int, float, str, bytes)):
        return type(batch), batch
    return object()


def still(found: list[Any], window: list[Any]) -> list[Any]:
    """The form of the first batches, if a batch can have the same form again."""
    if found != [form(batch) for batch in window]:
        raise ValueError(
            "cuda_graph needs batches of plain tensors, numbers and strings in tuples,"
            f" lists and mappings, and the loader gave {type(window[0]).__name__} with"
            " something else in it: change its collate_fn, or leave cuda_graph out"
        )
    return found


def tensors(batch: Any) -> Iterator[Tensor]:
    """The tensors in a batch, in an order that its form decides."""
    if isinstance(batch, Tensor):
        yield batch
    elif isinstance(batch, Mapping):
        for value in batch.values():
            yield from tensors(value)
    elif isinstance(batch, (tuple, list)):
        for part in batch:
            yield from tensors(part)


def placed(batch: Any, device: torch.device) -> Any:
    """The batch with a copy of every tensor in it on the device."""
    if isinstance(batch, Tensor):
        return batch.detach().to(device, non_blocking=True, copy=True)
    if isinstance(batch, Mapping):
        parts = {key: placed(value, device) for key, value in batch.items()}
        if not isinstance(batch, MutableMapping):
            return parts
        copied = copy(batch)  # of its own type, which may have attributes too
        copied.update(parts)
        return copied
    if isinstance(batch, (tuple, list)):
        inner = [placed(part, device) for part in batch]
        return type(batch)(*inner) if hasattr(batch, "_fields") else type(batch)(inner)
    return batch
