"""LRChart and FitChart: bounded, whole, and the same numbers as the Curve."""

import numpy as np
import pytest
from bqplot import LinearScale
from hypothesis import given
from hypothesis import strategies as st

from lr_widget import Curve, Epoch, Point
from lr_widget.axis import lr_text
from lr_widget.chart import (
    MAX_POINTS,
    FitChart,
    Line,
    LRChart,
    thin,
)


def sweep(n=100, start=1e-7, end=10.0):
    lrs = np.geomspace(start, end, n)
    losses = 2.3 - 1.8 / (1 + (1e-3 / lrs) ** 1.5) + 3 * (lrs / 5) ** 2
    points = zip(lrs.tolist(), losses.tolist(), strict=True)
    return Curve([Point(i, lr, loss) for i, (lr, loss) in enumerate(points)])


@given(st.integers(0, 5000), st.integers(20, 500), st.integers(0, 2**32 - 1))
def test_thin_keeps_the_extremes_the_newest_and_the_order_within_the_limit(
    n, limit, seed
):
    y = np.random.default_rng(seed).normal(size=n)
    x = np.arange(len(y), dtype=float)
    thin_x, thin_y = thin(x, y, limit)
    assert len(thin_x) == len(thin_y) <= limit
    assert (np.diff(thin_x) > 0).all()
    assert np.array_equal(y[thin_x.astype(int)], thin_y)
    if len(y):
        assert thin_y.max() == y.max()
        assert thin_y.min() == y.min()
        assert thin_x[-1] == x[-1]


def test_thin_returns_copies_so_that_what_was_sent_never_changes():
    x = np.arange(5.0)
    thin_x, thin_y = thin(x, x)
    assert not np.shares_memory(thin_x, x)
    assert not np.shares_memory(thin_y, x)


@pytest.mark.parametrize("n", [0, 1, 100, 100_000])
def test_a_line_sends_no_more_than_max_points_at_any_length(n):
    line = Line(scales={"x": LinearScale(), "y": LinearScale()})
    line.show(np.arange(float(n)), np.random.default_rng(0).normal(size=n))
    assert len(line.x) == len(line.y) == min(n, len(line.x)) <= MAX_POINTS


def test_show_draws_the_raw_and_the_smoothed_losses_against_the_lrs():
    chart, curve = LRChart(1e-7, 10.0), sweep()
    chart.show(curve)
    assert np.array_equal(chart.raw.y, curve.losses)
    assert np.array_equal(chart.smooth.y, curve.smooth())
    assert np.array_equal(chart.smooth.x, curve.lrs)


def test_mark_puts_each_suggestion_on_the_curve_at_exactly_its_lr():
    chart, curve = LRChart(1e-7, 10.0), sweep()
    chart.show(curve)
    chart.mark(curve)
    assert sorted(chart._dots.x) == sorted(curve.suggestions().values())
    assert (chart._dots.y <= curve.smooth().max()).all()
    for lr, text in zip(chart._labels.x, chart._labels.text, strict=True):
        assert text.endswith(lr_text(lr))


def test_mark_takes_the_markers_away_where_there_is_no_suggestion():
    chart = LRChart(1e-7, 10.0)
    chart.mark(sweep())
    chart.mark(Curve())
    assert len(chart._dots.x) == len(chart._labels.text) == len(chart._drops.x) == 0


def test_a_curve_of_nan_alone_is_shown_without_a_complaint():
    chart = LRChart(1e-7, 10.0)
    curve = Curve([Point(0, 1e-7, float("nan"))])
    chart.show(curve)
    chart.mark(curve)
    assert chart.y_scale.min < chart.y_scale.max


def test_fit_chart_shows_validation_losses_at_the_last_step_of_their_epochs():
    chart, curve = FitChart(), Curve()
    for step in range(4):
        epoch = Epoch(step // 2 + 1, step, 1.0, 0.9 - step / 10) if step % 2 else None
        curve.append(Point(step, 1e-3, 1.0, epoch))
    chart.show(curve)
    assert chart._valid.x.tolist() == [1.0, 3.0]
    assert chart._valid.y.tolist() == pytest.approx([0.8, 0.6])
