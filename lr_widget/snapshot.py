"""restored(task) and remembered(task): everything is put back, bit for bit."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from .loader import has_state, owners
from .readback import waited
from .task import Task
from .undo import (
    Seen,
    Undo,
    attributes,
    contents,
    generator,
    iterator,
    position,
    workers,
)

_CPU = torch.device("cpu")


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
    seen = Seen(_place(device))
    return _put_back([*_parts(task, seen), _resets(task, seen)], task.device)


def remembered(
    task: Task, device: str = "cpu", owners: Iterable[Any] = ()
) -> Callable[[], None]:
    """Take a copy of all that `restored` covers; what it gives puts everything back.

    >>> task = Task(torch.nn.Linear(2, 1), [(torch.ones(1, 2), torch.ones(1, 1))],
    ...             torch.nn.MSELoss())
    >>> before = task.model.weight.tolist()
    >>> undo = remembered(task)
    >>> loss = task.step(task.loader[0])
    >>> undo()
    >>> task.model.weight.tolist() == before
    True

    Nothing is touched now. It can be called any number of times, whatever ran in
    between: the same objects come back with the values they had, `.grad` too, and with
    them what `Task.freeze` holds and the generators and position of the validation
    loader. Nothing of the task may run meanwhile. One part that cannot be put back does
    not keep the others from it.

    The workers of a DataLoader with `persistent_workers` that have been started since
    are ended; new ones start, and draw what the first ones drew. Those that ran before
    are left as they are: random state and position of their own go on. A pass through
    a loader that is under way is not gone back in.

    Parameters
    ----------
    task
        What is remembered. It is not held busy.
    device
        Where the one copy of model and optimizer state is held: `"cpu"`, or `"model"`
        for beside the model. Gradients that are there are held themselves, too.
    owners
        What else is put back, such as a hook of a fit: the `state_dict()` of each, a
        deep copy where it lies, for its `load_state_dict`. One without is left alone.

    Raises
    ------
    ValueError
        At once, for another `device`.
    Exception
        Of what is returned: why a part could not be put back, after all others were.
    """
    seen = Seen(_place(device), lent=False)
    undos = [undo for part in _parts(task, seen) for undo in part]
    undos += [position(owner) for owner in owners if has_state(owner)]
    waited(task.device)

    def put_back() -> None:
        _undo(undos, task.device)

    return put_back


def _place(device: str) -> str | None:
    """Where copies lie: None is with the original."""
    if device not in ("cpu", "model"):
        raise ValueError(
            f'snapshot_device must be "cpu" or "model" (beside it), not {device!r}'
        )
    return "cpu" if device == "cpu" else None


def rewound(task: Task, loader: Any) -> AbstractContextManager[None]:
    """Put random state and a loader's position back on leaving.

    What was drawn in the block is drawn again after it. Covered are the global
    generators, and those and the position of the loader, its samplers and dataset.
    """
    return _put_back(part for part in (_random(task, Seen(None)), _drawn(loader)))


def observed(task: Task) -> AbstractContextManager[None]:
    """Put back on leaving what a forward pass without gradients may change.

    Covered are random state, buffers, attributes of modules and of metrics; not the
    parameters nor the optimizer, so that it is cheap. Modules that have a `reset()`
    are reset, as in `restored`.
    """
    seen = Seen(None)
    for module in task.modules():
        for parameter in module.parameters(recurse=False):
            seen.first(parameter)
    parts = (_random, _modules, _metrics, _resets)
    return _put_back(part(task, seen) for part in parts)


def adjusted(task: Task) -> AbstractContextManager[None]:
    """Put the options of every param group back on leaving; not the state."""
    seen = Seen(None)
    seen.first(task.optimizer.state)
    for group in task.optimizer.param_groups:
        for parameter in group["params"]:
            seen.first(parameter)
    return _put_back(part for part in (_optimizer(task, seen),))


@contextmanager
def _put_back(
    parts: Iterable[Iterator[Undo]], device: torch.device = _CPU
) -> Iterator[None]:
    """Put back on leaving; `device` is the one whose tensors are copied to the CPU."""
    undos: list[Undo] = []
    try:
        for part in parts:
            for undo in part:
                undos.append(undo)
        waited(device)
        yield
    finally:
        _undo(undos, device)


def _undo(undos: list[Undo], device: torch.device) -> None:
    """Put back the last one first; one that fails does not keep the others from it.

    Raises
    ------
    BaseException
        What the first that failed raised: of a broken device each would.
    """
    failed: BaseException | None = None
    for undo in reversed(undos):
        try:
            undo()
        except BaseException as error:
            failed = failed or error
    try:
        waited(device)  # it may read the copies until then
    finally:
        if failed is not None:
            raise failed


# The parts ----------------------------------------------------------------------------


def _parts(task: Task, seen: Seen) -> Iterator[Iterator[Undo]]:
    parts = [_random, _loader, _casts, _modules, _metrics, _optimizer, _scaler]
    parts += [_freezing]
    return (part(task, seen) for part in parts)


def _random(task: Task, seen: Seen) -> Iterator[Undo]:
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


def _loader(task: Task, seen: Seen) -> Iterator[Undo]:
    yield from _drawn(task.loader, iterator if seen.lent else workers)
    if not seen.lent:  # a sweep draws from it by `rewound` only
        yield from _drawn(task.valid_loader, workers)


def _drawn(loader: Any, opened: Callable[[Any], Undo] = iterator) -> Iterator[Undo]:
    """A loader's position, where it can tell it, and the generators it draws from."""
    for owner in owners(loader):
        for value in getattr(owner, "__dict__", {}).values():
            yield from generator(value)
        if isinstance(owner, DataLoader):
            yield opened(owner)
        elif has_state(owner):
            yield position(owner)


def _casts(task: Task, seen: Seen) -> Iterator[Undo]:
    """Weights that a caller's autocast has cast meanwhile: it is to cast them anew."""
    yield torch.clear_autocast_cache


def _modules(task: Task, seen: Seen) -> Iterator[Undo]:
    for module in task.modules():
        yield from _module(module, seen)


def _module(module: nn.Module, seen: Seen) -> Iterator[Undo]:
    yield from attributes(module, seen)
    if isinstance(module, torch.jit.ScriptModule):  # it has its tensors elsewhere
        for tensors in module.parameters(recurse=False), module.buffers(recurse=False):
            for tensor in tensors:
                yield from contents(tensor, seen)


def _metrics(task: Task, seen: Seen) -> Iterator[Undo]:
    """Metrics that are objects: those of torchmetrics add up what they see."""
    for metric in task.metrics.values():
        if isinstance(metric, nn.Module):
            for module in metric.modules():
                yield from _module(module, seen)
        elif hasattr(metric, "__dict__") and not isinstance(metric, type):
            yield from attributes(metric, seen)


def _optimizer(task: Task, seen: Seen) -> Iterator[Undo]:
    yield from attributes(task.optimizer, seen)
    yield from contents([task.optimizer.state, task.optimizer.param_groups], seen)


def _scaler(task: Task, seen: Seen) -> Iterator[Undo]:
    if task.scaler is not None:
        yield from attributes(task.scaler, seen)


def _freezing(task: Task, seen: Seen) -> Iterator[Undo]:
    """The task's record of what is frozen; `requires_grad` is the tensors' own."""
    yield from attributes(task.freezing, seen)


def _resets(task: Task, seen: Seen) -> Iterator[Undo]:
    """Recurrent models forget what they have read, before and after."""
    for module in task.modules():
        # Not `getattr`: for what a module lacks torch makes an error, in 3 us.
        if "reset" not in vars(module) and not hasattr(type(module), "reset"):
            continue
        reset = module.reset
        if inspect.isroutine(reset) and seen.first(reset) and _takes_nothing(reset):
            reset()
            yield reset


def _takes_nothing(function: Callable[..., object]) -> bool:
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError):
        return False
    return True
