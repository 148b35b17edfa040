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
from torch.optim import Optimizer
from traitlets import CFloat, Unicode, observe, validate

from .chart import FitChart, LRChart, lr_text
from .curve import Curve, Point
from .one_cycle import epoch_steps, fit_one_cycle
from .panel import Panel
from .picker import LRPicker
from .run import ENDS, Run
from .sweep import range_test, sweep_lrs
from .task import Metric, Surroundings, Task

#: Frames published per second at most; the last one always is.
_RATE = 15


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
    start_lr, end_lr, num_iter
        As in `range_test`.

    Attributes
    ----------
    lr : float or None
        The picked learning rate: by a click, typed, or set in code. Observable.
    state : str
        State of the current run, or `"idle"`. Observable; observers are called in the
        thread that made the change.
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
        )
        self.start_lr, self.end_lr, self.num_iter = start_lr, end_lr, num_iter
        self.curve, self.history = Curve(num_iter=num_iter), Curve()
        self._surroundings = Surroundings()
        self._run: Run | None = None
        self._job, self._total, self._epochs = "range test", num_iter, 3
        self._painted = -math.inf
        self._closed = False
        # Guards the widgets: whoever paints holds it, so each has one writer at a time.
        self._lock = threading.RLock()
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
                self.task, start_lr=start, end_lr=end, num_iter=steps, stop_div=stop_div
            )
            self.start_lr, self.end_lr, self.num_iter = start, end, steps
            self.curve = Curve(num_iter=steps)
            self._chart.set_range(start, end)
            return self._start("range test", points, self.curve, steps)

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
            self.history, self._epochs = Curve(), int(rounds)
            self._fit_chart.set_steps(steps * rounds)
            return self._start("fit", points, self.history, steps * rounds)

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
        if self._run is not None and self._run.active:
            self._run.stop()
            self._run.settle()
        with self._lock:
            self._closed = True
            found: dict[str, ipywidgets.Widget] = {}
            for root in (self, *self._panel.fit_parts):
                _parts(root, found)
            for part in found.values():
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
        panel.run.on_click(self._pressed(self.range_test))
        panel.pause.on_click(self._pressed(self._pause_or_resume))
        panel.stop.on_click(self._pressed(self.stop))
        panel.fit.on_click(self._pressed(self.fit_one_cycle))
        panel.lr.on_submit(self._take_lr)
        panel.epochs.on_submit(self._take_epochs)
        self._picker.on_pick(lambda lr: setattr(self, "lr", lr))

    def _pressed(self, action: Callable[[], object]) -> Callable[[object], None]:
        """A click handler: what goes wrong is shown in the widget."""

        def handle(_button: object) -> None:
            try:
                with self._surroundings():
                    action()
            except Exception as error:
                with self._lock:
                    self._panel.show_error(error)

        return handle

    def _pause_or_resume(self) -> None:
        (self.resume if self.state == "paused" else self.pause)()

    def _take_lr(self, text: str) -> None:
        error = ""
        try:
            self.lr = float(text) if text.strip() else None
        except ValueError:
            error = f"{text!r} is no learning rate: try 1e-3"
        with self._lock:
            self._panel.lr.error = error

    def _take_epochs(self, text: str) -> None:
        good = text.strip().isdecimal() and int(text) > 0
        with self._lock:
            if good:
                self._epochs = int(text)
                self._panel.epochs.value = str(self._epochs)
            error = "" if good else f"{text!r} is no number of epochs: try 3"
            self._panel.epochs.error = error

    @validate("lr")
    def _validate_lr(self, proposal: dict[str, Any]) -> float | None:
        lr = proposal["value"]
        if lr is not None and not (math.isfinite(lr) and lr > 0):
            raise ValueError(f"lr must be a positive number, not {lr!r}: try 1e-3")
        return lr

    @observe("lr")
    def _show_lr(self, _change: object) -> None:
        self._paint()

    def _refuse_second(self) -> None:
        if self._closed:
            raise RuntimeError("this finder is closed: make a new one")
        if self._run is not None and self._run.active:
            raise RuntimeError(
                f"the {self._job} is {self.state}: wait for its end, or stop() it first"
            )

    def _start(
        self, job: str, points: Iterator[Point], curve: Curve, total: int
    ) -> Run:
        def take(point: Point) -> None:
            curve.append(point)
            if time.monotonic() - self._painted >= 1 / _RATE:
                self._paint_curve()

        self._job, self._total = job, total
        self._panel.show_error(None)
        self._run = Run(
            points, on_item=take, on_state=self._paint, around=Surroundings()
        )
        return self._run.start()

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

    def _paint(self) -> None:
        """Publish everything that depends on the state or the pick."""
        with self._lock:
            if self._closed:
                return
            run = self._run
            if run is not None:
                self.set_trait("state", run.state)
                self._paint_curve()
                self._panel.show_error(run.error)
            over = self._job != "range test" or self.state in ENDS
            marked = self.curve if over else Curve()
            self._chart.mark(marked)
            self._picker.lr = self.lr
            self._panel.show_hint(self._hint())
            self._panel.show_state(self.state, lr=self.lr)

    def _hint(self) -> str:
        """What to do next, in a sentence."""
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


def _parts(
    widget: ipywidgets.Widget, found: dict[str, ipywidgets.Widget]
) -> dict[str, ipywidgets.Widget]:
    """The widget and all the widgets it is made of."""
    if widget.comm is None or widget.comm.comm_id in found:
        return found
    found[widget.comm.comm_id] = widget
    for value in widget.trait_values().values():
        several = value.values() if isinstance(value, dict) else value
        several = several if isinstance(value, (dict, list, tuple)) else [value]
        for part in several:
            if isinstance(part, ipywidgets.Widget):
                _parts(part, found)
    return found
