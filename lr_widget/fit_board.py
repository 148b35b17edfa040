"""FitBoard: the fit in the widget: its settings, its plan, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from .curve import Curve
from .cycle import SCHEDULES, Cycle
from .fit_chart import FitChart
from .fit_panel import FitPanel

_LAYOUT = {"width": "auto", "height": "260px", "min_width": "180px"}

#: LRs and momentums of each step.
Plan = tuple[Any, Any]

#: Makes of what a person did a handler that shows what goes wrong.
Guard = Callable[[Callable[..., object]], Callable[..., None]]


class FitBoard:
    """Keeps the fields, the schedule, the losses and the epochs of a fit the same.

    What is set for the next fit is drawn at once, unless something runs: then the
    plan of the fit under way stays, and the next one waits for its end.

    Every method that shows something is to be called under `lock`, the owner's.

    Parameters
    ----------
    lock
        Held while the widgets are written, so that each has one writer at a time.
    plan
        Gives the plan of the fit that would be next; a ValueError says why there can be
        none.

    Attributes
    ----------
    cycle : Cycle
        How the next fit will be.
    history : Curve
        What the fit that is shown has come to.
    panel, chart : FitPanel, FitChart
        The widgets.
    """

    def __init__(
        self, lock: AbstractContextManager[object], plan: Callable[[], Plan]
    ) -> None:
        self._lock, self._next_plan = lock, plan
        self.cycle, self.history = Cycle(), Curve()
        self.chart = FitChart(layout=_LAYOUT)
        self.panel = FitPanel(self.chart)
        self._lr: float | None = None
        self._epochs, self._begun, self._due = 0, False, False

    def listen(self, guard: Guard, set_new: Callable[[], object]) -> None:
        """Take what people type and choose; `set_new` is called after each change."""

        def changed(_change: object) -> None:
            with self._lock:
                self._due = True
            set_new()

        panel = self.panel
        panel.epochs.on_submit(guard(self._take_epochs))
        panel.pct_start.on_submit(guard(self._take_pct_start))
        panel.schedule.on_choose(guard(self._take_schedule))
        self.cycle.observe(changed)

    def begin(self, plan: Plan, epochs: int, history: Curve) -> None:
        """Show the plan of a fit that begins, and its history from now on."""
        self.history, self._epochs = history, epochs
        self._begun, self._due = True, False
        self.chart.set_steps(len(plan[0]))
        self.panel.show_plan(*plan)

    def replace(self, history: Curve) -> None:
        """Show another history, of a fit whose plan is not known."""
        self.history, self._epochs = history, len(history.epochs)
        self._begun, self._due = len(history) > 0, True
        self.chart.set_steps(len(history))
        self.panel.show_plan(None, None)  # not over that of another fit
        self.show()

    def show(self) -> None:
        """Show the history as it is now."""
        self.chart.show(self.history)
        self.panel.show_fit(self.history if self._begun else None, self._epochs)

    def show_state(self, active: bool, *, lr: float | None, can_undo: bool) -> None:
        """Enable what can be pressed now, and show what is set."""
        cycle, self._due = self.cycle, self._due or lr != self._lr
        self._lr = lr
        self.panel.show_state(active, lr=lr, can_undo=can_undo)
        self.panel.show_settings(cycle.epochs, cycle.pct_start, cycle.schedule)
        if self._due and not active:  # else the optimizer's LRs are lent
            self._due = False
            self._show_next()

    def show_freezing(self, frozen: int, groups: int) -> None:
        """Say how many of the param groups are frozen; one alone cannot be."""
        text = f"{frozen} of {groups} param groups frozen" if frozen else ""
        self.panel.show_freezing(groups > 1, frozen > 0, text)

    def _show_next(self) -> None:
        lrs, momentums, error = None, None, ""
        if self._lr is not None:
            try:
                lrs, momentums = self._next_plan()
            except ValueError as why:
                error = str(why)
        self.panel.show_plan(lrs, momentums, error)

    def _take_epochs(self, text: str) -> None:
        good = text.strip().isdecimal() and len(text) < 10 and int(text) > 0
        with self._lock:
            error = "" if good else f"{text!r} is no number of epochs: try 3"
            self.panel.epochs.error = error
        if good:
            self.cycle.epochs = int(text)

    def _take_pct_start(self, text: str) -> None:
        try:
            share, error = _share(text), ""
        except ValueError:
            error = f"{text!r} is no share from 0 to 1: try 0.3"
        with self._lock:
            self.panel.pct_start.error = error
        if not error:
            self.cycle.pct_start = share

    def _take_schedule(self, name: str) -> None:
        variant, three_phase, _ = SCHEDULES[name]
        self.cycle.take({"variant": variant, "three_phase": three_phase})


def _share(text: str) -> float | None:
    """The share that is meant; None where nothing is, which is the schedule's own."""
    share = float(text) if text.strip() else None
    if share is not None and not 0 <= share <= 1:
        raise ValueError(f"{share} is no share")
    return share
