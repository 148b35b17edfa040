"""Controls that answer while a cell runs: `Button`, `Field`, `Choice`, `Message`.

The browser never writes a trait of these widgets. What a person does arrives as a
custom message (an *action*); what the kernel has to show is a trait, written by the
kernel alone.
"""

from __future__ import annotations

from html import escape

import ipywidgets
from traitlets import Bool, List, TraitError, Tuple, Unicode, validate

from ._frontend import NPM_NAME, NPM_RANGE
from .bulletin import Posted


class Prompt(Posted):
    """Mixin: messages from the browser are handled even while a cell runs.

    JupyterLab sends widget messages to a subshell, a thread of its own. ipykernel 7.4
    overrides that choice each time Python touches the comm from a cell, and the
    message then waits until the main thread is free. Here the choice stays with the
    browser. Where there are no subshells nothing changes.
    """

    def open(self) -> None:
        """Open the comm, and keep its replies on the browser's subshell."""
        super().open()
        if hasattr(self.comm, "_reply_subshell_for"):
            self.comm._reply_subshell_for = lambda data, default: default


@ipywidgets.register
class Button(Prompt, ipywidgets.DOMWidget):
    """A push button whose click is handled even while a cell runs.

    Unlike `ipywidgets.Button` it keeps the focus when it is disabled, and keys that are
    pressed on it do not reach the shortcuts of the notebook.

    Attributes
    ----------
    description : str
        What is written on it.
    icon : str
        Name of a Font Awesome icon, such as `"play"`.
    disabled : bool
        Whether it takes no clicks.
    """

    _view_name = Unicode("ButtonView").tag(sync=True)
    _view_module = Unicode(NPM_NAME).tag(sync=True)
    _view_module_version = Unicode(NPM_RANGE).tag(sync=True)
    _model_name = Unicode("ButtonModel").tag(sync=True)
    _model_module = Unicode(NPM_NAME).tag(sync=True)
    _model_module_version = Unicode(NPM_RANGE).tag(sync=True)

    description = Unicode("").tag(sync=True)
    icon = Unicode("").tag(sync=True)
    disabled = Bool(False).tag(sync=True)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._clicked = ipywidgets.CallbackDispatcher()
        self.on_msg(self._receive)

    def on_click(self, handler, remove: bool = False) -> None:
        """Call `handler()` whenever a person presses the button."""
        self._clicked.register_callback(handler, remove=remove)

    def _receive(self, _widget, content, _buffers) -> None:
        if content.get("action") == "click":
            self._clicked()


@ipywidgets.register
class Field(Prompt, ipywidgets.DOMWidget):
    """A labelled one-line field: Enter, or leaving it changed, submits its text.

    Unlike `ipywidgets.Text` the browser does not write `value`: it sends the text
    (`on_submit`), and the kernel answers by setting `value`, or `error` when it can
    make nothing of the text.

    Attributes
    ----------
    value : str
        The accepted text.
    description : str
        The label.
    placeholder : str
        Shown while the field is empty.
    error : str
        Why the last text was refused; empty when it was taken.
    disabled : bool
        Whether the field takes no input.
    """

    _view_name = Unicode("FieldView").tag(sync=True)
    _view_module = Unicode(NPM_NAME).tag(sync=True)
    _view_module_version = Unicode(NPM_RANGE).tag(sync=True)
    _model_name = Unicode("FieldModel").tag(sync=True)
    _model_module = Unicode(NPM_NAME).tag(sync=True)
    _model_module_version = Unicode(NPM_RANGE).tag(sync=True)

    value = Unicode("").tag(sync=True)
    description = Unicode("").tag(sync=True)
    placeholder = Unicode("").tag(sync=True)
    error = Unicode("").tag(sync=True)
    disabled = Bool(False).tag(sync=True)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._submitted = ipywidgets.CallbackDispatcher()
        self.on_msg(self._receive)

    def on_submit(self, handler, remove: bool = False) -> None:
        """Call `handler(text)` whenever a person submits the field."""
        self._submitted.register_callback(handler, remove=remove)

    def _receive(self, _widget, content, _buffers) -> None:
        if content.get("action") == "submit" and isinstance(content.get("text"), str):
            self._submitted(content["text"])


@ipywidgets.register
class Choice(Prompt, ipywidgets.DOMWidget):
    """A labelled drop-down list: one of a few values, each by a name of its own.

    Unlike `ipywidgets.Dropdown` the browser does not write `value`: it sends what a
    person chooses (`on_choose`), and the kernel answers by setting `value`, or leaves
    it, and the list shows again what it was.

    Attributes
    ----------
    description : str
        The label.
    options : list of (str, str)
        A value and its name each; no value comes twice.
    value : str
        The chosen one of the values; empty while there are none.
    disabled : bool
        Whether the list takes no choice.
    """

    _view_name = Unicode("ChoiceView").tag(sync=True)
    _view_module = Unicode(NPM_NAME).tag(sync=True)
    _view_module_version = Unicode(NPM_RANGE).tag(sync=True)
    _model_name = Unicode("ChoiceModel").tag(sync=True)
    _model_module = Unicode(NPM_NAME).tag(sync=True)
    _model_module_version = Unicode(NPM_RANGE).tag(sync=True)

    description = Unicode("").tag(sync=True)
    options = List(Tuple(Unicode(), Unicode())).tag(sync=True)
    value = Unicode("").tag(sync=True)
    disabled = Bool(False).tag(sync=True)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._chosen = ipywidgets.CallbackDispatcher()
        self.on_msg(self._receive)

    @validate("value")
    def _validate_value(self, proposal) -> str:
        value = proposal["value"]
        if value and value not in self._values():
            known = ", ".join(self._values())
            raise TraitError(f"value must be one of {known}, not {value!r}")
        return value

    @validate("options")
    def _validate_options(self, proposal) -> list[tuple[str, str]]:
        values = [value for value, _ in proposal["value"]]
        if "" in values or len({*values}) < len(values):
            raise TraitError(f"options must have a value each, of its own: {values}")
        return proposal["value"]

    def on_choose(self, handler, remove: bool = False) -> None:
        """Call `handler(value)` whenever a person chooses one of the values."""
        self._chosen.register_callback(handler, remove=remove)

    def _values(self) -> list[str]:
        return [value for value, _ in self.options]

    def _receive(self, _widget, content, _buffers) -> None:
        if isinstance(content, dict) and content.get("action") == "choose":
            # In a list, not a set: what the browser sends may be unhashable.
            if content.get("value") in self._values():
                self._chosen(content["value"])


@ipywidgets.register
class Message(Prompt, ipywidgets.DOMWidget):
    """A short text that a screen reader speaks, politely, when it changes.

    Attributes
    ----------
    value : str
        The text; plain, never HTML.
    """

    _view_name = Unicode("MessageView").tag(sync=True)
    _view_module = Unicode(NPM_NAME).tag(sync=True)
    _view_module_version = Unicode(NPM_RANGE).tag(sync=True)
    _model_name = Unicode("MessageModel").tag(sync=True)
    _model_module = Unicode(NPM_NAME).tag(sync=True)
    _model_module_version = Unicode(NPM_RANGE).tag(sync=True)

    value = Unicode("").tag(sync=True)


class HTML(Posted, ipywidgets.HTML):
    """Text with markup; posted in frames."""


class Progress(Posted, ipywidgets.IntProgress):
    """A bar that fills; posted in frames."""


class Column(Posted, ipywidgets.VBox):
    """Widgets one below the other; posted in frames."""


class Row(Posted, ipywidgets.HBox):
    """Widgets side by side; posted in frames."""


def row(*children: ipywidgets.Widget) -> Row:
    """Widgets side by side, on as many lines as they need."""
    return Row(children, layout={"flex_flow": "row wrap", "align_items": "center"})


def words(text: str) -> str:
    """Plain text as HTML, in the type of the widget's own words."""
    return f'<span class="lr-widget-words">{escape(text)}</span>' if text else ""


def parts(*roots: ipywidgets.Widget) -> list[ipywidgets.Widget]:
    """The open ones of these widgets, and all those that they are made of."""
    found: dict[str, ipywidgets.Widget] = {}
    for root in roots:
        _find(root, found)
    return list(found.values())


def _find(value: object, found: dict[str, ipywidgets.Widget]) -> None:
    if isinstance(value, ipywidgets.Widget):
        if value.comm is not None and value.comm.comm_id not in found:
            found[value.comm.comm_id] = value
            _find(value.trait_values(sync=True), found)
    elif isinstance(value, dict):
        for part in value.values():
            _find(part, found)
    elif isinstance(value, (list, tuple)):
        for part in value:
            _find(part, found)
