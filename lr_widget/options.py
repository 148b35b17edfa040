"""Options: how the curve is drawn, and the menu that saves it."""

from __future__ import annotations

import ipywidgets
from traitlets import Bool, Float, List, Unicode, validate

from ._frontend import NPM_NAME, NPM_RANGE
from .controls import Prompt

#: The largest smoothing: beyond it a curve of any usual length is a flat line.
MAX_BETA = 0.999

#: What the chart can be saved as.
FORMATS = ("png", "svg", "csv")

_SWITCHES = ("y_log", "regions", "levels", "snap", "zoom")


@ipywidgets.register
class Options(Prompt, ipywidgets.DOMWidget):
    """One row of controls: smoothing, y axis, what to name, snap, zoom, download.

    The browser writes none of these traits. It sends what a person sets (`on_set`), and
    the owner answers by setting the trait; every view follows.

    Attributes
    ----------
    beta : float or None
        None: the smoothing is the centred kernel that the suggestion is read from. A
        number from 0 to `MAX_BETA`: it is an exponential moving average with this beta,
        for comparison with other tools.
    measures : list of str
        What the y axis can show; with a single one there is nothing to choose.
    measure : str
        What it shows.
    y_log : bool
        Whether the y axis is logarithmic.
    regions : bool
        Whether the chart names the regions of the range test.
    levels : bool
        Whether the chart shows where the loss has made 0, 50 and 95 % of its fall.
    snap : bool
        Whether a pick snaps to a tested learning rate.
    zoom : bool
        Whether wheel and drag zoom and pan.
    zoomed : bool
        Whether less than the whole curve is in view, so that there is a way back.
    """

    _view_name = Unicode("OptionsView").tag(sync=True)
    _view_module = Unicode(NPM_NAME).tag(sync=True)
    _view_module_version = Unicode(NPM_RANGE).tag(sync=True)
    _model_name = Unicode("OptionsModel").tag(sync=True)
    _model_module = Unicode(NPM_NAME).tag(sync=True)
    _model_module_version = Unicode(NPM_RANGE).tag(sync=True)

    beta = Float(None, allow_none=True).tag(sync=True)
    measures = List(Unicode(), ["loss"]).tag(sync=True)
    measure = Unicode("loss").tag(sync=True)
    y_log = Bool(False).tag(sync=True)
    regions = Bool(True).tag(sync=True)
    levels = Bool(False).tag(sync=True)
    snap = Bool(False).tag(sync=True)
    zoom = Bool(False).tag(sync=True)
    zoomed = Bool(False).tag(sync=True)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._set = ipywidgets.CallbackDispatcher()
        self._reset = ipywidgets.CallbackDispatcher()
        self._download = None
        self.on_msg(self._receive)

    @validate("beta")
    def _validate_beta(self, proposal) -> float | None:
        beta = proposal["value"]
        if beta is not None and not 0 <= beta <= MAX_BETA:
            raise ValueError(
                f"beta must be in [0, {MAX_BETA}], or None for the centred kernel,"
                f" not {beta}: try 0.98"
            )
        return beta

    @validate("measure")
    def _validate_measure(self, proposal) -> str:
        measure, known = proposal["value"], ", ".join(self.measures)
        if measure not in self.measures:
            raise ValueError(f"measure must be one of {known}, not {measure!r}")
        return measure

    def on_set(self, handler, remove: bool = False) -> None:
        """Call `handler(name, value)` whenever a person sets an option.

        The name is one of `beta`, `measure`, `y_log`, `regions`, `levels`, `snap` and
        `zoom`, and the value is one that this trait may take.
        """
        self._set.register_callback(handler, remove=remove)

    def on_reset(self, handler, remove: bool = False) -> None:
        """Call `handler()` whenever a person asks for the whole curve."""
        self._reset.register_callback(handler, remove=remove)

    def on_download(self, handler) -> None:
        """Let `handler(format)` make the files: it returns a filename and a text.

        The format is one of `FORMATS`; for `"png"` the text is SVG, which the browser
        turns into pixels. There is one handler: the last one given, or None. What it
        raises is not caught here.
        """
        self._download = handler

    def _receive(self, _widget, content, _buffers) -> None:
        action = content.get("action") if isinstance(content, dict) else None
        if action == "set" and "value" in content:
            name, value = content.get("name"), content["value"]
            if self._may_be(name, value):
                number = name == "beta" and value is not None
                self._set(name, float(value) if number else value)
        elif action == "reset":
            self._reset()
        elif action == "download":
            self._deliver(content.get("format"), content.get("view"))

    def _may_be(self, name, value) -> bool:
        if name == "beta":
            number = type(value) in (int, float)
            return value is None or (number and 0 <= value <= MAX_BETA)
        if name == "measure":
            return isinstance(value, str) and value in self.measures
        return name in _SWITCHES and isinstance(value, bool)

    def _deliver(self, kind: object, view: object) -> None:
        """Send the file to the view that asked; the others leave it."""
        if kind not in FORMATS or not isinstance(view, str) or self._download is None:
            return
        filename, text = self._download(kind)
        self.send({"download": kind, "view": view, "filename": filename, "text": text})
