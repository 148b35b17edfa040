"""The peak of each param group: fastai's slices, the ratios of the user's LRs."""

import math

import numpy as np
import pytest
import torch
from torch.optim import SGD

from lr_widget.peak import peaks


def optimizer(*lrs):
    groups = [{"params": [torch.zeros(1)], "lr": lr} for lr in lrs]
    return SGD(groups, lr=1.0, momentum=0.9)


def test_a_number_is_the_peak_of_the_group_with_the_highest_lr():
    assert peaks(0.2, optimizer(0.01, 0.04, 0.02)) == [0.05, 0.2, 0.1]
    assert peaks(0.2, optimizer(0.0, 0.0)) == [0.2, 0.2]
    assert peaks(0.2, optimizer(torch.tensor(0.5), 1.0)) == [0.1, 0.2]
    assert peaks(0.2) == [0.2]


@pytest.mark.parametrize("count", [2, 3, 7])
def test_a_slice_is_geometric_from_the_first_group_to_the_last(count):
    lrs = peaks(slice(1e-5, 1e-2), optimizer(*[0.1] * count))
    step = (1e-2 / 1e-5) ** (1 / (count - 1))  # fastai's even_mults
    assert lrs == pytest.approx([1e-5 * step**i for i in range(count)], rel=1e-12)
    assert (lrs[0], lrs[-1]) == (1e-5, 1e-2)


def test_a_slice_with_an_end_only_gives_a_tenth_to_all_groups_but_the_last():
    assert peaks(slice(0.3), optimizer(1.0, 2.0, 3.0)) == [0.03, 0.03, 0.3]


@pytest.mark.parametrize("given", [slice(1e-4, 0.3), slice(0.3), [0.3], (0.3,)])
def test_a_single_group_has_the_end_of_a_slice(given):
    assert peaks(given, optimizer(0.1)) == [0.3]


@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_a_list_has_one_lr_per_group_whatever_their_own(kind):
    given = kind([0.3, 0.1, 0.2])
    assert peaks(given, optimizer(1.0, 1.0, 5.0)) == [0.3, 0.1, 0.2]
    assert peaks(given) == [0.3, 0.1, 0.2]


TWO = optimizer(0.1, 0.1)
REFUSED = {
    "zero": (0, TWO, "max_lr must be a positive number, not 0: pick one on"),
    "infinite": (math.inf, TWO, "max_lr must be a positive number, not inf: pick"),
    "an array of no dimension": (np.array(0.1), TWO, "max_lr must be a positive"),
    "a slice without groups": (slice(0.1), None, r"slice\(0.1\) is spread.*optimizer="),
    "a slice of nothing": (slice(None), TWO, r"max_lr=.* must be slice\(a, b\)"),
    "a slice without an end": (slice(0.1, None), TWO, r"must be slice\(a, b\)"),
    "a slice with a step": (slice(0.1, 0.2, 3), TWO, r"must be slice\(a, b\)"),
    "a slice that falls": (slice(0.2, 0.1), TWO, r"falls .*: pass slice\(0.1, 0.2\)"),
    "a slice from zero": (slice(0, 0.1), TWO, "the start of max_lr=.* positive .*: p"),
    "a slice to NaN": (slice(math.nan), TWO, "the end of max_lr=.* positive .*: pick"),
    "a slice of words": (slice("a", "b"), TWO, "the end of max_lr=.* not 'b': pick"),
    "a list too long": ([0.1] * 3, TWO, "max_lr has 3 LRs for 2 param groups: pass"),
    "an empty list": ([], None, "max_lr has 0 LRs for no param groups: pass one"),
    "a list with a zero": ([0.1, 0.0], TWO, r"max_lr\[1\] must be .*positive .*: pick"),
    "no optimizer": (0.1, "SGD", "optimizer must be .*, not str: of a Task pass"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_a_peak_is_refused_by_name(case):
    given, groups, words = REFUSED[case]
    with pytest.raises(ValueError, match=words):
        peaks(given, groups)
