"""The repeat interval: where another sweep's suggestion lands."""

import numpy as np
import pytest
from sweeps import family, good

from lr_widget.fall import fall


def width(found):
    """Decades of the repeat interval."""
    low, high = found.repeat_interval
    return np.log10(high / low)


def test_every_suggestion_lies_in_its_repeat_interval():
    found = [fall(*sweep) for sweep in family(300, seed=3)]
    suggested = [it for it in found if it.lr is not None]
    assert len(suggested) > 80
    for it in suggested:
        low, high = it.repeat_interval
        assert low <= it.lr <= high
        assert np.isfinite([low, high]).all()


def test_a_refusal_has_no_repeat_interval():
    found = [fall(*sweep) for sweep in family(300, seed=3)]
    refused = [it for it in found if it.lr is None]
    assert len(refused) > 80
    assert {it.repeat_interval for it in refused} == {None}


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.05, 0.15])
def test_the_repeat_interval_of_a_good_sweep_lies_in_its_range(noise):
    for seed in range(20):
        low, high = fall(*good(noise, seed)).repeat_interval
        assert 1e-7 <= low <= high <= 10


def test_the_repeat_interval_is_wider_on_a_noisier_curve():
    widths = [
        np.median([width(fall(*good(noise, seed))) for seed in range(20)])
        for noise in (0.001, 0.01, 0.03, 0.1)
    ]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1] / 3


@pytest.mark.parametrize("noise", [0.02, 0.05])
def test_another_seeds_suggestion_lands_inside_in_most_cases(noise):
    # Nominal 80 %. Far more would be too wide to say anything.
    found = [fall(*good(noise, seed)) for seed in range(30)]
    inside = [
        low <= other.lr <= high
        for i, (low, high) in enumerate(it.repeat_interval for it in found)
        for j, other in enumerate(found)
        if i != j
    ]
    assert 0.6 <= np.mean(inside) <= 0.95
