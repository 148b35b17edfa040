"""Chance: the state of all that draws at random, as plain data and back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from .loader import has_state, owners
from .state import plain
from .task import Task


def chance(task: Task) -> dict[str, Any]:
    """Random state of Python, NumPy, torch and the task's accelerator, and of the task.

    Its own are the generators of modules, loaders, datasets and samplers, and the
    position of such of these as can tell it (`state_dict`).
    """
    return {
        "workers": {
            root: loader._iterator is not None
            for root, loader in _persistent(task).items()
        },
        "python": random.getstate(),
        "numpy": _listed(np.random.get_state(legacy=False)),
        "torch": torch.get_rng_state(),
        "device": _device(task),
        "own": {name: _state(each) for name, each in _generators(task).items()},
        "positions": {
            name: plain(owner.state_dict(), f"{name}.state_dict()")
            for name, owner in _owners(task)
            if _tells(owner)
        },
    }


def set_chance(task: Task, state: dict[str, Any], *, positions: bool = True) -> None:
    """Put back what `chance` gave; positions too, unless a pass is under way."""
    for root, loader in _persistent(task).items():
        _employ(loader, state["workers"][root])
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    backend = getattr(torch, task.device.type, None)
    for i, each in enumerate(state["device"]):
        if task.device.type != "cuda":
            backend.set_rng_state(each)  # type: ignore[union-attr]
        elif i < torch.cuda.device_count():
            torch.cuda.set_rng_state(each, i)
    for name, generator in _generators(task).items():
        _set(generator, state["own"][name])
    for name, owner in _owners(task):
        if positions and _tells(owner):
            owner.load_state_dict(state["positions"][name])


def drawers(task: Task) -> dict[str, str]:
    """Name and kind of what the task has of its own."""
    kinds = {name: type(each).__name__ for name, each in _generators(task).items()}
    told = {name: "position" for name, owner in _owners(task) if _tells(owner)}
    workers = dict.fromkeys(_persistent(task), "persistent workers")
    return {**kinds, **told, **workers}


def _persistent(task: Task) -> dict[str, Any]:
    """Loaders whose workers outlive a pass: only the first pass draws their seed."""
    loaders = {"loader": task.loader, "valid_loader": task.valid_loader}
    return {
        root: loader
        for root, loader in loaders.items()
        if isinstance(loader, DataLoader) and loader.persistent_workers
    }


def _employ(loader: Any, working: bool) -> None:
    """Have workers before the next pass begins, or have none."""
    if working and loader._iterator is None:
        iter(loader)
    elif not working and loader._iterator is not None:
        used, loader._iterator = loader._iterator, None
        used._shutdown_workers()


def _device(task: Task) -> list[torch.Tensor]:
    if task.device.type == "cuda":
        return torch.cuda.get_rng_state_all()
    if task.device.type in ("mps", "xpu"):
        return [getattr(torch, task.device.type).get_rng_state()]
    return []


def _owners(task: Task) -> Iterator[tuple[str, Any]]:
    for root in ("loader", "valid_loader"):
        for i, owner in enumerate(owners(getattr(task, root))):
            yield f"{root}.{i}", owner


def _tells(owner: Any) -> bool:
    """Whether it has a position: a DataLoader's is found by going through it."""
    return has_state(owner) and not isinstance(owner, DataLoader)


def _generators(task: Task) -> dict[str, Any]:
    """Generators that parts of the task own, each once."""
    parts = [*_owners(task)]
    parts += [(f"module.{i}", module) for i, module in enumerate(task.modules())]
    found: dict[int, tuple[str, Any]] = {}
    for name, owner in parts:
        for key, value in getattr(owner, "__dict__", {}).items():
            if isinstance(value, _KINDS) and not isinstance(value, random.SystemRandom):
                found.setdefault(id(value), (f"{name}.{key}", value))
    return dict(found.values())


_KINDS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)


def _state(generator: Any) -> Any:
    if isinstance(generator, torch.Generator):
        return generator.get_state()
    if isinstance(generator, np.random.Generator):
        return _listed(generator.bit_generator.state)
    if isinstance(generator, np.random.RandomState):
        return _listed(generator.get_state(legacy=False))
    return generator.getstate()


def _set(generator: Any, state: Any) -> None:
    if isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    elif isinstance(generator, random.Random):
        generator.setstate(state)
    else:
        generator.set_state(state)


def _listed(value: Any) -> Any:
    """NumPy's state without its arrays, which it takes back as lists."""
    if isinstance(value, dict):
        return {key: _listed(part) for key, part in value.items()}
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
