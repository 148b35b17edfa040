"""restored(task): whatever happens inside, everything is put back."""

from __future__ import annotations

import copy
import inspect
import operator
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils.data import DataLoader

from .loader import owners
from .task import Task

Undo = Callable[[], object]


def restored(task: Task, device: str = "cpu") -> AbstractContextManager[None]:
    """Put model, optimizer and random state back on leaving, bit for bit.

    >>> task = Task(torch.nn.Linear(2, 1), [(torch.ones(1, 2), torch.ones(1, 1))],
    ...             torch.nn.MSELoss())
    >>> before = task.model.weight.tolist()
    >>> with restored(task):
    ...     loss = task.step(task.loader[0])
    >>> task.model.weight.tolist() == before
    True

    Covered are parameters and buffers (non-persistent ones too, the same tensor
    objects), `requires_grad`, `.grad` (None stays None), every attribute of a module,
    the train flag among them, and the tensors, lists and dicts in it, and likewise of
    metrics that are objects; optimizer state
    and every option of every param group; a GradScaler; the random state of Python,
    NumPy, torch and each accelerator; the generators and the position of a loader, of
    its samplers and its dataset that have such. Hooks are left alone. It holds however
    the block is left.

    A lazy module (`nn.LazyLinear`) is initialised by the first batch in the block and
    lazy again after it, so that the next first batch draws the same initial weights.
    The workers of a DataLoader with `persistent_workers` are left as they are: the
    block gets workers of its own.

    A module with a method `reset()` that needs no argument, as recurrent models have
    for their hidden state, has it called on entering and on leaving, before
    everything is put back.

    Parameters
    ----------
    task
        What is borrowed. Nobody else should change it meanwhile.
    device
        Where the one copy of model and optimizer state is held: `"cpu"`, or `"model"`
        for beside the model. Nothing is written to disk.

    Raises
    ------
    ValueError
        At once, for another `device`.
    Exception
        What the block raises, after everything has been put back.
    """
    if device not in ("cpu", "model"):
        raise ValueError(
            f'snapshot_device must be "cpu" or "model" (beside it), not {device!r}'
        )
    seen = _Seen("cpu" if device == "cpu" else None)
    parts = (_random, _loader, _modules, _metrics, _optimizer, _scaler, _resets)
    return _put_back(part(task, seen) for part in parts)


def rewound(task: Task, loader: Any) -> AbstractContextManager[None]:
    """Put random state and a loader's position back on leaving.

    What was drawn in the block is drawn again after it. Covered are the global
    generators, and those and the position of the loader, its samplers and dataset.
    """
    return _put_back(part for part in (_random(task, _Seen(None)), _drawn(loader)))


def observed(task: Task) -> AbstractContextManager[None]:
    """Put back on leaving what a forward pass without gradients may change.

    Covered are random state, buffers, attributes of modules and of metrics; not the
    parameters nor the optimizer, so that it is cheap. Modules that have a `reset()`
    are reset, as in `restored`.
    """
    seen = _Seen(None)
    for module in task.modules():
        for parameter in module.parameters(recurse=False):
            seen.first(parameter)
    parts = (_random, _modules, _metrics, _resets)
    return _put_back(part(task, seen) for part in parts)


def adjusted(task: Task) -> AbstractContextManager[None]:
    """Put the options of every param group back on leaving; not the state."""
    seen = _Seen(None)
    seen.first(task.optimizer.state)
    for group in task.optimizer.param_groups:
        for parameter in group["params"]:
            seen.first(parameter)
    return _put_back(part for part in (_optimizer(task, seen),))


@contextmanager
def _put_back(parts: Iterable[Iterator[Undo]]) -> Iterator[None]:
    with ExitStack() as undo:
        # A stack: what comes first is put back last, and one part that fails does not
        # keep the others from it.
        for part in parts:
            for put_back in part:
                undo.callback(put_back)
        yield


class _Seen:
    """What is kept already, and the device where copies lie (None: with the original).

    What was seen is held, so that its id stays its own.
    """

    def __init__(self, place: str | None) -> None:
        self.place = place
        self._held: dict[int, object] = {}

    def first(self, value: object) -> bool:
        """Whether `value` comes for the first time."""
        new = id(value) not in self._held
        self._held[id(value)] = value
        return new


# The parts ----------------------------------------------------------------------------


def _random(task: Task, seen: _Seen) -> Iterator[Undo]:
    """The global generators; those that modules own are among their attributes."""
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


def _loader(task: Task, seen: _Seen) -> Iterator[Undo]:
    yield from _drawn(task.loader)


def _drawn(loader: Any) -> Iterator[Undo]:
    """A loader's position, where it can tell it, and the generators it draws from."""
    for owner in owners(loader):
        for value in getattr(owner, "__dict__", {}).values():
            yield from _generator(value)
        if isinstance(owner, DataLoader):
            yield _iterator(owner)
        elif all(hasattr(owner, name) for name in ("state_dict", "load_state_dict")):
            yield _position(owner)


def _modules(task: Task, seen: _Seen) -> Iterator[Undo]:
    for module in task.modules():
        yield from _attributes(module, seen)
        yield from _contents([module._parameters, module._buffers], seen)


def _metrics(task: Task, seen: _Seen) -> Iterator[Undo]:
    """Metrics that are objects: those of torchmetrics add up what they see."""
    for metric in task.metrics.values():
        if isinstance(metric, nn.Module):
            for module in metric.modules():
                yield from _attributes(module, seen)
                yield from _contents([module._parameters, module._buffers], seen)
        elif hasattr(metric, "__dict__") and not isinstance(metric, type):
            yield from _attributes(metric, seen)


def _optimizer(task: Task, seen: _Seen) -> Iterator[Undo]:
    yield from _attributes(task.optimizer, seen)
    yield from _contents([task.optimizer.state, task.optimizer.param_groups], seen)


def _scaler(task: Task, seen: _Seen) -> Iterator[Undo]:
    if task.scaler is not None:
        yield from _attributes(task.scaler, seen)


def _resets(task: Task, seen: _Seen) -> Iterator[Undo]:
    """Recurrent models forget what they have read, before and after."""
    for module in task.modules():
        reset = getattr(module, "reset", None)
        if inspect.isroutine(reset) and seen.first(reset) and _takes_nothing(reset):
            reset()
            yield reset


# What they consist of -----------------------------------------------------------------


def _attributes(owner: object, seen: _Seen) -> Iterator[Undo]:
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
        if "_hooks" in name and isinstance(value, dict):
            yield _hooks(value)
        else:
            yield from _contents(value, seen)


def _contents(value: Any, seen: _Seen) -> Iterator[Undo]:
    """What a tensor, a generator or a container holds, and so on inwards."""
    if not isinstance(value, (Tensor, list, dict, tuple)):
        yield from _generator(value)
    elif not seen.first(value):
        return
    elif isinstance(value, Tensor):
        yield _blank(value) if is_lazy(value) else _lent(value)
        if not is_lazy(value) and not value.is_meta:
            yield _kept(value, seen.place)
    else:
        if not isinstance(value, tuple):
            yield _held(value)
        for part in value.values() if isinstance(value, dict) else value:
            yield from _contents(part, seen)


def _kept(tensor: Tensor, place: str | None) -> Undo:
    """A copy of the tensor's values; the undo writes them into the same tensor."""
    # Strides of 0 are elements that share memory, as `expand` makes them: torch writes
    # to such a tensor through one of them only.
    for dim, stride in enumerate(tensor.stride()):
        if stride == 0 and tensor.size(dim) > 1:
            tensor = tensor.detach().narrow(dim, 0, 1)
    copied = tensor.detach().to(place or tensor.device, copy=True)

    def put_back() -> None:
        with torch.inference_mode(tensor.is_inference()), torch.no_grad():
            tensor.copy_(copied)

    return put_back


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


def _iterator(loader: Any) -> Undo:
    """A DataLoader's own iterator, position and workers: the block gets another one."""
    values = dict(vars(loader))
    vars(loader)["_iterator"] = None

    def put_back() -> None:
        used = vars(loader).get("_iterator")
        vars(loader).clear()
        vars(loader).update(values)
        getattr(used, "_shutdown_workers", lambda: None)()

    return put_back


def _position(owner: Any) -> Undo:
    state = copy.deepcopy(owner.state_dict())
    return lambda: owner.load_state_dict(copy.deepcopy(state))


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


def _takes_nothing(function: Callable[..., object]) -> bool:
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError):
        return False
    return True
