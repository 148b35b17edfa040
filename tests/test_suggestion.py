"""Suggestions: each rule against its definition, and words where there is none."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lr_widget import Curve, Point, Task, range_test
from lr_widget.suggestion import (
    KINDS,
    REASONS,
    RULES,
    Suggestions,
    minimum,
    slide,
    steepest,
    suggest,
    valley,
)

LOSSES = st.lists(st.floats(-100, 100), min_size=2, max_size=50).map(np.array)
# Few distinct values: ties, plateaus and short descents.
STEPPED = st.lists(st.integers(0, 5).map(float), min_size=2, max_size=30).map(np.array)


def lrs_for(losses):
    return np.geomspace(1e-7, 10, len(losses))


# Plain references, each from the rule's definition ------------------------------------


def plain_valley(lrs, losses):
    lengths = []
    for i, loss in enumerate(losses):
        best = [lengths[j] for j in range(i) if losses[j] > loss]
        lengths.append(1 + max(best, default=0))
    longest = max(lengths)
    if longest == 1:
        return None
    end = lengths.index(longest)
    start = end - longest
    middle = start + int(longest / 3) + int(longest / 3 / 2)
    return lrs[max(0, middle)]


def plain_slide(lrs, losses, apart=15, thresh=0.005):
    slopes = np.gradient(losses)
    if len(losses) <= apart:
        return None
    answer = len(losses) - 1 - apart
    for left in range(len(losses) - 1 - apart, -1, -1):
        if abs(slopes[left + apart] - slopes[left]) <= thresh:
            break
        answer = left
    return lrs[answer]


def plain_steepest(lrs, losses):
    slopes = [
        (losses[i + 1] - losses[i]) / (np.log(lrs[i + 1]) - np.log(lrs[i]))
        for i in range(len(lrs) - 1)
    ]
    return lrs[slopes.index(min(slopes))]


def plain_minimum(lrs, losses):
    return lrs[list(losses).index(min(losses))] / 10


PLAIN = {
    "minimum": plain_minimum,
    "steepest": plain_steepest,
    "valley": plain_valley,
    "slide": plain_slide,
}


@pytest.mark.parametrize("name", RULES)
@given(losses=LOSSES | STEPPED)
def test_each_rule_equals_its_plain_reference(name, losses):
    lrs = lrs_for(losses)
    expected = PLAIN[name](lrs, losses)
    found = RULES[name](lrs, losses)
    if expected is None:
        assert found is None
    else:
        assert found == pytest.approx(expected, rel=1e-12)


def test_valley_is_the_middle_of_the_longest_descent():
    losses = np.array([5, 6, 7, 8, 7, 6, 5, 4, 3, 2, 1, 9, 9, 9], float)
    # Eight descending losses end at index 10: 10 - 8 + 2 + 1.
    assert valley(np.arange(14.0), losses) == 5


def test_valley_of_a_rising_curve_is_none():
    assert valley(np.arange(1.0, 6), np.arange(5.0)) is None


def test_minimum_is_a_tenth_of_where_the_loss_is_lowest():
    assert minimum(np.array([1e-3, 1e-2, 1e-1]), np.array([3.0, 1.0, 2.0])) == 1e-3


def test_steepest_reads_the_slope_per_log_lr():
    lrs, losses = np.array([1e-3, 1e-2, 1.0]), np.array([3.0, 2.0, 0.5])
    # 1 over one decade is steeper than 1.5 over two.
    assert steepest(lrs, losses) == 1e-3


@pytest.mark.parametrize("size", [2, 14, 15])
def test_slide_of_fewer_points_than_its_window_is_none(size):
    assert slide(np.arange(1.0, size + 1), np.arange(float(size))) is None


def test_slide_of_exactly_its_window_has_one_answer():
    assert slide(np.arange(1.0, 17), np.arange(16.0) ** 2) == 1.0


# Of a whole curve ---------------------------------------------------------------------


def falling(count=100, num_iter=None):
    """A sweep's shape: flat, falling, rising."""
    x = np.linspace(-7, 1, count)
    losses = 2 - 1.5 / (1 + np.exp(-3 * (x + 3))) + np.exp(3 * x)
    points = (
        Point(i, 10**a, b) for i, (a, b) in enumerate(zip(x, losses, strict=True))
    )
    return Curve(points, num_iter=num_iter)


def test_a_curve_has_four_suggestions_and_no_reason():
    suggestions = falling().suggestions()
    assert list(suggestions) == ["minimum", "steepest", "valley", "slide"]
    assert all(isinstance(lr, float) and lr > 0 for lr in suggestions.values())
    assert suggestions.reason == ""


def test_suggestions_are_the_rules_applied_to_the_trimmed_smoothed_curve():
    curve = falling()
    kept = slice(10, -5)
    lrs, smooth = curve.lrs[kept], curve.smooth()[kept]
    expected = {name: rule(lrs, smooth) for name, rule in PLAIN.items()}
    assert curve.suggestions() == pytest.approx(expected)


def test_the_first_tenth_is_of_the_planned_steps_not_of_those_made():
    points = list(falling())[:60]
    early = Curve(points, num_iter=100)
    lrs, smooth = early.lrs[10:-5], early.smooth()[10:-5]
    assert early.suggestions()["steepest"] == plain_steepest(lrs, smooth)


def test_all_from_the_first_nan_on_is_left_out():
    points = list(falling())
    torn = [*points[:80], *(Point(i, points[i].lr, np.nan) for i in range(80, 100))]
    curve = Curve(torn)
    lrs, smooth = curve.lrs[10:80], curve.smooth()[10:80]
    expected = {name: rule(lrs, smooth) for name, rule in PLAIN.items()}
    assert curve.suggestions() == pytest.approx(expected)


def test_a_loss_that_never_fell_is_said_in_words():
    curve = Curve(Point(i, 1e-7 * 1.2**i, float(i)) for i in range(100))
    suggestions = curve.suggestions()
    assert set(suggestions.values()) == {None}
    assert suggestions.reason == "the loss never fell"


@pytest.mark.parametrize(
    ("made", "words"), [(0, "0 steps"), (1, "1 step"), (7, "7 st")]
)
def test_a_curve_that_ended_early_is_said_in_words(made, words):
    suggestions = Curve(list(falling())[:made], num_iter=100).suggestions()
    assert set(suggestions.values()) == {None}
    assert suggestions.reason.startswith("too few points")
    assert words in suggestions.reason


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=40),
    st.none() | st.integers(2, 400),
)
def test_no_curve_raises(losses, num_iter):
    points = (Point(i, 1e-7 * 1.5**i, loss) for i, loss in enumerate(losses))
    suggestions = Curve(points, num_iter=num_iter).suggestions()
    assert set(suggestions) == set(RULES)
    has_none = all(lr is None for lr in suggestions.values())
    assert has_none == bool(suggestions.reason)


def test_no_suggestions_still_name_every_rule():
    none = Suggestions.none("because")
    assert dict(none) == dict.fromkeys(RULES)
    assert none.reason == "because"


def test_suggesting_changes_nothing():
    lrs, losses = np.geomspace(1e-7, 10, 50), np.linspace(2, 1, 50)
    copies = lrs.copy(), losses.copy()
    suggest(lrs, losses)
    assert lrs.tolist() == copies[0].tolist()
    assert losses.tolist() == copies[1].tolist()


def test_every_rule_says_in_one_line_where_it_looks():
    assert list(REASONS) == list(RULES)
    assert all("\n" not in reason and ": " in reason for reason in REASONS.values())


# Refusals -----------------------------------------------------------------------------

SWEEP = np.geomspace(1e-7, 10, 100)
LOW = np.geomspace(1e-7, 1e-4, 100)


def kind(lrs, losses, num_iter=None):
    """Kind of the refusal; also asserts that it comes with words and without LRs."""
    points = (
        Point(i, float(lr), float(loss))
        for i, (lr, loss) in enumerate(zip(lrs, losses, strict=False))
    )
    suggestions = Curve(points, num_iter=num_iter).suggestions()
    found = suggestions.kind
    assert suggestions.reason.startswith(KINDS[found] if found else "")
    assert bool(found) == (set(suggestions.values()) == {None})
    return found


def made_up(rng, noise):
    """A good sweep of random place, depth and steepness, cut off where it explodes."""
    x = np.log10(SWEEP)
    foot, fall, steep = rng.uniform(-5, -2), rng.uniform(0.3, 3), rng.uniform(1.5, 6)
    cliff = foot + rng.uniform(1, 3)
    losses = rng.uniform(-1, 3) - fall / (1 + np.exp(-steep * (x - foot)))
    losses += np.exp(np.minimum(4 * (x - cliff), 50))
    losses += noise * (losses[0] - losses.min()) * rng.standard_normal(len(x))
    above = np.flatnonzero(losses > losses[0] + 3 * fall)
    return losses[: above[0] + 1] if len(above) else losses


def test_no_good_sweep_is_refused_with_noise_up_to_a_quarter_of_its_fall():
    rng = np.random.default_rng(0)
    sweeps = [made_up(rng, noise) for noise in np.geomspace(1e-3, 0.25, 300)]
    assert [kind(SWEEP, losses, 100) for losses in sweeps] == [""] * 300


OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


def digits_task(optimizer, hidden, seed, trained=0):
    """Digits and a small MLP, after so many steps of Adam."""
    torch.manual_seed(seed)
    images, labels = load_digits(return_X_y=True)
    data = TensorDataset(
        torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels)
    )
    layers, width = [], 64
    for size in hidden:
        layers += [nn.Linear(width, size), nn.ReLU()]
        width = size
    model = nn.Sequential(*layers, nn.Linear(width, 10))
    shuffled = torch.Generator().manual_seed(seed)
    loader = DataLoader(data, 64, shuffle=True, generator=shuffled)
    loss_fn = nn.CrossEntropyLoss()
    adam = torch.optim.Adam(model.parameters(), lr=3e-3)
    before = Task(model, loader, loss_fn, adam, device="cpu")
    batches = before.batches()
    for _ in range(trained):
        before.update(batches)
    optimizer = OPTIMIZERS[optimizer](model.parameters())
    return Task(model, loader, loss_fn, optimizer, device="cpu")


def sweep_kind(task, num_iter=100, **lrs):
    return Curve(range_test(task, num_iter=num_iter, **lrs)).suggestions().kind


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("hidden", [(32,), (64, 64)])
@pytest.mark.parametrize("num_iter", [50, 100])
def test_no_sweep_of_a_model_that_learns_is_refused(optimizer, hidden, num_iter):
    tasks = [digits_task(optimizer, hidden, seed) for seed in range(3)]
    assert [sweep_kind(task, num_iter) for task in tasks] == [""] * 3


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_sweep_that_ends_too_low_is_refused(optimizer):
    for seed in range(3):
        task = digits_task(optimizer, (32,), seed)
        assert sweep_kind(task, end_lr=1e-4) in ("flat", "still_falling")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_trained_model_is_refused(optimizer):
    task = digits_task(optimizer, (64, 64), 0, trained=1500)
    assert sweep_kind(task) in ("never_fell", "flat", "noise")


@pytest.mark.parametrize("size", [0.01, 0.1, 1.0])
def test_no_pure_noise_gets_a_suggestion(size):
    rng = np.random.default_rng(1)
    kinds = {kind(SWEEP, 2.3 + size * rng.standard_normal(100)) for _ in range(200)}
    assert "" not in kinds
    assert ("noise" if size == 1.0 else "flat") in kinds


@pytest.mark.parametrize("loss", [0.0, 2.3, -1.0, 1e-300])
def test_a_constant_loss_is_flat(loss):
    assert kind(SWEEP, np.full(100, loss)) == "flat"


def test_a_loss_still_falling_at_the_end_is_refused():
    rng = np.random.default_rng(2)
    for middle in rng.uniform(-4.5, -3.5, 50):
        losses = 2.3 - 2 / (1 + np.exp(-2 * (np.log10(LOW) - middle)))
        assert kind(LOW, losses + 0.03 * rng.standard_normal(100)) == "still_falling"


def test_a_falling_loss_that_was_stopped_early_is_not_refused():
    losses = 2.3 - 2 / (1 + np.exp(-2 * (np.log10(LOW) + 4)))
    assert kind(LOW, losses, num_iter=200) == ""


def test_noise_larger_than_the_fall_is_told_from_a_flat_curve():
    rng = np.random.default_rng(3)
    fall = 0.1 / (1 + np.exp(-3 * (np.log10(SWEEP) + 3)))
    noisy, flat = rng.standard_normal((2, 100))
    assert kind(SWEEP, 1 - fall + noisy) == "noise"
    assert kind(SWEEP, 1 + 0.01 * flat) == "flat"


@pytest.mark.parametrize("made", [1, 2, 8, 30])
def test_a_loss_that_explodes_in_the_first_half_diverged_at_once(made):
    losses = [*np.full(made - 1, 2.3), np.nan]
    assert kind(SWEEP, losses, num_iter=100) == "diverged_at_once"


def test_a_loss_that_comes_down_from_an_explosion_diverged_at_once():
    rng = np.random.default_rng(4)
    losses = 5 + 5 * np.exp(-np.arange(100) / 15) + 0.1 * rng.standard_normal(100)
    losses[0] = 2.3
    assert kind(SWEEP, losses) == "diverged_at_once"


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_sweep_that_starts_too_high_is_refused(optimizer):
    task = digits_task(optimizer, (32,), 0)
    kinds = ("diverged_at_once", "never_fell", "noise")
    assert sweep_kind(task, start_lr=10.0, end_lr=1e3) in kinds


def test_without_raw_losses_only_the_smooth_curve_is_judged():
    smooth = np.linspace(2, 1, 50)
    lrs = np.geomspace(1e-7, 1e-4, 50)
    assert suggest(lrs, smooth).kind == ""
    assert suggest(lrs, smooth, losses=smooth).kind == "still_falling"


@given(st.floats(-1e3, 1e3), st.integers(-20, 20))
def test_neither_level_nor_scale_of_the_lr_decides_what_is_refused(level, exponent):
    rng = np.random.default_rng(5)
    good, flat = made_up(rng, 0.1), rng.standard_normal(100)
    lrs = SWEEP * 2.0**exponent
    assert kind(lrs, level + good, 100) == ""
    assert kind(lrs, level + flat, 100) in ("flat", "noise")
