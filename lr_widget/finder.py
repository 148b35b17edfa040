"""LRFinder: the widget, where everything meets."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import ipywidgets
import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import Optimizer
from traitlets import Bunch, CFloat, Unicode, observe, validate

from .axis import lr_text
from .chart import FitChart, LRChart
from .controls import parts
from .curve import Curve, Point
from .herald import Herald
from .one_cycle import epoch_steps, fit_one_cycle
from .panel import Panel
from .picker import LRPicker
from .run import ENDS, Run
from .sweep import range_test, sweep_lrs
from .task import Metric, Surroundings, Task

#: Frames published per second at most; the last one always is.
_RATE = 15

#: Errors shown at most, the newest ones.
_ERRORS = 2


@ipywidgets.register
class LRFinder(ipywidgets.VBox):
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
    state as they were (`restored`); the fit trains the model. Displayed in a notebook
    it is a widget; without one the same calls give the same numbers.

    Parameters
    ----------
    model, loader, loss_fn, optimizer, valid_loader, metrics, step, device, target_key
        As in `Task`.
    accumulate, clip_norm, autocast, scaler
        As in `Task`.
    start_lr, end_lr, num_iter
        As in `range_test`.

    Attributes
    ----------
    lr : float or None
        The picked learning rate: by a click, typed, or set in code. Observable.
    state : str
        State of the current run, or `"idle"`. Observable; observers are called in
        order, one at a time, in a thread that changed it. An error in one is shown in
        the widget and logged, and the run goes on.
    curve : Curve
        The range test.
    history : Curve
        The one-cycle fit, with `history.epochs`.
    task : Task
        What is trained.

    Raises
    ------
    ValueError
        If an argument cannot work; nothing has been changed then.
    """

    lr = CFloat(None, allow_none=True)
    state = Unicode("idle", read_only=True)

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
        self.start_lr, self.end_lr, self.num_iter = start_lr, end_lr, num_iter
        self.curve, self.history = Curve(num_iter=num_iter), Curve()
        self._surroundings = Surroundings()
        self._run: Run | None = None
        self._job, self._total, self._epochs = "range test", num_iter, 3
        self._painted = -math.inf
        self._closed = False
        self._errors: list[BaseException] = []
        # Guards the widgets: whoever paints holds it, so each has one writer at a time.
        # The observers of `state` are the user's: the herald calls them without it.
        self._lock = threading.RLock()
        self._herald = Herald(self.notify_change, failed=self._report)
        self._chart = LRChart(start_lr, end_lr, layout=_chart_layout("340px"))
        self._fit_chart = FitChart(layout=_chart_layout("260px"))
        self._panel = Panel(self._chart, self._fit_chart)
        self._picker = LRPicker(
            x_scale=self._chart.x_scale,
            y_scale=self._chart.y_scale,
            line=self._chart.smooth,
        )
        self._chart.interaction = self._picker
        super().__init__(self._panel.children, layout={"max_width": "1100px"})
        self.add_class("lr-widget")
        self._listen()
        self._paint()

    def range_test(
        self,
        *,
        start_lr: float | None = None,
        end_lr: float | None = None,
        num_iter: int | None = None,
        stop_div: bool = True,
        snapshot_device: str = "cpu",
    ) -> Run:
        """Start the learning-rate range test, as the Run button does; returns at once.

        Arguments left out are those of the finder, and become them when given.

        Raises
        ------
        RuntimeError
            If a run is in progress.
        ValueError
            As `lr_widget.range_test`.
        """
        start = self.start_lr if start_lr is None else start_lr
        end = self.end_lr if end_lr is None else end_lr
        steps = self.num_iter if num_iter is None else num_iter
        with self._lock:
            self._refuse_second()
            points = range_test(
                self.task,
                start_lr=start,
                end_lr=end,
                num_iter=steps,
                stop_div=stop_div,
                snapshot_device=snapshot_device,
            )
            curve = Curve(num_iter=steps)
            self._chart.set_range(start, end)
            run = self._new_run("range test", points, curve, steps)
            self.start_lr, self.end_lr, self.num_iter = start, end, steps
            self.curve = curve
        return run.start()

    def fit_one_cycle(
        self, epochs: int | None = None, *, max_lr: float | None = None, **cycle: Any
    ) -> Run:
        """Start a one-cycle fit, as the Fit button does; returns at once.

        `max_lr` is the pick, `epochs` what the widget's field says, unless given.
        `cycle` are the further arguments of `lr_widget.fit_one_cycle`.

        Raises
        ------
        RuntimeError
            If a run is in progress.
        ValueError
            If there is neither a pick nor a `max_lr`, or as `lr_widget.fit_one_cycle`.
        """
        peak = self.lr if max_lr is None else max_lr
        rounds = self._epochs if epochs is None else epochs
        with self._lock:
            self._refuse_second()
            if peak is None:
                raise ValueError(
                    "max_lr is missing: click the curve, set finder.lr, or pass max_lr"
                )
            points = fit_one_cycle(
                self.task,
                max_lr=peak,
                epochs=rounds,
                stopping=lambda: self._run is not None and self._run.stopping(),
                **cycle,
            )
            steps = epoch_steps(self.task, cycle.get("steps_per_epoch"))
            curve = Curve()
            self._fit_chart.set_steps(steps * rounds)
            run = self._new_run("fit", points, curve, steps * rounds)
            self.history, self._epochs = curve, int(rounds)
        return run.start()

    def pause(self) -> None:
        """Rest before the next step."""
        if self._run is not None:
            self._run.pause()

    def resume(self) -> None:
        """Go on after a pause."""
        if self._run is not None:
            self._run.resume()

    def stop(self) -> None:
        """End the run before the next step; `run.wait()` waits until it has ended."""
        if self._run is not None:
            self._run.stop()

    def close(self) -> None:
        """Stop what runs, wait until everything is put back, and close the widget."""
        if self.comm is None:
            return
        with self._lock:
            self._closed, run = True, self._run
        if run is not None:
            run.stop()
            if not run.inside():
                run.settle()
        with self._lock:
            self._errors.clear()
            for part in parts(self, *self._panel.fit_parts):
                if part is not self:
                    part.close()
            super().close()

    def __repr__(self) -> str:
        """Short: it is what a saved notebook shows in the widget's place."""
        made = len(self._shown())
        lr = None if self.lr is None else lr_text(self.lr)
        return f"LRFinder({self._job} {self.state}, step {made}/{self._total}, lr={lr})"

    def _listen(self) -> None:
        panel = self._panel
        panel.run.on_click(self._guarded(lambda _: self.range_test()))
        panel.pause.on_click(self._guarded(lambda _: self._pause_or_resume()))
        panel.stop.on_click(self._guarded(lambda _: self.stop()))
        panel.fit.on_click(self._guarded(lambda _: self.fit_one_cycle()))
        panel.lr.on_submit(self._guarded(self._take_lr))
        panel.epochs.on_submit(self._guarded(self._take_epochs))
        self._picker.on_pick(self._guarded(lambda lr: setattr(self, "lr", lr)))

    def _guarded(self, action: Callable[[Any], object]) -> Callable[[Any], None]:
        """A handler of what a person does: what goes wrong is shown in the widget."""

        def handle(said: Any) -> None:
            try:
                with self._surroundings():
                    action(said)
            except (Exception, SystemExit) as error:
                self._report(error)

        return handle

    def _pause_or_resume(self) -> None:
        (self.resume if self.state == "paused" else self.pause)()

    def _take_lr(self, text: str) -> None:
        try:
            lr = _checked_lr(float(text)) if text.strip() else None
        except ValueError:
            with self._lock:
                self._panel.lr.error = f"{text!r} is no learning rate: try 1e-3"
            return
        with self._lock:
            self._panel.lr.error = ""
        self.lr = lr

    def _take_epochs(self, text: str) -> None:
        good = text.strip().isdecimal() and len(text) < 10 and int(text) > 0
        with self._lock:
            if good:
                self._epochs = int(text)
                self._panel.epochs.value = str(self._epochs)
            error = "" if good else f"{text!r} is no number of epochs: try 3"
            self._panel.epochs.error = error

    @validate("lr")
    def _validate_lr(self, proposal: dict[str, Any]) -> float | None:
        return None if proposal["value"] is None else _checked_lr(proposal["value"])

    @observe("lr")
    def _show_lr(self, _change: object) -> None:
        self._paint_pick()

    def _refuse_second(self) -> None:
        if self._closed:
            raise RuntimeError("this finder is closed: make a new one")
        if self._run is not None and self._run.state not in ENDS:
            raise RuntimeError(
                f"the {self._job} is {self.state}: wait for its end, or stop() it first"
            )

    def _new_run(
        self, job: str, points: Iterator[Point], curve: Curve, total: int
    ) -> Run:
        """Make a run the current one; it is started once the lock is free."""

        def take(point: Point) -> None:
            curve.append(point)
            if time.monotonic() - self._painted >= 1 / _RATE:
                self._paint_curve()

        if self._run is not None and self.state != self._run.state:
            self._show_run()  # its last frame: its thread has not come to that yet
        run = Run(
            points,
            on_item=take,
            on_state=lambda: self._follow(run),
            around=Surroundings(),
        )
        self._run, self._job, self._total = run, job, total
        self._errors.clear()
        self._set_state("running")
        return run

    def _follow(self, run: Run) -> None:
        """Show a change of the run, and tell the observers of `state`."""
        try:
            with self._lock:
                if run is self._run:
                    self._show_run()
        finally:
            self._herald.tell_all()

    def _show_run(self) -> None:
        assert self._run is not None
        self._set_state(self._run.state)
        if self._run.error is not None:
            self._add_error(self._run.error)
        self._paint()

    def _set_state(self, state: str) -> None:
        """Change what `state` reads at once; its observers are told afterwards."""
        old = self.state
        if state != old:
            self._trait_values["state"] = state
            change = Bunch(name="state", old=old, new=state, owner=self, type="change")
            self._herald.add(change)

    def _report(self, error: BaseException) -> None:
        """Show an error that nobody waits for, and log it."""
        self.log.error("error in a handler or an observer", exc_info=error)
        with self._lock:
            self._add_error(error)
            if not self._closed:
                self._panel.show_error(*self._errors)

    def _add_error(self, error: BaseException) -> None:
        if not any(known is error for known in self._errors):
            self._errors = [*self._errors, error][-_ERRORS:]

    def _shown(self) -> Curve:
        return self.curve if self._job == "range test" else self.history

    def _paint_curve(self) -> None:
        """Publish a frame: the growing curve and the progress."""
        with self._lock:
            if self._closed:
                return
            self._painted = time.monotonic()
            curve = self._shown()
            if self._job == "range test":
                self._chart.show(curve)
            else:
                self._fit_chart.show(curve)
                self._panel.show_fit(curve, self._epochs)
            self._panel.show_progress(self._job, self.state, len(curve), self._total)

    def _paint_pick(self) -> None:
        """Publish what depends on the pick: not the curve, nor its suggestions."""
        with self._lock:
            if self._closed:
                return
            self._panel.show_state(self.state, lr=self.lr)
            self._picker.lr = self.lr
            self._panel.show_hint(self._hint())

    def _paint(self) -> None:
        """Publish everything."""
        with self._lock:
            if self._closed:
                return
            # First what a person needs when drawing fails.
            self._panel.show_error(*self._errors)
            self._paint_pick()
            if self._run is not None:
                self._paint_curve()
            over = self._job != "range test" or self.state in ENDS
            self._chart.mark(self.curve if over else Curve())

    def _hint(self) -> str:
        """What to do next, in a sentence."""
        if self.state == "failed":
            return f"The {self._job} failed: the error is shown below."
        if self._run is None:
            return "Press Run: the loss is drawn while the learning rate grows."
        if self._job == "range test" and self.state not in ENDS:
            return "Faint: the loss of each step. Bold: smoothed."
        if self.lr is None:
            reason = self.curve.suggestions().reason
            none = f"No suggestion: {reason}. " if reason else ""
            return f"{none}Click the curve where it still falls steeply to pick a lr."
        return f"Picked: lr {lr_text(self.lr)}. Fit trains with it as max_lr."


def _chart_layout(height: str) -> dict[str, str]:
    return {"width": "100%", "height": height, "min_width": "280px"}


def _checked_lr(lr: float) -> float:
    if not (math.isfinite(lr) and lr > 0):
        raise ValueError(f"lr must be a positive number, not {lr!r}: try 1e-3")
    return lr
