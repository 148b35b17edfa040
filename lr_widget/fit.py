"""fit: the one training loop, as a generator."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from torch import Tensor

from .checkpoint import Checkpoint
from .curve import Epoch, Point
from .loader import has_state
from .plan import Plan
from .readback import Readback, fetched
from .task import Task

#: Called with each finished Point, in the thread that trains.
OnStep = Callable[[Point], object]


class Hooks:
    """Several hooks as one, called in their order; it has the state of those with one.

    >>> both = Hooks([print, lambda point: print("after", point)])
    >>> both("a point")
    a point
    after a point
    """

    def __init__(self, hooks: Sequence[OnStep]) -> None:
        self._hooks: list[Any] = list(hooks)

    @property
    def each_step(self) -> bool:
        """Whether one of them is to see each step before the next one is made."""
        return any(_each_step(hook) for hook in self._hooks)

    def __call__(self, point: Point) -> None:
        """Call each with the point."""
        for hook in self._hooks:
            hook(point)

    def state_dict(self) -> dict[str, Any]:
        """The state of each that has one, by its place."""
        return {name: hook.state_dict() for name, hook in self._kept().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Give each its state back.

        Raises
        ------
        ValueError
            If it is that of other hooks; nothing has changed then.
        """
        kept = self._kept()
        if state.keys() != kept.keys():
            raise ValueError(
                "checkpoint was written with other hooks: pass the same on_step and"
                " keep_best, or another path for a new fit"
            )
        for name, hook in kept.items():
            hook.load_state_dict(state[name])

    def _kept(self) -> dict[str, Any]:
        named = {f"hook {i}": hook for i, hook in enumerate(self._hooks)}
        return {name: hook for name, hook in named.items() if has_state(hook)}


def fit(
    task: Task,
    plan: Plan,
    *,
    stopping: Callable[[], bool] = lambda: False,
    on_step: OnStep | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
) -> Generator[Point, None, str]:
    """Train by a plan; `fit_one_cycle` and `fine_tune` say what the arguments are.

    Raises
    ------
    ValueError
        At once, for an `on_step` that cannot be called and a `checkpoint` that cannot
        be read, is of another fit, or cannot be written.
    """
    if on_step is not None and not callable(on_step):
        raise ValueError(
            f"on_step must be callable with a Point, not {type(on_step).__name__}:"
            " pass a function, or leave it out"
        )
    file = Checkpoint(task, plan, on_step, checkpoint, checkpoint_every)
    return _fit(task, plan, file, stopping, on_step)


def _fit(
    task: Task,
    plan: Plan,
    file: Checkpoint,
    stopping: Callable[[], bool],
    on_step: OnStep | None,
) -> Generator[Point, None, str]:
    made = file.made
    with _lent(task), task.mode(train=True), _thawed(task, plan):
        file.put_back()
        # Steps whose epoch was under validation when the file was written come last.
        told = made.finished(plan)
        for step in range(told):
            yield plan.point(step, made.losses[step], made.end(step, plan))
        course = _Course(task, plan, file, abreast=_each_step(on_step))
        for step in range(told, plan.total_steps):
            course.train(step)
            end = course.end(step, stopping)
            for i in range(told, len(made.losses)):
                last = i == step
                point = plan.point(i, made.losses[i], end if last else None)
                if on_step is not None:
                    on_step(point)
                if last:
                    file.keep(end)
                course.rest()
                try:
                    yield point
                except GeneratorExit:
                    course.settle()
                    file.keep_at_close()
                    raise
            told = len(made.losses)
    return "done"


class _Course:
    """What a step of a fit, and the end of its epoch, consist of.

    The losses of some last steps may be on their way from a GPU: not at the end of an
    epoch, not where the file is written, and never if all is to be `abreast`.
    """

    def __init__(
        self, task: Task, plan: Plan, file: Checkpoint, *, abreast: bool
    ) -> None:
        self._task, self._plan, self._file = task, plan, file
        self._batches = file.batches()
        self._since = perf_counter()
        self._frozen: bool | None = None
        self._readback = Readback[None](ahead=0) if abreast else Readback[None]()

    def train(self, step: int) -> None:
        """Make a step, if it has not been made; its loss is known now, or later."""
        self._begin(step)
        if step == len(self._file.made.losses) + len(self._readback):
            self._readback.send(None, [self._made(step)])
        ends = (step + 1) % self._plan.steps_per_epoch == 0
        if ends or self._file.due(step + 1):
            self.settle()
        else:
            self._take(self._readback.arrived())

    def end(self, step: int, stopping: Callable[[], bool]) -> Epoch | None:
        """What the epoch came to, if it has ended with this step."""
        self.rest()
        steps, made = self._plan.steps_per_epoch, self._file.made
        if (step + 1) % steps:
            return None
        self._file.keep_before_validation()
        found = self._task.validate(stopping)
        self._file.stopped = found is None and self._task.valid_loader is not None
        valid, metrics = found or (None, {})
        self.rest()
        epoch = Epoch(
            (step + 1) // steps,
            step,
            sum(made.losses[-steps:]) / steps,
            valid,
            metrics,
            seconds=made.seconds,
        )
        made.epochs.append(epoch)
        return epoch

    def settle(self) -> None:
        """Wait for all losses."""
        self._take(self._readback.rest())

    def rest(self) -> None:
        """Stop the clock: what has been done so far counts."""
        now = perf_counter()
        self._file.made.seconds += now - self._since
        self._since = now

    def _begin(self, step: int) -> None:
        """Go on after a rest; where a stage begins freeze, or unfreeze."""
        plan, (epoch, i) = self._plan, divmod(step, self._plan.steps_per_epoch)
        self._since = perf_counter()
        frozen = epoch < plan.freeze_epochs
        if plan.freeze_epochs and frozen is not self._frozen:
            self._task.freeze(plan.freeze) if frozen else self._task.unfreeze()
        self._frozen = frozen
        if i == 0 and step == len(self._file.made.losses):
            self._file.made.seconds = 0.0
            if plan.length is not None:
                self._batches = self._file.fed.epoch(plan.length)

    def _made(self, step: int) -> Tensor:
        plan, i = self._plan, step % self._plan.steps_per_epoch
        _steer(self._task, plan, step)
        count = self._task.accumulate
        if plan.length is not None:
            count = min(count, plan.length - i * count)
        loss = self._task.update(self._batches, count)
        if i == plan.steps_per_epoch - 1 and plan.length is not None:
            next(self._batches, None)  # ends the pass, as a plain loop does
        return loss

    def _take(self, back: list[tuple[None, list[float]]]) -> None:
        self._file.made.losses += [loss for _, (loss,) in back]


def _each_step(hook: OnStep | None) -> bool:
    """Whether a hook is to see each step before the next one is made."""
    return hook is not None and getattr(hook, "each_step", True)


def _steer(task: Task, plan: Plan, step: int) -> None:
    """Set what a step is made at.

    The optimizer gets the numbers only: no scheduler is attached to it, and none that
    is attached already is in the way.
    """
    task.set_lrs(plan.lrs[step].tolist())
    if plan.momentums is not None:
        _set_momentums(task, plan.momentums[step].tolist())


def _set_momentums(task: Task, momentums: list[float]) -> None:
    for group, momentum in zip(task.optimizer.param_groups, momentums, strict=True):
        key = "betas" if "betas" in group else "momentum"
        first = _first(group[key])
        if isinstance(first, Tensor):
            first.fill_(momentum)  # a compiled or captured step holds this tensor
        elif key == "betas":
            group[key] = (momentum, *group[key][1:])
        else:
            group[key] = momentum


@contextmanager
def _lent(task: Task) -> Iterator[None]:
    """Lend the optimizer's LRs and momentums; on leaving they are as they were."""
    groups = task.optimizer.param_groups
    lrs = fetched([group["lr"] for group in groups])
    own = []
    for group in groups:
        for key in {"momentum", "betas"} & set(group):
            first = _first(group[key])
            held = first.clone() if isinstance(first, Tensor) else None
            own.append((group, key, group[key], held))
    try:
        yield
    finally:
        task.set_lrs(lrs)
        for group, key, option, held in own:
            if held is not None:
                _first(option).copy_(held)
            group[key] = option


@contextmanager
def _thawed(task: Task, plan: Plan) -> Iterator[None]:
    """On leaving nothing is frozen that the plan has frozen."""
    try:
        yield
    finally:
        if plan.freeze_epochs:
            task.unfreeze()


def _first(option: Any) -> Any:
    """A momentum; of betas the one that is cycled."""
    return option[0] if isinstance(option, (tuple, list)) else option
