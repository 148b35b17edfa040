"""Board: the chart of the sweeps and all that belongs to it, showing one set of Curves.

Chart, picker, options and legend show the same things in their ways; here is where they
are kept the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from . import annotation, reading
from .axis import loss_text, lr_text
from .chart import LRChart
from .controls import Button, Message, row
from .curves import Curves, Sweep, points
from .legend import Legend
from .options import Options
from .palette import curve_style
from .picker import LRPicker
from .poster import Poster
from .suggestion import Remedy

_LAYOUT = {"width": "auto", "height": "340px", "min_width": "180px"}

_GROWING = "Faint: the loss of each step. Bold: smoothed."

#: Options that are about the chart.
_DRAWN = ("beta", "measure", "y_log", "regions", "levels", "snap", "zoom")

#: Makes of what a person did a handler that shows what goes wrong.
Guard = Callable[[Callable[..., object]], Callable[..., None]]


class Board:
    """Shows curves, what is read off them, and the pick; takes what people do there.

    Every method that shows something is to be called under `lock`, the owner's.

    Parameters
    ----------
    lock
        Held while the widgets are written, so that each has one writer at a time.
    start_lr, end_lr
        What the chart spans before there is a curve.
    measures
        What a sweep will measure.
    looks_new
        Called after the curves or the options have changed.

    Attributes
    ----------
    chart, message, remedies, options, legend : widgets
        The chart with its picker, what it shows in a few sentences, how to draw it, and
        what is drawn. In `remedies` is the button `remedy`, where something can be done
        about a sweep.
    curves : Curves
        What they show.
    """

    def __init__(
        self,
        lock: AbstractContextManager[object],
        start_lr: float,
        end_lr: float,
        measures: Iterable[str] = ("loss",),
        looks_new: Callable[[], object] = lambda: None,
    ) -> None:
        self._lock, self._looks_new = lock, looks_new
        self._lr: float | None = None
        self._growing: Sweep | None = None
        self._train_steps: int | None = None
        self._remedy: Remedy | None = None
        self._look_here: tuple[float, float] | None = None
        self._closed = False
        self.chart = LRChart(start_lr, end_lr, layout=_LAYOUT)
        self.message = Message()
        self.remedy = Button(
            icon="wrench",
            tooltip="Run the range test again, like this",
            layout={"width": "auto"},
        )
        self.remedies = row()
        self.options = Options(measures=list(measures))
        self.legend = Legend()
        self.picker = LRPicker(
            x_scale=self.chart.x_scale,
            y_scale=self.chart.y_scale,
            line=self.chart.smooth,
            raw=self.chart.raw,
        )
        self.chart.interaction = self.picker
        self.curves = Curves(self._show_all)
        self.options.observe(self._restyle)

    def listen(
        self,
        guard: Guard,
        take_lr: Callable[[float], object],
        sweep_again: Callable[..., object],
    ) -> None:
        """Handle what people do, under no lock.

        `take_lr` gets what they pick; `sweep_again` the arguments of a remedy.
        """

        def cure() -> None:
            if self._remedy is not None:
                sweep_again(**self._remedy.arguments)

        def tidy(action: str, name: str, to: str | None) -> None:
            if action == "take":
                take_lr(self._suggested(name))
            else:
                self._tidy(action, name, to)

        picker, options = self.picker, self.options
        picker.on_pick(guard(lambda lr: take_lr(self._snapped(lr))))
        picker.on_take(guard(lambda name: take_lr(self._suggested(name))))
        picker.on_view(guard(self._look))
        picker.on_reset(guard(self._whole))
        options.on_set(guard(lambda name, value: options.set_trait(name, value)))
        options.on_reset(guard(self._whole))
        options.on_download(guard(self._file))
        self.legend.on_action(guard(tidy))
        self.remedy.on_click(guard(cure))

    def plan(self, start_lr: float, end_lr: float) -> None:
        """Span the chart over the sweeps that are about to run."""
        self.chart.plan(start_lr, end_lr)
        self.options.zoomed = False

    def grow(self, sweep: Sweep | None) -> None:
        """Draw the sweep that has just grown; nothing is read off it yet.

        None: whatever grew is done.
        """
        if sweep is not self._growing:
            self._growing = sweep
            self.show()
        elif sweep is not None and not self._closed:
            with self.curves.held():
                self.chart.grow(self.curves, sweep)

    def show(self) -> None:
        """Show everything as it is now."""
        if not self._closed:
            with self.curves.held():
                self._show()

    def _show(self) -> None:
        measures = [*self.options.measures]
        for sweep in self.curves.values():
            measures += sweep.measures
        self.options.measures = list(dict.fromkeys(measures))
        self.chart.show(self.curves)
        options = self.options
        for sweep in self.curves.values():
            sweep.train_steps = self._train_steps
        look = options.measure, options.beta, options.y_log
        front = self._read()
        found = annotation.suggestions(front, *look) if front is not None else []
        self.picker.suggestions = found
        self._look_here = None if front is None else front.suggestion.band
        self.picker.set_trait("band", annotation.band(self._look_here))
        self._show_levels()
        self._show_regions()
        self._show_remedy(None if front is None else front.suggestion.remedy)
        self._show_legend()
        words = reading.sentence(front, self.options.beta) if front is not None else ""
        self.message.value = _GROWING if self._growing is not None else words

    def aim(self, train_steps: int | None) -> None:
        """Suggest for a fit of so many steps."""
        if train_steps != self._train_steps:
            self._train_steps = train_steps
            self.show()

    def show_lr(self, lr: float | None) -> None:
        """Show the pick."""
        if not self._closed:
            self._lr = self.picker.lr = lr
            with self.curves.held():
                self._show_legend()

    def close(self) -> None:
        """Show nothing any more."""
        self._closed = True

    def poster(self) -> Poster:
        """What the chart shows now, all of it also when it is zoomed, as a picture."""
        with self._lock, self.curves.held():
            curves, x_range, y_range = self.curves, *self.chart.whole_range()
            shown = curves.visible()
            names = sorted(shown, key=lambda name: name == curves.front)
            return Poster(
                [(name, shown[name], curves.place(name)) for name in names],
                self.options.measure,
                self.options.beta,
                self.options.y_log,
                x_range,
                y_range,
                self._lr,
                list(self.picker.suggestions),
                self._look_here,
                self.message.value,
            )

    def _front(self) -> Sweep | None:
        """The sweep in front, if it is drawn and has points."""
        sweep = self.curves.visible().get(self.curves.front or "")
        return sweep if sweep is not None and points(sweep) else None

    def _read(self) -> Sweep | None:
        """The sweep in front, once it has grown."""
        front = self._front()
        return front if front is not self._growing else None

    def _show_all(self) -> None:
        with self._lock:
            self.show()
        self._looks_new()

    def _restyle(self, change: Any) -> None:
        """Draw as the options say; some of them need no more than the picker."""
        options, name = self.options, change["name"]
        if name not in _DRAWN:
            return
        with self._lock:
            if self._closed:
                return
            if name in ("snap", "zoom"):
                setattr(self.picker, name, change["new"])
            elif name == "regions":
                self._show_regions()
            elif name == "levels":
                self._show_levels()
            else:
                chart = self.chart
                chart.beta, chart.measure = options.beta, options.measure
                chart.set_y_log(options.y_log)
                if name != "beta":  # what was zoomed into was another axis
                    chart.zoomed = options.zoomed = False
                self.picker.y_scale, self.picker.measure = (
                    chart.y_scale,
                    chart.measure,
                )
                self.show()
        self._looks_new()

    def _show_regions(self) -> None:
        front = self._read() if self.options.regions else None
        found = []
        if front is not None:
            found = annotation.regions(front, self.options.beta)
        self.picker.regions = found

    def _show_levels(self) -> None:
        front = self._read() if self.options.levels else None
        shown = front is not None and self.options.measure == "loss"
        self.picker.levels = annotation.levels(front) if front and shown else []

    def _show_remedy(self, remedy: Remedy | None) -> None:
        """A button where there is something to be done about a sweep."""
        self._remedy = remedy
        self.remedy.description = remedy.text if remedy else ""
        shown = (self.remedy,) if remedy else ()
        if self.remedies.children != shown:
            self.remedies.children = shown

    def _show_legend(self) -> None:
        curves = self.curves
        self.legend.curves = [
            {
                "name": name,
                "color": curve_style(curves.place(name))[0],
                "hidden": curves.hidden(name),
                "front": name == curves.front,
                "text": "" if sweep is self._growing else _summary(sweep),
            }
            for name, sweep in curves.items()
        ]
        self.legend.suggestions = [
            {
                **{key: found[key] for key in ("name", "color", "doubt")},
                "text": lr_text(found["lr"]),
                "reason": found["reason"].split(": ")[0],
                "picked": found["lr"] == self._lr,
            }
            for found in self.picker.suggestions
        ]

    def _snapped(self, lr: float) -> float:
        """The nearest LR that was tested, if picks shall snap to one."""
        front = self._front()
        if not self.options.snap or front is None:
            return lr
        lrs = front.trace("loss", self.options.beta).lrs
        return float(lrs[np.argmin(np.abs(np.log(lrs / lr)))])

    def _suggested(self, name: str) -> float:
        for found in self.picker.suggestions:
            if found["name"] == name:
                return float(found["lr"])
        raise ValueError(f"name must be a suggestion that is shown, not {name!r}")

    def _tidy(self, action: str, name: str, to: str | None) -> None:
        curves = self.curves
        if action == "front":
            curves.bring(name)
        elif action == "hide":
            curves.hide(name)
        elif action == "show":
            curves.show(name)
        elif action == "remove":
            del curves[name]
        elif action == "rename" and to is not None:
            curves.rename(name, to)

    def _look(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        with self._lock:
            if self.options.y_log and y[0] <= 0:
                return  # asked for before the axis became logarithmic
            self.chart.look(x, y)
            self.options.zoomed = True

    def _whole(self) -> None:
        with self._lock:
            self.chart.whole()
            self.options.zoomed = False

    def _file(self, kind: str) -> tuple[str, str]:
        """Name and text of a file to download."""
        if kind == "csv":
            return "lr_widget.csv", self.curves.to_frame().to_csv(index=False)
        return f"lr_widget.{kind}", self.poster().svg()


def _summary(sweep: Sweep) -> str:
    losses = sweep.trace("loss", 0.0).values
    steps = "1 step" if len(losses) == 1 else f"{len(losses):,} steps"
    losses = losses[np.isfinite(losses)]  # the last of a diverged one is not
    return f"{steps}, lowest loss {loss_text(losses.min())}" if len(losses) else steps
