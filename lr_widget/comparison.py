"""compare: one range test for each of several settings, as a generator."""

from __future__ import annotations

import inspect
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import torch
from torch.optim import Optimizer, RMSprop

from .curve import Point
from .loader import resized, seed_all
from .snapshot import adjusted, rewound
from .sweep import range_test
from .task import Task

#: Keys of a variation that are no options of an optimizer.
SETTINGS = ("batch_size", "loader", "fixed_batch", "seeds")

Progress = tuple[str, int, Point]


def compare(
    task: Task,
    variations: Mapping[str, Mapping[str, Any]],
    *,
    seeds: int | Sequence[int] | None = None,
    start_lr: float = 1e-7,
    end_lr: float = 10.0,
    num_iter: int = 100,
    stop_div: bool = True,
    snapshot_device: str = "cpu",
    valid_every: int | None = None,
    valid_batches: int = 4,
    cuda_graph: bool = False,
) -> Generator[Progress, None, str]:
    """Make a range test for each variation, one after the other, and leave no trace.

    Smith's grid of weight decays (2018, https://arxiv.org/abs/1803.09820) in one line:

    >>> batch = torch.randn(8, 4), torch.randn(8, 1)
    >>> task = Task(torch.nn.Linear(4, 1), [batch], torch.nn.MSELoss())
    >>> grid = {f"wd={wd:g}": {"weight_decay": wd} for wd in (0, 1e-5, 1e-4, 1e-3)}
    >>> points = list(compare(task, grid, num_iter=10))
    >>> sorted({name for name, repeat, point in points})
    ['wd=0', 'wd=0.0001', 'wd=0.001', 'wd=1e-05']

    Every sweep starts from the task as it is: the same weights, optimizer state and,
    without `seeds`, random state, so that two variations differ in their setting alone.
    Whatever happens, all is as before in the end.

    Parameters
    ----------
    task
        What to train. It must not be trained elsewhere meanwhile.
    variations
        Name to what is different there; `{}` for the task as it is. Keys:

        - any option of the optimizer's param groups but `lr` and `params`
          (`weight_decay`, `momentum`, `betas`, ...), put into every group;
        - `loader`: another loader;
        - `batch_size`: the loader's DataLoader with another batch size;
        - `fixed_batch`: if true, every step is on the loader's first batch, instead of
          one batch after the other;
        - `seeds`: instead of the argument of that name.
    seeds
        How often to repeat each sweep, with seeds 0, 1, ..., or the seeds themselves:
        of Python, NumPy, torch, and the loader's own generators. They change what is
        drawn, not the weights at the start. Default: one sweep, not seeded.
    start_lr, end_lr, num_iter, stop_div, snapshot_device
        As in `range_test`, for each sweep.
    valid_every, valid_batches, cuda_graph
        Likewise.

    Yields
    ------
    (str, int, Point)
        After each step: the variation's name, which of its repeats, and the Point. See
        `Repeats` for what to collect them in.

    Returns
    -------
    str
        `"done"`, also when some sweeps diverged.

    Raises
    ------
    ValueError
        At once, for arguments that cannot be in any of the variations.
    """
    if not isinstance(variations, Mapping) or not variations:
        raise ValueError(
            "variations must be a mapping of at least one name to what is different"
            f' there, not {variations!r}: try {{"wd=0": {{"weight_decay": 0}}}}'
        )
    sweep: dict[str, Any] = {
        "start_lr": start_lr,
        "end_lr": end_lr,
        "num_iter": num_iter,
        "stop_div": stop_div,
        "snapshot_device": snapshot_device,
        "valid_every": valid_every,
        "valid_batches": valid_batches,
        "cuda_graph": cuda_graph,
    }
    range_test(task, **sweep).close()  # not begun: it has looked at its arguments
    planned = [
        _variation(task, name, given, seeds) for name, given in variations.items()
    ]
    return _compared(planned, sweep)


@dataclass(frozen=True)
class _Variation:
    """A checked variation: its task has its loader, but not yet its options."""

    name: str
    task: Task
    options: dict[str, Any]
    fixed_batch: bool
    seeds: Sequence[int | None]


def _compared(
    planned: list[_Variation], sweep: dict[str, Any]
) -> Generator[Progress, None, str]:
    for variation in planned:
        yield from _swept(variation, sweep)
    return "done"


def _swept(
    variation: _Variation, sweep: dict[str, Any]
) -> Generator[Progress, None, None]:
    task = variation.task
    with rewound(task, task.loader), adjusted(task):
        for group in task.optimizer.param_groups:
            group.update(variation.options)
        for repeat, value in enumerate(variation.seeds):
            if value is not None:
                seed_all(task.loader, value, task.device)
            swept = _on_first_batch(task) if variation.fixed_batch else task
            with closing(range_test(swept, **sweep)) as points:
                for point in points:
                    yield variation.name, repeat, point


def _on_first_batch(task: Task) -> Task:
    with rewound(task, task.loader), closing(task.batches()) as batches:
        return task.with_loader([next(batches)])


# What a variation may be --------------------------------------------------------------


def _variation(task: Task, name: str, given: Any, seeds: Any) -> _Variation:
    if not isinstance(name, str) or not isinstance(given, Mapping):
        raise ValueError(
            f"variations[{name!r}] must be a name and a mapping, not {given!r}: try"
            ' "wd=0": {"weight_decay": 0}'
        )
    options = {key: value for key, value in given.items() if key not in SETTINGS}
    fixed_batch = given.get("fixed_batch", False)
    try:
        _check_options(task.optimizer, options)
        if not isinstance(fixed_batch, bool):
            raise ValueError(f"fixed_batch must be True or False, not {fixed_batch!r}")
        return _Variation(
            name,
            task.with_loader(_loader(task, given)),
            options,
            fixed_batch,
            repeat_seeds(given.get("seeds", seeds)),
        )
    except ValueError as error:
        raise ValueError(f"variations[{name!r}]: {error}") from error


def _loader(task: Task, given: Mapping[str, Any]) -> Any:
    loader = given.get("loader", task.loader)
    if isinstance(loader, Iterator):
        raise ValueError(
            "loader is an iterator, which the next sweep would find used: pass a"
            " DataLoader, a list, or another iterable that starts anew"
        )
    if "batch_size" not in given:
        return loader
    size = given["batch_size"]
    if not isinstance(size, Integral) or isinstance(size, bool) or size < 1:
        raise ValueError(
            f"batch_size must be a whole number of at least 1, not {size!r}: try 64"
        )
    return resized(loader, int(size))


def repeat_seeds(seeds: Any) -> Sequence[int | None]:
    """The seed of each repeat that `seeds` asks for; None is one that is not seeded."""
    if seeds is None:
        return [None]
    one = isinstance(seeds, Integral) and not isinstance(seeds, bool)
    values = [*range(int(seeds))] if one else seeds
    if isinstance(values, Sequence) and values and not isinstance(values, str):
        whole = [isinstance(v, Integral) and not isinstance(v, bool) for v in values]
        if all(whole) and all(0 <= value < 2**32 for value in values):
            return [int(value) for value in values]
    raise ValueError(
        "seeds must be how many, at least 1, or a list of whole numbers from 0 to"
        f" 2**32 - 1, not {seeds!r}: try 3"
    )


def _check_options(optimizer: Optimizer, options: dict[str, Any]) -> None:
    groups = optimizer.param_groups
    known = [
        key
        for key in optimizer.defaults
        if key not in ("lr", "params") and all(key in group for group in groups)
    ]
    kind = type(optimizer).__name__
    for key in options:
        if key not in known:
            raise ValueError(
                f"{key!r} is no option of {kind}: use one of {', '.join(known)}, or"
                f" {', '.join(SETTINGS)}"
            )
    for group in groups:
        try:
            _straw(optimizer, group)
        except Exception:
            return  # it cannot be asked
        try:
            _straw(optimizer, {**group, **options})
        except Exception as error:
            raise ValueError(f"{kind} does not take {options}: {error}") from error
    _check_state(optimizer, options)


def _straw(optimizer: Optimizer, group: Mapping[str, Any]) -> None:
    """Ask an optimizer's own checks: one of its kind with the options of a group."""
    names = inspect.signature(type(optimizer).__init__).parameters
    options = {key: group[key] for key in names if key in group and key != "params"}
    options["lr"] = 1.0
    type(optimizer)([torch.zeros(1, 1, requires_grad=True)], **options)


def _check_state(optimizer: Optimizer, options: dict[str, Any]) -> None:
    """Refuse what a used optimizer cannot begin with: it has no state for it."""
    needed = {"amsgrad": "max_exp_avg_sq", "centered": "grad_avg"}
    if isinstance(optimizer, RMSprop):
        needed["momentum"] = "momentum_buffer"
    for option, state in needed.items():
        lacking = any(s and state not in s for s in optimizer.state.values())
        if options.get(option) and lacking:
            raise ValueError(
                f"{type(optimizer).__name__} has been used without {option} and cannot"
                " begin with it: compare with a new optimizer"
            )
