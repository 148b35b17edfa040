"""Repeats: several sweeps of one setting, seen as one curve with a band."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lr_widget import Curve, Point, Repeats

LRS = [10.0 ** (i / 4 - 5) for i in range(40)]
LOSSES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20)


def curve_of(losses, **kwargs):
    rows = zip(LRS, losses, strict=False)
    return Curve((Point(i, lr, loss) for i, (lr, loss) in enumerate(rows)), **kwargs)


def plain(reduce, values):
    """At each step the `reduce` of those that got as far."""
    longest = max(map(len, values))
    return [reduce([row[i] for row in values if i < len(row)]) for i in range(longest)]


@given(st.lists(LOSSES, min_size=1, max_size=5), st.floats(0, 0.99))
def test_the_trace_is_the_median_and_the_band_the_range_of_those_still_running(
    losses, beta
):
    repeats = Repeats(map(curve_of, losses))
    smooth = [curve.smooth(beta).tolist() for curve in repeats.curves]
    trace, band = repeats.trace("loss", beta), repeats.band("loss", beta)
    assert trace.lrs.tolist() == band.lrs.tolist() == LRS[: len(trace.lrs)]
    assert trace.values.tolist() == plain(np.median, losses)
    assert trace.smooth.tolist() == plain(np.median, smooth)
    assert band.low.tolist() == plain(min, smooth)
    assert band.high.tolist() == plain(max, smooth)


@given(st.lists(LOSSES, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_repeats_that_grow_in_turns_equal_those_given_whole(losses, random):
    whole, grown = Repeats(map(curve_of, losses), num_iter=9), Repeats(num_iter=9)
    for index, points in enumerate(map(list, whole.curves)):
        grown.append(index, points[0])
    rest = [iter(list(curve)[1:]) for curve in whole.curves]
    while rest_of := [i for i, r in enumerate(rest) if r.__length_hint__()]:
        index = random.choice(rest_of)
        grown.append(index, next(rest[index]))
    assert [list(c) for c in grown.curves] == [list(c) for c in whole.curves]
    assert [c.num_iter for c in grown.curves] == [9] * len(losses)
    assert grown.to_frame().equals(whole.to_frame())


def test_one_repeat_is_its_curve():
    curve = curve_of([3 - i / 20 + max(0, i - 34) for i in range(40)], num_iter=40)
    repeats = Repeats([curve])
    for beta in (0.0, 0.9):
        for ours, own in zip(repeats.trace("loss", beta), curve.trace("loss", beta),
                             strict=True):  # fmt: skip
            assert ours.tolist() == own.tolist()
        assert repeats.suggestions(beta) == curve.suggestions(beta)
    assert repeats.num_iter == 40
    assert repeats.suggestions()["valley"] is not None


def test_suggestions_are_those_of_the_median_curve():
    fall = np.array([3 - i / 20 + max(0, i - 34) for i in range(40)])
    curves = [curve_of(fall + shift, num_iter=40) for shift in (-1, 0, 5)]
    # These shifts move no `fall`, of which the mean is taken, but for rounding.
    found, expected = Repeats(curves).suggestions(0.5), curves[1].suggestions(0.5)
    assert found == pytest.approx(expected, rel=1e-9)
    assert curves[1].suggestions(0.5)["valley"] is not None


def test_a_repeat_that_ended_in_nan_does_not_count_where_another_has_a_loss():
    repeats = Repeats([curve_of([2.0, math.nan]), curve_of([4.0, 1.0, 1.0])])
    assert repeats.trace(beta=0).values.tolist() == [3.0, 1.0, 1.0]
    assert repeats.band(beta=0).high.tolist() == [4.0, 1.0, 1.0]


@pytest.mark.filterwarnings("error")
def test_where_no_repeat_has_a_number_there_is_none():
    bad = [[2.0, math.nan, math.inf], [4.0, math.nan, -math.inf]]
    trace = Repeats(map(curve_of, bad)).trace(beta=0)
    np.testing.assert_array_equal(trace.values, [3.0, math.nan, math.nan])


def test_a_metric_is_aligned_where_it_was_measured():
    def curve(every, bonus):
        return Curve(
            Point(i, lr, 1.0, metrics={"valid_f1": i + bonus} if i % every == 0 else {})
            for i, lr in enumerate(LRS[:7])
        )

    repeats = Repeats([curve(2, 0), curve(3, 10), curve_of([1.0] * 7)])
    assert repeats.measures == ("loss", "valid_f1")
    lrs, values, _ = repeats.trace("valid_f1")
    assert lrs.tolist() == [LRS[i] for i in (0, 2, 3, 4, 6)]
    assert values.tolist() == [5, 2, 13, 4, 11]
    low, high = repeats.band("valid_f1")[1:]
    assert (low.tolist(), high.tolist()) == ([0, 2, 13, 4, 6], [10, 2, 13, 4, 16])


def test_no_repeats_are_empty_everywhere():
    repeats = Repeats()
    assert (len(repeats), repeats.curves, repeats.measures) == (0, (), ("loss",))
    assert [len(column) for column in repeats.trace()] == [0, 0, 0]
    assert [len(column) for column in repeats.band()] == [0, 0, 0]
    assert repeats.suggestions()["valley"] is None
    frame = repeats.to_frame()
    assert (len(frame), frame.columns[0]) == (0, "repeat")


def test_what_repeats_hand_out_cannot_be_written_to():
    repeats = Repeats([curve_of([1.0]), curve_of([2.0])])
    for array in (*repeats.trace(), *repeats.band()):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7


def test_a_frame_says_which_repeat_a_row_is_of():
    first = Curve([Point(0, LRS[0], 1.0, metrics={"f1": 0.5})])
    frame = Repeats([first, curve_of([2.0, 3.0])]).to_frame(beta=0.0)
    assert list(frame) == ["repeat", "step", "lr", "loss", "smooth", "f1"]
    assert frame["repeat"].tolist() == [0, 1, 1]
    assert frame["step"].tolist() == [0, 0, 1]
    assert frame["smooth"].tolist() == [1.0, 2.0, 3.0]
    np.testing.assert_array_equal(frame["f1"], [0.5, math.nan, math.nan])


# What is refused ----------------------------------------------------------------------


def test_curves_over_other_lrs_are_refused():
    other = Curve([Point(0, LRS[0], 1.0), Point(1, 0.5, 1.0)])
    with pytest.raises(ValueError, match=r"same LRs: repeat 1 has 0\.5 at step 1.*num"):
        Repeats([curve_of([1.0] * 3), other])


def test_a_point_at_another_lr_is_refused_and_not_recorded():
    repeats = Repeats([curve_of([1.0] * 3)])
    with pytest.raises(ValueError, match=r"same LRs: repeat 1 has 0\.5 at step 0"):
        repeats.append(1, Point(0, 0.5, 1.0))
    assert len(repeats) == 1
    repeats.append(1, Point(0, LRS[0], 1.0))
    with pytest.raises(ValueError, match="same LRs"):
        repeats.append(1, Point(1, 0.5, 1.0))
    assert [len(curve) for curve in repeats.curves] == [3, 1]


@pytest.mark.parametrize("index", [-1, 2])
def test_a_repeat_cannot_be_left_out(index):
    with pytest.raises(ValueError, match=f"index must be from 0 to 1, not {index}"):
        Repeats([curve_of([1.0])]).append(index, Point(0, LRS[0], 1.0))


def test_a_measure_that_was_never_taken_is_refused():
    for repeats in (Repeats(), Repeats([curve_of([1.0])])):
        with pytest.raises(ValueError, match="measure must be one of loss, not 'f1'"):
            repeats.trace("f1")


@pytest.mark.parametrize("count", [0, 1])
def test_a_beta_that_cannot_be_is_refused(count):
    with pytest.raises(ValueError, match="beta must be in"):
        Repeats([curve_of([1.0])] * count).band(beta=1.0)
