"""Legend: an action names something that is in it, or calls nobody."""

import pytest

from lr_widget.legend import MAX_NAME, Legend

CURVES = [
    {"name": name, "color": "#000", "hidden": False, "front": False, "text": ""}
    for name in ("sweep 1", "sweep 2")
]
SUGGESTIONS = [
    {
        "name": name,
        "color": "#000",
        "text": "1e-3",
        "reason": "",
        "doubt": doubt,
        "picked": False,
    }
    for name, doubt in (("valley", ""), ("minimum", "the loss never fell"))
]


def receive(widget, content):
    """Let a custom message from the browser arrive."""
    widget._handle_custom_msg(content, [])


@pytest.fixture
def legend():
    return Legend(curves=CURVES, suggestions=SUGGESTIONS)


@pytest.fixture
def calls(legend):
    """What the handler was called with, in order."""
    calls = []
    legend.on_action(lambda action, name, to=None: calls.append((action, name, to)))
    return calls


@pytest.mark.parametrize("action", ["front", "hide", "show", "remove"])
def test_an_action_on_a_curve_is_handed_on_and_the_kernel_keeps_its_list(
    legend, calls, action
):
    receive(legend, {"action": action, "name": "sweep 2", "to": "ignored"})
    assert calls == [(action, "sweep 2", None)]
    assert legend.curves == CURVES


@pytest.mark.parametrize("name", ["valley", "minimum"])
def test_a_suggestion_is_taken_by_its_name_also_one_in_doubt(legend, calls, name):
    receive(legend, {"action": "take", "name": name})
    assert calls == [("take", name, None)]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("wd=1e-4", "wd=1e-4"),
        ("  wide \n batch ", "wide batch"),
        ("<b>ü 学习率</b>", "<b>ü 学习率</b>"),
        ("x" * MAX_NAME, "x" * MAX_NAME),
    ],
)
def test_a_new_name_arrives_on_one_line(legend, calls, text, name):
    receive(legend, {"action": "rename", "name": "sweep 1", "to": text})
    assert calls == [("rename", "sweep 1", name)]


@pytest.mark.parametrize(
    "to",
    [None, 3, ["a"], "", " \n ", "sweep 1", " sweep 2 ", "\ud83d", "x" * 81],
)
def test_a_name_that_no_curve_can_have_calls_no_handler(legend, calls, to):
    receive(legend, {"action": "rename", "name": "sweep 1", "to": to})
    assert calls == []


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        None,
        "front",
        {"action": "front"},
        {"action": "front", "name": None},
        {"action": "front", "name": "sweep 3"},
        {"action": "front", "name": ["sweep 1"]},
        {"action": "front", "name": {"sweep 1": 1}},
        {"action": "front", "name": "valley"},
        {"action": "take", "name": "sweep 1"},
        {"action": "take", "name": "steepest"},
        {"action": "delete", "name": "sweep 1"},
        {"action": ["front"], "name": "sweep 1"},
        {"name": "sweep 1"},
    ],
)
def test_a_message_that_names_nothing_in_the_list_calls_no_handler(
    legend, calls, content
):
    receive(legend, content)
    assert calls == []
