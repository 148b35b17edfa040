"""Still: the picture of a finished curve that a saved notebook shows, exactly one.

A live widget is gone when its kernel is. So the cell that shows the widget gets a
second output, which is a picture from the end of the run on. The style sheet of the
extension hides it as long as the live widget stands before it (`still.css`).
"""

from __future__ import annotations

import base64
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from .poster import Poster

#: How many seconds a picture waits for a newer one: a slider goes through many.
_REST = 0.5

#: Marks the place of the picture before there is one.
_PLACE = '<span class="lr-widget-picture"></span>'


class Still:
    """The picture beside one widget, in each cell that shows it.

    Parameters
    ----------
    key
        Tells this widget from all others.
    failed
        Called with what goes wrong when the picture is drawn.
    """

    def __init__(self, key: str, failed: Callable[[Exception], object]) -> None:
        self._failed = failed
        self._view, self._picture = f"{key}-view", f"{key}-picture"
        self._unattended: str | None = None
        self._shown, self._last = False, ""
        # The newest alone; it is put in and taken out by different threads.
        self._next: deque[tuple[Callable[[], Poster], str]] = deque(maxlen=1)
        self._lock = threading.Lock()

    def show(self, view: dict[str, Any], text: str) -> None:
        """Put out the widget's `view`, and after it the place of the picture.

        `text` stands where no widget can be shown; it holds whatever happens later.
        """
        from IPython import get_ipython
        from IPython.display import display

        shell = get_ipython()
        if shell is None:
            return
        if type(shell).__name__ == "TerminalInteractiveShell":
            # It would print each picture's text over what is being typed.
            display({"text/plain": text}, raw=True)
            return
        self._unattended = text if _alone(shell) else None
        display({**view, "text/plain": text}, raw=True, display_id=self._view)
        place = {"text/html": _PLACE, "text/plain": ""}
        display(place, raw=True, display_id=self._picture)
        self._shown, self._last = True, ""

    def update(self, draw: Callable[[], Poster], text: str) -> None:
        """Show the poster that `draw` gives from now on; `text` says the same.

        Pixels take a quarter of a second, so nobody waits for them, unless the cell
        must not end before: what comes later is lost on a notebook without a person.
        """
        if not self._shown:
            return
        self._next.append((draw, text))
        if self._unattended is not None:
            self._publish()
        elif not self._lock.locked():  # who holds it looks again once it is free
            threading.Thread(target=self._publish, args=[_REST], daemon=True).start()

    def _publish(self, rest: float = 0) -> None:
        while self._next:
            try:
                with self._lock:
                    time.sleep(rest)
                    self._publish_next()
            except Exception as error:  # a picture is not worth a run
                self._failed(error)

    def _publish_next(self) -> None:
        from IPython.display import update_display

        if not self._next:
            return  # another thread has shown the newest
        draw, text = self._next.pop()
        poster = draw()
        svg = poster.svg()
        if svg == self._last:
            return
        self._last = svg
        picture = {"image/svg+xml": svg, "text/plain": text}
        png = poster.png()
        if png is not None:
            picture["image/png"] = base64.b64encode(png).decode()
        update_display(picture, raw=True, display_id=self._picture)
        if self._unattended is not None:
            gone = {"text/plain": self._unattended}
            update_display(gone, raw=True, display_id=self._view)


def _alone(shell: Any) -> bool:
    """Whether the notebook is executed without a person, by nbconvert say.

    Then nobody will see the live widget, and it cannot live in what is made. Such a
    request allows no input. Nor does one of Voila; but there people come later.
    """
    request: dict[str, Any] = getattr(shell, "get_parent", dict)()
    voila = any(name.startswith("VOILA_") for name in os.environ)
    return not voila and request.get("content", {}).get("allow_stdin") is False
