"""TrialChart: the small figure that shows one candidate of an audition."""

from __future__ import annotations

from typing import Any

import numpy as np

from .axis import step_ticks, ticks, y_range
from .figure import Axis, Linear, LossFigure, Range
from .line import Line
from .palette import BLUE, GRAY, GREEN
from .trials import Trials

#: Smoothing of so few steps: it looks back over five of them.
BETA = 0.8


class TrialChart(LossFigure):
    """Training loss of one candidate against step, over the loss before training."""

    margins = {"left": 58, "right": 14}

    def __init__(self, **kwargs: Any) -> None:
        self._steps = Linear(min=0.0, max=1.0)
        self._axis = Axis(scale=self._steps, label="step", tick_format="~s")
        super().__init__(self._axis, **kwargs)
        self._init = Line(
            scales=self.plane, colors=[GRAY], line_style="dotted", stroke_width=2.0
        )
        self.set_trait("marks", [self._init, self.raw, self.smooth])

    def show(self, trials: Trials, index: int, shown: Range | None) -> None:
        """Draw a candidate as it is now; `shown` are the losses that the axis spans.

        The marked one is green and bolder, one that blew up gray.
        """
        steps, curve = trials.steps, trials.curves[index]
        with self._steps.hold_sync():
            self._steps.min, self._steps.max = 0.0, float(steps - 1)
        self._axis.tick_values = step_ticks(steps - 1)
        # The last loss of one that blew up has no place.
        smooth = curve.smooth(BETA)
        smooth = smooth[np.isfinite(smooth)]
        self.raw.show(None, curve.losses[: len(smooth)], curve)
        self.smooth.show(None, smooth, curve)
        if trials.init_loss is None:
            self._init.clear()
        else:
            ends = np.array([0.0, steps - 1.0])
            self._init.show(ends, np.full(2, trials.init_loss))
        marked = trials.lrs[index] == trials.marked
        color = GREEN if marked else GRAY if trials.blew_up(index) else BLUE
        self.raw.colors = self.smooth.colors = [color]
        self.smooth.stroke_width = 3.5 if marked else 2.0
        self._span_y(shown)
        if shown is not None:
            self._y_axis.tick_values = ticks(*shown, most=5)


def common_range(trials: Trials) -> Range | None:
    """Lowest and highest loss to show for all candidates alike, to compare them by.

    One that blows up does not press the others flat.
    """
    init = [] if trials.init_loss is None else [trials.init_loss]
    losses = [curve.losses for curve in trials.curves]
    smooth = [curve.smooth(BETA) for curve in trials.curves]
    # First where all begin: what lies far above that is not shown.
    return y_range(np.concatenate([init, *losses]), np.concatenate([init, *smooth]))
