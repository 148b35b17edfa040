"""Undo: how tensors, containers and objects get back what they held."""

from __future__ import annotations

import copy
import operator
import random
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

#: Puts one thing back.
Undo = Callable[[], object]


#: Most of what objects hold; not changed in place, or (sets) not gone into: told apart
#: at once.
_PLAIN = frozenset({type(None), bool, int, float, str, set, type, types.FunctionType})


class Seen:
    """What is kept already, and the device where copies lie (None: with the original).

    What was seen is held, so that its id stays its own. What is `lent` gives up its
    gradients until it is put back; else nothing is touched, and they are copied too.
    """

    def __init__(self, place: str | None, *, lent: bool = True) -> None:
        self.place, self.lent = place, lent
        self._held: dict[int, object] = {}

    def first(self, value: object) -> bool:
        """Whether `value` comes for the first time."""
        new = id(value) not in self._held
        self._held[id(value)] = value
        return new


def attributes(owner: object, seen: Seen) -> Iterator[Undo]:
    """All attributes of an object, and what they hold; its hooks go and come freely."""
    if not seen.first(owner):
        return
    kind, attributes = type(owner), vars(owner)
    values = dict(attributes)

    def put_back() -> None:
        if type(owner) is not kind:
            owner.__class__ = kind  # a lazy module has become another one
        for name in [name for name in attributes if name not in values]:
            del attributes[name]
        attributes.update(values)

    yield put_back
    for name, value in values.items():
        if type(value) in _PLAIN:
            continue
        if "_hooks" not in name or not isinstance(value, dict):
            yield from contents(value, seen)
        elif value:
            yield _hooks(value)


def contents(value: Any, seen: Seen) -> Iterator[Undo]:
    """What a tensor, a generator or a container holds, and so on inwards."""
    if not isinstance(value, (Tensor, list, dict, tuple)):
        yield from generator(value)
    elif not seen.first(value):
        return
    elif isinstance(value, Tensor):
        yield _blank(value) if is_lazy(value) else _grad(value, seen)
        if not is_lazy(value) and not value.is_meta:
            yield _kept(value, seen.place)
    else:
        if not isinstance(value, tuple):
            yield _held(value)
        for part in value.values() if isinstance(value, dict) else value:
            if type(part) not in _PLAIN:
                yield from contents(part, seen)


def _kept(tensor: Tensor, place: str | None) -> Undo:
    """A copy of the tensor's values; the undo writes them into the same tensor."""
    # Strides of 0 are elements that share memory, as `expand` makes them: torch writes
    # to such a tensor through one of them only.
    strides = tensor.stride() if tensor.layout is torch.strided else ()
    for dim, stride in enumerate(strides):
        if stride == 0 and tensor.size(dim) > 1:
            tensor = tensor.detach().narrow(dim, 0, 1)
    values = copy_of(tensor.detach(), place)

    def put_back() -> None:
        if torch.is_inference_mode_enabled() is tensor.is_inference():
            _write(tensor, values)
            return
        with torch.inference_mode(tensor.is_inference()):
            _write(tensor, values)

    return put_back


def _write(tensor: Tensor, values: Tensor) -> None:
    with torch.no_grad():
        tensor.copy_(values, non_blocking=tensor.is_cuda)


def copy_of(tensor: Tensor, place: str | None) -> Tensor:
    """A copy at a place (None: beside it), of exactly the tensor's size.

    From CUDA to the CPU it is complete once the device has been `waited` for.
    """
    strided = type(tensor) is Tensor and tensor.layout is torch.strided
    if place == "cpu" and tensor.is_cuda and strided:
        # Not pinned: torch rounds pinned memory up to a power of two, and keeps it.
        return torch.empty_like(tensor, device="cpu").copy_(tensor, non_blocking=True)
    return tensor.to(place or tensor.device, copy=True)


def _grad(tensor: Tensor, seen: Seen) -> Undo:
    """`requires_grad` and `.grad` of a tensor."""
    return _lent(tensor) if seen.lent else _left(tensor, seen.place)


def _lent(tensor: Tensor) -> Undo:
    """`requires_grad` and `.grad`: taken off now, so that nothing adds to it."""
    if not tensor.is_leaf:
        return lambda: None
    grad, requires_grad = tensor.grad, tensor.requires_grad
    tensor.grad = None

    def put_back() -> None:
        tensor.requires_grad_(requires_grad)
        tensor.grad = grad

    return put_back


def _left(tensor: Tensor, place: str | None) -> Undo:
    """`requires_grad` and `.grad`: the object left where it is, and its values."""
    if not tensor.is_leaf:
        return lambda: None
    grad, requires_grad = tensor.grad, tensor.requires_grad
    values: Undo = _kept(grad, place) if grad is not None else lambda: None

    def put_back() -> None:
        tensor.requires_grad_(requires_grad)
        tensor.grad = grad
        values()

    return put_back


def _blank(tensor: Any) -> Undo:
    """A parameter that has no shape yet, until the first batch gives it one."""
    kind, requires_grad, data = type(tensor), tensor.requires_grad, tensor.data

    def put_back() -> None:
        if not is_lazy(tensor):
            tensor.grad = None
            tensor.data = data
            tensor.requires_grad_(requires_grad)
            tensor.__class__ = kind

    return put_back


def _held(container: Any) -> Undo:
    """Which objects a list or a dict holds."""
    if not container:
        return lambda: container.clear() if container else None
    held = container.copy()
    before = _parts(container)

    def put_back() -> None:
        now = _parts(container)
        if len(now) == len(before) and all(map(operator.is_, now, before)):
            return  # some cannot be written to, such as those of torch.fx
        container.clear()
        (container.extend if isinstance(container, list) else container.update)(held)

    return put_back


def _parts(container: Any) -> list[Any]:
    """What a list or a dict holds, keys and values, in its order."""
    if isinstance(container, list):
        return list(container)
    return [part for item in container.items() for part in item]


def _hooks(hooks: dict[Any, Any]) -> Undo:
    """Hooks that have removed themselves come back; such as have come stay."""
    held = dict(hooks)

    def put_back() -> None:
        if held.keys() - hooks.keys():
            merged = {**held, **hooks}
            hooks.clear()
            hooks.update(merged)

    return put_back


#: Set in torchdata's loader: its next pass is one that `state_dict()` has begun.
_TOLD = "_initial_iter_for_state_dict"


def iterator(loader: Any) -> Undo:
    """A DataLoader's own iterator, position and workers: the block gets another one."""
    values = dict(vars(loader))
    vars(loader)["_iterator"] = None
    if _TOLD in values:
        vars(loader)[_TOLD] = False

    def put_back() -> None:
        used = vars(loader).get("_iterator")
        vars(loader).clear()
        vars(loader).update(values)
        getattr(used, "_shutdown_workers", lambda: None)()

    return put_back


def workers(loader: Any) -> Undo:
    """What a DataLoader holds; the workers that it has started since then are ended."""
    values = dict(vars(loader))
    state = copy.deepcopy(loader.state_dict()) if values.get(_TOLD) else None

    def put_back() -> None:
        used, held = vars(loader).get("_iterator"), values.get("_iterator")
        vars(loader).clear()
        vars(loader).update(values)
        if getattr(held, "_shutdown", False):
            vars(loader)["_iterator"] = None  # they have been ended: it starts others
        if used is not held:
            getattr(used, "_shutdown_workers", lambda: None)()
        if state is not None:
            loader.load_state_dict(copy.deepcopy(state))
            loader.state_dict()  # begins that pass again

    return put_back


def position(owner: Any) -> Undo:
    """What an owner says about its position itself."""
    state = copy.deepcopy(owner.state_dict())
    return lambda: owner.load_state_dict(copy.deepcopy(state))


def generator(value: Any) -> Iterator[Undo]:
    """The state of a random generator, if it is one."""
    if isinstance(value, torch.Generator):
        state = value.get_state()
        yield lambda: value.set_state(state)
    elif isinstance(value, np.random.Generator):
        bits = value.bit_generator
        position = copy.deepcopy(bits.state)
        yield lambda: setattr(bits, "state", position)
    elif isinstance(value, np.random.RandomState):
        legacy = value.get_state()
        yield lambda: value.set_state(legacy)
    elif isinstance(value, random.Random):
        internal = value.getstate()
        yield lambda: value.setstate(internal)
