"""Axis: ranges that show the curve, round ticks, numbers as people write them."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lr_widget.axis import (
    decades,
    full_range,
    log_ticks,
    loss_text,
    lr_text,
    step_ticks,
    ticks,
    y_range,
)


def test_y_range_is_not_pressed_flat_by_an_explosion():
    losses = np.array([2.3] * 20 + list(np.linspace(2.3, 0.5, 20)) + [1e6])
    low, high = y_range(losses, losses)
    assert low < 0.5
    assert 2.3 < high < 6


LOSSES = st.floats(allow_nan=False) | st.sampled_from([np.nan, np.inf, -np.inf])


@given(st.sampled_from([y_range, full_range]), st.lists(LOSSES, max_size=60))
@example(y_range, [1.7e308, -1.7e308] * 9)
@example(full_range, [1.7e308, -1.7e308])
def test_a_range_is_an_interval_or_none_whatever_the_values(bound, losses):
    with np.errstate(over="ignore"):
        found = bound(np.array(losses), np.array(losses))
    if found is None:
        assert not np.isfinite(losses).any()
    else:
        assert np.isfinite(found).all()
        assert found[0] < found[1]
        assert 1 <= len(ticks(*found)) <= 10


@pytest.mark.parametrize(
    ("lr", "text"),
    [(1e-7, "1e-7"), (0.00316228, "3.16e-3"), (0.25, "0.25"), (10, "10"), (2e3, "2e3")],
)
def test_lr_text_writes_a_learning_rate_as_the_browser_does(lr, text):
    assert lr_text(lr) == text


def test_decades_are_the_powers_of_ten_from_start_lr_to_end_lr():
    assert decades(1e-7, 10.0).tolist() == [float(f"1e{i}") for i in range(-7, 2)]
    assert decades(2e-7, 9.0).tolist() == [float(f"1e{i}") for i in range(-6, 1)]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.1, 5, [0.1, 0.2, 0.5, 1, 2, 5]),
        (0.5, 2.4, [0.5, 1, 2]),
        (1.15, 2.45, [1.2, 1.4, 1.6, 1.8, 2, 2.2, 2.4]),
        (0.05, 2e4, [0.1, 1, 10, 100, 1e3, 1e4]),
        (1e-7, 1e4, [1e-6, 1e-4, 1e-2, 1, 1e2, 1e4]),
    ],
)
def test_log_ticks_are_round_numbers_of_a_log_axis(low, high, expected):
    assert log_ticks(low, high).tolist() == expected


POSITIVE = st.floats(0, 1e308, exclude_min=True)


@given(POSITIVE, POSITIVE)
def test_there_are_always_two_to_nine_log_ticks_within_the_axis(one, other):
    low, high = sorted([one, other])
    if low == high:
        high = np.nextafter(low, np.inf)
    found = log_ticks(low, high)
    assert 2 <= len(found) <= 9
    assert low <= found[0] < found[-1] <= high
    assert (np.diff(found) > 0).all()


@given(st.floats(1e-200, 1e200), st.floats(1.001, 1e9))
def test_there_are_three_log_ticks_unless_the_axis_is_very_short(low, factor):
    assert 3 <= len(log_ticks(low, low * factor)) <= 9


@pytest.mark.parametrize(
    ("loss", "text"),  # as js/src/readout.ts writes them
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1.125, "1.13"),
        (-1.125, "-1.13"),
        (2.3026, "2.3"),
        (0.001, "0.001"),
        (0.00099999, "1e-3"),
        (99950, "100000"),
        (99949, "99900"),
        (1234.5, "1230"),
        (1e5, "1e5"),
        (123456, "1.23e5"),
        (-3.2e-7, "-3.2e-7"),
        (1e300, "1e300"),
        (5e-324, "5e-324"),
        (np.nan, "NaN"),
        (np.inf, "Infinity"),
        (-np.inf, "-Infinity"),
    ],
)
def test_loss_text_writes_a_loss_as_the_browser_does(loss, text):
    assert loss_text(loss) == text


@given(st.floats(-100, 100), st.floats(1e-3, 1e6))
def test_a_small_axis_has_two_to_five_ticks_all_of_them_on_it(start, span):
    low = start * span
    marked = ticks(low, low + span, most=5)
    assert 2 <= len(marked) <= 5
    assert (marked >= low - 1e-3 * span).all()
    assert (marked <= low + span * (1 + 1e-3)).all()


@given(st.integers(-1, 10**9))
def test_ticks_of_steps_are_whole_numbers_from_the_first_step_on(last):
    marked = step_ticks(last)
    assert 2 <= len(marked) <= 9
    assert marked[0] == 0
    assert marked[-1] <= max(last, 1)
    assert (marked == marked.round()).all()
