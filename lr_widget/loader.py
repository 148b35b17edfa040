"""A loader: what it draws from, seeded, and once more with another batch size."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset


def owners(loader: Any) -> Iterator[Any]:
    """The loader, its dataset and its samplers: what may have a position."""
    batch_sampler = getattr(loader, "batch_sampler", None)
    found = [loader, getattr(loader, "dataset", None), batch_sampler]
    found += [getattr(owner, "sampler", None) for owner in (loader, batch_sampler)]
    yield from {id(owner): owner for owner in found}.values()


def has_state(owner: object) -> bool:
    """Whether it can tell its state, and take it back: a loader, a sampler, a hook."""
    names = ("state_dict", "load_state_dict")
    return all(callable(getattr(owner, name, None)) for name in names)


def seed(loader: Any, value: int) -> None:
    """Seed every generator that the loader, its dataset or its samplers own."""
    for owner in owners(loader):
        for generator in getattr(owner, "__dict__", {}).values():
            if isinstance(generator, torch.Generator):
                generator.manual_seed(value)
            elif isinstance(generator, np.random.Generator):
                bits = generator.bit_generator
                bits.state = type(bits)(value).state
            elif isinstance(generator, (random.Random, np.random.RandomState)):
                generator.seed(value)


def seed_all(loader: Any, value: int, device: torch.device) -> None:
    """Seed Python, NumPy, torch on the CPU and on the device, and what `seed` seeds.

    An accelerator that is not in use yet keeps the seed that it was given, which
    `torch.manual_seed` would replace for good.
    """
    random.seed(value)
    np.random.seed(value)
    torch.default_generator.manual_seed(value)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(value)
    if device.type in ("mps", "xpu"):
        getattr(torch, device.type).manual_seed(value)
    seed(loader, value)


def resized(loader: Iterable[Any], batch_size: int) -> DataLoader[Any]:
    """A DataLoader as the given one in all but the batch size.

    It draws from the same dataset by the same sampler, with the same generator.

    Raises
    ------
    ValueError
        If that cannot be: no DataLoader, or one that does not form its own batches.
    """
    if not isinstance(loader, DataLoader):
        raise ValueError(
            f"batch_size needs a DataLoader, not {type(loader).__name__}: pass another"
            " loader as `loader`"
        )
    if type(loader).__iter__ is not DataLoader.__iter__ or loader.batch_size is None:
        raise ValueError(
            f"batch_size cannot be changed in this {type(loader).__name__}, which forms"
            " its batches in its own way (batch_sampler, batch_size=None or another"
            " __iter__): pass another loader as `loader`"
        )
    options = {name: getattr(loader, name) for name in _OPTIONS}
    if not isinstance(loader.dataset, IterableDataset):
        options["sampler"] = loader.sampler  # with it goes whether it shuffles
    return DataLoader(loader.dataset, batch_size, **options)


_OPTIONS = (
    "num_workers",
    "collate_fn",
    "pin_memory",
    "drop_last",
    "timeout",
    "worker_init_fn",
    "multiprocessing_context",
    "generator",
    "prefetch_factor",
    "persistent_workers",
    "in_order",
)
