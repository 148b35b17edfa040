"""Fitter: the half of the finder that trains, and takes training back."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, NamedTuple

from .best import Best
from .curve import Curve, Point
from .fine_tuning import fine_tune_plan
from .fit import Hooks, OnStep, fit
from .one_cycle import one_cycle_plan
from .peak import MaxLR
from .plan import Plan, epoch_steps
from .run import Run
from .schedule import Schedule
from .session import Session
from .snapshot import remembered
from .task import Task
from .weights import load_weights, save_weights
from .workbench import Workbench

#: Most steps of which the schedule is drawn while somebody types: a tenth of a second.
_DRAWN = 1_000_000


class _Kept(NamedTuple):
    """What is done and kept beside the training; see `Fitter.fit_one_cycle`."""

    on_step: OnStep | None
    keep_best: str | None
    checkpoint: str | os.PathLike[str] | None
    checkpoint_every: int | None
    undo: bool


class Fitter(Workbench):
    """A workbench that fits `task`.

    Attributes
    ----------
    task : Task
        What is trained.
    best : Best or None
        The best epoch of the last fit that was told to keep it.
    """

    task: Task
    best: Best | None = None
    _steps_per_epoch: int | None = None

    def fit_one_cycle(
        self,
        epochs: int | None = None,
        *,
        max_lr: MaxLR | None = None,
        steps_per_epoch: int | None = None,
        on_step: OnStep | None = None,
        keep_best: str | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: int | None = None,
        undo: bool = True,
        **cycle: Any,
    ) -> Run:
        """Start a one-cycle fit, as the Fit button does; returns at once.

        It goes on from where the model is. A Stop keeps what has been trained so far;
        `undo()` goes back to before the fit.

        Parameters
        ----------
        epochs, **cycle
            As in `lr_widget.fit_one_cycle`, such as `pct_start`, or `variant="fastai"`.
            Default: what `finder.cycle` and so the widget says, and says from then on.
        max_lr
            Default: the pick. A slice gives discriminative LRs.
        steps_per_epoch, on_step, checkpoint, checkpoint_every
            As in `lr_widget.fit_one_cycle`.
        keep_best
            `"valid_loss"`, or the name of a metric: the weights of the best epoch are
            put in at the end. After a Stop they are not: `finder.best.restore()` does.
        undo
            Whether a copy of model and optimizer state is kept for `undo()`, in the
            CPU's memory, until the next fit.

        Raises
        ------
        RuntimeError
            If a run is in progress.
        ValueError
            If there is neither a pick nor a `max_lr`, or as `lr_widget.fit_one_cycle`.
        """
        given = {} if epochs is None else {"epochs": epochs}
        settings: dict[str, Any] = {
            **self.cycle.arguments(),
            **given,
            **cycle,
            "max_lr": self._peak("max_lr", max_lr),
            "steps_per_epoch": self._epoch_length(steps_per_epoch),
        }
        kept = _Kept(on_step, keep_best, checkpoint, checkpoint_every, undo)
        return self._start("fit", one_cycle_plan, settings, settings, kept)

    def fine_tune(
        self,
        epochs: int | None = None,
        *,
        base_lr: float | None = None,
        freeze_epochs: int = 1,
        freeze: Sequence[int] | None = None,
        steps_per_epoch: int | None = None,
        on_step: OnStep | None = None,
        keep_best: str | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: int | None = None,
        undo: bool = True,
        **cycle: Any,
    ) -> Run:
        """Start the fine-tuning of a pretrained model, after fastai; returns at once.

        Two fits in one run: `freeze_epochs` with all param groups but the last frozen,
        then `epochs` with all of them at discriminative LRs, half as high.

        To run the finder between the two, take the steps one by one: `freeze()`,
        `fit_one_cycle(1)`, `unfreeze()`, `range_test()`, and `fit_one_cycle` again.

        Parameters
        ----------
        base_lr
            Peak LR of the frozen stage. Default: the pick.
        freeze_epochs, freeze, **cycle
            As in `lr_widget.fine_tune`, such as `lr_mult`.
        epochs, steps_per_epoch, on_step, keep_best, checkpoint, checkpoint_every, undo
            As in `fit_one_cycle`; `epochs` are those of the second stage.

        Raises
        ------
        RuntimeError
            If a run is in progress.
        ValueError
            If there is neither a pick nor a `base_lr`, or as `lr_widget.fine_tune`.
        """
        rounds = self.cycle.epochs if epochs is None else epochs
        settings: dict[str, Any] = {
            **cycle,
            "base_lr": self._peak("base_lr", base_lr),
            "epochs": rounds,
            "freeze_epochs": freeze_epochs,
            "freeze": freeze,
            "steps_per_epoch": self._epoch_length(steps_per_epoch),
        }
        kept = _Kept(on_step, keep_best, checkpoint, checkpoint_every, undo)
        taken = {"epochs": rounds}
        return self._start("fine-tuning", fine_tune_plan, settings, taken, kept)

    def freeze(
        self, groups: Sequence[int] | None = None, *, train_norm: bool = True
    ) -> None:
        """Train only some param groups from now on; see `Task.freeze`.

        Raises
        ------
        RuntimeError
            If a run is in progress.
        ValueError
            As `Task.freeze`.
        """
        with self._lock:
            self._refuse_second()
            self.task.freeze(groups, train_norm=train_norm)
            self._paint()

    def unfreeze(self) -> None:
        """Train again what `freeze` froze.

        Raises
        ------
        RuntimeError
            If a run is in progress.
        """
        with self._lock:
            self._refuse_second()
            self.task.unfreeze()
            self._paint()

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        weights: str | os.PathLike[str] | None = None,
    ) -> None:
        """Write curves, history, pick and settings to a JSON file; `load` reads it.

        Every float is kept exactly. `weights` is the path of a safetensors file for the
        model's `state_dict`; the optimizer's state is in neither.

        Raises
        ------
        RuntimeError
            If `weights` are asked for while a run changes them.
        ImportError, ValueError
            If they cannot be written: safetensors is not installed, or the model has
            state that is no tensor.
        """
        if weights is not None:
            with self._lock:
                self._refuse_second()
                save_weights(self.task.model, weights)
        super().save(path)

    def load(
        self,
        path: str | os.PathLike[str],
        *,
        weights: str | os.PathLike[str] | None = None,
    ) -> None:
        """Take curves, history, pick and settings from a file that `save` wrote.

        They replace those that are here, and `weights` those of the model. There is
        nothing to undo then.

        Raises
        ------
        OSError
            If there is no such file, or it cannot be read.
        ValueError
            If a file is of another kind, damaged, a newer version's, or has the weights
            of another model; nothing has changed then.
        RuntimeError
            If a run is in progress.
        """
        with self._lock:
            self._refuse_second()
            session = Session.load(path)
            if weights is not None:
                load_weights(self.task.model, weights)
            self._become(session)
        self._become_set(session)

    def _stopping(self) -> bool:
        return self._run is not None and self._run.stopping()

    def _peak(self, name: str, given: Any) -> Any:
        peak = self.lr if given is None else given
        if peak is None:
            raise ValueError(
                f"{name} is missing: click the curve, set finder.lr, or pass {name}"
            )
        return peak

    def _epoch_length(self, given: int | None) -> int | None:
        return self._steps_per_epoch if given is None else given

    def _preview(self) -> Schedule:
        """The schedule of the fit that the Fit button would start.

        Raises
        ------
        ValueError
            If there can be no such fit.
        """
        cycle, steps_per_epoch = self.cycle.arguments(), self._steps_per_epoch
        steps = cycle["epochs"] * epoch_steps(self.task, steps_per_epoch)
        if steps > _DRAWN:
            raise ValueError(f"{steps:,} steps: their schedule is drawn with the fit")
        peak = self._peak("max_lr", None)
        return one_cycle_plan(
            self.task, max_lr=peak, steps_per_epoch=steps_per_epoch, **cycle
        ).schedule

    def _train_steps(self) -> int | None:
        try:
            return self.cycle.epochs * epoch_steps(self.task, self._steps_per_epoch)
        except ValueError:
            return None  # of a loader without a length nobody knows

    def _frozen(self) -> tuple[int, int]:
        return len(self.task.frozen), len(self.task.optimizer.param_groups)

    def _hooks(
        self, on_step: OnStep | None, keep_best: str | None
    ) -> tuple[Best | None, OnStep | None]:
        """What keeps the best epoch, and both as one hook."""
        if keep_best is None:
            return None, on_step
        best = Best(self.task, keep_best)
        if on_step is None:
            return best, best
        if not callable(on_step):
            return best, on_step  # for the fit to refuse
        return best, Hooks([on_step, best])

    def _start(
        self,
        job: str,
        make: Callable[..., Plan],
        settings: Mapping[str, Any],
        taken: Mapping[str, Any],
        kept: _Kept,
    ) -> Run:
        """Check all of a fit, take its settings over into `cycle`, and start it."""
        with self._lock:
            self._refuse_second()
            best, hook = self._hooks(kept.on_step, kept.keep_best)
            plan = make(self.task, **settings)
            points = fit(
                self.task,
                plan,
                stopping=self._stopping,
                on_step=hook,
                checkpoint=kept.checkpoint,
                checkpoint_every=kept.checkpoint_every,
            )
        self.cycle.take(taken)  # its observers are called under no lock
        with self._lock:
            self._refuse_second()
            before, curve = self.history, Curve()
            self._way_back, self.best = None, best  # one copy in memory, never two
            whole = plan.length is not None
            self._steps_per_epoch = None if whole else plan.steps_per_epoch

            def trained() -> Generator[Point, None, str]:
                if kept.undo:
                    put_back = remembered(self.task, owners=[kept.on_step])
                    with self._lock:
                        self._way_back = put_back, before
                end = yield from points
                if best is not None and best.epoch is not None:
                    best.restore()
                return end

            def take(point: Point) -> None:
                curve.append(point)

            run = self._new_run(job, trained(), take, plan.total_steps)
            self._fitting = True
            self._fit_board.begin(plan.schedule, plan.epochs, curve)
        return run.start()
