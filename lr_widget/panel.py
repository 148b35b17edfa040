"""Panel: the controls and the words around the charts. It shows; it decides nothing."""

from __future__ import annotations

import time
import traceback
from collections import deque
from html import escape

import ipywidgets

from .axis import lr_text
from .board import Board
from .controls import Button, Field, Message
from .curve import Curve, Epoch
from .fit_chart import FitChart

#: Over how many seconds the speed is averaged.
_WINDOW = 3.0

#: How many of the last lines of a traceback are shown.
_TRACEBACK_LINES = 12

#: How many characters of each.
_WIDTH = 500

_FIT_LEGEND = "Faint: the loss of each step. Bold: smoothed. Dots: validation loss."


class Pace:
    """Speed of a run over the last seconds; a pause does not count."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque()

    def mark(self, steps: int) -> float | None:
        """Note that so many steps are made by now; steps per second, once known."""
        now = time.monotonic()
        self._marks.append((now, steps))
        while now - self._marks[0][0] > _WINDOW and len(self._marks) > 2:
            self._marks.popleft()
        since, before = self._marks[0]
        return (steps - before) / (now - since) if now > since else None

    def rest(self) -> None:
        """Forget what was before a pause."""
        self._marks.clear()


class Panel:
    """Buttons, fields, progress and messages, laid out around the two charts.

    Attributes
    ----------
    run, pause, stop, fit : Button
        Their clicks are for the owner to handle; `pause` reads Resume when paused.
    lr, epochs : Field
        Their submitted text is for the owner to take or refuse.
    children : tuple of widgets
        Top to bottom.
    fit_parts : tuple of widgets
        What opens below them with the first fit.
    """

    def __init__(self, board: Board, fit_chart: FitChart) -> None:
        self.run = _button("Run", "play", "Run the learning-rate range test")
        self.pause = _button("Pause", "pause", "Rest after this step")
        self.stop = _button("Stop", "stop", "End the run after this step")
        self.fit = _button("Fit", "rocket", "Train one cycle with lr as max_lr")
        self.lr = Field(description="lr", placeholder="click the curve")
        self.epochs = Field(description="epochs", value="3")
        for field, width in ((self.lr, "190px"), (self.epochs, "130px")):
            field.layout.width, field.layout.max_width = width, "calc(100% - 4px)"
        self._bar = ipywidgets.IntProgress(
            layout={"width": "120px", "min_width": "80px"}
        )
        # What a screen reader tells; the progress is for the eye alone.
        self._state, self._hint = Message(), Message()
        self._progress = ipywidgets.HTML()
        self._epochs = ipywidgets.HTML()
        self._error = ipywidgets.HTML()
        words = (self._state, self._progress, board.message, self._hint)
        for widget in (*words, self._epochs, self._error):
            widget.layout.margin = "0 8px"
        # So wide from the start that a longer status does not move what is below.
        self._progress.layout.flex = "1 1 200px"
        legend = ipywidgets.HTML(_words(_FIT_LEGEND), layout={"margin": "0 8px"})
        self.fit_parts = (fit_chart, legend, self._epochs)
        self._fit_box = ipywidgets.VBox()
        self._pace = Pace()
        self.children = (
            _row(
                *(self.run, self.pause, self.stop),
                *(self._bar, self._state, self._progress),
            ),
            board.options,
            board.chart,
            board.message,
            board.legend,
            self._hint,
            _row(self.lr, self.epochs, self.fit),
            self._fit_box,
            self._error,
        )

    def show_state(self, state: str, *, lr: float | None) -> None:
        """Enable what can be pressed now."""
        active = state in ("running", "paused", "stopping")
        self.run.disabled = active
        self.pause.disabled = state not in ("running", "paused")
        self.stop.disabled = state not in ("running", "paused")
        self.pause.description = "Resume" if state == "paused" else "Pause"
        self.pause.icon = "play" if state == "paused" else "pause"
        self.fit.disabled = active or lr is None
        self.lr.value = "" if lr is None else lr_text(lr)
        self.lr.error = ""
        self._bar.bar_style = "danger" if state == "failed" else ""

    def show_progress(self, job: str, state: str, made: int, total: int) -> None:
        """Tell how far a job is, how fast, and how long it will take."""
        self._bar.max, self._bar.value = max(total, 1), made
        self._state.value = f"{job} {state}"
        words = [f"step {made:,} of {total:,}"]
        if state == "running":
            speed = self._pace.mark(made)
            if speed:
                words.append(f"{speed:,.3g} steps/s")
                words.append(f"{_duration((total - made) / speed)} left")
        else:
            self._pace.rest()
        self._progress.value = _words(" · ".join(words))

    def show_hint(self, hint: str) -> None:
        """Say what to do next."""
        self._hint.value = hint

    def show_fit(self, history: Curve, epochs: int) -> None:
        """Open the second chart, with a line for each finished epoch."""
        # Not before: bqplot complains about a figure without a size.
        self._fit_box.children = self.fit_parts
        lines = [_epoch_line(epoch, epochs) for epoch in history.epochs]
        self._epochs.value = _block("\n".join(lines)) if lines else ""

    def show_error(self, *errors: BaseException) -> None:
        """Show the end of each traceback, as text; of none: clear what was shown."""
        text = "\n\n".join(map(_last_lines, errors))
        self._error.value = _block(text, alert=True) if errors else ""


def _button(description: str, icon: str, tooltip: str) -> Button:
    return Button(
        description=description, icon=icon, tooltip=tooltip, layout={"width": "96px"}
    )


def _row(*children: ipywidgets.Widget) -> ipywidgets.HBox:
    return ipywidgets.HBox(
        children, layout={"flex_flow": "row wrap", "align_items": "center"}
    )


def _words(text: str) -> str:
    return f'<span class="lr-widget-words">{escape(text)}</span>' if text else ""


def _block(text: str, alert: bool = False) -> str:
    role = ' role="alert"' if alert else ""
    text = text.encode(errors="replace").decode()  # half a character is never sent
    return f'<pre class="lr-widget-block"{role}>{escape(text)}</pre>'


def _last_lines(error: BaseException) -> str:
    lines = "".join(traceback.format_exception(error)).splitlines()
    return "\n".join(line[:_WIDTH] for line in lines[-_TRACEBACK_LINES:])


def _epoch_line(epoch: Epoch, epochs: int) -> str:
    words = [f"epoch {epoch.epoch}/{epochs}", f"train_loss {epoch.train_loss:.4f}"]
    if epoch.valid_loss is not None:
        words.append(f"valid_loss {epoch.valid_loss:.4f}")
    words += [f"{name} {value:.4f}" for name, value in epoch.metrics.items()]
    return "   ".join(words)


def _duration(seconds: float) -> str:
    """Whole seconds as people say them: `4 s`, `2:05`, `1:02:05`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
