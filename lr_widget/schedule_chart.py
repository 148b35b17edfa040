"""ScheduleChart: the LR and the momentum of each step of a fit, planned and made."""

from __future__ import annotations

from typing import Any, NamedTuple

import bqplot
import numpy as np
from numpy.typing import ArrayLike, NDArray

from .axis import full_range, step_ticks, ticks
from .bulletin import Posted
from .curve import Curve
from .figure import MARGINS, Axis, Dots, Linear
from .line import Line
from .palette import BLUE, ORANGE
from .synopsis import synopsis

Array = NDArray[np.float64]
Places = NDArray[np.intp]

#: About how many points are drawn of one line at most.
MAX_POINTS = 400

#: Most param groups whose LRs are drawn.
MAX_GROUPS = 6

#: Opacity of a plan under what has been made of it.
_FAINT = 0.4


class ScheduleChart(Posted, bqplot.Figure):
    """LR on the left axis, solid, and momentum on the right one, dashed, against step.

    A plan is faint once something of it has been made: that is drawn over it, a dot at
    its newest step.
    """

    def __init__(self, **kwargs: Any) -> None:
        self._steps = Linear(min=0.0, max=1.0)
        self._axis = Axis(
            scale=self._steps, label="step", tick_format="~s", label_offset="2.4em"
        )
        self._lr_axis = _upright("lr", side="left", label_offset="4.4em")
        self._momentum_axis = _upright(
            "momentum", side="right", label_offset="3.4em", visible=False
        )
        self._axis.grid_lines = "none"
        self._groups = self._line(self._lr_axis, BLUE, 1.0)
        self._lrs = self._line(self._lr_axis, BLUE, 2.0)
        self._lrs_made = self._line(self._lr_axis, BLUE, 3.0)
        dashed = {"line_style": "dashed"}
        self._momentums = self._line(self._momentum_axis, ORANGE, 1.5, **dashed)
        self._momentums_made = self._line(self._momentum_axis, ORANGE, 2.5, **dashed)
        self._now = Dots(BLUE, scales=self._lrs.scales)
        self._plan: _Plan | None = None
        self._history: Curve | None = None
        self._lr_places, self._momentum_places = _Places(), _Places()
        self._begun: _Plan | None = None  # the plan that the history is of
        planned = [self._groups, self._momentums, self._lrs]
        super().__init__(
            marks=[*planned, self._momentums_made, self._lrs_made, self._now],
            axes=[self._axis, self._lr_axis, self._momentum_axis],
            animation_duration=0,
            display_toolbar=False,
            fig_margin={"top": 10, "bottom": 44, **MARGINS},
            padding_x=0,
            padding_y=0,
            **kwargs,
        )

    @property
    def empty(self) -> bool:
        """Whether there is nothing to see."""
        return not any(len(mark.x) for mark in self.marks)

    @property
    def text(self) -> str:
        """The plan in a sentence, which tells its lines apart; without one empty."""
        plan = self._plan
        return "" if plan is None else synopsis(plan.lr, plan.momentum, plan.groups)

    def plan(self, lrs: ArrayLike, momentums: ArrayLike | None) -> None:
        """Draw a whole schedule; each array `(steps,)`, or `(steps, groups)`.

        A fit that was shown stays on the plan that it was begun with, and on no other.
        """
        wanted = _Plan.of(lrs, momentums)
        if _same(wanted, self._plan):
            return
        self._plan = self._begun if _same(wanted, self._begun) else wanted
        at = _Places().of(wanted.lr)
        self._lrs.show(at.astype(float), wanted.lr[at])
        others = _others(wanted.lrs[at], wanted.lead)
        self._groups.show(at.astype(float) if len(others) else others[0:0], others)
        at = _Places().of(wanted.momentum)
        self._momentums.show(at.astype(float), wanted.momentum[at])
        self._draw_made()

    def show(self, history: Curve | None) -> None:
        """Draw what a fit has made, over the plan that was there when it began."""
        if history is not self._history:
            self._history, self._begun = history, self._plan
        self._draw_made()

    def unplan(self) -> None:
        """Draw no plan; a fit that was begun without one stays."""
        self._plan = None
        for line in (self._lrs, self._groups, self._momentums):
            line.clear()
        self._draw_made()

    def clear(self) -> None:
        """Draw nothing."""
        self.show(None)
        self.unplan()

    def _draw_made(self) -> None:
        """Draw what has been made, if it is of this plan, and span the axes."""
        fits = self._history is not None and self._begun is self._plan
        made = self._history if self._history is not None and fits else Curve()
        lrs = made.lrs
        at = self._lr_places.of(lrs, made)
        self._lrs_made.show(at.astype(float), lrs[at])
        with self._now.hold_sync():
            self._now.x, self._now.y = at[-1:].astype(float), lrs[-1:]
        if "momentum" in made.measures:
            values = made.trace("momentum").values
            at = self._momentum_places.of(values, made)
            # As a rule each step has one, and its place is its step.
            steps = at if len(values) == len(lrs) else made.steps("momentum")[at]
            self._momentums_made.show(steps.astype(float), values[at])
        else:
            self._momentums_made.clear()
        for line in (self._lrs, self._groups, self._momentums):
            line.opacities = [_FAINT if len(lrs) else 1.0]
        self._span(len(lrs) if self._plan is None else len(self._plan.lr))

    def _span(self, steps: int) -> None:
        """Span the axes over all that is drawn."""
        with self._steps.hold_sync():
            self._steps.min, self._steps.max = 0.0, float(max(steps - 1, 1))
        self._axis.tick_values = step_ticks(steps - 1)
        _span(self._lr_axis, self._lrs, self._groups, self._lrs_made)
        _span(self._momentum_axis, self._momentums, self._momentums_made)
        lines = (self._momentums, self._momentums_made)
        self._momentum_axis.visible = any(len(line.x) for line in lines)

    def _line(self, axis: Axis, color: str, width: float, **kwargs: Any) -> Line:
        scales = {"x": self._steps, "y": axis.scale}
        return Line(scales=scales, colors=[color], stroke_width=width, **kwargs)


class _Plan(NamedTuple):
    """The LRs of all groups, `(steps, groups)`, and what is told of the leading one."""

    lrs: Array
    lead: int
    momentum: Array

    @classmethod
    def of(cls, lrs: ArrayLike, momentums: ArrayLike | None) -> _Plan:
        rows = np.asarray(lrs, dtype=float)
        rows = rows.reshape(len(rows), -1)
        lead = int(rows[0].argmax())
        if momentums is None:
            return cls(rows, lead, np.empty(0))
        moved = np.asarray(momentums, dtype=float).reshape(len(rows), -1)
        return cls(rows, lead, moved[:, min(lead, moved.shape[1] - 1)])

    @property
    def lr(self) -> Array:
        """The LR of the leading group, `(steps,)`."""
        return self.lrs[:, self.lead]

    @property
    def groups(self) -> int:
        """How many param groups there are; 1 where all have the same LRs."""
        alike = (self.lrs == self.lr[:, None]).all()
        return 1 if alike else int(self.lrs.shape[1])


def _same(plan: _Plan, other: _Plan | None) -> bool:
    if other is None:
        return False
    alike = np.array_equal(plan.lrs, other.lrs)
    return alike and np.array_equal(plan.momentum, other.momentum)


def _upright(label: str, **kwargs: Any) -> Axis:
    scale = Linear(min=0.0, max=1.0)
    return Axis(
        scale=scale,
        label=label,
        grid_lines="none",
        **kwargs,
    )


def _span(axis: Axis, *lines: Line) -> None:
    """Span an axis over its lines, with a few round ticks."""
    shown = full_range(np.concatenate([line.y.ravel() for line in lines]), np.empty(0))
    if shown is None:
        return
    with axis.scale.hold_sync():
        axis.scale.min, axis.scale.max = shown
    small = shown[1] < 1e-2  # as people write such numbers; but nobody writes 0e+0
    marked = ticks(*shown, most=5)
    # The format first: bqplot writes new ticks with the one that it has by then.
    axis.tick_format = "~e" if small else "~g"
    axis.tick_values = marked[marked != 0] if small else marked


class _Places:
    """Where a line is drawn: evenly, at its first extremes and at its end.

    The distance is a power of two, so that a growing line does not shimmer. Of a line
    that grows only what is new is looked at.
    """

    def __init__(self) -> None:
        self._of: object = None
        self._seen = self._low = self._high = 0

    def of(self, values: Array, what: object = None) -> Places:
        """The places; while `what` they are of is the same, the values only grow."""
        count = len(values)
        if what is None or what is not self._of:
            self._of, self._seen, self._low, self._high = what, 0, 0, 0
        if count > self._seen:
            new = values[self._seen :]
            low, high = (self._seen + int(i) for i in (new.argmin(), new.argmax()))
            self._low = low if values[low] < values[self._low] else self._low
            self._high = high if values[high] > values[self._high] else self._high
            self._seen = count
        if count <= MAX_POINTS:
            return np.arange(count)
        stride = 2 ** int(np.ceil(np.log2(count / (MAX_POINTS - 4))))
        ends = [self._low, self._high, count - 1]
        return np.unique(np.concatenate([np.arange(0, count, stride), ends]))


def _others(rows: Array, lead: int) -> Array:
    """The LRs of the other groups, a row each: no two alike, and not too many."""
    columns: Array = np.unique(rows, axis=1).T
    columns = columns[(columns != rows[:, lead]).any(axis=1)]
    if len(columns) >= MAX_GROUPS:
        spread = np.linspace(0, len(columns) - 1, MAX_GROUPS - 1)
        columns = columns[spread.round().astype(int)]
    return columns
