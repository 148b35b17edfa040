"""Board: chart, picker, options and legend show one thing, and one number."""

import itertools
import math
import threading
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from driving import LONG

from lr_widget import Curve, Point, Repeats
from lr_widget.axis import lr_text
from lr_widget.board import Board
from lr_widget.curves import Curves


def sweep(n=100, scale=1.0, seed=0):
    lrs = np.geomspace(1e-7, 10.0, n)
    losses = 2.3 - 1.8 / (1 + (1e-3 / lrs) ** 1.5) + 3 * (lrs / 5) ** 2
    losses += 0.02 * np.random.default_rng(seed).normal(size=n)
    return Curve(
        Point(i, float(lr), float(scale * loss), metrics={"accuracy": 1 / (1 + i)})
        for i, (lr, loss) in enumerate(zip(lrs, losses, strict=True))
    )


class Person:
    """Does things to a board, and gets what was picked or went wrong."""

    def __init__(self):
        self.board = Board(threading.RLock(), 1e-7, 10.0, ["loss", "accuracy"])
        self.picked, self.errors, self.swept = [], [], []
        self.board.listen(self.guard, self.take, self.sweep_again)

    def guard(self, action):
        def handle(*said):
            try:
                return action(*said)
            except Exception as error:
                self.errors.append(error)
                return None

        return handle

    def take(self, lr):
        self.picked.append(lr)
        self.board.show_lr(lr)

    def sweep_again(self, **arguments):
        self.swept.append(arguments)

    def says(self, widget, **content):
        getattr(self.board, widget)._handle_custom_msg(content, [])


@pytest.fixture
def person():
    person = Person()
    person.board.curves.add(sweep(), "a")
    return person


def suggestions(board):
    return {found["name"]: found["lr"] for found in board.picker.suggestions}


def test_the_suggestions_shown_are_the_numbers_of_the_curve(person):
    board = person.board
    found = board.curves["a"].suggestions()
    assert suggestions(board) == found
    assert found["fall"] == board.curves["a"].suggestion.lr
    assert {e["name"]: e["text"] for e in board.legend.suggestions} == {
        name: lr_text(lr) for name, lr in found.items()
    }
    first = board.picker.suggestions[0]
    assert first["name"] == "fall"
    assert f"{first['name']} suggests {lr_text(first['lr'])}" in board.message.value


def test_a_mark_lies_on_the_smoothed_curve_and_minimum_shows_its_origin(person):
    board = person.board
    lrs, _, smooth = board.curves["a"].trace()
    average = board.curves["a"].smooth(0.98)
    for found in board.picker.suggestions:
        at = np.interp(np.log(found["lr"]), np.log(lrs), smooth)
        assert found["y"] == pytest.approx(at)
        assert (found["origin"] is not None) == (found["name"] == "minimum")
        if found["origin"]:
            assert found["origin"]["lr"] == pytest.approx(lrs[np.argmin(average)])


def test_the_bold_line_is_the_smooth_that_the_suggestion_was_read_off(person):
    board, curve = person.board, person.board.curves["a"]
    assert board.options.beta is None
    assert np.array_equal(board.chart.smooth.y, curve.smooth())
    low, high = curve.suggestion.band
    assert board.picker.band == {"start": low, "end": high}


def test_the_levels_of_the_fall_are_shown_when_asked_for_and_of_the_loss_alone(person):
    board, curve = person.board, person.board.curves["a"]
    assert board.picker.levels == []
    person.says("options", action="set", name="levels", value=True)
    assert board.picker.levels == [
        {"name": name, "y": loss, "lr": lr} for name, loss, lr in curve.levels
    ]
    person.says("options", action="set", name="measure", value="accuracy")
    assert board.picker.levels == []


def test_a_long_fit_moves_what_is_suggested_everywhere(person):
    board, curve = person.board, person.board.curves["a"]
    before = curve.suggestion.lr
    board.aim(3000)
    lr = curve.suggestion.lr
    assert lr == pytest.approx(before / 10 ** (1 / 3))
    assert suggestions(board)["fall"] == lr
    assert board.legend.suggestions[0]["text"] == lr_text(lr)
    assert "3,000 steps" in board.message.value
    assert lr_text(lr) in board.message.value
    board.curves.add(sweep(seed=1), "b")  # those that come later too
    assert "budget" in board.curves["b"].suggestion.flags


def test_where_there_is_none_the_others_are_doubted_and_a_button_says_what_to_do(
    person,
):
    board = person.board
    assert board.remedies.children == ()
    lrs = np.geomspace(1e-7, 1e-3, 100)
    losses = 2.3 - 1.8 / (1 + (3e-4 / lrs) ** 2)
    rows = enumerate(zip(lrs, losses, strict=True))
    low = Curve(Point(i, float(lr), float(loss)) for i, (lr, loss) in rows)
    board.curves.add(low, "low")
    assert "fall" not in suggestions(board)
    doubt = "not to be trusted: the loss is still falling at the end"
    assert {found["doubt"] for found in board.picker.suggestions} == {doubt}
    assert {found["doubt"] for found in board.legend.suggestions} == {doubt}
    assert (board.picker.band, board.remedies.children) == (None, (board.remedy,))
    assert board.remedy.description == "Raise end_lr to 10"
    person.says("remedy", action="click")
    assert person.swept == [{"end_lr": 10.0}]
    board.curves.bring("a")
    assert board.remedies.children == ()
    assert {found["doubt"] for found in board.picker.suggestions} == {""}


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.95])
def test_smoothing_moves_the_curve_its_suggestions_and_its_regions_together(
    person, beta
):
    board, curve = person.board, person.board.curves["a"]
    person.says("options", action="set", name="beta", value=beta)
    assert board.options.beta == beta
    assert np.array_equal(board.chart.smooth.y, curve.smooth(beta))
    assert suggestions(board) == curve.suggestions(beta)
    assert board.picker.regions[0]["start"] == curve.lrs[0]
    assert person.errors == []


def test_an_option_set_in_code_does_what_the_person_can_do(person):
    person.board.options.measure = "accuracy"
    person.board.options.y_log = True
    board = person.board
    assert board.picker.measure == board.chart.measure == "accuracy"
    assert board.picker.y_scale is board.chart.y_scale
    values = board.curves["a"].trace("accuracy").values
    assert np.array_equal(board.chart.raw.y, values)
    on_log = {found["name"]: found["y"] for found in board.picker.suggestions}
    lrs, _, smooth = board.curves["a"].trace("accuracy")
    for name, y in on_log.items():
        lr = np.log(suggestions(board)[name])
        assert np.log(y) == pytest.approx(np.interp(lr, np.log(lrs), np.log(smooth)))


def test_the_regions_can_be_switched_off_and_on_again(person):
    shown = person.board.picker.regions
    assert [region["name"] for region in shown][:2] == ["too small", "just right"]
    assert all(a["end"] == b["start"] for a, b in itertools.pairwise(shown))
    person.says("options", action="set", name="regions", value=False)
    assert person.board.picker.regions == []
    person.says("options", action="set", name="regions", value=True)
    assert person.board.picker.regions == shown


def test_a_flat_curve_has_no_regions_and_only_doubted_marks_but_a_sentence(person):
    noise = np.random.default_rng(1).normal(size=100)
    lrs = np.geomspace(1e-7, 10, 100)
    points = (Point(i, float(lrs[i]), 2 + 0.1 * float(noise[i])) for i in range(100))
    person.board.curves.add(Curve(points), "noise")
    assert person.board.picker.regions == []
    assert all(found["doubt"] for found in person.board.picker.suggestions)
    assert person.board.message.value


def test_a_pick_is_what_was_clicked_or_with_snap_a_tested_lr(person):
    person.says("picker", action="pick", lr=1.2345e-3)
    person.says("options", action="set", name="snap", value=True)
    person.says("picker", action="pick", lr=1.2345e-3)
    free, snapped = person.picked
    assert free == 1.2345e-3
    lrs = person.board.curves["a"].lrs
    assert snapped in lrs
    assert abs(np.log(snapped / free)) == np.abs(np.log(lrs / free)).min()


@pytest.mark.parametrize("widget", ["picker", "legend"])
def test_a_suggestion_is_taken_as_exactly_its_number(person, widget):
    person.says("options", action="set", name="snap", value=True)
    for name, lr in suggestions(person.board).items():
        person.says(widget, action="take", name=name)
        assert person.picked[-1] == lr
        picked = {e["name"]: e["picked"] for e in person.board.legend.suggestions}
        assert picked[name]
        assert person.board.picker.lr == lr


def test_a_suggestion_that_is_not_there_is_an_error_that_says_so(person):
    person.says("picker", action="take", name="nonsense")
    assert "not 'nonsense'" in str(person.errors[0])
    assert person.picked == []


def test_the_legend_acts_on_the_curves_and_shows_what_they_are(person):
    board = person.board
    board.curves.add(sweep(50, scale=2.0), "b")

    def shown():
        return [(e["name"], e["front"], e["hidden"]) for e in board.legend.curves]

    assert shown() == [("a", False, False), ("b", True, False)]
    assert board.legend.curves[1]["text"].startswith("50 steps, lowest loss ")
    person.says("legend", action="hide", name="a")
    assert shown() == [("a", False, True), ("b", True, False)]
    person.says("legend", action="show", name="a")
    person.says("legend", action="front", name="a")
    assert shown() == [("a", True, False), ("b", False, False)]
    person.says("legend", action="rename", name="b", to="half")
    person.says("legend", action="remove", name="a")
    assert shown() == [("half", True, False)]
    assert person.errors == []


def test_a_view_is_zoomed_until_the_whole_curve_is_asked_for(person):
    board = person.board
    whole = board.chart.x_scale.min, board.chart.y_scale.max
    person.says("picker", action="view", x=[1e-4, 1e-2], y=[0.5, 1.5])
    assert board.options.zoomed
    assert (board.chart.x_scale.min, board.chart.y_scale.max) == (1e-4, 1.5)
    person.says("options", action="set", name="beta", value=0.5)
    assert board.chart.x_scale.min == 1e-4
    person.says("options", action="reset")
    assert not board.options.zoomed
    assert board.chart.x_scale.min == whole[0]
    person.says("picker", action="view", x=[1e-4, 1e-2], y=[0.5, 1.5])
    person.says("options", action="set", name="y_log", value=True)
    assert not board.options.zoomed


def test_a_view_of_the_linear_axis_that_comes_late_changes_nothing(person):
    board = person.board
    person.says("options", action="set", name="y_log", value=True)
    shown = board.chart.x_scale.min, board.chart.y_scale.min
    person.says("picker", action="view", x=[1e-4, 1e-2], y=[-0.5, 1.5])
    assert (board.chart.x_scale.min, board.chart.y_scale.min) == shown
    assert (board.options.zoomed, board.chart.zoomed) == (False, False)
    assert person.errors == []


def test_the_legend_has_the_lowest_loss_of_a_curve_that_ended_in_nan(person):
    points = [*sweep(), Point(100, 20.0, float("nan"))]
    person.board.curves.add(Curve(points), "diverged")
    whole, diverged = (curve["text"] for curve in person.board.legend.curves)
    assert diverged.split(", ") == ["101 steps", whole.split(", ")[1]]


def test_no_number_of_a_mark_is_infinite(person):
    board, huge = person.board, itertools.cycle([1.7e308, -1.7e308])
    points = [
        Point(p.step, p.lr, p.loss, metrics={"accuracy": next(huge)}) for p in sweep()
    ]
    board.curves.add(Curve(points))
    board.options.beta = 0.0
    board.options.measure = "accuracy"
    assert board.picker.suggestions
    for mark in board.picker.suggestions:
        heights = [place["y"] for place in (mark, mark["origin"]) if place]
        assert all(y is None or math.isfinite(y) for y in heights)


def test_of_a_growing_curve_nothing_is_read_off_until_it_is_done(person):
    board, grown = person.board, Curve()
    board.curves.add(grown, "new")
    for point in sweep():
        grown.append(point)
        board.grow(grown)
    assert board.picker.suggestions == board.picker.regions == []
    assert "Faint" in board.message.value
    assert len(board.chart.raw.x) == 100
    board.grow(None)
    assert suggestions(board) == grown.suggestions(0.98)
    assert "suggests" in board.message.value


def test_the_picture_has_the_curves_the_pick_and_the_words(person):
    board = person.board
    board.curves.add(Repeats([sweep(seed=i) for i in range(3)]), "repeats")
    board.show_lr(2.5e-3)
    poster = board.poster()
    tree = ET.fromstring(poster.svg())
    text = " ".join(tree.itertext())
    assert "lr 2.5e-3" in text
    assert board.message.value in text
    assert "repeats" in text
    assert poster.png()[:8] == b"\x89PNG\r\n\x1a\n"


def test_the_files_are_the_curves_in_numbers_and_the_picture(person):
    person.board.curves.add(sweep(10), "b")
    for kind in ("svg", "png"):
        name, text = person.board._file(kind)
        assert name == f"lr_widget.{kind}"
        assert text == person.board.poster().svg()
    name, text = person.board._file("csv")
    assert name == "lr_widget.csv"
    head, *rows = text.splitlines()
    assert head.startswith("curve,step,lr,loss,smooth,accuracy")
    assert len(rows) == 110


def test_a_closed_board_shows_nothing_any_more_and_complains_of_nothing(person):
    board = person.board
    before = board.picker.suggestions
    board.close()
    board.options.beta = 0.5
    board.curves.add(sweep(), "late")
    board.show_lr(1e-3)
    assert board.picker.suggestions == before
    assert board.picker.lr is None


def test_while_the_board_draws_no_other_thread_changes_the_curves(person, monkeypatch):
    board, free = person.board, []

    def changes(curves):
        free.append(curves.held().acquire(blocking=False))
        if free[-1]:
            curves.held().release()

    def spied(method):
        def asked(curves, *args):
            other = threading.Thread(target=changes, args=[curves])
            other.start()
            other.join()
            asks.append(method)
            return method(curves, *args)

        return asked

    for name in ("place", "name"):  # drawing asks for one or the other
        monkeypatch.setattr(Curves, name, spied(getattr(Curves, name)))
    asks = []
    board.grow(board.curves["a"])
    for draws, *said in (
        (board.show,),
        (lambda: board.poster().svg(),),
        (board.grow, board.curves["a"]),
        (board.show_lr, 1e-3),
    ):
        asks.clear()
        draws(*said)
        assert asks
    assert free
    assert not any(free)


def test_the_picture_shows_the_whole_of_what_is_chosen_also_when_the_chart_is_zoomed(
    person,
):
    board = person.board
    person.says("options", action="set", name="measure", value="accuracy")
    whole = board.poster()
    person.says("picker", action="view", x=[1e-4, 1e-2], y=[0.1, 0.2])
    assert board.poster().x_range == whole.x_range == (1e-7, 10.0)
    assert board.poster().y_range == whole.y_range
    assert whole.measure == "accuracy"
    assert "accuracy" in whole.svg()


def test_whoever_keeps_a_picture_is_told_of_every_change_and_under_no_lock():
    lock, told = threading.RLock(), []

    def look():
        def take():
            with lock:
                told.append(True)

        other = threading.Thread(target=take, daemon=True)
        other.start()
        other.join(LONG)

    board = Board(lock, 1e-7, 10.0, looks_new=look)
    board.curves.add(sweep(), "a")
    board.options.beta = 0.5
    board.options.y_log = True
    board.curves.rename("a", "b")
    assert told == [True] * 4
