"""Curves: names, order, the one in front, and nothing lost by tidying up."""

import pytest

from lr_widget import Curve, Point, Repeats
from lr_widget.curves import KEPT, SHOWN, Curves


def curve(loss=1.0):
    return Curve([Point(0, 1e-3, loss), Point(1, 1e-2, loss / 2)])


@pytest.fixture
def three():
    curves = Curves()
    for loss in (1.0, 2.0, 3.0):
        curves.add(curve(loss))
    return curves


def test_the_newest_is_in_front_and_all_are_kept_in_order(three):
    assert list(three) == ["sweep 1", "sweep 2", "sweep 3"]
    assert three.front == "sweep 3"
    assert three["sweep 2"].losses[0] == 2.0
    assert len(three) == 3


def test_a_name_that_is_taken_gets_a_number():
    curves = Curves()
    assert [curves.add(curve(), "a") for _ in range(3)] == ["a", "a (2)", "a (3)"]


def test_a_number_is_not_given_twice_after_a_removal(three):
    del three["sweep 3"]
    assert three.add(curve()) == "sweep 4"


def test_removing_the_front_curve_brings_the_newest_of_the_others_there(three):
    three.hide("sweep 2")
    del three["sweep 3"]
    assert three.front == "sweep 2"
    assert not three.hidden("sweep 2")
    del three["sweep 2"]
    del three["sweep 1"]
    assert three.front is None
    assert list(three) == []


def test_hiding_leaves_a_curve_out_of_the_visible_ones_alone(three):
    three.hide("sweep 1")
    assert list(three.visible()) == ["sweep 2", "sweep 3"]
    assert list(three) == ["sweep 1", "sweep 2", "sweep 3"]
    three.show("sweep 1")
    assert list(three.visible()) == list(three)


def test_bringing_a_hidden_curve_to_the_front_shows_it(three):
    three.hide("sweep 1")
    three.bring("sweep 1")
    assert three.front == "sweep 1"
    assert not three.hidden("sweep 1")


def test_a_renamed_curve_keeps_its_place_colour_and_state(three):
    three.hide("sweep 2")
    place, kept = three.place("sweep 2"), three["sweep 2"]
    three.rename("sweep 2", "  wd=1e-4 ")
    assert list(three) == ["sweep 1", "wd=1e-4", "sweep 3"]
    assert three["wd=1e-4"] is kept
    assert three.place("wd=1e-4") == place
    assert three.hidden("wd=1e-4")
    three.rename("sweep 3", "last")
    assert three.front == "last"


@pytest.mark.parametrize("to", ["", "  ", "sweep 1"])
def test_a_name_that_cannot_be_is_refused_and_nothing_changes(three, to):
    with pytest.raises(ValueError, match="must be a"):
        three.rename("sweep 2", to)
    assert list(three) == ["sweep 1", "sweep 2", "sweep 3"]


def test_an_unknown_name_is_answered_with_the_known_ones(three):
    for act in (three.hide, three.show, three.bring, three.place, three.__getitem__):
        with pytest.raises(KeyError, match="'sweep 9': there are 'sweep 1', 'sweep 2'"):
            act("sweep 9")
    with pytest.raises(KeyError):
        del three["sweep 9"]


def test_a_place_that_has_become_free_is_taken_again_and_the_others_stay(three):
    del three["sweep 2"]
    three.add(curve(), "new")
    assert [three.place(name) for name in three] == [0, 2, 1]


def test_every_change_is_told_and_a_look_is_not():
    told = []
    curves = Curves(lambda: told.append(1))
    curves.add(curve(), "a")
    curves.add(curve(), "b")
    curves.hide("a")
    curves.show("a")
    curves.bring("a")
    curves.rename("a", "c")
    del curves["c"]
    assert len(told) == 7
    list(curves), curves.front, curves.visible(), curves.name(curves["b"]), repr(curves)
    assert len(told) == 7


def test_the_listener_may_use_the_curves():
    seen = []
    curves = Curves(lambda: seen.append(list(curves)))
    curves.add(curve(), "a")
    assert seen == [["a"]]


def test_a_sweep_is_found_by_itself_not_by_what_is_in_it(three):
    assert three.name(three["sweep 2"]) == "sweep 2"
    assert three.name(curve(2.0)) is None


def test_the_frame_has_every_point_under_the_name_of_its_curve(three):
    table = three.to_frame()
    assert list(table.columns[:4]) == ["curve", "step", "lr", "loss"]
    assert table["curve"].tolist() == [name for name in three for _ in range(2)]
    assert table["loss"].tolist() == [1.0, 0.5, 2.0, 1.0, 3.0, 1.5]
    assert len(Curves().to_frame()) == 0


def test_of_many_sweeps_the_older_are_hidden_then_removed_but_never_a_named_one():
    curves = Curves()
    curves.add(curve(), "mine")
    for _ in range(KEPT + 10):
        curves.add(curve())
        assert len(curves.visible()) <= SHOWN + 1
    assert len(curves) == KEPT + 1
    newest = [f"sweep {KEPT + 10 - i}" for i in reversed(range(SHOWN))]
    assert list(curves.visible()) == ["mine", *newest]


def test_a_hidden_sweep_that_a_person_shows_again_is_drawn_beside_the_others():
    curves = Curves()
    for _ in range(SHOWN + 1):
        curves.add(curve())
    curves.show("sweep 1")
    assert len(curves.visible()) == SHOWN + 1


def test_who_goes_through_the_curves_is_not_hurt_by_a_removal(three):
    seen = []
    for name, _ in three.items():
        seen.append(name)
        if name == "sweep 1":
            del three["sweep 2"]
    assert seen == ["sweep 1", "sweep 2", "sweep 3"]
    for sweep in three.values():
        if len(three) > 1:
            del three["sweep 3"]
        assert len(sweep) == 2


@pytest.mark.parametrize("name", ["", "  ", 5, ["a"]])
def test_a_curve_is_not_added_under_what_is_no_name(three, name):
    with pytest.raises(ValueError, match="name must be a text"):
        three.add(curve(), name)
    assert list(three) == ["sweep 1", "sweep 2", "sweep 3"]


def test_a_name_that_looks_like_a_number_of_ours_is_never_removed():
    curves = Curves()
    curves.add(curve(), "sweep 1")
    assert curves.add(curve()) == "sweep 1 (2)"
    for _ in range(KEPT):
        curves.add(curve())
    assert "sweep 1" in curves
    assert "sweep 1 (2)" not in curves
    assert len(curves) == KEPT + 1


def test_a_column_of_the_frame_is_no_name_of_a_metric():
    for taken in Curves().to_frame().columns.union(["curve", "repeat"]):
        with pytest.raises(ValueError, match="taken"):
            Curve([Point(0, 1e-3, 1.0, metrics={taken: 1.0})])


BEYOND = [[1e-3, float("nan")], [1e-3, float("inf")]]


@pytest.mark.parametrize("lrs", [[0.0, 1e-3], [-1.0], [1e-3, 1e-2, 1e-4], *BEYOND])
def test_a_curve_that_is_no_range_test_is_refused_and_nothing_changes(three, lrs):
    with pytest.raises(ValueError, match="sweep must have positive learning rates"):
        three.add(Curve(Point(i, lr, 1.0) for i, lr in enumerate(lrs)))
    assert list(three) == ["sweep 1", "sweep 2", "sweep 3"]


ZERO = Repeats([Curve([Point(0, 0.0, 1.0)])])


@pytest.mark.parametrize("wrong", ["sweep", None, ZERO])
def test_what_is_no_sweep_is_refused_and_nothing_changes(three, wrong):
    with pytest.raises(ValueError, match="sweep must"):
        three.add(wrong)
    assert list(three) == ["sweep 1", "sweep 2", "sweep 3"]
