"""Bulletin: what changes on many widgets at once reaches the browser as one message.

A frame of a run changes a dozen widgets: lines, axes, progress, words. Jupyter sends a
message for each, fifteen times a second, and a browser that gets them one by one shows
states that never were. Here the lock that guards the widgets is the frame: what is
changed under it is noted, and posted together when it is released.

The traits stay the truth. What is noted is which of them changed; what they are is read
when the frame is posted. So a page that reloads, a second view or a saved notebook
needs no bulletin, and a change that another thread makes meanwhile is never undone by
an older one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import ipywidgets
from ipywidgets.widgets.widget import _remove_buffers
from traitlets import Unicode

from ._frontend import NPM_NAME, NPM_RANGE

#: The bulletin that this thread holds: what other threads send is no part of its frame.
_here = threading.local()


class Posted(ipywidgets.Widget):
    """Mixin: what changes while this thread holds a bulletin is posted with it.

    Without one a change is sent at once, as ever. So is at any time what is no change
    of a trait: it comes after the changes before it, in a message of their own.
    """

    def send_state(self, key: str | Iterable[str] | None = None) -> None:
        """Send these traits, all of them by default; in a frame with all else."""
        bulletin = _opened()
        if bulletin is None:
            super().send_state(key)
        else:
            keys = self.keys if key is None else [key] if isinstance(key, str) else key
            bulletin.note(self, keys)

    def close(self) -> None:
        """Close the widget, once the browser knows what was said before."""
        bulletin = _opened()
        if bulletin is not None and self.comm is not None:
            bulletin.post()
        super().close()

    def _send(self, msg: Any, buffers: Any = None) -> None:
        """Send a message that is no state, as `send` makes them."""
        bulletin = _opened()
        if bulletin is not None:
            bulletin.post()
        super()._send(msg, buffers)


@ipywidgets.register
class Bulletin(ipywidgets.Widget):
    """A lock, and the widget that carries what was changed under it; it has no view.

    It can be taken again by the thread that holds it: the frame ends with the outermost
    release, also after an error. If nothing changed, nothing is sent.

    Its message is a list of `[model_id, state, buffer_paths]`, with the buffers of all
    of them in that order. The browser hands each entry to its model as an ordinary
    update, in that order, and takes the next message when that is done.
    """

    _model_name = Unicode("BulletinModel").tag(sync=True)
    _model_module = Unicode(NPM_NAME).tag(sync=True)
    _model_module_version = Unicode(NPM_RANGE).tag(sync=True)

    def __init__(self, **kwargs: Any) -> None:
        # In the order of their first change; of each the traits, in that order too.
        self._noted: dict[Posted, dict[str, None]] = {}
        self._lock = threading.RLock()
        # What this thread held before, of each time that it was taken.
        self._before: list[Bulletin | None] = []
        super().__init__(**kwargs)

    def __enter__(self) -> Bulletin:
        self._lock.acquire()
        self._before.append(_opened())
        _here.bulletin = self
        return self

    def __exit__(self, *_error: object) -> None:
        try:
            _here.bulletin = self._before.pop()
            if not self._before:
                self.post()
        finally:
            self._lock.release()

    def note(self, widget: Posted, keys: Iterable[str]) -> None:
        """Take into the frame that these traits have changed."""
        names = dict.fromkeys(keys)
        if names:
            self._noted.setdefault(widget, {}).update(names)

    def post(self) -> None:
        """Send what has been noted; what one widget cannot give keeps back no other."""
        noted, self._noted = self._noted, {}
        entries: list[list[Any]] = []
        buffers: list[Any] = []
        errors: list[Exception] = []
        for widget, names in noted.items():
            try:
                if widget.comm is not None:
                    state, paths, found = _remove_buffers(widget.get_state([*names]))
                    entries.append([widget.model_id, state, paths])
                    buffers += found
            except Exception as error:
                errors.append(error)
        if entries:
            self.send(entries, buffers)
        if errors:
            raise errors[0]


def _opened() -> Bulletin | None:
    return getattr(_here, "bulletin", None)
