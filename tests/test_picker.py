"""LRPicker: what the browser sends becomes a call when it is sound, and only then."""

import json
from pathlib import Path

import pytest
from bqplot import LinearScale, Lines, LogScale

from lr_widget.picker import LRPicker

HUGE = pytest.param(10**400, id="10**400")
VIEW = {"action": "view", "x": [1e-5, 1e-1], "y": [-1, 2.5]}


def picker(**traits):
    line = Lines(x=[1.0], y=[1.0])
    return LRPicker(x_scale=LogScale(), y_scale=LinearScale(), line=line, **traits)


@pytest.fixture
def calls():
    """A picker's `receive`, and the calls that its messages became."""
    widget, made = picker(), []
    widget.on_pick(lambda lr: made.append(("pick", lr)))
    widget.on_take(lambda name: made.append(("take", name)))
    widget.on_view(lambda x, y: made.append(("view", x, y)))
    widget.on_reset(lambda: made.append(("reset",)))

    def receive(content):
        widget._handle_custom_msg(content, [])
        return made

    return receive


def test_each_action_calls_its_own_handlers(calls):
    calls({"action": "pick", "lr": 3e-3})
    calls({"action": "take", "name": "valley"})
    calls(VIEW)
    assert calls({"action": "reset"}) == [
        ("pick", 3e-3),
        ("take", "valley"),
        ("view", (1e-5, 1e-1), (-1.0, 2.5)),
        ("reset",),
    ]


def test_whole_numbers_arrive_as_floats(calls):
    made = calls({"action": "pick", "lr": 1})
    made = calls({"action": "view", "x": [1, 10], "y": [0, 3]})
    assert repr(made) == "[('pick', 1.0), ('view', (1.0, 10.0), (0.0, 3.0))]"


@pytest.mark.parametrize(
    "lr",
    [None, "1e-3", float("nan"), float("inf"), -1.0, 0, True, [1e-3], {}, HUGE],
)
def test_a_pick_that_is_no_learning_rate_is_ignored(calls, lr):
    assert calls({"action": "pick", "lr": lr}) == []


@pytest.mark.parametrize("name", [None, 3, True, ["valley"], {}])
def test_a_take_without_a_name_is_ignored(calls, name):
    assert calls({"action": "take", "name": name}) == []


@pytest.mark.parametrize(
    "broken",
    [
        {"x": None},
        {"x": 1e-3},
        {"x": "12"},
        {"x": []},
        {"x": [1e-3]},
        {"x": [1e-3, 1e-2, 1e-1]},
        {"x": ["1e-3", 1e-2]},
        {"x": [1e-2, 1e-3]},
        {"x": [1e-3, 1e-3]},
        {"x": [0, 1e-3]},
        {"x": [-1, 1e-3]},
        {"x": [1e-3, float("inf")]},
        {"x": [float("nan"), 1e-3]},
        {"x": {"0": 1e-3, "1": 1e-2}},
        {"y": None},
        {"y": [3, 0]},
        {"y": [1, 1]},
        {"y": [False, True]},
        {"y": [float("-inf"), 0]},
        {"y": [-1.7e308, 1.7e308]},
    ],
    ids=str,
)
def test_a_view_that_is_no_part_of_the_plane_is_ignored(calls, broken):
    assert calls({**VIEW, **broken}) == []


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"action": None},
        {"action": "other", "lr": 1e-3, "name": "valley"},
        {"action": ["reset"]},
        {"action": "pick"},
        {"action": "take"},
        {"action": "view"},
        {"action": "view", "x": [1, 2]},
        ["reset"],
        "reset",
        None,
    ],
    ids=str,
)
def test_a_message_of_another_kind_is_ignored(calls, content):
    assert calls(content) == []


def test_an_action_changes_no_trait():
    widget = picker(lr=1e-3)
    before = widget.get_state()
    for content in ({"action": "pick", "lr": 1.0}, VIEW, {"action": "reset"}):
        widget._handle_custom_msg(content, [])
    assert widget.get_state() == before


def test_a_band_and_levels_come_and_go():
    widget = picker()
    assert (widget.band, widget.levels) == (None, [])
    widget.band = {"start": 1e-3, "end": 1e-2}
    widget.levels = [{"name": "95 %", "y": 0.5, "lr": None}]
    state = widget.get_state()
    assert state["band"] == {"start": 1e-3, "end": 1e-2}
    assert state["levels"] == [{"name": "95 %", "y": 0.5, "lr": None}]
    widget.band = None
    assert widget.get_state("band") == {"band": None}


def test_a_handler_that_was_removed_hears_no_more():
    widget, lrs = picker(), []
    widget.on_pick(lrs.append)
    widget.on_pick(lrs.append, remove=True)
    widget._handle_custom_msg({"action": "pick", "lr": 1.0}, [])
    assert lrs == []


def test_the_browser_knows_the_same_traits_and_defaults():
    source = Path(__file__).parents[1] / "js" / "src" / "model.ts"
    body = source.read_text().split("...super.defaults(),")[1].split("};")[0]
    pairs = [line.strip(" ,").split(": ") for line in body.strip().splitlines()]
    browser = {name: value for name, value in pairs if not name.startswith("_")}
    kernel = {
        name: picker().trait_defaults(name)
        for name in LRPicker.class_trait_names(sync=True)
        if not name.startswith("_") and name not in {"x_scale", "y_scale", "line"}
    }
    shown = {name: json.loads(browser[name].replace("'", '"')) for name in kernel}
    assert shown == kernel
    assert set(browser) - set(kernel) == {"x_scale", "y_scale", "line"}
