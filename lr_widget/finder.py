"""LRFinder: the widget, where everything meets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import ipywidgets
import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import Optimizer

from .auditions import audition
from .comparison import compare, repeat_seeds
from .curve import Curve, Point
from .curves import Sweep, checked_name
from .fitter import Fitter
from .plan import whole
from .repeats import Repeats
from .run import Run
from .sweep import range_test, sweep_lrs
from .task import Metric, Surroundings, Task
from .trials import MOST, STEPS, Trials

#: An audition tries the suggestion, and so much below and above it.
_THIRD = 10 ** (1 / 3)

#: Two candidates are the same where they are as near as this.
_NEAR = 1.02


@ipywidgets.register
class LRFinder(Fitter):
    """Find a learning rate on a live curve, pick it with a click, train with it.

    >>> batch = torch.randn(8, 4), torch.randn(8, 1)
    >>> finder = LRFinder(nn.Linear(4, 1), [batch], nn.MSELoss(), num_iter=50)
    >>> finder.range_test().wait().state in ("done", "diverged")
    True
    >>> finder.lr = 1e-2
    >>> finder.fit_one_cycle(epochs=3).wait()
    <Run done>
    >>> len(finder.history)
    3

    Both run in a background thread. The range test leaves model, optimizer and random
    state as they were (`restored`); the fit trains the model, and `undo()` takes it
    back. Displayed in a notebook it is a widget; without one the same calls give the
    same numbers.

    Parameters
    ----------
    model, loader, loss_fn, optimizer, valid_loader, metrics, step, device, target_key
        As in `Task`.
    accumulate, clip_norm, autocast, scaler
        As in `Task`.
    start_lr, end_lr, num_iter, valid_every, valid_batches, cuda_graph
        As in `range_test`.

    Attributes
    ----------
    lr : float or None
        The picked learning rate: by a click, typed, or set in code. Observable.
    state : str
        State of the current run, or `"idle"`. Observable; observers are called in
        order, one at a time, in a thread that changed it. An error in one is shown in
        the widget and logged, and the run goes on.
    curves : Curves
        Every range test of this finder by name, the newest last: the one in front is
        drawn bold, the others as ghosts. They can be renamed, hidden and removed.
    curve : Curve or Repeats
        The one in front; without any an empty one. `curve.suggestion` is what is
        suggested for the fit that `cycle` says.
    options : Options
        How the curves are drawn: `beta`, `measure`, `y_log`, `regions`, `levels`,
        `snap`, `zoom` may be set.
    cycle : Cycle
        How the next fit will be, as the fields say: `epochs`, `pct_start`, `variant`,
        `three_phase`, `cycle_momentum` may be set.
    trials : Trials or None
        The last audition: `marked`, `sentence`, `to_frame()`.
    history : Curve
        The last fit, with `history.epochs`; `to_frame()` and `epochs_to_frame()`.
    best : Best or None
        The best epoch of the last fit that was told to keep it.
    task : Task
        What is trained.

    Raises
    ------
    ValueError
        If an argument cannot work; nothing has been changed then.
    """

    def __init__(
        self,
        model: nn.Module,
        loader: Iterable[Any],
        loss_fn: Callable[[Any, Any], Tensor] | None = None,
        optimizer: Optimizer | None = None,
        *,
        valid_loader: Iterable[Any] | None = None,
        metrics: Mapping[str, Metric] | Sequence[Metric] | None = None,
        step: Callable[[nn.Module, Any], Tensor] | None = None,
        device: torch.device | str | None = None,
        target_key: str = "labels",
        accumulate: int = 1,
        clip_norm: float | None = None,
        autocast: torch.dtype | None = None,
        scaler: GradScaler | None = None,
        start_lr: float = 1e-7,
        end_lr: float = 10.0,
        num_iter: int = 100,
        valid_every: int | None = None,
        valid_batches: int = 4,
        cuda_graph: bool = False,
    ) -> None:
        sweep_lrs(start_lr, end_lr, num_iter)
        self.task = Task(
            model,
            loader,
            loss_fn,
            optimizer,
            valid_loader=valid_loader,
            metrics=metrics,
            step=step,
            device=device,
            target_key=target_key,
            accumulate=accumulate,
            clip_norm=clip_norm,
            autocast=autocast,
            scaler=scaler,
        )
        range_test(
            self.task,
            num_iter=num_iter,
            valid_every=valid_every,
            valid_batches=valid_batches,
            cuda_graph=cuda_graph,
        ).close()  # not begun: it has looked at its arguments
        self.start_lr, self.end_lr, self.num_iter = start_lr, end_lr, num_iter
        self.valid_every, self.valid_batches = valid_every, valid_batches
        self.cuda_graph = cuda_graph
        around = partial(Surroundings, apart=self.task.device)
        super().__init__(start_lr, end_lr, self._measures(), Surroundings, around)
        self._subject, self._total = type(model).__name__, num_iter

    def range_test(
        self,
        *,
        start_lr: float | None = None,
        end_lr: float | None = None,
        num_iter: int | None = None,
        name: str | None = None,
        repeats: int = 1,
        stop_div: bool = True,
        snapshot_device: str = "cpu",
    ) -> Run:
        """Start the learning-rate range test, as the Run button does; returns at once.

        Arguments left out are those of the finder, and become them when given. `name`
        is what the curve is called in `curves`; default `sweep 1` and so on.

        With several `repeats` there are so many sweeps, seeded 0, 1 and so on, so that
        a loader that shuffles gives its batches in another order. Their median is
        drawn, in a band from the lowest to the highest, and the suggestion is the mean
        of theirs in log LR. Three cost three times the steps of one, and are a little
        better.

        Raises
        ------
        RuntimeError
            If a run is in progress.
        ValueError
            As `lr_widget.range_test`.
        """
        with self._lock:
            self._refuse_second()
            wanted = None if name is None else checked_name(name)
            whole("repeats", repeats)
            start, end, steps = self._range(start_lr, end_lr, num_iter)
            settings: dict[str, Any] = {
                "start_lr": start,
                "end_lr": end,
                "num_iter": steps,
                "stop_div": stop_div,
                "snapshot_device": snapshot_device,
                "valid_every": self.valid_every,
                "valid_batches": self.valid_batches,
                "cuda_graph": self.cuda_graph,
            }
            sweep: Sweep
            items: Iterator[Any]
            take: Callable[[Any], Sweep]
            if repeats == 1:
                sweep = Curve(num_iter=steps)
                items, take = range_test(self.task, **settings), _into(sweep)
            else:
                sweep = Repeats(num_iter=steps)
                items = compare(self.task, {"": {}}, seeds=repeats, **settings)
                take = _among({"": sweep})
            self._board.plan(start, end)
            self._picks = [] if self.lr is None else [self.lr]
            self.curves.add(sweep, wanted)
            self.start_lr, self.end_lr, self.num_iter = start, end, steps
            run = self._new_run("range test", items, take, repeats * steps)
        return run.start()

    def compare(
        self,
        variations: Mapping[str, Mapping[str, Any]],
        *,
        seeds: int | Sequence[int] | None = None,
        start_lr: float | None = None,
        end_lr: float | None = None,
        num_iter: int | None = None,
        stop_div: bool = True,
    ) -> Run:
        """Start one range test per variation, into one chart; returns at once.

        Smith's grid of weight decays (https://arxiv.org/abs/1803.09820) is

            grid = {f"wd={wd:g}": {"weight_decay": wd} for wd in (0, 1e-4, 1e-2)}
            finder.compare(grid)

        A variation's curve has its name in `curves`. With several `seeds` it is the
        median of its repeats, with a band from the lowest to the highest. Variations
        and seeds are those of `lr_widget.compare`; the other arguments those of
        `range_test`.

        Raises
        ------
        RuntimeError
            If a run is in progress.
        ValueError
            As `lr_widget.compare`.
        """
        with self._lock:
            self._refuse_second()
            start, end, steps = self._range(start_lr, end_lr, num_iter)
            items = compare(
                self.task,
                variations,
                seeds=seeds,
                start_lr=start,
                end_lr=end,
                num_iter=steps,
                stop_div=stop_div,
                valid_every=self.valid_every,
                valid_batches=self.valid_batches,
                cuda_graph=self.cuda_graph,
            )
            times = {
                checked_name(name): len(repeat_seeds(given.get("seeds", seeds)))
                for name, given in variations.items()
            }
            self._board.plan(start, end)
            self._picks = [] if self.lr is None else [self.lr]
            sweeps: dict[str, Sweep] = {}
            for name, repeats in times.items():
                one = repeats == 1
                sweeps[name] = (Curve if one else Repeats)(num_iter=steps)
                self.curves.add(sweeps[name], name)
            self.start_lr, self.end_lr, self.num_iter = start, end, steps
            total = sum(times.values()) * steps
            run = self._new_run("comparison", items, _among(sweeps), total)
        return run.start()

    def audition(
        self, lrs: Iterable[float] | None = None, *, steps: int = STEPS
    ) -> Run:
        """Start short fits at some LRs, as the Audition button does; returns at once.

        A check, not the truth: `finder.trials.marked` is the smallest LR that comes
        near the best, and `finder.lr` stays as it is. Nothing is left behind.

        Parameters
        ----------
        lrs
            One to seven. Default: the suggestion of the curve in front, a third of a
            decade below it and above it, and what has been picked since the last range
            test; without a suggestion these around the pick.
        steps
            Of each, as in `lr_widget.audition`.

        Raises
        ------
        RuntimeError
            If a run is in progress.
        ValueError
            If there is neither a suggestion nor a pick nor `lrs`, or as
            `lr_widget.audition`.
        """
        with self._lock:
            self._refuse_second()
            trials = Trials(self._candidates() if lrs is None else lrs, steps)
            items = audition(
                self.task,
                trials.lrs,
                steps=trials.steps,
                cycle_momentum=self.cycle.cycle_momentum,
                stopping=self._stopping,
            )

            def take(item: tuple[int, Point]) -> None:
                trials.append(*item)

            run = self._new_run("audition", items, take, len(trials) * trials.steps)
            self._auditioning = True
            self._auditions.begin(trials)
        return run.start()

    def _candidates(self) -> list[float]:
        """The suggestion and what is around it, and the picks, the newest first."""
        suggested, picks = self.curve.suggestion.lr, self._picks[::-1]
        middle = (
            (self.lr or next(iter(picks), None)) if suggested is None else suggested
        )
        if middle is None:
            raise ValueError(
                "lrs: there is neither a suggestion nor a pick to audition: pick an LR"
                " on the chart or pass lrs=[1e-3, 1e-2]"
            )
        lrs = [middle / _THIRD, middle, middle * _THIRD]
        for picked in picks:
            apart = all(max(lr / picked, picked / lr) > _NEAR for lr in lrs)
            if apart and len(lrs) < MOST:
                lrs.append(picked)
        return sorted(lrs)

    def _measures(self) -> list[str]:
        """What a sweep will measure."""
        names = ["loss", *self.task.metrics]
        validated = names if self.valid_every is not None else []
        return names + [f"valid_{name}" for name in validated]

    def _sweep_again(self, **arguments: Any) -> None:
        self.range_test(**arguments)

    def _sweep(self) -> tuple[float, float, int]:
        return self.start_lr, self.end_lr, self.num_iter

    def _take_sweep(self, start_lr: float, end_lr: float, num_iter: int) -> None:
        self.start_lr, self.end_lr, self.num_iter = start_lr, end_lr, num_iter

    def _range(
        self, start_lr: float | None, end_lr: float | None, num_iter: int | None
    ) -> tuple[float, float, int]:
        """The range of a sweep: the finder's own, but for what is given."""
        return (
            self.start_lr if start_lr is None else start_lr,
            self.end_lr if end_lr is None else end_lr,
            self.num_iter if num_iter is None else num_iter,
        )


def _into(curve: Curve) -> Callable[[Point], Sweep]:
    """What records the points of one sweep."""

    def take(point: Point) -> Sweep:
        curve.append(point)
        return curve

    return take


def _among(sweeps: Mapping[str, Sweep]) -> Callable[[tuple[str, int, Point]], Sweep]:
    """What records the points of several sweeps, each at its name and repeat."""

    def take(item: tuple[str, int, Point]) -> Sweep:
        name, repeat, point = item
        sweep = sweeps[name]
        if isinstance(sweep, Repeats):
            sweep.append(repeat, point)
        else:
            sweep.append(point)
        return sweep

    return take
