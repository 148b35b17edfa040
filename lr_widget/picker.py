"""LRPicker: a click on the chart becomes a learning rate."""

from __future__ import annotations

import math

import ipywidgets
from bqplot import Lines
from bqplot.interacts import Interaction
from bqplot.scales import Scale
from traitlets import Float, Instance, Unicode

from ._frontend import NPM_NAME, NPM_RANGE
from .controls import Prompt


@ipywidgets.register
class LRPicker(Prompt, Interaction):
    """A bqplot interaction that turns a click into a pick.

    Hovering shows the learning rate and the loss under the cursor and sends nothing;
    a click sends one action, and `on_pick` handlers get the learning rate under the
    cursor. The picker does not take the pick by itself: whoever owns it answers by
    setting `lr`, and every view draws its line there.

    Attributes
    ----------
    x_scale, y_scale : bqplot.Scale
        The scales of the figure's axes.
    line : bqplot.Lines
        The curve that the read-out follows.
    lr : float or None
        The picked learning rate. Written by the kernel alone.
    """

    _view_name = Unicode("LRPickerView").tag(sync=True)
    _view_module = Unicode(NPM_NAME).tag(sync=True)
    _view_module_version = Unicode(NPM_RANGE).tag(sync=True)
    _model_name = Unicode("LRPickerModel").tag(sync=True)
    _model_module = Unicode(NPM_NAME).tag(sync=True)
    _model_module_version = Unicode(NPM_RANGE).tag(sync=True)

    x_scale = Instance(Scale).tag(sync=True, **ipywidgets.widget_serialization)
    y_scale = Instance(Scale).tag(sync=True, **ipywidgets.widget_serialization)
    line = Instance(Lines).tag(sync=True, **ipywidgets.widget_serialization)
    lr = Float(None, allow_none=True).tag(sync=True)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._picked = ipywidgets.CallbackDispatcher()
        self.on_msg(self._receive)

    def on_pick(self, handler, remove: bool = False) -> None:
        """Call `handler(lr)` whenever a person picks a learning rate."""
        self._picked.register_callback(handler, remove=remove)

    def _receive(self, _widget, content, _buffers) -> None:
        lr = content.get("lr")
        if content.get("action") != "pick" or type(lr) not in (int, float):
            return
        if math.isfinite(lr) and lr > 0:
            self._picked(float(lr))
