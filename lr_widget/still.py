"""Still: the picture of a finished curve that a saved notebook shows, exactly one.

A live widget is gone when its kernel is. So the cell that shows the widget gets a
second output, which is a picture from the end of the run on. The style sheet of the
extension hides it as long as the live widget stands before it (`still.css`).
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from typing import Any

#: Marks the place of the picture before there is one.
_PLACE = '<span class="lr-widget-picture"></span>'


class Still:
    """The picture beside one widget, in each cell that shows it.

    Parameters
    ----------
    key
        Tells this widget from all others.
    """

    def __init__(self, key: str) -> None:
        self._view, self._picture = f"{key}-view", f"{key}-picture"
        self._unattended: str | None = None
        self._shown, self._last = False, ""
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
        # A notebook that is executed without a person, by nbconvert say, allows no
        # input; nobody will see the live widget, and it cannot live in what is made.
        request: dict[str, Any] = getattr(shell, "get_parent", dict)()
        alone = request.get("content", {}).get("allow_stdin") is False
        self._unattended = text if alone else None
        display({**view, "text/plain": text}, raw=True, display_id=self._view)
        place = {"text/html": _PLACE, "text/plain": ""}
        display(place, raw=True, display_id=self._picture)
        self._shown, self._last = True, ""

    def update(
        self, svg: Callable[[], str], png: Callable[[], bytes | None], text: str
    ) -> None:
        """Show this picture from now on; `text` says the same where there is none."""
        if not self._shown:
            return
        from IPython.display import update_display

        with self._lock:  # two threads may come with a picture; the newest is the last
            drawn = svg()
            if drawn == self._last:
                return
            self._last = drawn
            picture = {"image/svg+xml": drawn, "text/plain": text}
            pixels = png()
            if pixels is not None:
                picture["image/png"] = base64.b64encode(pixels).decode()
            update_display(picture, raw=True, display_id=self._picture)
            if self._unattended is not None:
                gone = {"text/plain": self._unattended}
                update_display(gone, raw=True, display_id=self._view)
