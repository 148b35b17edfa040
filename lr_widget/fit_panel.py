"""FitPanel: what there is of a fit in the widget. It shows; it decides nothing."""

from __future__ import annotations

import ipywidgets
from numpy.typing import ArrayLike

from .axis import lr_text
from .controls import HTML, Button, Choice, Column, Field, Message, row, words
from .curve import Curve
from .cycle import SCHEDULES
from .epoch_table import EpochTable
from .fit_chart import FitChart
from .schedule_chart import ScheduleChart

_NAMES = {"three-phase": "torch, three-phase"}

_LEGEND = "Faint: the loss of each step. Bold: smoothed. Dots: validation loss."

_SHALLOW = {"width": "auto", "height": "170px", "min_width": "180px"}


class FitPanel:
    """Fields and buttons of a fit, its schedule, its losses and its epochs.

    Attributes
    ----------
    lr, epochs, pct_start : Field
        Their submitted text is for the owner to take or refuse.
    schedule : Choice
        One of `SCHEDULES`; what is chosen is for the owner to take.
    fit, undo, freeze : Button
        Their clicks are for the owner to handle; `freeze` reads Unfreeze when there is
        something frozen, and is there only where there is something to freeze.
    schedule_chart, table : ScheduleChart, EpochTable
        What they show is set here; for those who want to look.
    children : tuple of widgets
        Top to bottom.
    parts : tuple of widgets
        Those that are not always among them.
    """

    def __init__(self, fit_chart: FitChart) -> None:
        self._make_fields()
        self.fit = _button("Fit", "rocket", "Train one cycle with lr as max_lr")
        back = "Take the fit back: model, optimizer and random state as before it"
        self.undo = _button("Undo", "undo", back)
        self.undo.disabled = True
        self.freeze = _button("Freeze", "snowflake-o", "")
        self._frozen = Message(layout={"margin": "0 8px"})
        self._plan = Message(layout={"margin": "0 8px"})
        self.schedule_chart, self._fit_chart = ScheduleChart(layout=_SHALLOW), fit_chart
        self._legend = HTML(words(_LEGEND), layout={"margin": "0 8px"})
        self.table = EpochTable()
        fields = row(self.lr, self.epochs, self.pct_start, self.schedule)
        fields.layout.align_items = "flex-start"  # an error below one moves no other
        self._buttons = row(self.fit, self.undo)
        # Empty before there is something to see: bqplot complains about a figure
        # without a size.
        self._box, self._begun = Column(), False
        self._results = (self._fit_chart, self._legend, self.table)
        self.children = (row(fields, self._buttons), self._plan, self._box)
        self.parts = (
            *(self.freeze, self._frozen, self.schedule_chart),
            *self._results,
        )

    def show_state(self, active: bool, *, lr: float | None, can_undo: bool) -> None:
        """Enable what can be pressed now."""
        self.fit.disabled = active or lr is None
        self.undo.disabled = active or not can_undo
        self.freeze.disabled = active
        self.lr.value = "" if lr is None else lr_text(lr)
        self.lr.error = ""

    def show_settings(
        self, epochs: int, pct_start: float | None, schedule: str
    ) -> None:
        """Show what a fit would be made with; `pct_start` None is the schedule's own.

        An error is cleared where another value takes the place of the one before.
        """
        self.pct_start.placeholder = f"{SCHEDULES[schedule].pct_start:g}"
        self.schedule.value = schedule
        rise = "" if pct_start is None else f"{pct_start:g}"
        for field, text in ((self.epochs, str(epochs)), (self.pct_start, rise)):
            if field.value != text:
                field.value, field.error = text, ""

    def show_plan(
        self, lrs: ArrayLike | None, momentums: ArrayLike | None, error: str = ""
    ) -> None:
        """Draw the schedule of the next fit, or of the one that runs.

        Without `lrs` there is none, and `error` says why, if there is something to say.
        """
        if lrs is None:
            self.schedule_chart.unplan()
        else:
            self.schedule_chart.plan(lrs, momentums)
        self._plan.value = error or self.schedule_chart.text
        (self._plan.add_class if error else self._plan.remove_class)("lr-widget-error")
        self._open()

    def show_fit(self, history: Curve | None, epochs: int) -> None:
        """Show what a fit of so many epochs has come to; None where there is none.

        Its steps are drawn over the plan that was shown when its history was shown
        first: show the plan before, and no other one until the fit has ended.
        """
        self._begun = history is not None
        self.schedule_chart.show(history)
        self.table.show([] if history is None else history.epochs, epochs)
        self._open()

    def show_freezing(self, possible: bool, frozen: bool, text: str) -> None:
        """Offer to freeze or to unfreeze, and say what trains."""
        self.freeze.description = "Unfreeze" if frozen else "Freeze"
        self.freeze.tooltip = (
            "Train all param groups again"
            if frozen
            else "Train only the last param group"
        )
        self._frozen.value = text
        shown = (self.freeze, self._frozen) if possible else ()
        _fill(self._buttons, (self.fit, self.undo, *shown))

    def _open(self) -> None:
        """Have in the box what there is something to see of."""
        plan = () if self.schedule_chart.empty else (self.schedule_chart,)
        _fill(self._box, (*plan, *(self._results if self._begun else ())))

    def _make_fields(self) -> None:
        self.lr = _field("lr", "160px", placeholder="click the curve")
        self.epochs = _field("epochs", "110px", value="3")
        self.pct_start = _field("pct_start", "140px", placeholder="0.3")
        self.pct_start.tooltip = "Share of the steps in which the lr rises"
        self.schedule = Choice(
            description="schedule",
            options=[(value, _NAMES.get(value, value)) for value in SCHEDULES],
            value="torch",
            tooltip="Whose one-cycle schedule",
            layout={"width": "220px", "max_width": "calc(100% - 4px)"},
        )


def _fill(box: ipywidgets.Box, children: tuple[ipywidgets.Widget, ...]) -> None:
    if box.children != children:
        box.children = children


def _field(description: str, width: str, **kwargs: str) -> Field:
    layout = {"width": width, "max_width": "calc(100% - 4px)"}
    return Field(description=description, layout=layout, **kwargs)


def _button(description: str, icon: str, tooltip: str) -> Button:
    layout = {"width": "96px"}
    return Button(description=description, icon=icon, tooltip=tooltip, layout=layout)
