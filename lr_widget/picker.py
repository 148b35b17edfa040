"""LRPicker: what a person does on the chart becomes a call, checked."""

from __future__ import annotations

import math
from collections.abc import Callable

import ipywidgets
from bqplot import Lines
from bqplot.interacts import Interaction
from bqplot.scales import Scale
from traitlets import Bool, Dict, Float, Instance, List, Unicode

from ._frontend import NPM_NAME, NPM_RANGE
from .controls import Prompt

Range = tuple[float, float]


@ipywidgets.register
class LRPicker(Prompt, Interaction):
    """A bqplot interaction that picks, takes and zooms.

    Reading the curve and drafting a pick are local to the browser and send nothing.
    What a person decides is sent as one action, and the handlers of it are called: a
    pick (`on_pick`), a suggestion taken (`on_take`), another view of the plane
    (`on_view`), and the whole of it again (`on_reset`). The picker takes nothing by
    itself: whoever owns it answers by setting traits, and every view draws those.

    Attributes
    ----------
    x_scale, y_scale : bqplot.Scale
        The scales of the figure's axes.
    line : bqplot.Lines
        The smoothed curve that the read-out follows.
    raw : bqplot.Lines or None
        The values before smoothing. Their x are the tested learning rates.
    lr : float or None
        The picked learning rate. This and what follows is written by the kernel alone.
    measure : str
        The word for what is on the y axis, in the read-out and to a screen reader.
    suggestions : list of dict
        Learning rates to mark on the curve, the one that keys start from first. Each
        has `name`, `lr`, `y` (the curve's height there), `color`, `reason` (a line
        for people), `doubt` (why it should not be trusted; empty where it can be)
        and `origin`: None, or the `lr` and `y` that it is a tenth of. The one named
        `"fall"` stands out; those in doubt are grey, and can be taken.
    regions : list of dict
        Stretches of the axis to shade: `name`, `start`, `end`.
    band : dict or None
        Where to look, from the LR `start` to the LR `end`.
    levels : list of dict
        Heights to mark by a line across: `name`, `y`, and `lr`, the LR at which the
        curve comes to it, or None.
    snap : bool
        Whether a pick lands on a tested learning rate.
    zoom : bool
        Whether wheel and drag move the view instead of picking.
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
    raw = Instance(Lines, allow_none=True).tag(
        sync=True, **ipywidgets.widget_serialization
    )
    lr = Float(None, allow_none=True).tag(sync=True)
    measure = Unicode("loss").tag(sync=True)
    suggestions = List(Dict()).tag(sync=True)
    regions = List(Dict()).tag(sync=True)
    band = Instance(dict, allow_none=True).tag(sync=True)
    levels = List(Dict()).tag(sync=True)
    snap = Bool(False).tag(sync=True)
    zoom = Bool(False).tag(sync=True)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._picked = ipywidgets.CallbackDispatcher()
        self._taken = ipywidgets.CallbackDispatcher()
        self._viewed = ipywidgets.CallbackDispatcher()
        self._reset = ipywidgets.CallbackDispatcher()
        self.on_msg(self._receive)

    def on_pick(self, handler: Callable[[float], object], remove: bool = False) -> None:
        """Call `handler(lr)` whenever a person picks a learning rate."""
        self._picked.register_callback(handler, remove=remove)

    def on_take(self, handler: Callable[[str], object], remove: bool = False) -> None:
        """Call `handler(name)` whenever a person takes a suggestion.

        The name is what the browser sent; whether there is such a suggestion, and
        which number it stands for, is the handler's to know.
        """
        self._taken.register_callback(handler, remove=remove)

    def on_view(
        self, handler: Callable[[Range, Range], object], remove: bool = False
    ) -> None:
        """Call `handler(x, y)` whenever a person zooms or pans.

        Each is the lowest and the highest value to show; those of x are positive.
        """
        self._viewed.register_callback(handler, remove=remove)

    def on_reset(self, handler: Callable[[], object], remove: bool = False) -> None:
        """Call `handler()` whenever a person asks for the whole curve again."""
        self._reset.register_callback(handler, remove=remove)

    def _receive(self, _widget: object, content: object, _buffers: object) -> None:
        if not isinstance(content, dict):
            return
        action = content.get("action")
        if action == "pick":
            lr = _number(content.get("lr"))
            if lr is not None and lr > 0:
                self._picked(lr)
        elif action == "take":
            if isinstance(name := content.get("name"), str):
                self._taken(name)
        elif action == "view":
            x, y = _range(content.get("x")), _range(content.get("y"))
            if x and y and x[0] > 0:
                self._viewed(x, y)
        elif action == "reset":
            self._reset()


def _number(value: object) -> float | None:
    """Give a finite number as a float, None for all else."""
    # JSON has no bound on its integers, and true is none of them.
    if type(value) not in (int, float):
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _range(value: object) -> Range | None:
    """Give a lowest and a higher number as a pair, None for all else.

    Their distance is a number too: an axis has to be divided.
    """
    if not isinstance(value, list) or len(value) != 2:
        return None
    low, high = _number(value[0]), _number(value[1])
    if low is None or high is None or not 0 < high - low < math.inf:
        return None
    return low, high
