"""The classical rules, each against its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lr_widget import Curve, Point
from lr_widget.classics import (
    GROUNDS,
    RULES,
    classics,
    minimum,
    slide,
    steepest,
    valley,
)

LOSSES = st.lists(st.floats(-100, 100), min_size=2, max_size=50).map(np.array)
# Few distinct values: ties, plateaus and short descents.
STEPPED = st.lists(st.integers(0, 5).map(float), min_size=2, max_size=30).map(np.array)


def lrs_for(losses):
    return np.geomspace(1e-7, 10, len(losses))


# Plain references, each from the rule's definition ------------------------------------


def plain_valley(lrs, losses):
    lengths = []
    for i, loss in enumerate(losses):
        best = [lengths[j] for j in range(i) if losses[j] > loss]
        lengths.append(1 + max(best, default=0))
    longest = max(lengths)
    if longest == 1:
        return None
    end = lengths.index(longest)
    start = end - longest
    middle = start + int(longest / 3) + int(longest / 3 / 2)
    return lrs[max(0, middle)]


def plain_slide(lrs, losses, apart=15, thresh=0.005):
    slopes = np.gradient(losses)
    if len(losses) <= apart:
        return None
    answer = len(losses) - 1 - apart
    for left in range(len(losses) - 1 - apart, -1, -1):
        if abs(slopes[left + apart] - slopes[left]) <= thresh:
            break
        answer = left
    return lrs[answer]


def plain_steepest(lrs, losses):
    slopes = [
        (losses[i + 1] - losses[i]) / (np.log(lrs[i + 1]) - np.log(lrs[i]))
        for i in range(len(lrs) - 1)
    ]
    return lrs[slopes.index(min(slopes))]


def plain_minimum(lrs, losses):
    return lrs[list(losses).index(min(losses))] / 10


PLAIN = {
    "minimum": plain_minimum,
    "steepest": plain_steepest,
    "valley": plain_valley,
    "slide": plain_slide,
}


@pytest.mark.parametrize("name", RULES)
@given(losses=LOSSES | STEPPED)
def test_each_rule_equals_its_plain_reference(name, losses):
    lrs = lrs_for(losses)
    expected = PLAIN[name](lrs, losses)
    found = RULES[name](lrs, losses)
    if expected is None:
        assert found is None
    else:
        assert found == pytest.approx(expected, rel=1e-12)


def test_valley_is_the_middle_of_the_longest_descent():
    losses = np.array([5, 6, 7, 8, 7, 6, 5, 4, 3, 2, 1, 9, 9, 9], float)
    # Eight descending losses end at index 10: 10 - 8 + 2 + 1.
    assert valley(np.arange(14.0), losses) == 5


def test_valley_of_a_rising_curve_is_none():
    assert valley(np.arange(1.0, 6), np.arange(5.0)) is None


def test_minimum_is_a_tenth_of_where_the_loss_is_lowest():
    assert minimum(np.array([1e-3, 1e-2, 1e-1]), np.array([3.0, 1.0, 2.0])) == 1e-3


def test_steepest_reads_the_slope_per_log_lr():
    lrs, losses = np.array([1e-3, 1e-2, 1.0]), np.array([3.0, 2.0, 0.5])
    # 1 over one decade is steeper than 1.5 over two.
    assert steepest(lrs, losses) == 1e-3


@pytest.mark.parametrize("size", [2, 14, 15])
def test_slide_of_fewer_points_than_its_window_is_none(size):
    assert slide(np.arange(1.0, size + 1), np.arange(float(size))) is None


def test_slide_of_exactly_its_window_has_one_answer():
    assert slide(np.arange(1.0, 17), np.arange(16.0) ** 2) == 1.0


# Of a whole curve ---------------------------------------------------------------------


def falling(count=100, num_iter=None):
    """A sweep's shape: flat, falling, rising."""
    x = np.linspace(-7, 1, count)
    losses = 2 - 1.5 / (1 + np.exp(-3 * (x + 3))) + np.exp(3 * x)
    points = (
        Point(i, 10**a, b) for i, (a, b) in enumerate(zip(x, losses, strict=True))
    )
    return Curve(points, num_iter=num_iter)


def read(curve, beta=None):
    """The classical rules of a curve."""
    found = curve.suggestions(beta)
    assert next(iter(found)) == "fall"
    return {name: found[name] for name in RULES}


def test_they_are_the_rules_applied_to_the_trimmed_average_of_fastai():
    curve = falling()
    kept = slice(10, -5)
    lrs, smooth = curve.lrs[kept], curve.smooth(0.98)[kept]
    expected = {name: rule(lrs, smooth) for name, rule in PLAIN.items()}
    assert read(curve) == pytest.approx(expected)


def test_they_follow_another_beta():
    curve = falling()
    lrs, smooth = curve.lrs[10:-5], curve.smooth(0.5)[10:-5]
    expected = {name: rule(lrs, smooth) for name, rule in PLAIN.items()}
    assert read(curve, 0.5) == pytest.approx(expected)


def test_the_first_tenth_is_of_the_planned_steps_not_of_those_made():
    points = list(falling())[:60]
    early = Curve(points, num_iter=100)
    lrs, smooth = early.lrs[10:-5], early.smooth(0.98)[10:-5]
    assert read(early)["steepest"] == plain_steepest(lrs, smooth)


def test_all_from_the_first_nan_on_is_left_out():
    points = list(falling())
    torn = [*points[:80], *(Point(i, points[i].lr, np.nan) for i in range(80, 100))]
    curve = Curve(torn)
    lrs, smooth = curve.lrs[10:80], curve.smooth(0.98)[10:80]
    expected = {name: rule(lrs, smooth) for name, rule in PLAIN.items()}
    assert read(curve) == pytest.approx(expected)


@pytest.mark.parametrize("made", [0, 1, 14])
def test_of_too_few_points_they_have_none(made):
    curve = Curve(list(falling())[:made], num_iter=100)
    assert read(curve) == dict.fromkeys(RULES)


def test_where_there_is_no_suggestion_they_still_have_numbers():
    curve = Curve(Point(i, 1e-7 * 1.2**i, 2.3 + 1e-3 * (-1) ** i) for i in range(100))
    assert curve.suggestion.reason == "flat"
    assert read(curve)["minimum"] > 0


def test_reading_changes_nothing():
    lrs, losses = np.geomspace(1e-7, 10, 50), np.linspace(2, 1, 50)
    copies = lrs.copy(), losses.copy()
    classics(lrs, losses)
    assert lrs.tolist() == copies[0].tolist()
    assert losses.tolist() == copies[1].tolist()


def test_every_rule_says_in_one_line_where_it_looks():
    assert list(GROUNDS) == list(RULES)
    assert all("\n" not in ground and ": " in ground for ground in GROUNDS.values())
