"""Suggestions of one sweep and of several, and of a curve that goes on growing."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lr_widget import Curve, Point, Repeats
from lr_widget.axis import lr_text
from lr_widget.fall import fall
from lr_widget.suggestion import REASONS, Suggestion, shared

SWEEP = np.geomspace(1e-7, 10, 100)


def good(seed=0, noise=0.02, count=100):
    """A sweep: flat, falling, rising."""
    lrs = np.geomspace(1e-7, 10, count)
    x = np.log10(lrs)
    losses = 2.3 - 1.5 / (1 + np.exp(-3 * (x + 3))) + np.exp(3 * x)
    return lrs, losses + noise * np.random.default_rng(seed).standard_normal(count)


def curve(lrs, losses, **kwargs):
    rows = enumerate(zip(lrs, losses, strict=True))
    return Curve((Point(i, float(x), float(y)) for i, (x, y) in rows), **kwargs)


# Of a curve ---------------------------------------------------------------------------


def test_the_suggestion_of_a_curve_is_that_of_the_rule():
    lrs, losses = good()
    assert curve(lrs, losses).suggestion == fall(lrs, losses)
    assert curve(lrs, losses, num_iter=300).suggestion == fall(lrs, losses, 300)


def test_it_comes_first_among_those_of_all_rules():
    swept = curve(*good())
    found = swept.suggestions()
    assert list(found) == ["fall", "minimum", "steepest", "valley", "slide"]
    assert found["fall"] == swept.suggestion.lr


def test_it_is_that_of_all_points_however_often_it_was_asked_for():
    lrs, losses = good()
    growing = Curve(num_iter=100)
    for i, (lr, loss) in enumerate(zip(lrs, losses, strict=True)):
        growing.append(Point(i, float(lr), float(loss)))
        if i % 7 == 0:
            assert growing.suggestion == fall(lrs[: i + 1], losses[: i + 1], 100)
    assert growing.suggestion == fall(lrs, losses, 100)


def test_a_long_fit_moves_it_down_and_back_again():
    swept = curve(*good())
    short = swept.suggestion
    swept.train_steps = 3000
    assert swept.suggestion.lr == pytest.approx(short.lr / 10 ** (1 / 3))
    assert "budget" in swept.suggestion.flags
    assert "3,000 steps" in swept.suggestion.sentence
    swept.train_steps = 300
    assert swept.suggestion == short


def test_the_sentence_has_the_numbers_that_python_returns():
    found = curve(*good()).suggestion
    for lr in (found.lr, *found.band):
        assert lr_text(lr) in found.sentence


def test_a_long_sweep_says_why_it_suggests_more_than_the_curve_shows():
    usual, long = curve(*good()), curve(*good(count=400))
    assert "falls early" not in usual.suggestion.sentence
    assert "higher than the curve shows" not in usual.suggestion.sentence
    higher = (399 / 8 / 12.4) ** 0.5
    words = f"That is {100 * (higher - 1):.0f}\xa0% higher than the curve shows"
    assert words in long.suggestion.sentence
    assert "a sweep of 400 steps falls early" in long.suggestion.sentence


def test_a_fit_is_no_sweep_and_gets_none():
    up_and_down = np.concatenate([SWEEP[:50], SWEEP[:50][::-1]])
    fitted = curve(up_and_down, np.linspace(2, 1, 100))
    assert fitted.suggestion.lr is None
    assert fitted.smooth().tolist() == fitted.smooth(0.98).tolist()


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=40),
    st.none() | st.integers(2, 400),
)
def test_no_curve_raises(losses, num_iter):
    swept = curve(1e-7 * 1.5 ** np.arange(len(losses)), losses, num_iter=num_iter)
    found = swept.suggestion
    assert found.reason in ("", *REASONS)
    assert (found.lr is None) == bool(found.reason)
    assert found.sentence
    assert len(swept.smooth()) == len(losses)


# What is drawn ------------------------------------------------------------------------


def test_the_bold_line_is_the_smooth_that_was_read():
    # Where it has made 95 % of its fall, there the suggestion is, but for the length
    # of the sweep: 99 steps over 8 decades, not 12.4 for each.
    swept = curve(*good())
    levels = {level.name: level for level in swept.levels}
    at = np.log10(swept.suggestion.lr / (99 / 8 / 12.4) ** 0.5)
    height = np.interp(at, np.log10(swept.lrs), swept.smooth())
    assert height == pytest.approx(levels["95 %"].loss, rel=1e-9)
    assert 10**at == pytest.approx(levels["95 %"].lr, rel=1e-9)


def test_the_levels_are_parts_of_one_fall():
    swept = curve(*good())
    start, half, made = (level.loss for level in swept.levels)
    low = swept.smooth().min()
    assert [level.name for level in swept.levels] == ["0 %", "50 %", "95 %"]
    assert half == pytest.approx((start + low) / 2)
    assert made == pytest.approx(low + 0.05 * (start - low))


def test_the_bold_line_ends_where_the_loss_diverges():
    lrs, losses = good()
    losses[85:] = [1e3, 1e5, np.nan, *[1.0] * 12]
    swept = curve(lrs, losses)
    smooth = swept.smooth()
    assert np.isfinite(smooth[:86]).all()
    assert np.isnan(smooth[86:]).all()
    assert smooth[:86].max() < 2.6  # an explosion counts as little more than the start


@pytest.mark.parametrize("count", [1, 2, 50, 512])
def test_of_a_short_sweep_every_step_is_drawn(count):
    swept = curve(*good(count=count))
    lrs, smooth = swept.line()
    assert lrs.tolist() == swept.lrs.tolist()[: len(lrs)]
    assert smooth.tolist() == swept.smooth().tolist()[: len(lrs)]


def test_of_a_long_sweep_no_more_than_512_places_are_drawn():
    swept = curve(*good(count=20_000))
    lrs, smooth = swept.line()
    assert 256 < len(lrs) <= 512
    drawn = np.interp(np.log10(swept.lrs), np.log10(lrs), smooth)
    kept = np.isfinite(swept.smooth())
    assert swept.smooth()[kept] == pytest.approx(drawn[kept])


def test_a_long_sweep_is_read_as_a_short_one_is():
    short, long = (curve(*good(count=count)) for count in (1000, 50_000))
    for one, other in zip(short.levels, long.levels, strict=True):
        assert other.loss == pytest.approx(one.loss, abs=0.01)
    at, again = short.levels[-1].lr, long.levels[-1].lr
    assert abs(math.log10(again / at)) < 0.05


def test_a_metric_is_smoothed_by_the_same_kernel_and_not_cut():
    lrs, losses = good()
    accuracy = np.where(np.arange(100) < 50, 0.1, 1.0)
    rows = zip(lrs, losses, accuracy, strict=True)
    swept = Curve(
        Point(i, float(x), float(y), metrics={"accuracy": float(a)})
        for i, (x, y, a) in enumerate(rows)
    )
    smooth = swept.trace("accuracy").smooth
    assert (smooth[0], smooth[-1]) == pytest.approx((0.1, 1.0), abs=1e-6)
    assert smooth[49] + smooth[50] == pytest.approx(1.1)  # centred: no lag


# Of several sweeps --------------------------------------------------------------------


def test_several_sweeps_suggest_the_mean_in_log_lr():
    curves = [curve(*good(seed, 0.1)) for seed in range(3)]
    each = [swept.suggestion for swept in curves]
    found = Repeats(curves).suggestion
    assert found.lr == pytest.approx(np.prod([one.lr for one in each]) ** (1 / 3))
    lows = [one.band[0] for one in each]
    assert found.band[0] == pytest.approx(np.prod(lows) ** (1 / 3))
    assert "mean of 3 sweeps" in found.sentence


def test_the_mean_of_several_is_surer_than_each():
    each = [Suggestion(1e-2, repeat_interval=(5e-3, 2e-2))] * 4
    assert shared(each).repeat_interval == pytest.approx((1e-2 / 2**0.5, 1e-2 * 2**0.5))


def test_where_most_have_none_they_have_none_together():
    none = Suggestion(None, reason="flat", sentence="Flat.")
    assert shared([none, none, Suggestion(1e-2)]) == none


def test_where_some_have_none_that_is_said():
    none = Suggestion(None, reason="flat")
    found = shared([none, Suggestion(1e-3), Suggestion(1e-1)])
    assert found.lr == pytest.approx(1e-2)
    assert "partly" in found.flags
    assert "2 of 3 sweeps" in found.sentence


def test_of_no_sweep_there_is_none():
    assert Repeats().suggestion.reason == "too_few"


def test_a_long_fit_moves_those_of_several_too():
    curves = Repeats([curve(*good(seed)) for seed in range(2)])
    before = curves.suggestion.lr
    curves.train_steps = 3000
    assert curves.suggestion.lr == pytest.approx(before / 10 ** (1 / 3))
