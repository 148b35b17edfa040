"""Bulletin: what is changed under the lock is one message, and nothing gets lost."""

import threading

import comm
import ipywidgets
import numpy as np
import pytest
from comm.base_comm import BaseComm
from driving import LONG, gated_finder

from lr_widget.bulletin import Bulletin
from lr_widget.controls import HTML, Field, Message
from lr_widget.figure import Linear
from lr_widget.line import Line


@pytest.fixture
def wire(monkeypatch):
    """What goes to the browser: `(widget's id, kind, data, buffers)`, in order."""
    said = []

    class Spy(BaseComm):
        def publish_msg(self, kind, data=None, metadata=None, buffers=None, **_):
            said.append((self.comm_id, kind, data, buffers or []))

    monkeypatch.setattr(comm, "create_comm", lambda **kwargs: Spy(**kwargs))
    return said


def posted(message):
    """The entries of a bulletin's message, by the id of the widget."""
    _, kind, data, _ = message
    assert (kind, data["method"]) == ("comm_msg", "custom")
    return {model_id: state for model_id, state, _ in data["content"]}


def test_what_is_changed_under_the_lock_is_one_message(wire):
    bulletin, words, bar, message = Bulletin(), HTML(), Linear(), Message()
    wire.clear()
    with bulletin:
        words.value = "step 1"
        bar.min, bar.max = 0.0, 2.0
        message.value = "running"
        assert wire == []
    assert [m[0] for m in wire] == [bulletin.model_id]
    assert posted(wire[0]) == {
        words.model_id: {"value": "step 1"},
        bar.model_id: {"min": 0.0, "max": 2.0},
        message.model_id: {"value": "running"},
    }


def test_the_entries_are_in_the_order_of_the_first_changes(wire):
    bulletin, first, second = Bulletin(), HTML(), HTML()
    wire.clear()
    with bulletin:
        second.value = "a"
        first.value = "b"
        second.value = "c"
    assert posted(wire[0]) == {
        second.model_id: {"value": "c"},
        first.model_id: {"value": "b"},
    }
    assert [*posted(wire[0])] == [second.model_id, first.model_id]


def test_every_buffer_comes_with_its_own_entry(wire):
    scales = {"x": Linear(), "y": Linear()}
    bulletin, lines = Bulletin(), [Line(scales=scales) for _ in range(2)]
    wire.clear()
    with bulletin:
        for i, line in enumerate(lines):
            line.show(np.arange(3.0), np.full(3, float(i)))
    [(_, _, data, buffers)] = wire
    places = [
        (at, path[0])
        for at, (*_, paths) in enumerate(data["content"])
        for path in paths
    ]
    found = {
        place: np.frombuffer(b).tolist()
        for place, b in zip(places, buffers, strict=True)
    }
    assert found == {
        (0, "x"): [0.0, 1.0, 2.0],
        (0, "y"): [0.0] * 3,
        (1, "x"): [0.0, 1.0, 2.0],
        (1, "y"): [1.0] * 3,
    }


def test_a_frame_in_which_nothing_changed_sends_nothing(wire):
    bulletin, words = Bulletin(), HTML(value="as before")
    wire.clear()
    with bulletin:
        words.value = "as before"
        with words.hold_sync():
            pass
    assert wire == []


def test_a_frame_within_a_frame_is_part_of_it(wire):
    bulletin, words, bar = Bulletin(), HTML(), Linear()
    wire.clear()
    with bulletin:
        with bulletin:
            words.value = "inner"
        assert wire == []
        bar.max = 3.0
    [message] = wire
    assert {*posted(message)} == {words.model_id, bar.model_id}


def test_what_one_widget_cannot_give_keeps_back_no_other(wire):
    class Broken(HTML):
        def get_state(self, key=None, drop_defaults=False):
            if key is not None and "value" in key:
                raise ZeroDivisionError
            return super().get_state(key, drop_defaults)

    bulletin, broken, after = Bulletin(), Broken(), HTML()
    wire.clear()

    def paint():
        with bulletin:
            broken.value = "a"
            after.value = "b"

    with pytest.raises(ZeroDivisionError):
        paint()
    assert posted(wire[0]) == {after.model_id: {"value": "b"}}


def test_what_was_changed_before_an_error_is_posted(wire):
    bulletin, words = Bulletin(), HTML()
    wire.clear()

    def paint():
        with bulletin:
            words.value = "before"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        paint()
    assert posted(wire[0]) == {words.model_id: {"value": "before"}}
    words.value = "after"
    assert wire[1][2]["state"] == {"value": "after"}


def test_a_message_that_cannot_be_sent_leaves_the_traits_and_the_lock(
    wire, monkeypatch
):
    bulletin, words = Bulletin(), HTML()
    with monkeypatch.context() as broken:
        broken.setattr(bulletin.comm, "publish_msg", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError), bulletin:
            words.value = "lost on the way"
    assert words.value == "lost on the way"
    wire.clear()
    with bulletin:
        words.value = "next"
    assert posted(wire[0]) == {words.model_id: {"value": "next"}}


def test_hold_sync_and_held_notifications_end_within_the_frame(wire):
    bulletin, bar, words = Bulletin(), Linear(), HTML()
    wire.clear()
    with bulletin:
        with bar.hold_sync():
            bar.min, bar.max = 1.0, 2.0
        with words.hold_trait_notifications():
            words.value = "held"
    assert posted(wire[0])[bar.model_id] == {"min": 1.0, "max": 2.0}
    assert posted(wire[0])[words.model_id] == {"value": "held"}


def test_what_is_held_beyond_the_frame_is_sent_when_it_is_let_go(wire):
    bulletin, bar = Bulletin(), Linear()
    wire.clear()
    with bar.hold_sync():
        with bulletin:
            bar.max = 2.0
        assert wire == []
    assert [m[2].get("state") for m in wire] == [{"max": 2.0}]


def test_a_new_widget_is_opened_at_once_and_so_before_who_refers_to_it(wire):
    bulletin, box = Bulletin(), Field()
    wire.clear()
    with bulletin:
        box.value = "refers"
        new = HTML(value="new")
        assert [(m[0], m[1]) for m in wire][-1] == (new.model_id, "comm_open")
        new.value = "changed"
    assert [*posted(wire[-1])] == [box.model_id, new.model_id]


@pytest.mark.parametrize(
    "act", [lambda w: w.send({"download": 1}), lambda w: w.close()]
)
def test_what_is_no_change_goes_at_once_after_what_was_changed_before(wire, act):
    bulletin, words, other = Bulletin(), HTML(), HTML()
    wire.clear()
    words_id = words.model_id
    with bulletin:
        words.value = "before"
        other.value = "before"
        act(words)
        assert [m[0] for m in wire] == [bulletin.model_id, words_id]
        other.value = "after"
    assert posted(wire[0]) == {
        words_id: {"value": "before"},
        other.model_id: {"value": "before"},
    }
    assert posted(wire[-1]) == {other.model_id: {"value": "after"}}


def test_another_thread_sends_its_own_changes_and_the_frame_does_not_undo_them(wire):
    bulletin, words = Bulletin(), HTML()
    wire.clear()
    with bulletin:
        words.value = "painted"
        thread = threading.Thread(target=lambda: setattr(words, "value", "newer"))
        thread.start()
        thread.join(LONG)
        assert [m[2].get("state") for m in wire] == [{"value": "newer"}]
    assert posted(wire[1]) == {words.model_id: {"value": "newer"}}


def test_two_finders_may_be_painted_one_within_the_other(wire):
    outer, inner, words, other = Bulletin(), Bulletin(), HTML(), HTML()
    wire.clear()
    with outer:
        words.value = "a"
        with inner:
            other.value = "b"
        words.value = "c"
    assert [m[0] for m in wire] == [inner.model_id, outer.model_id]
    assert posted(wire[0]) == {other.model_id: {"value": "b"}}
    assert posted(wire[1]) == {words.model_id: {"value": "c"}}


def test_without_a_frame_changes_are_sent_as_ever(wire):
    words = HTML()
    wire.clear()
    words.value = "at once"
    assert wire[0][0] == words.model_id
    assert wire[0][2]["method"] == "update"


def test_the_stock_widgets_keep_their_halves_in_the_browser():
    words = HTML()
    stock = ipywidgets.HTML()
    names = [name for name in words.keys if name.startswith(("_model", "_view"))]
    assert {n: getattr(words, n) for n in names} == {
        n: getattr(stock, n) for n in names
    }


def test_a_step_of_a_sweep_and_its_end_are_a_message_each_at_most(wire):
    with gated_finder(num_iter=3) as (finder, gate):
        painted, frame = [], finder._paint_frame
        finder._paint_frame = lambda: (painted.append(1), frame())
        run = finder.range_test()
        gate.wait_until_asked()
        wire.clear()
        painted.clear()
        for left in (2, 1, 0):
            gate.let.release()
            if left:
                gate.wait_until_asked()
        run.wait(LONG)
        sent = [m for m in wire if m[1] == "comm_msg"]
        assert {m[0] for m in sent} == {finder._lock.model_id}
        assert 0 < len(sent) <= len(painted) + 1  # and that a sweep has begun to grow
        # What the messages say in the end is what the widgets are.
        last = {}
        for message in sent:
            for model_id, state in posted(message).items():
                last.setdefault(model_id, {}).update(state)
        progress = finder._panel._progress
        assert last[progress.model_id]["value"] == progress.value
        assert last[finder._panel._state.model_id]["value"].endswith("done")
