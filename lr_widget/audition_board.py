"""AuditionBoard: the audition in the widget: its button, its charts, its words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ipywidgets

from .axis import lr_text
from .controls import HTML, Button, Column, Message, Row, row, words
from .figure import Range
from .trial_chart import TrialChart, common_range
from .trials import STEPS, Trials

_LEGEND = (
    "One chart per LR, all on the same scale. Faint: the loss of each step. Bold:"
    " smoothed. Dotted: the loss before training; in percent how far each ended below"
    " that, beside the best."
)

_CHART = {"width": "auto", "height": "190px", "min_width": "160px"}

#: Three side by side in a wide notebook, one below the other in a narrow one.
_CELL = {
    "flex": "1 1 220px",
    "min_width": "200px",
    "max_width": "360px",
    "margin": "4px 0",
}

#: Makes of what a person did a handler that shows what goes wrong.
Guard = Callable[[Callable[..., object]], Callable[..., None]]


class AuditionBoard:
    """Shows the last audition, a small chart per candidate, and takes what is pressed.

    Every method that shows something is to be called under the owner's lock.

    Attributes
    ----------
    trials : Trials or None
        The last audition, while it runs, too.
    button, message : Button, Message
        What starts one, and what has come of it.
    children : tuple of widgets
        Top to bottom.
    parts : tuple of widgets
        Those that are not always among them.
    """

    def __init__(self) -> None:
        self.trials: Trials | None = None
        self.button = Button(
            description="Audition", icon="flag-checkered", layout={"width": "110px"}
        )
        self.message = Message(layout={"margin": "0 8px", "flex": "1 1 300px"})
        self._legend = HTML(_close(_LEGEND), layout={"margin": "0 8px"})
        self._cells: list[_Cell] = []
        self._row = Row(layout={"flex_flow": "row wrap"})
        # Empty before there is something to see: bqplot complains about a figure
        # without a size.
        self._box = Column()
        self._guard: Guard | None = None
        self._take_lr: Callable[[float], object] = lambda lr: None
        self.children = (row(self.button, self.message), self._box)

    @property
    def parts(self) -> tuple[ipywidgets.Widget, ...]:
        """Also the charts that an audition with more candidates has left."""
        cells = [cell.column for cell in self._cells]
        return (self._row, self._legend, *cells)

    def listen(
        self,
        guard: Guard,
        audition: Callable[[], object],
        take_lr: Callable[[float], object],
    ) -> None:
        """Take what people press: `audition` starts one, `take_lr` gets their pick."""
        self._guard, self._take_lr = guard, take_lr
        self.button.on_click(guard(audition))

    def begin(self, trials: Trials | None) -> None:
        """Show an audition that begins, in place of the last; None: none any more."""
        self.trials = trials
        count = 0 if trials is None else len(trials)
        while len(self._cells) < count:
            self._cells.append(self._made_cell(len(self._cells)))
        self.message.value = "" if trials is None else _beginning(trials)
        # What is in the page only after what it shows: bqplot cannot take changes
        # while it makes a figure.
        self.show()
        self._row.children = [cell.column for cell in self._cells[:count]]
        self._box.children = (self._row, self._legend) if count else ()

    def show(self) -> None:
        """Show the steps that have been made by now."""
        if self.trials is not None:
            shown = common_range(self.trials)
            for i, cell in enumerate(self._cells[: len(self.trials)]):
                cell.show(self.trials, i, shown)

    def end(self) -> None:
        """Say what has come of it."""
        self.show()
        if self.trials is not None:
            self.message.value = self.trials.sentence

    def show_state(
        self, active: bool, lrs: Sequence[float], reason: str, around: str
    ) -> None:
        """Offer to audition these LRs; where there are none `reason` says why.

        `around` says what they are around: the suggestion, or the pick.
        """
        self.button.disabled = active or not lrs
        if lrs:
            self.button.tooltip = (
                f"{len(lrs)} short fits of {STEPS} steps around the {around}: a check,"
                " not the truth"
            )
        elif reason:
            self.button.tooltip = reason

    def show_lr(self, lr: float | None) -> None:
        """Show which candidate is picked, if one is."""
        if self.trials is not None:
            cells = zip(self.trials.lrs, self._cells, strict=False)
            for candidate, cell in cells:
                cell.use.disabled = candidate == lr

    def _made_cell(self, index: int) -> _Cell:
        cell = _Cell()

        def use() -> None:
            if self.trials is not None and index < len(self.trials):
                self._take_lr(self.trials.lrs[index])

        assert self._guard is not None
        cell.use.on_click(self._guard(use))
        return cell


class _Cell:
    """One candidate: its LR as a title, its chart, its words, and a button."""

    def __init__(self) -> None:
        self.chart = TrialChart(layout=_CHART)
        self.title = HTML(layout={"margin": "0 8px"})
        self.text = HTML(layout={"margin": "0 8px"})
        self.use = Button(icon="check", layout={"width": "auto", "margin": "2px 8px"})
        children = (self.title, self.chart, self.text, self.use)
        self.column = Column(children, layout=_CELL)
        self.column.add_class("lr-widget-trial")

    def show(self, trials: Trials, index: int, shown: Range | None) -> None:
        """Show the candidate as it is now."""
        lr = lr_text(trials.lrs[index])
        marked = trials.lrs[index] == trials.marked
        self.chart.show(trials, index, shown)
        title = f"lr {lr} \N{EM DASH} marked" if marked else f"lr {lr}"
        self.title.value = f"<b>{_close(title)}</b>"
        self.text.value = _close(trials.told(index))
        self.use.description, self.use.tooltip = f"Use {lr}", f"Pick lr {lr}"


def _close(text: str) -> str:
    """Plain text as HTML, whose lines are close where it takes more than one."""
    return f'<span style="display:inline-block;line-height:1.4">{words(text)}</span>'


def _beginning(trials: Trials) -> str:
    lrs = ", ".join(map(lr_text, trials.lrs))
    return f"Audition of lr {lrs}: {trials.steps} steps each."
