"""Fields, lists, the picker: what the browser sends becomes a call, nothing else."""

import pytest
from bqplot import LinearScale, Lines, LogScale
from traitlets import TraitError

from lr_widget.controls import Button, Choice, Field, Message
from lr_widget.epoch_table import EpochTable
from lr_widget.legend import Legend
from lr_widget.options import Options
from lr_widget.picker import LRPicker


def picker():
    return LRPicker(
        x_scale=LogScale(), y_scale=LinearScale(), line=Lines(x=[1.0], y=[1.0])
    )


def receive(widget, content):
    """Let a custom message from the browser arrive."""
    widget._handle_custom_msg(content, [])


def test_on_submit_gets_the_text_and_the_kernel_keeps_the_value():
    field, texts = Field(value="3"), []
    field.on_submit(texts.append)
    receive(field, {"action": "submit", "text": "1e-3"})
    assert texts == ["1e-3"]
    assert field.value == "3"


def test_on_pick_gets_the_lr_and_the_kernel_keeps_its_own():
    widget, lrs = picker(), []
    widget.on_pick(lrs.append)
    receive(widget, {"action": "pick", "lr": 3e-3})
    assert lrs == [3e-3]
    assert widget.lr is None


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"action": "pick"},
        {"action": "pick", "lr": "1e-3"},
        {"action": "pick", "lr": float("nan")},
        {"action": "pick", "lr": float("inf")},
        {"action": "pick", "lr": -1.0},
        {"action": "pick", "lr": 0},
        {"action": "pick", "lr": True},
        {"action": "other", "lr": 1e-3},
    ],
)
def test_a_pick_that_is_no_learning_rate_is_ignored(content):
    widget, lrs = picker(), []
    widget.on_pick(lrs.append)
    receive(widget, content)
    assert lrs == []


@pytest.mark.parametrize("content", [{}, {"action": "submit", "text": 3}])
def test_a_submission_that_is_no_text_is_ignored(content):
    field, texts = Field(), []
    field.on_submit(texts.append)
    receive(field, content)
    assert texts == []


def choice():
    return Choice(options=[("torch", "torch"), ("fastai", "fast.ai")], value="torch")


def test_on_choose_gets_the_value_and_the_kernel_keeps_its_own():
    widget, values = choice(), []
    widget.on_choose(values.append)
    receive(widget, {"action": "choose", "value": "fastai"})
    assert values == ["fastai"]
    assert widget.value == "torch"
    widget.on_choose(values.append, remove=True)
    receive(widget, {"action": "choose", "value": "fastai"})
    assert values == ["fastai"]


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        None,
        {"action": "choose"},
        {"action": "choose", "value": "fast.ai"},
        {"action": "choose", "value": ""},
        {"action": "choose", "value": 1},
        {"action": "choose", "value": ["torch"]},
        {"action": "choose", "value": {"torch": 1}},
        {"action": ["choose"], "value": "torch"},
        {"action": "submit", "value": "torch"},
    ],
)
def test_a_choice_that_is_not_on_the_list_is_ignored(content):
    widget, values = choice(), []
    widget.on_choose(values.append)
    receive(widget, content)
    assert values == []


@pytest.mark.parametrize(
    "traits",
    [
        {"value": "keras"},
        {"options": [("a", "A"), ("a", "B")]},
        {"options": [("", "none")]},
    ],
)
def test_a_list_that_makes_no_sense_is_refused_and_stays_as_it_was(traits):
    widget = choice()
    before = widget.get_state()
    with pytest.raises(TraitError, match="value"):
        widget.set_trait(*next(iter(traits.items())))
    assert widget.get_state() == before


@pytest.mark.parametrize(
    "make", [Button, Choice, EpochTable, Field, Legend, Message, Options, picker]
)
def test_the_browser_keeps_its_choice_of_subshell(make, monkeypatch):
    class Comm:
        comm_id = "1"

        def _reply_subshell_for(self, data, default):
            return "the shell of the last cell"

        def __getattr__(self, name):
            return lambda *args, **kwargs: None

    monkeypatch.setattr("comm.create_comm", lambda **kwargs: Comm())
    widget = make()
    assert widget.comm._reply_subshell_for({}, "the browser's") == "the browser's"
