"""EpochTable: a row for each epoch of a fit, as fastai shows them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import ipywidgets
from traitlets import List, Unicode

from ._frontend import NPM_NAME, NPM_RANGE
from .controls import Prompt
from .curve import Epoch

#: How many epochs are shown, the newest: a message costs the same however long a fit.
MAX_ROWS = 200


@ipywidgets.register
class EpochTable(Prompt, ipywidgets.DOMWidget):
    """Epoch, losses, metrics and time, a row each; text, never HTML.

    Attributes
    ----------
    caption : str
        What the table is, for a screen reader.
    columns : list of str
        What is in each column.
    rows : list of list of str
        The newest `MAX_ROWS` epochs, the newest last.
    note : str
        Where the earlier ones are; empty while all are shown.
    """

    _view_name = Unicode("EpochTableView").tag(sync=True)
    _view_module = Unicode(NPM_NAME).tag(sync=True)
    _view_module_version = Unicode(NPM_RANGE).tag(sync=True)
    _model_name = Unicode("EpochTableModel").tag(sync=True)
    _model_module = Unicode(NPM_NAME).tag(sync=True)
    _model_module_version = Unicode(NPM_RANGE).tag(sync=True)

    caption = Unicode("").tag(sync=True)
    columns = List(Unicode()).tag(sync=True)
    rows = List(List(Unicode())).tag(sync=True)
    note = Unicode("").tag(sync=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._shown: tuple[int, list[Epoch], int] | None = None

    def show(self, epochs: Sequence[Epoch], planned: int = 0) -> None:
        """Show these epochs of so many; nothing is sent when they are shown already."""
        newest = list(epochs[-MAX_ROWS:])
        shown = len(epochs), newest, planned
        if shown == self._shown:
            return
        self._shown, earlier = shown, len(epochs) - len(newest)
        names = list(dict.fromkeys(name for epoch in newest for name in epoch.metrics))
        with self.hold_sync():
            self.caption = f"{len(epochs):,} of {max(planned, len(epochs)):,} epochs"
            self.columns = ["epoch", "train_loss", "valid_loss", *names, "time"]
            self.rows = [_row(epoch, names) for epoch in newest]
            self.note = (
                f"{earlier:,} earlier epochs are in finder.history.epochs_to_frame()"
                if earlier
                else ""
            )


def format_time(seconds: float) -> str:
    """Seconds as fastai writes them: minutes, and hours where there are any.

    >>> format_time(3.4), format_time(125), format_time(3723)
    ('00:03', '02:05', '1:02:03')
    """
    if not 0 <= seconds < math.inf:
        return ""
    minutes, whole = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{whole:02}" if hours else f"{minutes:02}:{whole:02}"


def _row(epoch: Epoch, names: list[str]) -> list[str]:
    measured = [epoch.train_loss, epoch.valid_loss, *map(epoch.metrics.get, names)]
    numbers = ["" if value is None else _number(value) for value in measured]
    return [f"{epoch.epoch}", *numbers, format_time(epoch.seconds)]


def _number(value: float) -> str:
    """Six decimals, as fastai; an exponent where they would not do."""
    size = abs(value)
    plain = size == 0 or 1e-6 <= size < 1e9 or not math.isfinite(size)
    return f"{value:.6f}" if plain else f"{value:.3e}"
