"""The schedule of one cycle: torch's and fastai's definitions, step by step."""

import math
import time
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import SGD, Adadelta, Adagrad, Adam, AdamW, RMSprop
from torch.optim.lr_scheduler import OneCycleLR

from lr_widget import one_cycle_schedule
from lr_widget.schedule import PCT_START


def by_torch(total_steps, max_lr, optimizer=SGD, **cycle):
    """LR and momentum of each step and group, by stepping torch's scheduler."""
    kind = {"momentum": 0.9} if optimizer is SGD else {}
    groups = [{"params": [torch.zeros(1)]} for _ in max_lr]
    straw = optimizer(groups, lr=1.0, **kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no step of the optimizer is made
        scheduler = OneCycleLR(straw, [*max_lr], total_steps, **cycle)
        lrs, momentums = [], []
        for step in range(total_steps):
            if step:
                scheduler.step()
            lrs.append([group["lr"] for group in straw.param_groups])
            momentums.append(
                [g["betas"][0] if "betas" in g else g["momentum"] for g in groups]
            )
    return lrs, momentums


def by_fastai(
    total_steps,
    lr_max,
    div=25.0,
    div_final=1e5,
    pct_start=0.25,
    moms=(0.95, 0.85, 0.95),
):
    """fastai's published formula, for one group, in double precision."""

    def cos(start, end, pos):
        return start + (1 + math.cos(math.pi * (1 - pos))) * (end - start) / 2

    def combined(pos, start, middle, end):
        if pos < pct_start:
            return cos(start, middle, pos / pct_start)
        return cos(middle, end, (pos - pct_start) / (1 - pct_start))

    places = [step / total_steps for step in range(total_steps)]
    lrs = [combined(p, lr_max / div, lr_max, lr_max / div_final) for p in places]
    return lrs, [combined(p, *moms) for p in places]


CYCLES = {
    "defaults": {},
    "three phases": {"three_phase": True},
    "three long phases": {"three_phase": True, "pct_start": 0.7},
    "linear": {"anneal_strategy": "linear", "pct_start": 0.4},
    "linear, three phases": {"anneal_strategy": "linear", "three_phase": True},
    "other factors": {"div_factor": 7, "final_div_factor": 33.0},
    "other momentums": {"base_momentum": [0.7, 0.1], "max_momentum": 0.99},
    "no rise": {"pct_start": 0.0},
    "no fall": {"pct_start": 1.0},
}


@pytest.mark.parametrize("optimizer", [SGD, AdamW])
@pytest.mark.parametrize("steps", [2, 7, 128, 1001])
@pytest.mark.parametrize("cycle", CYCLES)
def test_the_torch_variant_is_onecyclelr_bit_for_bit(cycle, steps, optimizer):
    expected = by_torch(steps, [0.013, 0.1], optimizer, **CYCLES[cycle])
    found = one_cycle_schedule(steps, max_lr=[0.013, 0.1], **CYCLES[cycle])
    assert (found.lrs.tolist(), found.momentums.tolist()) == expected


@given(
    steps=st.integers(1, 60),
    pct_start=st.floats(0, 1) | st.sampled_from([0.1, 0.2, 0.25, 0.5]),
    three_phase=st.booleans(),
    strategy=st.sampled_from(["cos", "linear"]),
    div_factor=st.floats(0.1, 1e3),
    final_div_factor=st.floats(0.1, 1e6),
    max_lr=st.floats(1e-8, 10),
)
def test_any_cycle_is_onecyclelr_bit_for_bit_or_refused_where_that_fails(
    steps, pct_start, three_phase, strategy, div_factor, final_div_factor, max_lr
):
    cycle = {
        "pct_start": pct_start,
        "three_phase": three_phase,
        "anneal_strategy": strategy,
        "div_factor": div_factor,
        "final_div_factor": final_div_factor,
    }
    try:
        lrs, momentums = by_torch(steps, [max_lr], **cycle)
    except ZeroDivisionError:
        with pytest.raises(ValueError, match=r"pct_start=.*: make it a little"):
            one_cycle_schedule(steps, max_lr=max_lr, **cycle)
        return
    found = one_cycle_schedule(steps, max_lr=max_lr, **cycle)
    assert found.lrs.tolist() == [lr for (lr,) in lrs]
    assert found.momentums.tolist() == [momentum for (momentum,) in momentums]


FASTAI = {
    "defaults": ({}, {}),
    "fine_tune's second stage": (
        {"pct_start": 0.3, "div_factor": 5.0},
        {"pct_start": 0.3, "div": 5.0},
    ),
    "fine_tune's frozen stage": ({"pct_start": 0.99}, {"pct_start": 0.99}),
    "another end": (
        {"div_factor": 16.0, "final_div_factor": 64.0},  # powers of two: no rounding
        {"div": 16.0, "div_final": 1024.0},
    ),
    "other momentums": (
        {"base_momentum": 0.8, "max_momentum": 0.9},
        {"moms": (0.9, 0.8, 0.9)},
    ),
}


@pytest.mark.parametrize("steps", [1, 2, 4, 128, 1001])
@pytest.mark.parametrize("case", FASTAI)
def test_the_fastai_variant_is_fastais_formula_at_every_step(case, steps):
    ours, theirs = FASTAI[case]
    found = one_cycle_schedule(steps, max_lr=0.02, variant="fastai", **ours)
    expected = by_fastai(steps, 0.02, **theirs)
    assert (found.lrs.tolist(), found.momentums.tolist()) == expected


def test_the_fastai_variant_has_the_numbers_that_fastai_was_seen_to_have():
    lrs, momentums = one_cycle_schedule(128, max_lr=1e-2, variant="fastai")
    assert (lrs[0], lrs[32], lrs.argmax()) == (4e-4, 1e-2, 32)
    assert lrs[-1] == pytest.approx(2.78e-6, rel=2e-3)
    assert (momentums[0], momentums[32]) == (0.95, 0.85)


@given(steps=st.integers(1, 60), pct_start=st.floats(0, 1))
def test_any_share_gives_the_fastai_variant_finite_numbers(steps, pct_start):
    found = one_cycle_schedule(steps, max_lr=1.0, variant="fastai", pct_start=pct_start)
    assert np.isfinite(found.lrs).all()
    assert found.lrs.min() > 0.99e-5
    assert found.lrs.max() <= 1


def test_the_torch_variant_has_the_numbers_that_torch_documents():
    lrs, momentums = one_cycle_schedule(128, max_lr=1e-2)
    assert lrs[[0, -1]] == pytest.approx([1e-2 / 25, 1e-2 / 25 / 1e4], rel=1e-12)
    assert lrs.argmax() in (37, 38)
    assert (momentums[0], momentums[-1]) == (0.95, 0.95)
    assert momentums.argmin() == lrs.argmax()


# Groups -------------------------------------------------------------------------------


def two_groups(kind=SGD, **options):
    groups = [{"params": [torch.zeros(1)], "lr": lr} for lr in (0.01, 0.04)]
    return kind(groups, lr=1.0, **options)


@pytest.mark.parametrize("variant", PCT_START)
def test_each_group_has_its_own_cycle(variant):
    both = one_cycle_schedule(9, max_lr=[0.1, 0.3], variant=variant)
    for group, lr in enumerate([0.1, 0.3]):
        alone = one_cycle_schedule(9, max_lr=lr, variant=variant)
        assert both.lrs[:, group].tolist() == alone.lrs.tolist()
        assert both.momentums[:, group].tolist() == alone.momentums.tolist()


def test_an_optimizer_says_how_many_groups_there_are_and_in_what_ratio():
    optimizer = two_groups()
    lrs, momentums = one_cycle_schedule(9, max_lr=0.2, optimizer=optimizer)
    expected = one_cycle_schedule(9, max_lr=[0.05, 0.2])
    assert lrs.tolist() == expected.lrs.tolist()
    assert momentums.shape == (9, 2)
    spread = one_cycle_schedule(9, max_lr=slice(0.3), optimizer=optimizer)
    listed = one_cycle_schedule(9, max_lr=[0.03, 0.3])
    assert spread.lrs.tolist() == listed.lrs.tolist()
    assert [group["lr"] for group in optimizer.param_groups] == [0.01, 0.04]


def test_an_optimizer_with_one_group_gives_arrays_of_one_dimension():
    optimizer = Adam([torch.zeros(1)])
    lrs, momentums = one_cycle_schedule(9, max_lr=slice(0.1, 0.2), optimizer=optimizer)
    assert lrs.shape == momentums.shape == (9,)
    assert lrs.dtype == momentums.dtype == np.float64


def test_what_is_returned_cannot_be_changed_by_accident():
    for array in one_cycle_schedule(9, max_lr=0.1):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_a_momentum_that_is_not_cycled_is_not_in_the_schedule():
    lrs, momentums = one_cycle_schedule(9, max_lr=0.1, cycle_momentum=False)
    assert momentums is None
    assert lrs.tolist() == one_cycle_schedule(9, max_lr=0.1).lrs.tolist()


# What is refused ----------------------------------------------------------------------

REFUSED = {
    "no steps": ({"total_steps": 0}, "total_steps must be .*at least 1, not 0: pass"),
    "half a step": ({"total_steps": 1.5}, r"total_steps must be .* not 1\.5: pass"),
    "max_lr": ({"max_lr": -1}, "max_lr must be a positive number, not -1: pick one"),
    "variant": ({"variant": "keras"}, "variant must be 'torch' or 'fastai', not 'k"),
    "pct_start above 1": ({"pct_start": 2}, "pct_start must be .* not 2: try 0.3"),
    "pct_start NaN": ({"pct_start": math.nan}, "pct_start must be .* nan: try 0.3"),
    "pct_start a word": ({"pct_start": "0.3"}, "pct_start must be .* '0.3': try"),
    "a rise of one step": ({"pct_start": 0.1}, "pct_start=0.1 of 10 steps .*larger"),
    "anneal_strategy": ({"anneal_strategy": "sin"}, "anneal_strategy must be 'cos' or"),
    "div_factor": ({"div_factor": 0}, "div_factor must be .*, not 0: try 25"),
    "final_div_factor": ({"final_div_factor": -1}, "final_div_factor must .*: try 1e4"),
    "base_momentum": ({"base_momentum": 1}, "base_momentum must .* not 1: try 0.85"),
    "max_momentum": ({"max_momentum": None}, "max_momentum .* not None: try 0.95"),
    "max_momentums": ({"max_momentum": [0.9, 0.9]}, "max_momentum has 2 values for 1"),
    "fastai, linear": (
        {"variant": "fastai", "anneal_strategy": "linear"},
        "anneal_strategy is not in fastai's definition.*: leave it out",
    ),
    "fastai, three phases": (
        {"variant": "fastai", "three_phase": True},
        "three_phase is not in fastai's definition.*: leave it out",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_a_cycle_is_refused_by_name_with_the_next_move(case):
    arguments, words = REFUSED[case]
    with pytest.raises(ValueError, match=words):
        one_cycle_schedule(**{"total_steps": 10, "max_lr": 0.1, **arguments})


@pytest.mark.parametrize("variant", PCT_START)
@pytest.mark.parametrize("kind", [Adagrad, Adadelta])
def test_an_optimizer_without_momentum_is_refused_unless_it_is_not_cycled(
    kind, variant
):
    cycle = {"max_lr": 0.1, "optimizer": two_groups(kind), "variant": variant}
    words = f"optimizer {kind.__name__} .*cycle_momentum=False, or use SGD"
    with pytest.raises(ValueError, match=words):
        one_cycle_schedule(10, **cycle)
    assert one_cycle_schedule(10, **cycle, cycle_momentum=False).lrs.shape == (10, 2)


def test_an_rmsprop_that_was_used_without_momentum_is_refused():
    weight = torch.zeros(1, requires_grad=True)
    optimizer = RMSprop([weight])
    one_cycle_schedule(10, max_lr=0.1, optimizer=optimizer)
    weight.sum().backward()
    optimizer.step()
    with pytest.raises(ValueError, match=r"RMSprop.*cycle_momentum=False, or a new"):
        one_cycle_schedule(10, max_lr=0.1, optimizer=optimizer)


# What it costs ------------------------------------------------------------------------


@pytest.mark.parametrize("variant", PCT_START)
def test_ten_thousand_steps_are_drawn_within_five_milliseconds(variant):
    optimizer, times = two_groups(), []
    for _ in range(30):  # the least of them: others use this machine too
        begun = time.perf_counter()
        one_cycle_schedule(10_000, max_lr=0.1, optimizer=optimizer, variant=variant)
        times.append(time.perf_counter() - begun)
    assert min(times) < 5e-3
