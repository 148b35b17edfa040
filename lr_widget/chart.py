"""LRChart: the figure that shows sweeps while they grow."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .axis import decades, full_range, log_ticks, y_range
from .curve import Curve
from .curves import Curves, Sweep
from .fall import NMIN
from .figure import Axis, Log, LossFigure, Range
from .line import Band, Line, sample
from .palette import BLUE, curve_style
from .repeats import Repeats

Array = NDArray[np.float64]

#: Parts of the y axis: so much, its margin, a growing curve may use up; so much it uses
#: at least.
_EDGE, _FULL = 0.05, 0.8


class LRChart(LossFigure):
    """Sweeps against learning rate: one in front, the others as ghosts behind it.

    What is drawn of each is one `measure`: its raw values, faint, and smoothed with
    `beta`; for repeats the median, and a band from the lowest to the highest.

    Attributes
    ----------
    measure, beta
        What is on the y axis, and how smooth.
    x_scale, y_scale : bqplot.Scale
        The axes, for an interaction that needs them.
    raw, smooth : bqplot.Lines
        The curve in front.
    zoomed : bool
        Whether a person has chosen what is shown; the axes then stay.
    """

    def __init__(self, start_lr: float, end_lr: float, **kwargs: Any) -> None:
        self.measure, self.zoomed = "loss", False
        self.beta: float | None = None
        self.x_scale = Log(min=start_lr, max=end_lr)
        self._x_axis = Axis(scale=self.x_scale, label="learning rate", tick_format="~e")
        super().__init__(self._x_axis, **kwargs)
        self._linear, self._log = self.y_scale, Log(min=0.1, max=1.0)
        self._band = Band(BLUE, scales=self.plane)
        self._ghosts: dict[str, tuple[Band, Line]] = {}
        self._planned: Range = (start_lr, end_lr)
        self._spanned_x: Range | None = None
        # Of each visible curve: the LRs it spans, the values, and whether these count.
        self._drawn: dict[str, tuple[Range | None, Range | None, bool]] = {}
        self._stack()
        self._span_x((start_lr, end_lr))

    @property
    def y_log(self) -> bool:
        """Whether the y axis is logarithmic; what is not positive is a gap then."""
        return self.y_scale is self._log

    def set_y_log(self, y_log: bool) -> None:
        """Make the y axis logarithmic, or linear again."""
        scale = self._log if y_log else self._linear
        if scale is self.y_scale:
            return
        if y_log:  # the ticks first: a 0 among them has no place on a log axis
            self._y_axis.tick_values = log_ticks(scale.min, scale.max)
        self.y_scale, self.plane = scale, {**self.plane, "y": scale}
        self._y_axis.scale = scale
        for mark in self.marks:
            mark.scales = self.plane

    def plan(self, start_lr: float, end_lr: float) -> None:
        """Span the axis over a sweep that is about to run, from its first LR on."""
        self._planned, self.zoomed = (start_lr, end_lr), False

    def show(self, curves: Curves) -> None:
        """Draw all visible curves as they are now."""
        self._y_axis.label = self.measure
        self._keep(curves)
        self._drawn.clear()
        for name in curves.visible():
            self._paint(name, curves)
            self._draw(name, curves)
        if curves.front not in self._drawn:
            for mark in (self.raw, self.smooth, self._band):
                mark.clear()
        self._span()

    def grow(self, curves: Curves, sweep: Sweep) -> None:
        """Draw one curve as it is now; the others have not changed."""
        name = curves.name(sweep)
        if name in self._drawn:
            self._draw(name, curves)
            self._span(calm=True)

    def look(self, x: Range, y: Range) -> None:
        """Show this part, whatever the curves do, until `whole`."""
        self.zoomed = True
        self._span_x(x)
        self._span_y(y)

    def whole(self) -> None:
        """Show all of the curves again."""
        self.zoomed = False
        self._span()

    def whole_range(self) -> tuple[Range, Range]:
        """First and last LR, lowest and highest value, of all that is drawn.

        But a ghost too short to be read, as of a sweep that diverged at once, does not
        press a longer curve flat.
        """
        drawn = self._drawn.values()
        across = [self._planned, *(x for x, _, _ in drawn if x)]
        down = [y for _, y, counts in drawn if y and counts]
        down = down or [y for _, y, _ in drawn if y]
        down = down or [(self.y_scale.min, self.y_scale.max)]
        return _union(across), _union(down)

    def close(self) -> None:
        """Close the figure, and the y scale that is not on it."""
        self._linear.close()
        self._log.close()
        super().close()

    def _keep(self, curves: Curves) -> None:
        """Have a ghost for every visible curve and none else."""
        visible = curves.visible()
        gone = [self._ghosts.pop(name) for name in {*self._ghosts} - {*visible}]
        for name in visible:
            if name not in self._ghosts:
                color, style = curve_style(curves.place(name))
                line = Line(scales=self.plane, colors=[color], line_style=style)
                line.stroke_width = 1.5
                self._ghosts[name] = Band(color, scales=self.plane), line
        for name, marks in self._ghosts.items():
            for mark in marks:
                mark.visible = name != curves.front
        self._stack()
        for marks in gone:
            for mark in marks:
                mark.close()

    def _stack(self) -> None:
        """Put the front curve over the ghosts."""
        ghosts = [mark for marks in self._ghosts.values() for mark in marks]
        marks = [*ghosts, self._band, self.raw, self.smooth]
        if marks != self.marks:
            self.set_trait("marks", marks)

    def _paint(self, name: str, curves: Curves) -> None:
        """Give the front curve its color and style; a ghost has them."""
        if name == curves.front:
            color, self.smooth.line_style = curve_style(curves.place(name))
            for mark in (self.raw, self.smooth, self._band):
                mark.colors = [color]
            self._band.fill_colors = [color]

    def _draw(self, name: str, curves: Curves) -> None:
        sweep = curves[name]
        lrs, values, places, smooth = self._taken(sweep)
        seen, rough = smooth, values  # what the range is read off
        # Neither a median only grows, nor what looks at both sides of each point.
        grows = isinstance(sweep, Curve)
        of = (sweep, self.measure, self.y_log) if grows else None
        bold_of = (*of, self.beta) if of and self.beta is not None else None
        band, line = self._ghosts[name]
        if name == curves.front:
            band, line = self._band, self.smooth
            # The raw values of repeats are many: their band stands for them.
            if isinstance(sweep, Curve):
                raw = self._drawable(values)
                rough = sample(raw, self.raw.show(lrs, raw, of))
            else:
                self.raw.clear()
        kept = line.show(places, self._drawable(smooth), bold_of)
        if name == curves.front:
            seen = smooth[kept]
        counts = name == curves.front or len(lrs) >= NMIN
        self._drawn[name] = *self._extent(lrs, rough, seen), counts
        if isinstance(sweep, Repeats) and len(lrs):
            lrs, low, high = sweep.band(self.measure, self.beta)
            band.span(lrs, self._drawable(low), self._drawable(high))
        else:
            band.clear()

    def _taken(self, sweep: Sweep) -> tuple[Array, Array, Array, Array]:
        """LRs and values of a sweep, and those of its bold line, as far as it has them.

        The line comes first: the values may have grown meanwhile.
        """
        if self.measure not in sweep.measures:
            return np.empty(0), np.empty(0), np.empty(0), np.empty(0)
        line = sweep.line(self.measure, self.beta)
        lrs, values, _ = sweep.trace(self.measure, 0.0)
        return lrs, values, *line

    def _drawable(self, values: Array) -> Array:
        return np.where(values > 0, values, np.nan) if self.y_log else values

    def _extent(self, lrs: Array, values: Array, smooth: Array) -> tuple[Any, Any]:
        """First and last LR of a curve, and the range of what it measured."""
        across = (float(lrs[0]), float(lrs[-1])) if len(lrs) else None
        bound = y_range if self.measure.endswith("loss") else full_range
        with np.errstate(divide="ignore", invalid="ignore"):
            down = bound(np.log10(values), np.log10(smooth)) if self.y_log else None
        if down is not None:  # their margins may reach beyond what a float holds
            low, high = np.clip(down, (-300, -299), (299, 300)).tolist()
            return across, (10**low, 10**high)
        return across, None if self.y_log else bound(values, smooth)

    def _span(self, calm: bool = False) -> None:
        """Span the axes over all that is drawn, unless a person has chosen.

        The y axis stays, if it is to be `calm`, while all is in view and fills it well.
        """
        if not self.zoomed:
            x, y = self.whole_range()
            self._span_x(x)
            if not (calm and self._suits(*y)):
                self._span_y(y)

    def _suits(self, low: float, high: float) -> bool:
        """Whether the y axis as it is will do for these ends, margins and all."""
        least, most, edge = self.y_scale.min, self.y_scale.max, _EDGE * (high - low)
        inside = least <= low + edge and high - edge <= most
        return inside and high - low > _FULL * (most - least) and not self.y_log

    def _span_x(self, shown: Range) -> None:
        """Show these LRs, a tick at each decade, or more of them on less."""
        if shown != self._spanned_x:
            self._spanned_x = shown
            with self.x_scale.hold_sync():
                self.x_scale.min, self.x_scale.max = shown
            marked = decades(*shown)
            self._x_axis.tick_values = marked if len(marked) > 1 else log_ticks(*shown)


def _union(ranges: list[Range]) -> Range:
    return min(low for low, _ in ranges), max(high for _, high in ranges)
