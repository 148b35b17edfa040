"""The kernel average: against its definition, on even and uneven places."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lr_widget.kernel import MAX_BLOCKS, Kernel, blocks


def plain(x, y, width):
    found = []
    for place in x:
        weights = [np.exp(-0.5 * ((other - place) / width) ** 2) for other in x]
        found.append(sum(w * v for w, v in zip(weights, y, strict=True)) / sum(weights))
    return found


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=40), st.floats(0.05, 3))
def test_on_even_places_it_is_its_definition(values, width):
    x = np.linspace(-7, 1, len(values))
    assert Kernel(x, width)(np.array(values)) == pytest.approx(plain(x, values, width))


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=40), st.floats(0.05, 3))
def test_on_uneven_places_it_is_its_definition(values, width):
    x = np.sort(np.random.default_rng(len(values)).uniform(-7, 1, len(values)))
    assert Kernel(x, width)(np.array(values)) == pytest.approx(plain(x, values, width))


def test_columns_are_averaged_each_for_itself():
    x, table = np.linspace(0, 1, 20), np.random.default_rng(0).normal(size=(20, 3))
    kernel = Kernel(x, 0.1)
    for column, averaged in zip(table.T, kernel(table).T, strict=True):
        assert averaged == pytest.approx(kernel(column))


def test_it_does_not_lag():
    x = np.linspace(-1, 1, 101)
    step = np.where(x < 0, 2.0, 1.0)
    step[50] = 1.5
    smooth = Kernel(x, 0.2)(step)
    assert smooth + smooth[::-1] == pytest.approx(np.full(101, 3.0))


def test_a_large_constant_costs_no_digits():
    x, y = np.linspace(0, 1, 50), np.random.default_rng(0).normal(size=50)
    kernel = Kernel(x, 0.1)
    assert kernel(y + 1e9) - 1e9 == pytest.approx(kernel(y), abs=1e-6)


def test_few_values_stay_as_they_are():
    lrs, values = np.geomspace(1e-7, 10, MAX_BLOCKS), np.arange(float(MAX_BLOCKS))
    x, means = blocks(lrs, values)
    assert x.tolist() == np.log10(lrs).tolist()
    assert means is values


@pytest.mark.parametrize("count", [1025, 2048, 2049, 100_001])
def test_many_values_become_the_means_of_neighbours(count):
    lrs = np.geomspace(1e-7, 10, count)
    values = np.random.default_rng(0).normal(size=count)
    x, means = blocks(lrs, values)
    size = 2 ** int(np.ceil(np.log2(count / MAX_BLOCKS)))
    starts = range(0, count - size + 1, size)
    assert MAX_BLOCKS // 2 <= len(x) == len(starts) <= MAX_BLOCKS
    assert means == pytest.approx([values[i : i + size].mean() for i in starts])
    assert x == pytest.approx([np.log10(lrs[i : i + size]).mean() for i in starts])
