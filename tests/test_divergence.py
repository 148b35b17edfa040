"""Divergence says when a sweep is over: its definition, its promises, its limits."""

import math

import numpy as np
import pytest
import reference_fall
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sweeps import family

from lr_widget.divergence import Divergence

# Rounded: two ways to add up numbers of 1e-308 need not agree.
LOSSES = st.lists(st.floats(-100, 100).map(lambda loss: round(loss, 6)), max_size=60)


def stop(losses):
    """The index at which the rule stops, or None."""
    rule = Divergence()
    return next((i for i, loss in enumerate(losses) if rule.update(loss)), None)


def test_it_stops_where_the_plain_reference_does_on_500_made_up_sweeps():
    sweeps = [sweep.losses.tolist() for sweep in family(500, seed=1)]
    stops = [reference_fall.stop(losses) for losses in sweeps]
    assert 100 < stops.count(None) < 400
    assert [stop(losses) for losses in sweeps] == stops


@given(LOSSES)
def test_it_stops_where_the_plain_reference_does_on_any_losses(losses):
    assert stop(losses) == reference_fall.stop(losses)


@given(
    st.lists(st.floats(allow_nan=False), max_size=50)
    | LOSSES
    | st.lists(st.integers(0, 3).map(float), min_size=20, max_size=50),
    st.lists(st.integers(0, 50), max_size=6),
    st.integers(0, 3),
)
@example([1.0] * 12 + [1e3] * 30, [20], 0)
@example([1.0, math.inf], [], 0)
def test_in_a_record_it_is_found_where_loss_by_loss_stops(losses, ends, updates):
    rule, expected = Divergence(), stop(losses)
    for loss in losses[:updates]:
        if rule.update(loss):
            return
    for end in [*sorted(ends), len(losses)]:
        end = max(end, updates)
        found = rule.first(np.array(losses[:end]))
        assert found == (expected if expected in range(end) else None)


def test_in_made_up_sweeps_it_is_found_where_loss_by_loss_stops():
    sweeps = [sweep.losses for sweep in family(500, seed=2)]
    stops = [stop(losses.tolist()) for losses in sweeps]
    assert 100 < stops.count(None) < 400
    rules = [Divergence() for _ in sweeps]
    for n in (1, 7, 30, 31, 1000):  # as it grows
        for rule, losses in zip(rules, sweeps, strict=True):
            rule.first(losses[:n])
    pairs = zip(rules, sweeps, strict=True)
    assert [rule.first(losses) for rule, losses in pairs] == stops


@given(st.lists(st.floats(), max_size=40))
def test_no_loss_raises(losses):
    rule = Divergence()
    assert {rule.update(loss) for loss in losses} <= {True, False}


@pytest.mark.parametrize("huge", [1e300, 1.7e308])
def test_a_loss_too_large_to_be_added_up_stops_at_the_latest_when_it_is_judged(huge):
    assert stop([1.0, 1.1] * 10 + [huge] * 5) == 20
    assert stop([1.0] * 5 + [huge] * 5 + [huge * 1e10] * 5) == 10


def test_two_sweeps_know_nothing_of_each_other():
    first, second = Divergence(), Divergence()
    for loss in [1.0, 1.1] * 15:
        first.update(loss)
    assert first.update(1e3)
    assert not any(second.update(1e3) for _ in range(30))


@pytest.mark.parametrize("size", [5.0, 100.0])
def test_a_finite_loss_stops_no_sweep_before_its_eleventh_step(size):
    losses = [1.0 * size**i for i in range(40)]
    assert stop(losses) == 10


def sweep_like(scale=1.0, shift=0.0, noise=0.0, seed=0):
    """Flat for 40 steps, falling for 30, then growing by half at each step."""
    fall = [1 - 0.6 * i / 30 for i in range(30)]
    shape = [1.0] * 40 + fall + [0.4 * 1.5**i for i in range(30)]
    jitter = np.random.default_rng(seed).normal(0, noise, len(shape))
    return [scale * loss + shift for loss in np.array(shape) + jitter]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("at", [0, 3, 30])
def test_a_loss_that_is_not_finite_stops_at_once(bad, at):
    assert stop([1.0] * at + [bad] + [1.0] * 5) == at


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("shift", [0.0, -0.4, -5.0])
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_a_loss_of_any_size_and_sign_stops_when_it_blows_up(scale, shift, noise):
    at = stop(sweep_like(scale, shift * scale, noise))
    assert at is not None
    assert 70 < at < 95


@given(st.floats(1e-6, 1e6), st.floats(-100, 100))
def test_the_stop_does_not_depend_on_the_unit_of_the_loss(scale, shift):
    here = stop(sweep_like(noise=0.02))
    assert stop(sweep_like(scale, shift * scale, noise=0.02)) == here


def test_flat_noise_never_stops():
    for seed in range(200):
        random = np.random.default_rng(seed)
        assert stop(random.normal(2.3, 0.3, 300)) is None, seed


@pytest.mark.parametrize("level", [2.3, -2.3, 1e-9, 0.0])
def test_a_constant_loss_never_stops(level):
    assert stop([level] * 300) is None


def test_noise_about_zero_never_stops():
    for seed in range(200):
        assert stop(np.random.default_rng(seed).normal(0, 1e-3, 300)) is None, seed


def test_heavy_tailed_noise_rarely_stops():
    stops = [
        stop(np.random.default_rng(seed).exponential(1.0, 300)) for seed in range(200)
    ]
    assert sum(at is not None for at in stops) <= 2


@given(st.lists(st.floats(0, 1e3), min_size=12, max_size=60))
@settings(max_examples=50)
def test_a_loss_that_only_falls_never_stops(losses):
    assert stop(sorted(losses, reverse=True)) is None


def test_a_loss_that_starts_at_zero_stops_when_it_blows_up():
    losses = [1e-3 * abs(math.sin(i)) for i in range(40)]
    losses += [1e-3 * 1.5**i for i in range(40)]
    losses[0] = 0.0
    assert stop(losses) is not None
    assert stop(losses) > 40


@pytest.mark.parametrize("zeros", [1, 5])
@pytest.mark.parametrize("size", [1e-12, 1.0])
def test_a_few_losses_of_exactly_zero_at_first_do_not_stop(zeros, size):
    later = size * np.random.default_rng(0).uniform(0.5, 1.5, 200)
    assert stop([0.0] * zeros + list(later)) is None


@pytest.mark.parametrize("zeros", [1, 10, 40])
def test_a_loss_that_is_exactly_zero_at_first_stops_when_it_blows_up(zeros):
    at = stop([0.0] * zeros + [1e-9 * 1.5**i for i in range(60)])
    assert at is not None
    assert at < zeros + 40


def test_a_loss_near_zero_stops_when_it_blows_up():
    noise = 1e-9 * np.random.default_rng(0).normal(0, 1, 40)
    at = stop([*noise, *(1e-9 * 1.5**i for i in range(60))])
    assert at is not None
    assert 40 < at < 60


def test_a_rise_that_nobody_can_see_does_not_stop_but_a_real_one_does():
    # A trained model on one batch: no noise, nothing left to fall.
    losses = [2.3 * (1 + 1e-9 * 1.1**i) for i in range(200)]
    at = stop(losses)
    assert at is not None
    assert losses[at] > 2.3 * (1 + 3e-6)
    assert stop(losses[:at]) is None


@pytest.mark.parametrize("digits", [2, 3])
def test_a_loss_in_a_short_float_that_mostly_stays_exactly_as_it_is_goes_on(digits):
    for seed in range(50):
        losses = np.round(sweep_like(noise=2 * 10.0**-digits / 7, seed=seed), digits)
        assert np.median(np.abs(np.diff(losses[:40]))) == 0
        assert stop(losses[:70]) is None
        assert 70 < stop(losses) < 95


def test_a_negative_loss_that_falls_ever_further_goes_on():
    assert stop([-(1.1**i) for i in range(100)]) is None


def test_a_negative_loss_that_rises_above_its_range_stops():
    losses = (
        [-2.0] * 20 + [-2 - 0.05 * i for i in range(20)] + [1.5**i for i in range(30)]
    )
    at = stop(losses)
    assert at is not None
    assert 40 < at < 60


@pytest.mark.parametrize("spike", [1e2, 1e4])
@pytest.mark.parametrize("at", [0, 5, 9])
def test_a_huge_spike_among_the_first_ten_does_not_stop_a_good_descent(spike, at):
    losses = sweep_like(noise=0.02)[:70]
    losses[at] = spike
    assert stop(losses) is None


def test_a_spike_in_the_first_steps_neither_stops_nor_blinds_the_rule():
    losses = sweep_like(noise=0.02)
    losses[3] = 50.0
    at = stop(losses)
    assert at is not None
    assert 70 < at < 95


def test_one_bad_batch_in_the_descent_does_not_stop():
    losses = sweep_like(noise=0.05)[:70]
    losses[60] *= 4
    assert stop(losses) is None


# Limits: what the rule does not promise -----------------------------------------------


@pytest.mark.parametrize("zeros", [9, 10, 40])
@pytest.mark.parametrize("size", [1e-12, 1.0])
def test_limit_after_a_start_of_exact_zeros_an_ordinary_loss_stops(zeros, size):
    # The start level is zero, and the only noise there is becomes the later one's.
    later = size * np.random.default_rng(0).uniform(0.5, 1.5, 200)
    assert stop([0.0] * zeros + list(later)) is not None


def test_limit_a_loss_that_is_mostly_exactly_zero_is_stopped_now_and_then():
    stops = []
    for seed in range(50):
        random = np.random.default_rng(seed)
        losses = random.exponential(1.0, 200) * (random.uniform(size=200) < 0.4)
        stops.append(stop(losses))
    assert 0 < sum(at is not None for at in stops) <= 5


@pytest.mark.parametrize("factor", [1.0001, 2, 1e3])
def test_limit_one_jump_of_a_loss_without_any_noise_is_taken_for_noise(factor):
    # Its size is all there is to compare it with. Growth is seen.
    assert stop([2.3] * 20 + [2.3 * factor] * 40) is None
    rises = [2.3 * (1 + (factor - 1) * 1.1**i) for i in range(60)]
    assert stop([2.3] * 20 + rises) < 40


def test_limit_a_huge_spike_later_on_stops():
    losses = sweep_like(noise=0.02)[:70]
    losses[40] = 1e4
    assert stop(losses) == 40
