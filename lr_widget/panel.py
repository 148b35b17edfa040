"""Panel: the controls and the words around the charts. It shows; it decides nothing."""

from __future__ import annotations

import time
import traceback
from collections import deque
from html import escape

from .audition_board import AuditionBoard
from .board import Board
from .controls import HTML, Button, Message, Progress, row, words
from .fit_panel import FitPanel

#: Over how many seconds the speed is averaged.
_WINDOW = 3.0

#: How many of the last lines of a traceback are shown.
_TRACEBACK_LINES = 12

#: How many characters of each.
_WIDTH = 500


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
    run, pause, stop, audition : Button
        Their clicks are for the owner to handle; `pause` reads Resume when paused.
    fit, undo, freeze, lr, epochs, pct_start, schedule : Button, Field or Choice
        Those of `fitting`.
    fitting : FitPanel
        The part for the fit.
    children : tuple of widgets
        Top to bottom.
    loose : tuple of widgets
        What is not always among them or in them.
    """

    def __init__(
        self, board: Board, fitting: FitPanel, auditions: AuditionBoard
    ) -> None:
        self.run = _button("Run", "play", "Run the learning-rate range test")
        self.pause = _button("Pause", "pause", "Rest after this step")
        self.stop = _button("Stop", "stop", "End the run after this step")
        self.fitting = fitting
        self.audition = auditions.button
        self.fit, self.undo, self.freeze = fitting.fit, fitting.undo, fitting.freeze
        self.lr, self.epochs = fitting.lr, fitting.epochs
        self.pct_start, self.schedule = fitting.pct_start, fitting.schedule
        self._bar = Progress(layout={"width": "120px", "min_width": "80px"})
        # What a screen reader tells; the progress is for the eye alone.
        self._state, self._hint = Message(), Message()
        self._progress = HTML()
        self._error = HTML()
        spoken = (self._state, self._progress, board.message, self._hint)
        for widget in (*spoken, self._error):
            widget.layout.margin = "0 8px"
        # So wide from the start that a longer status does not move what is below.
        self._progress.layout.flex = "1 1 200px"
        self.loose = (*fitting.parts, board.remedy)
        self._pace = Pace()
        self.children = (
            row(
                *(self.run, self.pause, self.stop),
                *(self._bar, self._state, self._progress),
            ),
            board.options,
            board.chart,
            board.message,
            board.remedies,
            board.legend,
            self._hint,
            *auditions.children,
            *fitting.children,
            self._error,
        )

    def show_state(self, state: str) -> None:
        """Enable what can be pressed now."""
        active = state in ("running", "paused", "stopping")
        self.run.disabled = active
        self.pause.disabled = state not in ("running", "paused")
        self.stop.disabled = state not in ("running", "paused")
        self.pause.description = "Resume" if state == "paused" else "Pause"
        self.pause.icon = "play" if state == "paused" else "pause"
        self._bar.bar_style = "danger" if state == "failed" else ""

    def show_progress(self, job: str, state: str, made: int, total: int) -> None:
        """Tell how far a job is, how fast, and how long it will take."""
        self._bar.max, self._bar.value = max(total, 1), made
        self._state.value = f"{job} {state}"
        said = [f"step {made:,} of {total:,}"]
        if state == "running":
            speed = self._pace.mark(made)
            if speed:
                said.append(f"{float(f'{speed:.3g}'):,g} steps/s")
                said.append(f"{_duration((total - made) / speed)} left")
        else:
            self._pace.rest()
        self._progress.value = words(" · ".join(said))

    def show_rest(self) -> None:
        """Tell of no job."""
        self._bar.value, self._state.value, self._progress.value = 0, "", ""
        self._pace.rest()

    def show_hint(self, hint: str) -> None:
        """Say what to do next."""
        self._hint.value = hint

    def show_error(self, *errors: BaseException) -> None:
        """Show the end of each traceback, as text; of none: clear what was shown."""
        text = "\n\n".join(map(_last_lines, errors))
        self._error.value = _block(text, alert=True) if errors else ""


def _button(description: str, icon: str, tooltip: str) -> Button:
    return Button(
        description=description, icon=icon, tooltip=tooltip, layout={"width": "96px"}
    )


def _block(text: str, alert: bool = False) -> str:
    role = ' role="alert"' if alert else ""
    text = text.encode(errors="replace").decode()  # half a character is never sent
    return f'<pre class="lr-widget-block"{role}>{escape(text)}</pre>'


def _last_lines(error: BaseException) -> str:
    lines = "".join(traceback.format_exception(error)).splitlines()
    return "\n".join(line[:_WIDTH] for line in lines[-_TRACEBACK_LINES:])


def _duration(seconds: float) -> str:
    """Whole seconds as people say them: `4 s`, `2:05`, `1:02:05`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
