"""range_test: the learning-rate range test, as a generator."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from itertools import islice
from numbers import Integral, Real
from typing import Any

from torch import Tensor

from .batch import Tally
from .curve import Point
from .divergence import Divergence
from .graph import Graph
from .peak import peaks
from .readback import Readback
from .snapshot import observed, restored, rewound
from .task import Task

#: How often a step that the GradScaler skips is made again: from the usual 2^16 the
#: scale is then at 2^-16.
_SKIPS = 32


def range_test(
    task: Task,
    *,
    start_lr: float = 1e-7,
    end_lr: float = 10.0,
    num_iter: int = 100,
    stop_div: bool = True,
    snapshot_device: str = "cpu",
    valid_every: int | None = None,
    valid_batches: int = 4,
    cuda_graph: bool = False,
) -> Generator[Point, None, str]:
    """Train for `num_iter` steps while the LR grows, then put everything back.

    >>> import torch
    >>> batch = torch.randn(8, 4), torch.randn(8, 1)
    >>> task = Task(torch.nn.Linear(4, 1), [batch], torch.nn.MSELoss())
    >>> points = list(range_test(task, start_lr=1e-5, end_lr=1e-1, num_iter=5))
    >>> [f"{point.lr:.0e}" for point in points]
    ['1e-05', '1e-04', '1e-03', '1e-02', '1e-01']

    Step i of n runs at `start_lr * (end_lr / start_lr) ** (i / (n - 1))`: the first at
    exactly `start_lr`, the last at exactly `end_lr`. Param groups keep the ratios of
    their LRs; the LR given here, and in each Point, is that of the group with the
    highest. The loader is gone through as often as it takes. With `accumulate` a step
    takes several batches, and its loss is their mean. A step that a GradScaler skipped
    was none: it is made again at the same LR with the next batches, up to 32 times,
    unless its loss was not finite, which ends the test as any such loss does.

    With `task.metrics` each Point has them too, of the very output that its loss came
    from (with `accumulate` their mean over the samples). With `valid_every` some Points
    have `valid_loss` and `valid_...` metrics as well, from which Smith reads the LR
    (accuracy against LR, section 3.3): computed after the update, so that they show
    what the LR of that step led to, in eval mode, and without effect on the training:
    all else is the same with and without them.

    The test is Leslie Smith's (2015, https://arxiv.org/abs/1506.01186), in the
    exponential form of fastai's `lr_find`.

    Parameters
    ----------
    task
        What to train. It must not be trained elsewhere meanwhile.
    start_lr, end_lr
        First and last LR, `0 < start_lr < end_lr`.
    num_iter
        Number of steps, at least 2.
    stop_div
        Whether to end once the loss diverges (`divergence.Divergence`).
    snapshot_device
        Where the copy of model and optimizer state is held meanwhile: `"cpu"`, or
        `"model"` for beside the model. The latter saves two copies across the bus,
        and takes as much device memory as model and optimizer state do once more.
    valid_every
        Evaluate every so many steps, from the first on, and at the last. Default: not.
    valid_batches
        On how many batches of `task.valid_loader`; they are drawn once, at the start.
    cuda_graph
        Whether the step is captured as a CUDA graph after three steps, and replayed:
        faster where the kernels of a model are short, for batches of one shape. What
        that asks for, and costs, is said in `Graph`. The losses are the same but for
        rounding.

    Yields
    ------
    Point
        After each step: the step, the LR it used, its loss, and its metrics.

    Returns
    -------
    str
        `"done"`, or `"diverged"`.

    Raises
    ------
    ValueError
        At once, for arguments that cannot be, `cuda_graph` among them where nothing can
        be captured: on the CPU, with a GradScaler, with metrics.
    RuntimeError
        If the GradScaler skipped one step 33 times in a row, or the step cannot be
        captured.
    """
    lrs = sweep_lrs(start_lr, end_lr, num_iter)
    probe = _Probe(task, valid_every, valid_batches, len(lrs))
    trained: AbstractContextManager[Task | Graph]
    trained = Graph(task) if cuda_graph else nullcontext(task)
    unharmed = restored(task, snapshot_device)
    return _sweep(task, lrs, stop_div, unharmed, trained, probe)


def sweep_lrs(start_lr: float, end_lr: float, num_iter: int) -> list[float]:
    """The LR of each step of a range test, equally spaced in log LR."""
    for name, lr, usual in ("start_lr", start_lr, "1e-7"), ("end_lr", end_lr, "10"):
        if not isinstance(lr, Real) or not (math.isfinite(lr) and lr > 0):
            raise ValueError(
                f"{name} must be a positive number, not {lr!r}: try {usual}"
            )
    if not start_lr < end_lr:
        raise ValueError(
            f"start_lr ({start_lr:g}) must be below end_lr ({end_lr:g}): lower start_lr"
            " or raise end_lr"
        )
    if not isinstance(num_iter, Integral) or num_iter < 2:
        raise ValueError(
            f"num_iter must be a whole number of at least 2, not {num_iter!r}: try 100"
        )
    start, end, last = float(start_lr), float(end_lr), int(num_iter) - 1
    return [start * (end / start) ** (i / last) for i in range(last)] + [end]


def _sweep(
    task: Task,
    lrs: list[float],
    stop_div: bool,
    unharmed: AbstractContextManager[None],
    trained: AbstractContextManager[Task | Graph],
    probe: _Probe,
) -> Generator[Point, Any, str]:
    divergence = Divergence()
    ratios = peaks(1.0, task.optimizer)  # before a graph takes the LRs to the device
    course = [[lr * ratio for ratio in ratios] for lr in lrs]
    train, batches = task.mode(train=True), closing(task.batches())
    with unharmed, train, batches as drawn, trained as subject:
        probe.draw()
        step = 0
        for loss, metrics in _losses(task, subject, course, drawn, probe.on):
            diverged = stop_div and divergence.update(loss)
            if probe.on:
                metrics = {**metrics, **probe.at(step, last=diverged)}
            yield Point(step, lrs[step], loss, None, metrics)
            if diverged:
                return "diverged"  # steps that a GPU is ahead are dropped
            step += 1
    return "done"


def _losses(
    task: Task,
    subject: Task | Graph,
    course: list[list[float]],
    batches: Iterator[Any],
    probing: bool,
) -> Iterator[tuple[float, dict[str, float]]]:
    """Loss and metrics of each step, once they are known."""
    scaled = task.scaler is not None and task.scaler.is_enabled()
    plain, update = not task.metrics and not scaled, subject.update
    # What looks at the model after a step, or makes a step again, is in step with it.
    readback: Readback[Tally | None]
    readback = Readback(ahead=0) if probing or scaled else Readback()
    for step, lrs in enumerate(course, start=1):
        task.set_lrs(lrs)
        loss, tally = (update(batches), None) if plain else _made(task, batches)
        if plain and not (loss.is_cuda or readback):
            # On the CPU it is here already; a tiny model's step is 2 % shorter so.
            yield float(loss), {}
            continue
        numbers = [loss] if tally is None else [loss, *tally.numbers()]
        readback.send(tally, numbers)
        last = step == len(course)
        for sent, (known, *rest) in readback.rest() if last else readback.arrived():
            yield known, {} if sent is None else sent.means(rest)


def _made(task: Task, batches: Iterator[Any]) -> tuple[Tensor, Tally | None]:
    """Loss and metrics of one update, which a GradScaler did not skip."""
    for _ in range(1 + _SKIPS):
        tally = Tally() if task.metrics else None
        scale, loss = task.scale(), task.update(batches, tally=tally)
        # With a scaler the device is waited for anyway.
        if not task.scale() < scale or not math.isfinite(loss):
            return loss, tally
    raise RuntimeError(
        f"scaler skipped {1 + _SKIPS} steps in a row, down to a scale of"
        f" {task.scale():g}: the gradients are not finite at any scale; pass"
        " autocast=torch.bfloat16 without a scaler, or lower end_lr"
    )


class _Probe:
    """Loss and metrics on a few validation batches, every so many steps."""

    def __init__(self, task: Task, every: Any, count: Any, num_iter: int) -> None:
        for name, value, usual in (
            ("valid_every", 1 if every is None else every, 10),
            ("valid_batches", count, 4),
        ):
            whole = isinstance(value, Integral) and not isinstance(value, bool)
            if not whole or value < 1:
                raise ValueError(
                    f"{name} must be a whole number of at least 1, not {value!r}: try"
                    f" {usual}, or leave it out"
                )
        if every is not None and task.valid_loader is None:
            raise ValueError(
                "valid_every needs a valid_loader: pass one to the task, or leave"
                " valid_every out"
            )
        if every is not None and isinstance(task.valid_loader, Iterator):
            raise ValueError(
                "valid_every draws batches that are needed again later, and"
                " valid_loader is an iterator: pass a DataLoader, a list, or another"
                " iterable that starts anew"
            )
        self._task, self._every, self._count = task, every, count
        #: Whether anything is measured.
        self.on = every is not None
        self._last, self._batches = num_iter - 1, list[Any]()

    def draw(self) -> None:
        """Take the batches, and leave no trace of it."""
        loader = self._task.valid_loader
        if self._every is not None and loader is not None:
            with rewound(self._task, loader):
                self._batches = list(islice(loader, self._count))
            if not self._batches:
                self._task.evaluate([])  # which says so

    def at(self, step: int, *, last: bool) -> dict[str, float]:
        """What is measured after a step: nothing, if it is not one of those."""
        if step % self._every and step != self._last and not last:
            return {}
        with observed(self._task):
            found = self._task.evaluate(self._batches)
        loss, metrics = found or (math.nan, {})
        return {f"valid_{k}": v for k, v in {"loss": loss, **metrics}.items()}
