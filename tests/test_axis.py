"""Axis: ranges that show the curve, round ticks, numbers as people write them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lr_widget.axis import decades, lr_text, ticks, y_range


def test_y_range_is_not_pressed_flat_by_an_explosion():
    losses = np.array([2.3] * 20 + list(np.linspace(2.3, 0.5, 20)) + [1e6])
    low, high = y_range(losses, losses)
    assert low < 0.5
    assert 2.3 < high < 6


LOSSES = st.floats(-1e100, 1e100) | st.sampled_from([np.nan, np.inf, -np.inf])


@given(st.lists(LOSSES, max_size=60))
def test_y_range_is_an_interval_or_none_whatever_the_losses(losses):
    found = y_range(np.array(losses), np.array(losses))
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
