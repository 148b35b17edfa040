"""restored(task): whatever happens inside, everything is put back."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .task import Task

Undo = Callable[[], object]


@contextmanager
def restored(task: Task) -> Iterator[None]:
    """Put model, optimizer and random state back on leaving, bit for bit.

    >>> task = Task(torch.nn.Linear(2, 1), [(torch.ones(1, 2), torch.ones(1, 1))],
    ...             torch.nn.MSELoss())
    >>> before = task.model.weight.tolist()
    >>> with restored(task):
    ...     loss = task.step(task.loader[0])
    >>> task.model.weight.tolist() == before
    True

    Covered are parameters and buffers (non-persistent ones too, the same tensor
    objects), `requires_grad`, `.grad` (None stays None), each module's train flag,
    optimizer state and every option of every param group, the random state of Python,
    NumPy, torch and each accelerator, and the generators and the position of a loader
    that has such. It holds however the block is left. One copy of model and optimizer
    state is kept meanwhile, in CPU memory; nothing is written to disk.

    Raises
    ------
    Exception
        What the block raises, after everything has been put back.
    """
    with ExitStack() as undo:
        # A stack: what comes first is put back last, and one part that fails does not
        # keep the others from it.
        for part in (_random, _modules, _tensors, _optimizer, _loader):
            for put_back in part(task):
                undo.callback(put_back)
        yield


def _kept(tensor: Tensor) -> Undo:
    """A copy of the tensor's values; the undo writes them into the same tensor."""
    # Strides of 0 are elements that share memory, as `expand` makes them: torch writes
    # to such a tensor through one of them only.
    for dim, stride in enumerate(tensor.stride()):
        if stride == 0 and tensor.size(dim) > 1:
            tensor = tensor.detach().narrow(dim, 0, 1)
    copied = tensor.detach().to("cpu", copy=True)

    @torch.no_grad()
    def put_back() -> None:
        tensor.copy_(copied)

    return put_back


def _tensors(task: Task) -> Iterator[Undo]:
    """Values, gradients and `requires_grad` of parameters, values of buffers."""
    seen: dict[int, Tensor] = {}
    for module in task.modules():
        for tensor in (*module._parameters.values(), *module._buffers.values()):
            if tensor is not None:
                seen[id(tensor)] = tensor
    for group in task.optimizer.param_groups:
        seen.update((id(tensor), tensor) for tensor in group["params"])
    for tensor in seen.values():
        yield _kept(tensor)
        yield _lent(tensor)


def _lent(tensor: Tensor) -> Undo:
    """`requires_grad` and `.grad`: taken off now, so that nothing adds to it."""
    grad, requires_grad = tensor.grad, tensor.requires_grad
    if tensor.is_leaf:
        tensor.grad = None

    def put_back() -> None:
        if tensor.is_leaf:
            tensor.requires_grad_(requires_grad)
            tensor.grad = grad

    return put_back


def _modules(task: Task) -> Iterator[Undo]:
    """Train flags, and which tensor objects are registered under which names."""
    for module in dict.fromkeys(task.modules()):
        yield _held(module._parameters)
        yield _held(module._buffers)
        own = {k: v for k, v in vars(module).items() if isinstance(v, Tensor)}
        yield from (_kept(tensor) for tensor in own.values())
        yield _attributes(module, {"training": module.training, **own})


def _optimizer(task: Task) -> Iterator[Undo]:
    """State, options of the param groups and counters; the same objects throughout."""
    optimizer = task.optimizer
    counters = {k: v for k, v in vars(optimizer).items() if _plain(v)}
    yield _attributes(optimizer, counters, every=True)
    for mapping in (*optimizer.param_groups, *optimizer.state.values()):
        yield _values(mapping)
    yield _held(optimizer.state)
    groups = list(optimizer.param_groups)

    def put_back() -> None:
        optimizer.param_groups[:] = groups

    yield put_back


def _values(mapping: dict[Any, Any]) -> Undo:
    """Everything in a dict; tensors keep their identity, `params` only their list."""
    tensors = [_kept(v) for v in mapping.values() if isinstance(v, Tensor)]
    values = {
        key: value
        if isinstance(value, Tensor)
        else list(value)
        if key == "params"
        else copy.deepcopy(value)
        for key, value in mapping.items()
    }

    def put_back() -> None:
        mapping.clear()
        mapping.update(values)
        for tensor in tensors:
            tensor()

    return put_back


def _held(mapping: dict[Any, Any]) -> Undo:
    """Which objects a dict holds under which keys."""
    held = dict(mapping)

    def put_back() -> None:
        mapping.clear()
        mapping.update(held)

    return put_back


def _attributes(owner: object, values: dict[str, Any], every: bool = False) -> Undo:
    """Plain attributes; with `every`, such as have come meanwhile go again."""

    def put_back() -> None:
        attributes = vars(owner)
        for name in [k for k, v in attributes.items() if every and _plain(v)]:
            if name not in values:
                del attributes[name]
        attributes.update(values)

    return put_back


def _plain(value: object) -> bool:
    return value is None or isinstance(value, (bool, int, float, str))


def _loader(task: Task) -> Iterator[Undo]:
    """A loader's position, where it can tell it, and the generators it draws from."""
    loader: Any = task.loader
    if hasattr(loader, "state_dict") and hasattr(loader, "load_state_dict"):
        state = copy.deepcopy(loader.state_dict())
        yield lambda: loader.load_state_dict(copy.deepcopy(state))
    batch_sampler = getattr(loader, "batch_sampler", None)
    owners = [loader, getattr(loader, "dataset", None), batch_sampler]
    owners += [getattr(owner, "sampler", None) for owner in (loader, batch_sampler)]
    for owner in {id(owner): owner for owner in owners}.values():
        for value in getattr(owner, "__dict__", {}).values():
            yield from _generator(value)


def _generator(value: Any) -> Iterator[Undo]:
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


def _random(task: Task) -> Iterator[Undo]:
    """The global generators, and those that the modules own."""
    python, numpy = random.getstate(), np.random.get_state()
    cpu = torch.get_rng_state()
    yield lambda: random.setstate(python)
    yield lambda: np.random.set_state(numpy)
    yield lambda: torch.set_rng_state(cpu)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        states = torch.cuda.get_rng_state_all()
        yield lambda: torch.cuda.set_rng_state_all(states)
    if task.device.type in ("mps", "xpu"):
        backend = getattr(torch, task.device.type)
        state = backend.get_rng_state()
        yield lambda: backend.set_rng_state(state)
    for module in task.modules():
        for value in vars(module).values():
            yield from _generator(value)
