"""FitChart: the figure that shows a one-cycle fit while it trains."""

from __future__ import annotations

from typing import Any

import numpy as np

from .axis import step_ticks, y_range
from .curve import Curve
from .figure import MARGINS, Axis, Dots, Linear, LossFigure
from .line import sample, thin
from .palette import ORANGE


class FitChart(LossFigure):
    """Training loss against step, and the validation loss at the end of each epoch."""

    beta, margins = 0.9, MARGINS

    def __init__(self, **kwargs: Any) -> None:
        self._steps = Linear(min=0.0, max=1.0)
        self._axis = Axis(scale=self._steps, label="step", tick_format="~s")
        super().__init__(self._axis, **kwargs)
        self._valid = Dots(ORANGE, scales=self.plane)
        self.set_trait("marks", [self.raw, self.smooth, self._valid])

    def set_steps(self, steps: int) -> None:
        """Span the axis over the `steps` of the fit."""
        with self._steps.hold_sync():
            self._steps.min, self._steps.max = 0.0, float(max(steps - 1, 1))
        self._axis.tick_values = step_ticks(steps - 1)

    def show(self, curve: Curve) -> None:
        """Draw the fit as it is now."""
        smooth = curve.smooth(self.beta)
        losses = curve.losses[: len(smooth)]
        losses = sample(losses, self.raw.show(None, losses, curve))
        smooth = smooth[self.smooth.show(None, smooth, curve)]
        ends = [
            (e.step, e.valid_loss) for e in curve.epochs if e.valid_loss is not None
        ]
        at, valid = np.array(ends, dtype=float).reshape(-1, 2).T
        self._span_y(y_range(np.concatenate([losses, valid]), smooth))
        at, valid = thin(at, valid)
        with self._valid.hold_sync():
            self._valid.x, self._valid.y = at, valid
