"""Legend: the curves and the suggestions by name, and what can be done with them."""

from __future__ import annotations

import ipywidgets
from traitlets import Dict, List, Unicode

from ._frontend import NPM_NAME, NPM_RANGE
from .controls import Prompt

#: How many characters the name of a curve may have.
MAX_NAME = 80

_CURVE_ACTIONS = ("front", "hide", "show", "remove", "rename")


@ipywidgets.register
class Legend(Prompt, ipywidgets.DOMWidget):
    """What each line and each dot of the chart is, with the buttons that act on it.

    The browser writes none of these traits. It sends what a person asks for
    (`on_action`); the owner does it, or not, and sets the lists anew.

    Attributes
    ----------
    curves : list of dict
        For each curve `name`, `color`, `hidden`, `front` and `text`, a few words about
        it. Names are unique.
    suggestions : list of dict
        For each suggestion `name`, `color`, `text` (its learning rate as the chart
        writes it), `reason`, `doubt` (why it should not be trusted, told instead of
        the reason; empty where it can be) and `picked`. Names are unique.
    """

    _view_name = Unicode("LegendView").tag(sync=True)
    _view_module = Unicode(NPM_NAME).tag(sync=True)
    _view_module_version = Unicode(NPM_RANGE).tag(sync=True)
    _model_name = Unicode("LegendModel").tag(sync=True)
    _model_module = Unicode(NPM_NAME).tag(sync=True)
    _model_module_version = Unicode(NPM_RANGE).tag(sync=True)

    curves = List(Dict()).tag(sync=True)
    suggestions = List(Dict()).tag(sync=True)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._acted = ipywidgets.CallbackDispatcher()
        self.on_msg(self._receive)

    def on_action(self, handler, remove: bool = False) -> None:
        """Call `handler(action, name, to)` whenever a person acts on an entry.

        The action is `"front"`, `"hide"`, `"show"`, `"remove"` or `"rename"` with the
        name of a curve, or `"take"` with the name of a suggestion. `to` is None but
        for `"rename"`: then the new name, which no curve has.
        """
        self._acted.register_callback(handler, remove=remove)

    def _receive(self, _widget, content, _buffers) -> None:
        if not isinstance(content, dict):
            return
        action, name, to = (content.get(key) for key in ("action", "name", "to"))
        if action == "take":
            if name in _names(self.suggestions):
                self._acted(action, name, None)
        elif action in _CURVE_ACTIONS and name in _names(self.curves):
            to = self._new_name(to) if action == "rename" else None
            if action != "rename" or to is not None:
                self._acted(action, name, to)

    def _new_name(self, text: object) -> str | None:
        """The text as a name, on one line; None when no curve can be called so."""
        if not isinstance(text, str):
            return None
        name = " ".join(text.split())
        whole = not any("\ud800" <= letter <= "\udfff" for letter in name)
        if not whole or not 0 < len(name) <= MAX_NAME:
            return None
        return None if name in _names(self.curves) else name


def _names(entries: list[dict]) -> list[object]:
    # A list, not a set: what the browser names may be something unhashable.
    return [entry.get("name") for entry in entries]
