"""Reading: three regions that follow the curve, and sentences with the next move."""

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lr_widget import Curve, Point
from lr_widget.axis import lr_text
from lr_widget.reading import Regions, regions, sentence
from lr_widget.suggestion import KINDS, REASONS, Suggestions

SWEEP = np.geomspace(1e-7, 10, 100)
LOW = np.geomspace(1e-7, 1e-4, 100)
NOISE = np.random.default_rng(0).standard_normal(100)


def falling(lrs, middle=-3.0, cliff=-0.5):
    """A sweep's shape: flat, falling, rising."""
    x = np.log10(lrs)
    fall = 1.5 / (1 + np.exp(-3 * (x - middle)))
    return 2.3 - fall + np.exp(np.minimum(4 * (x - cliff), 50)) + 0.02 * NOISE


def curve(lrs, losses, num_iter=None):
    rows = enumerate(zip(lrs, losses, strict=False))
    points = (Point(i, float(lr), float(loss)) for i, (lr, loss) in rows)
    return Curve(points, num_iter=num_iter)


# Regions ------------------------------------------------------------------------------


def test_the_edges_are_a_tenth_of_the_fall_and_the_lowest_point():
    smooth = np.array([2.0, 2, 2, 1.96, 1.91, 1.8, 1.2, 1.0, 1.1, 5])
    lrs = np.arange(1.0, 11)
    assert regions(lrs, smooth) == Regions((1.0, 5.0), (5.0, 8.0), (8.0, 10.0))


def test_a_dip_that_is_lost_again_is_not_yet_the_fall():
    smooth = np.array([2.0, 2, 1.5, 2, 1.8, 1.2, 1.0, 4])
    assert regions(np.arange(1.0, 9), smooth).just_right == (4.0, 7.0)


def test_a_curve_that_falls_at_once_and_to_the_end_is_just_right_all_along():
    found = regions(np.arange(1.0, 5), np.array([4.0, 3, 2, 1]))
    assert found == Regions(None, (1.0, 4.0), None)


def test_a_rise_that_nobody_sees_is_no_divergence():
    smooth = np.array([2.0, 2, 1.5, 1.0, 1.01, 1.015])
    assert regions(np.arange(1.0, 7), smooth).just_right == (2.0, 6.0)
    assert regions(np.arange(1.0, 7), smooth).diverging is None


@pytest.mark.parametrize("tail", [np.nan, np.inf, -np.inf])
def test_a_tail_that_is_no_number_is_part_of_diverging(tail):
    smooth = np.array([2.0, 2, 1.5, 1.0, tail, tail])
    assert regions(np.arange(1.0, 7), smooth).diverging == (4.0, 6.0)


@pytest.mark.parametrize(
    "smooth", [[], [1.0], [np.nan] * 5, [1.0] * 9, [1.0, 2.0, 3.0], [2.0, np.inf]]
)
def test_there_are_no_regions_without_a_fall(smooth):
    assert regions(np.arange(1.0, 1 + len(smooth)), np.array(smooth)) == Regions()


# Multiples of 1/64: sums and products with powers of two are exact.
STEPPED = st.lists(st.integers(-200, 200), min_size=2, max_size=60).map(
    lambda whole: np.array(whole) / 64
)
TAILS = st.lists(st.sampled_from([np.nan, np.inf, -np.inf, 1e308, -1e308]), max_size=3)


@given(STEPPED, TAILS)
def test_regions_touch_are_ordered_and_span_the_sweep(losses, tail):
    smooth = np.concatenate([losses, tail])
    lrs = np.geomspace(1e-7, 10, len(smooth))
    found = [span for span in regions(lrs, smooth) if span]
    if found:
        assert (found[0][0], found[-1][1]) == (lrs[0], lrs[-1])
        assert all(start < end for start, end in found)
        assert all(a[1] == b[0] for a, b in pairwise(found))


@given(STEPPED, st.integers(-30, 30))
def test_regions_move_with_the_scale_of_the_lr(smooth, exponent):
    lrs, scale = np.geomspace(1e-7, 10, len(smooth)), 2.0**exponent
    expected = [span and (span[0] * scale, span[1] * scale) for span in _both(smooth)]
    assert list(regions(lrs * scale, smooth)) == expected


@given(STEPPED, st.integers(-30, 30), st.integers(-1000, 1000))
def test_regions_do_not_depend_on_scale_and_level_of_the_loss(smooth, exponent, level):
    lrs = np.geomspace(1e-7, 10, len(smooth))
    assert regions(lrs, smooth * 2.0**exponent) == _both(smooth)
    assert regions(lrs, smooth + level) == _both(smooth)


def _both(smooth):
    return regions(np.geomspace(1e-7, 10, len(smooth)), smooth)


# Sentences ----------------------------------------------------------------------------


def test_a_good_curve_is_described_with_the_numbers_that_python_returns():
    swept = curve(SWEEP, falling(SWEEP))
    found, lr = regions(SWEEP, swept.smooth()), swept.suggestions()["valley"]
    start, end = map(lr_text, found.just_right)
    assert sentence(swept) == (
        f"The loss is flat below {start}, falls until {end}, and diverges above."
        f" valley suggests {lr_text(lr)}, the middle of the longest descent."
    )


def test_the_sentence_follows_the_smoothing():
    swept = curve(SWEEP, falling(SWEEP))
    assert sentence(swept, beta=0.5) != sentence(swept)
    assert lr_text(swept.suggestions(0.5)["valley"]) in sentence(swept, beta=0.5)


class Found:
    """A curve with given suggestions."""

    def __init__(self, smooth, **rules):
        self.smooth, self.rules = np.array(smooth), rules

    def trace(self, measure="loss", beta=0.98):
        return np.arange(1.0, 1 + len(self.smooth)), self.smooth, self.smooth

    def suggestions(self, beta=0.98):
        return Suggestions({**dict.fromkeys(REASONS), **self.rules})


@pytest.mark.parametrize(
    ("smooth", "words"),
    [
        ([2, 2, 1, 3], "The loss is flat below 2, falls until 3, and diverges above."),
        ([2, 2, 1], "The loss is flat below 2 and falls until 3, the last one tested."),
        ([2, 1, 3], "The loss falls until 2 and diverges above."),
        ([3, 2, 1], "The loss falls until 3, the last one tested."),
        ([1, 2, 3], ""),
    ],
)
def test_the_shape_is_said_from_left_to_right(smooth, words):
    said = sentence(Found(smooth, valley=0.5))
    valley = "valley suggests 0.5, the middle of the longest descent."
    assert said == f"{words} {valley}".strip()


def test_valley_is_named_where_the_loss_falls_and_else_minimum():
    smooth = [2, 2, 2, 1, 3]
    said = sentence(Found(smooth, valley=3.5, minimum=0.4, steepest=3.6))
    assert said.endswith("above. valley suggests 3.5, " + _where("valley"))
    said = sentence(Found(smooth, valley=1.5, minimum=0.4, steepest=3.6))
    assert said.endswith("above. minimum suggests 0.4, " + _where("minimum"))


def _where(rule):
    return REASONS[rule].split(": ")[0] + "."


def test_where_valley_finds_nothing_another_rule_is_named():
    said = sentence(Found([2, 1, 3], minimum=0.2, slide=0.1))
    assert said.endswith(
        "minimum suggests 0.2, a tenth of the LR where the loss is lowest."
    )


REFUSED = {
    "too_few": (curve(SWEEP, falling(SWEEP)[:7], 100), "raise num_iter"),
    "never_fell": (curve(SWEEP, 1 + SWEEP), "lower start_lr"),
    "still_falling": (curve(LOW, falling(LOW, -4)), "end_lr (1e-4): raise end_lr"),
    "flat": (curve(SWEEP, 2 + 0.01 * NOISE), "raise end_lr"),
    "noise": (curve(SWEEP, 2 + NOISE), "more steps (num_iter) or a larger batch"),
    "diverged_at_once": (curve(SWEEP, [2.3, 9, np.nan], 100), "lower start_lr"),
}


def test_every_kind_of_refusal_has_a_case_here():
    assert set(REFUSED) == set(KINDS)


@pytest.mark.parametrize("kind", REFUSED)
def test_a_refusal_is_said_with_the_next_move(kind):
    swept, move = REFUSED[kind]
    assert swept.suggestions().kind == kind
    assert move in sentence(swept)
    assert "suggests" not in sentence(swept)


def test_a_loss_that_is_no_number_from_the_first_step_on_is_said():
    assert sentence(curve(SWEEP, [np.nan], 100)) == (
        "The first loss is not a number: look at the model and its data."
    )


def test_an_empty_curve_has_no_sentence():
    assert sentence(Curve()) == ""


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=60),
    st.sampled_from([0.0, 0.5, 0.98]),
)
def test_whatever_the_losses_only_numbers_of_the_curve_are_said(losses, beta):
    swept = curve(SWEEP, losses, 100)
    said = sentence(swept, beta)
    assert bool(said) == bool(losses)
    lrs, _, smooth = swept.trace("loss", beta)
    known = [edge for span in regions(lrs, smooth) if span for edge in span]
    known += [lr for lr in swept.suggestions(beta).values() if lr]
    numbers = re.findall(r"\d[\d.]*(?:e-?\d+)?(?<!\.)", said)
    assert set(numbers) <= {lr_text(float(lr)) for lr in [*known, *lrs[-1:]]}


def test_what_comes_after_a_leap_above_the_start_is_divergence():
    lrs = np.geomspace(1e-4, 10.0, 6)
    found = regions(lrs, np.array([2.0, 1.9, 1.0, 9.0, 0.5, 8.0]))
    assert found.just_right == (lrs[0], lrs[2])
    assert found.diverging == (lrs[2], lrs[5])
