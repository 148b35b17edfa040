"""Reading: three regions that follow the curve, and sentences with the next move."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lr_widget import Curve, Point
from lr_widget.axis import lr_text
from lr_widget.reading import Regions, regions, sentence
from lr_widget.suggestion import REASONS, Suggestion

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
    found, suggestion = regions(*swept.line()), swept.suggestion
    start, end = map(lr_text, found.just_right)
    low, high = map(lr_text, suggestion.band)
    assert sentence(swept) == (
        f"The loss is flat below {start}, falls until {end}, and diverges above."
        f" fall suggests {lr_text(suggestion.lr)}, where 95\xa0% of the fall is made;"
        f" look between {low} and {high}."
    )


def test_the_shape_follows_the_smoothing_and_the_suggestion_does_not():
    swept = curve(SWEEP, falling(SWEEP))
    assert sentence(swept, beta=0.5) != sentence(swept)
    assert sentence(swept, beta=0.5).endswith(swept.suggestion.sentence)
    assert sentence(swept).endswith(swept.suggestion.sentence)


class Found:
    """A curve with a given suggestion."""

    suggestion = Suggestion(0.5, sentence="fall suggests 0.5.")

    def __init__(self, smooth):
        self.smooth = np.array(smooth)

    def line(self, measure="loss", beta=None):
        return np.arange(1.0, 1 + len(self.smooth)), self.smooth


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
    assert sentence(Found(smooth)) == f"{words} fall suggests 0.5.".strip()


REFUSED = {
    "too_few": (curve(SWEEP, falling(SWEEP)[:7], 10), "it takes 20"),
    "constant": (curve(SWEEP, np.full(100, 2.3)), "does not change at all"),
    "only_rises": (curve(SWEEP, 1 + SWEEP + 0.01 * NOISE), "before a fall is sure"),
    "starts_too_high": (
        curve(SWEEP, 2 + 0.01 * NOISE + np.exp(9 * (np.log10(SWEEP) + 4.5))),
        "starts too high",
    ),
    "still_falling": (curve(LOW, falling(LOW, -4)), "the one to pick is at least"),
    "flat": (curve(SWEEP, 2 + 0.01 * NOISE), "the range is too low"),
    "noise": (curve(SWEEP, 2 + NOISE), "noise is larger than the fall"),
    "diverged_at_once": (curve(SWEEP, [2.3, 9, np.nan], 100), "Diverged at once"),
}


def test_every_reason_has_a_case_here():
    assert set(REFUSED) == set(REASONS)


@pytest.mark.parametrize("reason", REFUSED)
def test_a_refusal_is_said_with_the_next_move(reason):
    swept, words = REFUSED[reason]
    found = swept.suggestion
    assert found.reason == reason
    assert words in sentence(swept)
    assert "suggests" not in sentence(swept)
    assert found.remedy.text
    assert found.remedy.arguments.keys() <= {"start_lr", "end_lr", "num_iter"}


def test_a_remedy_says_the_number_that_it_sets():
    remedy = REFUSED["still_falling"][0].suggestion.remedy
    assert (remedy.text, remedy.arguments) == ("Raise end_lr to 10", {"end_lr": 10.0})


def test_a_sweep_that_was_stopped_early_is_to_be_run_to_its_end():
    swept = curve(LOW, falling(LOW, -4), 300)
    assert swept.suggestion.reason == "still_falling"
    assert swept.suggestion.remedy.arguments == {}


def test_a_loss_that_is_no_number_from_the_first_step_on_is_said():
    swept = curve(SWEEP, [np.nan], 100)
    assert sentence(swept) == (
        "The first loss is not a number: look at the model and its data."
    )
    assert swept.suggestion.remedy is None  # no learning rate was at fault


def test_an_empty_curve_has_no_sentence():
    assert sentence(Curve()) == ""


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=60),
    st.sampled_from([None, 0.0, 0.98]),
)
def test_whatever_the_losses_there_is_a_sentence(losses, beta):
    assert bool(sentence(curve(SWEEP, losses, 100), beta)) == bool(losses)


def test_what_comes_after_a_leap_above_the_start_is_divergence():
    lrs = np.geomspace(1e-4, 10.0, 6)
    found = regions(lrs, np.array([2.0, 1.9, 1.0, 9.0, 0.5, 8.0]))
    assert found.just_right == (lrs[0], lrs[2])
    assert found.diverging == (lrs[2], lrs[5])
