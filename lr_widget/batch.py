"""What a loader gives: nested tensors, and what a model makes of them."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from functools import cache
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from .readback import Number, fetched, pending


def moved(batch: Any, device: torch.device) -> Any:
    """The batch with every tensor in it on `device`; what is no tensor stays.

    Mappings, tuples (named ones too) and lists are gone through; anything else that
    has a `.to(device)` of its own is asked.
    """
    if isinstance(batch, Tensor):
        # Without waiting for it: CUDA orders the copy before what needs it, and reads
        # memory that is not pinned before it returns.
        return batch.to(device, non_blocking=device.type == "cuda")
    if callable(getattr(batch, "to", None)):
        if device.type == "cuda" and _has_non_blocking(type(batch)):  # type: ignore[arg-type]
            return batch.to(device, non_blocking=True)
        return batch.to(device)
    if isinstance(batch, (tuple, list)):
        parts = [moved(value, device) for value in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
    if isinstance(batch, Mapping):
        return {key: moved(value, device) for key, value in batch.items()}
    return batch


@cache
def _has_non_blocking(kind: Any) -> bool:
    """Whether `.to` of such a batch takes `non_blocking`, as Hugging Face's does."""
    if issubclass(kind, PackedSequence):  # it hands on all that it is given
        return True
    try:
        return "non_blocking" in inspect.signature(kind.to).parameters
    except (TypeError, ValueError, AttributeError):
        return False


def arrived(batch: Any, device: torch.device) -> Any:
    """The batch `moved` to where it is needed.

    Raises
    ------
    ValueError
        If it cannot be; what the device itself tells is said as it is.
    """
    if type(batch) in (tuple, list):
        cpu = device.type == "cpu"
        for part in batch:
            if type(part) is not Tensor:
                break
            # To compare devices takes a microsecond each.
            if not (part.is_cpu if cpu else part.device == device):
                break
        else:
            # The usual one on the CPU: each step is spared 5 us.
            return batch if type(batch) is tuple else [*batch]
    try:
        return moved(batch, device)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        if str(error).startswith("CUDA error"):
            raise  # of a step before: CUDA tells of it at the next call, whatever it is
        raise ValueError(
            f"loader gave a batch of type {type(batch).__name__} that cannot be moved"
            f" to {device} ({error}): let its collate_fn give tensors, or"
            " something with a .to(device)"
        ) from error


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


def detached(value: Any) -> Any:
    """A model's output without its graph: every tensor in it that can be reached."""
    if callable(getattr(value, "detach", None)):
        return value.detach()
    if isinstance(value, MutableMapping):
        copied = copy.copy(value)  # of its own type, which may have attributes too
        for key, part in value.items():
            copied[key] = detached(part)
        return copied
    if isinstance(value, (tuple, list)):
        parts = [detached(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


class Tally:
    """Means over the samples of some batches, and values that are known at their end.

    >>> tally = Tally()
    >>> tally.add({"f1": None, "accuracy": 0.5}, 3)
    >>> tally.add({"f1": None, "accuracy": 1.0}, 1)
    >>> tally.settle({"f1": 0.7})
    >>> tally.means()
    {'f1': 0.7, 'accuracy': 0.625}

    What a GPU computes stays there until it is asked for: `numbers` can be sent ahead
    by a `Readback`, and what comes back is given to `means`.
    """

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._values: dict[str, list[Number]] = {}
        self._settled: dict[str, Number] = {}

    def add(self, values: Mapping[str, Any], size: int) -> None:
        """Take in one more batch, of `size` samples; None is a value to `settle`."""
        self._sizes.append(size)
        for name, value in values.items():
            column = self._values.setdefault(name, [])
            if value is not None:
                column.append(pending(value))

    def settle(self, values: Mapping[str, Number]) -> None:
        """Take in what is no mean, but one value for all batches together."""
        self._settled.update(values)

    @property
    def count(self) -> int:
        """Samples so far."""
        return sum(self._sizes)

    def numbers(self) -> list[Number]:
        """All that the means are made of."""
        return [number for column in self._columns().values() for number in column]

    def means(self, numbers: Sequence[float] | None = None) -> dict[str, float]:
        """The mean of each value; that of a single batch is exactly its value.

        `numbers` are those of `numbers()`, come back; else they are waited for.
        """
        rest = iter(fetched(self.numbers()) if numbers is None else numbers)
        columns = self._columns()
        return {
            name: self._mean(list(islice(rest, len(column))))
            for name, column in columns.items()
        }

    def _columns(self) -> dict[str, list[Number]]:
        return {
            name: [self._settled[name]] if name in self._settled else column
            for name, column in self._values.items()
        }

    def _mean(self, column: list[float]) -> float:
        if len(column) == 1:
            return column[0]
        total = sum(v * n for v, n in zip(column, self._sizes, strict=True))
        return total / (self.count or math.nan)


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


def outcome(
    model: nn.Module,
    batch: Any,
    loss_fn: Callable[[Any, Any], Any] | None,
    target_key: str,
) -> tuple[Any, Any, Any]:
    """Output, target and loss of a batch, after the conventions of `Task`.

    Raises
    ------
    ValueError
        If the batch is of another form.
    """
    if not isinstance(batch, (tuple, list)) or len(batch) < 2:
        if isinstance(batch, Mapping):
            return _of_mapping(model, batch, loss_fn, target_key)
        raise ValueError(
            f"loader gave a batch of type {type(batch).__name__}, which is neither"
            " (input, target) nor a mapping: pass step=(model, batch) -> loss"
        )
    if loss_fn is None:
        raise ValueError(
            "loss_fn is missing and the batches are (input, target): pass loss_fn,"
            " or step=(model, batch) -> loss"
        )
    *inputs, target = batch
    output = model(*inputs)
    return output, target, loss_fn(output, target)


def _of_mapping(
    model: nn.Module,
    batch: Mapping[str, Any],
    loss_fn: Callable[[Any, Any], Any] | None,
    target_key: str,
) -> tuple[Any, Any, Any]:
    target = batch.get(target_key)
    if loss_fn is None:
        output = model(**batch)
        return output, target, own_loss(output)
    if target_key not in batch:
        raise ValueError(
            f"target_key={target_key!r} is not in the batch, which has"
            f" {sorted(batch)}: pass target_key= one of these"
        )
    inputs = {key: value for key, value in batch.items() if key != target_key}
    output = model(**inputs)
    return output, target, loss_fn(output, target)


def checked(loss: Any, origin: str) -> Tensor:
    """The loss, if one can train with it; `origin` names what gave it.

    Raises
    ------
    ValueError
        If it is no scalar tensor, or has no gradient.
    """
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        found = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
        raise ValueError(
            f"{origin} must give a scalar tensor as loss, not {found}: take the mean of"
            " a loss per sample, and return it as a tensor"
        )
    if not loss.requires_grad:
        raise ValueError(
            f"{origin} gave a loss without gradient: do not detach it, and leave"
            " some parameter with requires_grad=True"
        )
    return loss
