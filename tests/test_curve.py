"""Curve keeps what happened."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lr_widget import Curve, Epoch, Point

LOSSES = st.lists(st.floats(-1e6, 1e6), max_size=60)
BETAS = st.floats(0, 0.999)


def curve_of(losses):
    return Curve(Point(i, 1e-7 * 1.2**i, loss) for i, loss in enumerate(losses))


def plain_smooth(losses, beta):
    """The moving average with weights that sum to one, written as a sum."""
    smoothed = []
    for i in range(len(losses)):
        weights = [(1 - beta) * beta ** (i - j) for j in range(i + 1)]
        smoothed.append(math.fsum(w * x for w, x in zip(weights, losses, strict=False)))
        smoothed[-1] /= 1 - beta ** (i + 1)
    return smoothed


# The record ---------------------------------------------------------------------------


def test_a_curve_gives_back_the_points_it_was_given():
    points = [Point(0, 1e-3, 2.0), Point(1, 1e-2, 1.0), Point(2, 1e-1, 3.0)]
    assert list(Curve(points)) == points


def test_a_curve_of_a_fit_gives_back_its_epochs_with_its_points():
    end = Epoch(1, 1, train_loss=1.5, valid_loss=2.0, metrics={"accuracy": 0.5})
    points = [Point(0, 1e-3, 2.0), Point(1, 1e-2, 1.0, end)]
    curve = Curve(points)
    assert curve.epochs == [end]
    assert list(curve) == points


def test_lrs_and_losses_are_float64_arrays_of_one_entry_per_step():
    curve = curve_of([3, 2, 1])
    for column in (curve.lrs, curve.losses):
        assert (column.dtype, column.shape) == (np.float64, (3,))
    assert len(curve) == 3
    assert curve.losses.tolist() == [3, 2, 1]


def test_an_empty_curve_is_empty_everywhere():
    curve = Curve()
    assert len(curve) == len(curve.lrs) == len(curve.losses) == len(curve.smooth()) == 0
    assert list(curve) == []


@pytest.mark.parametrize("column", ["lrs", "losses", "smooth"])
def test_what_a_curve_hands_out_cannot_be_written_to(column):
    curve = curve_of([1.0, 2.0])
    array = curve.smooth() if column == "smooth" else getattr(curve, column)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 7


def test_an_array_taken_early_does_not_change_when_the_curve_grows():
    curve = curve_of(range(10))
    losses, smooth = curve.losses, curve.smooth()
    copies = losses.copy(), smooth.copy()
    for i in range(10, 2000):
        curve.append(Point(i, 1.0, i))
    assert losses.tolist() == copies[0].tolist()
    assert smooth.tolist() == copies[1].tolist()
    assert curve.losses.tolist() == list(range(2000))


def test_raw_losses_are_kept_whatever_they_are():
    losses = [1.0, math.inf, -math.inf, math.nan]
    np.testing.assert_array_equal(curve_of(losses).losses, losses)


# Smoothing ----------------------------------------------------------------------------


@given(LOSSES, BETAS)
def test_smoothing_is_a_weighted_mean_of_what_came_before(losses, beta):
    expected = plain_smooth(losses, beta)
    np.testing.assert_allclose(
        curve_of(losses).smooth(beta), expected, rtol=1e-9, atol=1e-6
    )


@given(LOSSES, BETAS, BETAS)
def test_smoothing_while_the_curve_grows_equals_smoothing_it_whole(losses, beta, other):
    grown = Curve()
    for point in curve_of(losses):
        grown.append(point)
        grown.smooth(beta), grown.smooth(other)
    assert grown.smooth(beta).tolist() == curve_of(losses).smooth(beta).tolist()
    assert grown.smooth(other).tolist() == curve_of(losses).smooth(other).tolist()


def test_beta_zero_gives_the_raw_losses():
    assert curve_of([3.0, 1.0, 2.0]).smooth(0).tolist() == [3.0, 1.0, 2.0]


def test_a_constant_loss_stays_the_same_when_smoothed():
    np.testing.assert_allclose(curve_of([2.5] * 50).smooth(), 2.5)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_from_the_first_loss_that_is_not_finite_the_smoothed_one_is_not(bad):
    smooth = curve_of([1.0, 1.0, bad, 1.0]).smooth()
    assert np.isfinite(smooth).tolist() == [True, True, False, False]


@pytest.mark.parametrize("beta", [1, 1.5, -0.1, math.nan])
def test_a_beta_that_cannot_be_is_refused(beta):
    with pytest.raises(ValueError, match=r"beta must be in \[0, 1\).*try 0\.98"):
        curve_of([1.0]).smooth(beta)
