"""LRChart and FitChart: bqplot figures that show a Curve while it grows."""

from __future__ import annotations

import threading
from typing import Any

import bqplot
import numpy as np
from numpy.typing import NDArray

from .axis import decades, lr_text, ticks, y_range
from .curve import Curve

Array = NDArray[np.float64]

#: Most points that are drawn of one line: a frame costs the same at any length.
MAX_POINTS = 2000

# Okabe and Ito's colours, told apart by colour-blind people too, on white and on black.
BLUE, SKY, ORANGE, GREEN, PURPLE = "#0072B2 #56B4E9 #E69F00 #009E73 #CC79A7".split()
GRAY = "#888888"

MARKER_COLORS = {
    "minimum": GREEN,
    "steepest": PURPLE,
    "valley": ORANGE,
    "slide": GRAY,
}


class Line(bqplot.Lines):
    """A line whose x and y are always sent together, also to a page that reloads."""

    def __init__(self, **kwargs: Any) -> None:
        self._both = threading.RLock()
        super().__init__(x=np.empty(0), y=np.empty(0), **kwargs)

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """Give the state, never one with a new x beside an old y."""
        with self._both:
            return super().get_state(key, drop_defaults)

    def show(self, x: Array, y: Array) -> None:
        """Draw y against x, thinned to `MAX_POINTS`."""
        x, y = thin(x, y)
        with self._both, self.hold_sync():
            self.x, self.y = x, y


def thin(x: Array, y: Array, limit: int = MAX_POINTS) -> tuple[Array, Array]:
    """At most `limit` of the points, keeping every peak, every dip, and the newest.

    Of each run of neighbours the lowest and the highest point are kept, where they
    are. The width of the runs is a power of two, so that a growing line does not
    shimmer. The arrays returned are copies.
    """
    if len(x) <= limit:
        return x.copy(), y.copy()
    width = 2 ** int(np.ceil(np.log2(len(x) / (limit // 2 - 1))))
    runs = np.pad(y, (0, -len(y) % width), constant_values=np.nan).reshape(-1, width)
    at = np.arange(0, len(y), width)
    low = at + np.argmin(np.where(np.isfinite(runs), runs, np.inf), axis=1)
    high = at + np.argmax(np.where(np.isfinite(runs), runs, -np.inf), axis=1)
    kept = np.unique(np.concatenate([low, high, [len(x) - 1]]))
    return x[kept], y[kept]


class LossFigure(bqplot.Figure):
    """Raw losses, faint, under smoothed ones, on a y axis that follows them."""

    def __init__(self, x_axis: bqplot.Axis, **kwargs: Any) -> None:
        self.y_scale = bqplot.LinearScale(min=0.0, max=1.0)
        self.plane = {"x": x_axis.scale, "y": self.y_scale}
        self.raw = self._line(colors=[SKY], opacities=[0.7], stroke_width=1.0)
        self.smooth = self._line(colors=[BLUE], stroke_width=2.5)
        self._loss_axis = bqplot.Axis(
            scale=self.y_scale,
            side="left",
            label="loss",
            label_offset="3.4em",
            tick_format="~g",
        )
        x_axis.label_offset = "2.6em"
        for axis in (x_axis, self._loss_axis):
            axis.grid_lines = "none"
        super().__init__(
            marks=[self.raw, self.smooth],
            axes=[x_axis, self._loss_axis],
            animation_duration=0,
            display_toolbar=False,
            fig_margin={"top": 12, "bottom": 52, "left": 64, "right": 24},
            padding_x=0,
            padding_y=0,
            **kwargs,
        )

    def _line(self, **style: Any) -> Line:
        return Line(scales=self.plane, **style)

    def _add(self, *marks: bqplot.Mark) -> None:
        self.set_trait("marks", [self.raw, self.smooth, *marks])

    def show(self, curve: Curve) -> None:
        """Draw the curve as it is now."""
        smooth = curve.smooth(self.beta)
        losses = curve.losses[: len(smooth)]
        x = self._x(curve)[: len(smooth)]
        self.raw.show(x, losses)
        self.smooth.show(x, smooth)
        shown = y_range(losses, smooth)
        if shown is not None:
            with self.y_scale.hold_sync():
                self.y_scale.min, self.y_scale.max = shown
            self._loss_axis.tick_values = ticks(*shown)


class LRChart(LossFigure):
    """Loss against learning rate, with the suggestions as labelled markers.

    Attributes
    ----------
    x_scale, y_scale : bqplot.Scale
        The axes, for an interaction that needs them.
    smooth : bqplot.Lines
        The smoothed curve.
    """

    beta = 0.98

    def __init__(self, start_lr: float, end_lr: float, **kwargs: Any) -> None:
        self.x_scale = bqplot.LogScale(min=start_lr, max=end_lr)
        self._axis = bqplot.Axis(scale=self.x_scale, label="learning rate")
        super().__init__(self._axis, **kwargs)
        self._drops = bqplot.Lines(
            scales=self.plane,
            x=np.empty((0, 2)),
            y=np.empty((0, 2)),
            colors=list(MARKER_COLORS.values()),
            line_style="dotted",
            stroke_width=1.5,
        )
        self._dots = bqplot.Scatter(
            scales=self.plane, x=[], y=[], default_size=70, stroke="white"
        )
        rows = {"x": self.x_scale, "y": bqplot.LinearScale(min=0.0, max=1.0)}
        self._labels = bqplot.Label(
            scales=rows, x=[], y=[], text=[], default_size=12, font_weight="bold"
        )
        self._add(self._drops, self._dots, self._labels)
        self.set_range(start_lr, end_lr)

    def set_range(self, start_lr: float, end_lr: float) -> None:
        """Span the axis from `start_lr` to `end_lr`, a tick at each decade."""
        with self.x_scale.hold_sync():
            self.x_scale.min, self.x_scale.max = start_lr, end_lr
        with self._axis.hold_sync():
            self._axis.tick_format = "~e"
            self._axis.tick_values = decades(start_lr, end_lr)

    def mark(self, curve: Curve) -> None:
        """Put a marker on the curve at every suggested LR; none, where there is none.

        Each stands at exactly the LR returned, with its drop line to the axis.
        """
        found = {k: lr for k, lr in curve.suggestions().items() if lr is not None}
        names = sorted(found, key=lambda name: found[name])
        lrs = np.array([found[name] for name in names])
        smooth, steps = curve.smooth(self.beta), np.log(curve.lrs)
        heights = np.interp(np.log(lrs), steps, smooth) if len(lrs) else np.empty(0)
        colors = [MARKER_COLORS[name] for name in names]
        low = self.y_scale.min
        with self._drops.hold_sync():
            self._drops.colors = colors or [GREEN]
            self._drops.x = np.stack([lrs, lrs], axis=1)
            self._drops.y = np.stack([np.full_like(heights, low), heights], axis=1)
        with self._dots.hold_sync():
            self._dots.colors = colors or [GREEN]
            self._dots.x, self._dots.y = lrs, heights
        self._write(names, lrs, colors)

    def _write(self, names: list[str], lrs: Array, colors: list[str]) -> None:
        """Label the markers, each in a row of its own above the axis, at its left."""
        span = np.log([self.x_scale.min, self.x_scale.max])
        left = len(lrs) and (np.log(lrs[0]) - span[0]) < 0.3 * (span[1] - span[0])
        with self._labels.hold_sync():
            self._labels.colors = colors or [GREEN]
            self._labels.align = "start" if left else "end"
            self._labels.x_offset = 6 if left else -6
            self._labels.x = lrs
            self._labels.y = 0.05 + 0.075 * np.arange(len(lrs))
            self._labels.text = [
                f"{name} {lr_text(lr)}" for name, lr in zip(names, lrs, strict=True)
            ]

    @staticmethod
    def _x(curve: Curve) -> Array:
        return curve.lrs


class FitChart(LossFigure):
    """Training loss against step, and the validation loss at the end of each epoch."""

    beta = 0.9

    def __init__(self, **kwargs: Any) -> None:
        self._steps = bqplot.LinearScale(min=0.0, max=1.0)
        axis = bqplot.Axis(scale=self._steps, label="step", tick_format="~s")
        super().__init__(axis, **kwargs)
        self._valid = bqplot.Scatter(
            scales=self.plane,
            x=[],
            y=[],
            colors=[ORANGE],
            default_size=60,
            stroke="white",
        )
        self._add(self._valid)

    def set_steps(self, steps: int) -> None:
        """Span the axis over the `steps` of the fit."""
        with self._steps.hold_sync():
            self._steps.min, self._steps.max = 0.0, float(max(steps - 1, 1))

    def show(self, curve: Curve) -> None:
        """Draw the fit as it is now."""
        super().show(curve)
        ends = [
            (e.step, e.valid_loss) for e in curve.epochs if e.valid_loss is not None
        ]
        steps, losses = np.array(ends, dtype=float).reshape(-1, 2).T
        with self._valid.hold_sync():
            self._valid.x, self._valid.y = steps, losses

    @staticmethod
    def _x(curve: Curve) -> Array:
        return np.arange(len(curve), dtype=float)
