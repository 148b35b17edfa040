"""Options: what a person sets becomes a call with a value that fits, nothing else."""

import pytest

from lr_widget.options import FORMATS, MAX_BETA, Options


def receive(widget, content):
    """Let a custom message from the browser arrive."""
    widget._handle_custom_msg(content, [])


@pytest.fixture
def options():
    return Options(measures=["loss", "accuracy"])


@pytest.fixture
def calls(options):
    """What the handlers were called with, in order."""
    calls = []
    options.on_set(lambda name, value: calls.append((name, value)))
    options.on_reset(lambda: calls.append("reset"))

    def make(kind):
        calls.append(kind)
        return f"curve.{kind}", "text"

    options.on_download(make)
    return calls


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("beta", 0.5),
        ("beta", 0.0),
        ("beta", MAX_BETA),
        ("beta", None),
        ("measure", "accuracy"),
        ("measure", "loss"),
        ("y_log", True),
        ("regions", False),
        ("levels", True),
        ("snap", True),
        ("zoom", False),
    ],
)
def test_on_set_gets_what_a_person_set_and_the_kernel_keeps_its_traits(
    options, calls, name, value
):
    before = options.get_state()
    receive(options, {"action": "set", "name": name, "value": value})
    assert calls == [(name, value)]
    assert options.get_state() == before


def test_the_smoothing_is_the_centred_kernel_until_a_number_is_set(options):
    assert options.beta is None
    for beta in (0.5, None, MAX_BETA):
        options.beta = beta
        assert options.beta == beta


def test_a_whole_number_from_the_browser_is_a_float(options, calls):
    receive(options, {"action": "set", "name": "beta", "value": 0})
    ((_, value),) = calls
    assert isinstance(value, float)


def test_on_reset_is_called_when_the_whole_curve_is_asked_for(options, calls):
    receive(options, {"action": "reset"})
    assert calls == ["reset"]


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        None,
        "reset",
        {"action": ["reset"]},
        {"action": "set"},
        {"action": "set", "name": "beta"},
        {"action": "set", "name": "beta", "value": "0.9"},
        {"action": "set", "name": "beta", "value": True},
        {"action": "set", "name": "beta", "value": -0.1},
        {"action": "set", "name": "beta", "value": 0.9991},
        {"action": "set", "name": "beta", "value": float("nan")},
        {"action": "set", "name": "beta", "value": float("inf")},
        {"action": "set", "name": "measure", "value": "recall"},
        {"action": "set", "name": "measure", "value": ["loss"]},
        {"action": "set", "name": "y_log", "value": 1},
        {"action": "set", "name": "levels"},
        {"action": "set", "name": "levels", "value": None},
        {"action": "set", "name": "zoom", "value": "true"},
        {"action": "set", "name": "zoomed", "value": True},
        {"action": "set", "name": "measures", "value": ["loss"]},
        {"action": "set", "name": ["zoom"], "value": True},
        {"action": "set", "name": {"zoom": 1}, "value": True},
        {"action": "download"},
        {"action": "download", "format": "pdf", "view": "a"},
        {"action": "download", "format": ["png"], "view": "a"},
        {"action": "download", "format": "png"},
        {"action": "download", "format": "png", "view": 3},
    ],
)
def test_a_message_that_fits_no_option_calls_no_handler(options, calls, content):
    receive(options, content)
    assert calls == []


@pytest.mark.parametrize("kind", FORMATS)
def test_a_download_is_answered_to_the_view_that_asked(
    options, calls, kind, monkeypatch
):
    sent = []
    monkeypatch.setattr(options, "send", sent.append)
    receive(options, {"action": "download", "format": kind, "view": "left"})
    assert calls == [kind]
    assert sent == [
        {"download": kind, "view": "left", "filename": f"curve.{kind}", "text": "text"}
    ]


def test_a_download_without_a_handler_is_ignored(options, monkeypatch):
    sent = []
    monkeypatch.setattr(options, "send", sent.append)
    receive(options, {"action": "download", "format": "csv", "view": "left"})
    assert sent == []


def test_what_the_download_handler_raises_is_not_hidden(options):
    def broken(kind):
        raise OSError("no curve yet")

    options.on_download(broken)
    with pytest.raises(OSError, match="no curve yet"):
        options._receive(
            options, {"action": "download", "format": "csv", "view": "left"}, []
        )


def test_a_handler_can_be_removed(options):
    calls = []
    options.on_reset(calls.append)
    options.on_reset(calls.append, remove=True)
    receive(options, {"action": "reset"})
    assert calls == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("beta", 1.0, r"beta must be in \[0, 0.999\], or None for the centred kernel"),
        ("beta", -0.1, "beta must be in"),
        ("beta", float("nan"), "beta must be in"),
        ("measure", "accuracy", "measure must be one of loss, not 'accuracy'"),
    ],
)
def test_what_code_sets_must_be_possible_and_else_nothing_changes(name, value, said):
    options = Options()
    before = getattr(options, name)
    with pytest.raises(ValueError, match=said):
        setattr(options, name, value)
    assert getattr(options, name) == before
