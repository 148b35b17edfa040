"""LossFigure: what the chart of a sweep and that of a fit have in common."""

from __future__ import annotations

from typing import Any

import bqplot

from .axis import log_ticks, ticks
from .bulletin import Posted
from .line import Line
from .palette import BLUE

Range = tuple[float, float]

#: Of the charts of a fit, one below the other: their steps are in one line.
MARGINS = {"left": 68, "right": 64}


class Linear(Posted, bqplot.LinearScale):
    """A linear scale; posted in frames."""


class Log(Posted, bqplot.LogScale):
    """A logarithmic scale; posted in frames."""


class Axis(Posted, bqplot.Axis):
    """An axis; posted in frames."""


class Dots(Posted, bqplot.Scatter):
    """Dots of one size: bqplot keeps half of one free at either end of an axis."""

    def __init__(self, color: str, **kwargs: Any) -> None:
        look = {"colors": [color], "default_size": 60, "stroke": "white"}
        super().__init__(x=[], y=[], **look, **kwargs)


class LossFigure(Posted, bqplot.Figure):
    """Raw losses, faint, under smoothed ones, on a y axis that follows them."""

    margins = {"left": 64, "right": 24}

    def __init__(self, x_axis: Axis, **kwargs: Any) -> None:
        self.y_scale: Linear | Log = Linear(min=0.0, max=1.0)
        self._spanned_y: tuple[Linear | Log, Range] | None = None
        self.plane = {"x": x_axis.scale, "y": self.y_scale}
        self.raw = Line(
            scales=self.plane, colors=[BLUE], opacities=[0.5], stroke_width=1.0
        )
        self.smooth = Line(scales=self.plane, colors=[BLUE], stroke_width=2.5)
        self._y_axis = Axis(
            scale=self.y_scale,
            side="left",
            label="loss",
            label_offset="3.4em",
            tick_format="~g",
        )
        x_axis.label_offset = "2.6em"
        for axis in (x_axis, self._y_axis):
            axis.grid_lines = "none"
        super().__init__(
            marks=[self.raw, self.smooth],
            axes=[x_axis, self._y_axis],
            animation_duration=0,
            display_toolbar=False,
            fig_margin={"top": 12, "bottom": 52, **self.margins},
            padding_x=0,
            padding_y=0,
            **kwargs,
        )

    def _span_y(self, shown: Range | None) -> None:
        if shown is None or (self.y_scale, shown) == self._spanned_y:
            return
        self._spanned_y = self.y_scale, shown
        log = isinstance(self.y_scale, Log)
        with self.y_scale.hold_sync():
            self.y_scale.min, self.y_scale.max = shown
        self._y_axis.tick_values = (log_ticks if log else ticks)(*shown)
