"""LRChart and FitChart: bounded, whole, and the same numbers as the Curve."""

import numpy as np
import pytest
from bqplot import LinearScale
from hypothesis import given
from hypothesis import strategies as st

from lr_widget import Curve, Epoch, Point, Repeats
from lr_widget.chart import LRChart
from lr_widget.curves import Curves
from lr_widget.fall import NMIN
from lr_widget.fit_chart import FitChart
from lr_widget.line import MAX_POINTS, Band, Line, thin
from lr_widget.palette import MARKS, curve_style


def sweep(n=100, start=1e-7, end=10.0, scale=1.0):
    lrs = np.geomspace(start, end, n)
    losses = 2.3 - 1.8 / (1 + (1e-3 / lrs) ** 1.5) + 3 * (lrs / 5) ** 2
    points = zip(lrs.tolist(), (scale * losses).tolist(), strict=True)
    return Curve(
        Point(i, lr, loss, metrics={"accuracy": 1 / (1 + loss)})
        for i, (lr, loss) in enumerate(points)
    )


@pytest.fixture
def chart():
    return LRChart(1e-7, 10.0)


def drawn(chart, curves):
    """The finite ends of what is visible of every ghost, by the name of its curve."""
    return {
        name: len(line.x) for name, (_, line) in chart._ghosts.items() if line.visible
    }


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
def test_a_line_and_a_band_send_no_more_than_max_points_at_any_length(n):
    scales = {"x": LinearScale(), "y": LinearScale()}
    x, y = np.arange(float(n)), np.random.default_rng(0).normal(size=n)
    line, band = Line(scales=scales), Band("#000000", scales=scales)
    line.show(x, y)
    band.span(x, y - 1, y + 1)
    assert len(line.x) == len(line.y) == min(n, len(line.x)) <= MAX_POINTS
    assert len(band.x) == len(band.y) == min(2 * n, len(band.x)) <= MAX_POINTS


def test_a_band_goes_out_along_the_low_edge_and_back_along_the_high_one():
    band = Band("#000000", scales={"x": LinearScale(), "y": LinearScale()})
    x = np.array([1.0, 2.0, 3.0])
    band.span(x, np.array([0.0, np.nan, 2.0]), np.array([5.0, 6.0, 7.0]))
    assert band.x.tolist() == [1.0, 3.0, 3.0, 1.0]
    assert band.y.tolist() == [0.0, 2.0, 7.0, 5.0]


def test_the_front_curve_is_drawn_raw_and_smoothed_against_its_lrs(chart):
    curves, curve = Curves(), sweep()
    curves.add(curve)
    chart.show(curves)
    assert np.array_equal(chart.raw.x, curve.lrs)
    assert np.array_equal(chart.raw.y, curve.losses)
    assert np.array_equal(chart.smooth.y, curve.smooth())
    assert drawn(chart, curves) == {}


def test_the_others_are_ghosts_and_a_hidden_one_is_not_there(chart):
    curves = Curves()
    for n in (10, 20, 30, 40):
        curves.add(sweep(n), f"{n}")
    curves.hide("20")
    chart.show(curves)
    assert drawn(chart, curves) == {"10": 10, "30": 30}
    assert len(chart.smooth.x) == 40
    curves.bring("10")
    chart.show(curves)
    assert drawn(chart, curves) == {"30": 30, "40": 40}
    assert len(chart.smooth.x) == 10
    del curves["30"]
    chart.show(curves)
    assert drawn(chart, curves) == {"40": 40}


def test_a_curve_keeps_its_colour_in_front_and_as_a_ghost(chart):
    curves = Curves()
    for name in ("a", "b"):
        curves.add(sweep(), name)
    chart.show(curves)
    assert chart.smooth.colors == [curve_style(1)[0]]
    assert chart._ghosts["a"][1].colors == [curve_style(0)[0]]
    curves.bring("a")
    chart.show(curves)
    assert chart.smooth.colors == chart.raw.colors == [curve_style(0)[0]]
    assert chart._ghosts["b"][1].colors == [curve_style(1)[0]]


def test_the_marks_of_a_removed_curve_are_closed(chart):
    curves = Curves()
    for name in ("a", "b"):
        curves.add(sweep(), name)
    chart.show(curves)
    band, line = chart._ghosts["a"]
    assert line in chart.marks
    del curves["a"]
    chart.show(curves)
    assert line not in chart.marks
    assert band.comm is line.comm is None


def test_a_front_curve_that_is_hidden_is_not_drawn(chart):
    curves = Curves()
    curves.add(sweep())
    chart.show(curves)
    curves.hide("sweep 1")
    chart.show(curves)
    assert len(chart.raw.x) == len(chart.smooth.x) == 0


def test_repeats_are_a_median_in_a_band_without_raw_values(chart):
    curves = Curves()
    repeats = Repeats([sweep(scale=scale) for scale in (1.0, 1.2, 2.0)])
    curves.add(repeats)
    chart.show(curves)
    lrs, _, smooth = repeats.trace()
    low, high = repeats.band()[1:]
    assert np.array_equal(chart.smooth.y, smooth)
    assert len(chart.raw.x) == 0
    assert np.array_equal(chart._band.y, np.concatenate([low, high[::-1]]))
    curves.add(sweep())
    chart.show(curves)
    assert len(chart._band.x) == 0
    assert len(chart._ghosts["sweep 1"][0].x) == 2 * len(lrs)


def test_growing_draws_the_one_curve_that_grew(chart):
    curves, grown = Curves(), Curve()
    curves.add(sweep(), "old")
    curves.add(grown, "new")
    chart.show(curves)
    for point in sweep(5):
        grown.append(point)
    chart.grow(curves, grown)
    assert len(chart.raw.x) == 5
    curves.bring("old")
    chart.show(curves)
    grown.append(Point(5, 11.0, 1.0))
    chart.grow(curves, grown)
    assert drawn(chart, curves) == {"new": 6}
    del curves["new"]
    chart.show(curves)
    chart.grow(curves, grown)
    assert drawn(chart, curves) == {}


def test_the_axes_span_all_that_is_drawn_and_the_sweep_that_is_planned(chart):
    curves = Curves()
    chart.plan(1e-5, 1.0)
    curves.add(sweep(start=1e-3, end=100.0), "a")
    chart.show(curves)
    assert (chart.x_scale.min, chart.x_scale.max) == (1e-5, pytest.approx(100.0))
    assert chart._x_axis.tick_values.tolist() == [10.0**i for i in range(-5, 3)]
    low, high = chart.y_scale.min, chart.y_scale.max
    curves.add(sweep(scale=3.0), "b")
    chart.show(curves)
    assert chart.y_scale.min <= low
    assert chart.y_scale.max > high
    curves.hide("b")
    curves.bring("a")
    chart.show(curves)
    assert (chart.y_scale.min, chart.y_scale.max) == (low, high)


@pytest.mark.parametrize("y_log", [False, True])
def test_while_a_curve_grows_it_is_in_view_and_a_linear_axis_seldom_moves(chart, y_log):
    curves, growing, seen = Curves(), Curve(), []
    chart.set_y_log(y_log)
    curves.add(growing)
    chart.show(curves)
    for i in range(400):
        loss = 2.0 - 1.9 * i / 400 + 0.05 * (i % 2)
        growing.append(Point(i, 1e-7 * 1.04**i, loss))
        chart.grow(curves, growing)
        seen.append((chart.y_scale.min, chart.y_scale.max))
        assert seen[-1][0] <= growing.losses.min()
        assert growing.losses.max() <= seen[-1][1]
    if not y_log:
        assert len(set(seen)) < 100
    low, high = seen[-1]
    chart.show(curves)
    assert (chart.y_scale.min, chart.y_scale.max) == chart.whole_range()[1]
    assert chart.y_scale.max - chart.y_scale.min > 0.75 * (high - low)


def test_a_ghost_too_short_to_be_read_presses_no_longer_curve_flat(chart):
    blown = [(10.0 * 2**i, 2.0 * 3**i) for i in range(NMIN - 1)]
    curves = Curves()
    name = curves.add(Curve(Point(i, lr, loss) for i, (lr, loss) in enumerate(blown)))
    chart.show(curves)
    assert chart.y_scale.max > 1e4, "in front it is in view"
    growing = curves.add(sweep(1))
    whole = curves[growing]
    chart.show(curves)
    assert chart.y_scale.max < 5, "so is one that has just begun"
    for point in list(sweep())[1:]:
        whole.append(point)
    chart.show(curves)
    assert 2 < chart.y_scale.max < 15
    assert chart.x_scale.max == blown[-1][0]
    curves.bring(name)
    chart.show(curves)
    assert chart.y_scale.max > 1e4


def test_what_a_person_has_zoomed_into_stays_until_the_whole_is_asked_for(chart):
    curves, curve = Curves(), sweep()
    curves.add(curve)
    chart.show(curves)
    whole = chart.x_scale.min, chart.x_scale.max, chart.y_scale.min, chart.y_scale.max
    chart.look((2e-3, 8e-3), (0.5, 1.0))
    curve.append(Point(100, 20.0, 50.0))
    chart.grow(curves, curve)
    assert (chart.x_scale.min, chart.x_scale.max) == (2e-3, 8e-3)
    assert (chart.y_scale.min, chart.y_scale.max) == (0.5, 1.0)
    assert len(chart._x_axis.tick_values) >= 2
    chart.whole()
    assert (chart.x_scale.min, chart.x_scale.max) == (whole[0], 20.0)
    chart.look((2e-3, 8e-3), (0.5, 1.0))
    chart.plan(1e-7, 10.0)
    chart.show(curves)
    assert chart.x_scale.min == 1e-7


def test_a_log_axis_is_one_for_every_mark_and_leaves_a_gap_where_there_is_no_log(chart):
    curves = Curves()
    curves.add(sweep(), "a")
    curves.add(sweep(), "b")
    chart.show(curves)
    linear = chart.y_scale
    chart.set_y_log(True)
    chart.show(curves)
    assert chart.y_scale is not linear
    assert {mark.scales["y"] for mark in chart.marks} == {chart.y_scale}
    assert chart._y_axis.scale is chart.y_scale
    assert 0 < chart.y_scale.min < chart.y_scale.max
    losses = (1.0, 0.0, -1.0, 2.0)
    points = (Point(i, 10.0 ** (i - 5), loss) for i, loss in enumerate(losses))
    curves.add(Curve(points), "c")
    chart.show(curves)
    assert np.isnan(chart.raw.y).tolist() == [False, True, True, False]
    chart.set_y_log(False)
    chart.show(curves)
    assert chart.y_scale is linear
    assert {mark.scales["y"] for mark in chart.marks} == {linear}


def test_another_measure_is_on_the_axis_and_a_curve_without_it_is_not_drawn(chart):
    curves, curve = Curves(), sweep()
    curves.add(Curve([Point(0, 1e-3, 1.0), Point(1, 1e-2, 2.0)]), "bare")
    curves.add(curve, "full")
    chart.measure = "accuracy"
    chart.show(curves)
    assert chart._y_axis.label == "accuracy"
    assert np.array_equal(chart.raw.y, curve.trace("accuracy").values)
    assert drawn(chart, curves) == {"bare": 0}
    assert chart.y_scale.max < 1.2


def test_a_metric_that_rises_to_its_best_is_shown_to_the_top(chart):
    curves = Curves()
    points = (
        Point(i, 10.0 ** (i / 10 - 5), 1.0, metrics={"accuracy": 0.1 if i < 30 else 1})
        for i in range(40)
    )
    curves.add(Curve(points))
    chart.measure = "accuracy"
    chart.show(curves)
    assert chart.y_scale.max > 1


def test_a_curve_of_nan_alone_is_shown_without_a_complaint(chart):
    curves = Curves()
    curves.add(Curve([Point(0, 1e-7, float("nan"))]))
    chart.show(curves)
    assert chart.y_scale.min < chart.y_scale.max
    assert len(chart.raw.x) == 0


def test_of_two_curves_no_two_look_the_same():
    looks = [curve_style(place) for place in range(20)]
    assert len(set(looks)) == 20


def luminance(color):
    """The relative luminance of WCAG 2."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("paper", ["#FFFFFF", "#111111"])
def test_every_colour_stands_out_from_light_and_dark_paper_by_3_to_1(paper):
    for color in {curve_style(place)[0] for place in range(10)} | {*MARKS.values()}:
        dark, light = sorted([luminance(color), luminance(paper)])
        assert (light + 0.05) / (dark + 0.05) >= 3, color


def test_fit_chart_shows_validation_losses_at_the_last_step_of_their_epochs():
    chart, curve = FitChart(), Curve()
    for step in range(4):
        epoch = Epoch(step // 2 + 1, step, 1.0, 0.9 - step / 10) if step % 2 else None
        curve.append(Point(step, 1e-3, 1.0, epoch))
    chart.show(curve)
    assert chart._valid.x.tolist() == [1.0, 3.0]
    assert chart._valid.y.tolist() == pytest.approx([0.8, 0.6])


def test_fit_chart_spans_the_steps_of_its_plan_however_few_have_been_made():
    chart = FitChart()
    chart.set_steps(300)
    chart.show(Curve([Point(0, 1e-3, 1.0), Point(1, 1e-3, 0.5)]))
    assert (chart._steps.min, chart._steps.max) == (0, 299)
    assert chart._axis.tick_values.tolist() == [0, 50, 100, 150, 200, 250]


@pytest.mark.parametrize(
    ("valid", "seen"),
    [(3.0, True), (0.01, True), (1e6, False), (float("nan"), False)],
)
def test_a_validation_loss_is_in_view_unless_it_would_press_the_curve_flat(valid, seen):
    chart, curve = FitChart(), Curve()
    for step, loss in enumerate(np.geomspace(2.3, 0.1, 50).tolist()):
        epoch = Epoch(1, step, loss, valid) if step == 49 else None
        curve.append(Point(step, 1e-3, loss, epoch))
    chart.show(curve)
    low, high = chart.y_scale.min, chart.y_scale.max
    assert (low < valid < high) == seen
    assert low < 0.1 < 2.3 < high < 6


def test_fit_chart_shows_no_more_dots_than_points_of_a_line():
    chart, curve = FitChart(), Curve()
    for step in range(2 * MAX_POINTS):
        curve.append(Point(step, 1e-3, 1.0, Epoch(step + 1, step, 1.0, 1 / (step + 1))))
    chart.show(curve)
    assert len(chart._valid.x) == len(chart._valid.y) <= MAX_POINTS
    assert chart._valid.x[-1] == 2 * MAX_POINTS - 1


@pytest.mark.parametrize("measure", ["loss", "accuracy"])
@pytest.mark.parametrize("y_log", [False, True])
@pytest.mark.parametrize(
    "values",
    [
        np.geomspace(1e300, 1.0, 100),
        np.geomspace(1.0, 1e-320, 100),
        np.tile([-1.7e308, 1.7e308], 50),
        np.full(100, 1.7e308),
        np.full(100, 1e-320),
        np.zeros(100),
    ],
)
def test_the_largest_and_the_smallest_values_have_an_axis(
    chart, measure, y_log, values
):
    curves = Curves()
    points = enumerate(zip(np.geomspace(1e-7, 10.0, 100), values, strict=True))
    curves.add(Curve(Point(i, x, y, metrics={"accuracy": y}) for i, (x, y) in points))
    chart.measure = measure
    chart.set_y_log(y_log)
    with np.errstate(all="ignore"):
        chart.show(curves)
    low, high = chart.y_scale.min, chart.y_scale.max
    assert (0 if y_log else -np.inf) < low < high < np.inf
    assert np.isfinite(chart._y_axis.tick_values.astype(float)).all()
