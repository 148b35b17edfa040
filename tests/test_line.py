"""Line: what is found as a line grows is what is found of it as a whole."""

import numpy as np
import pytest

from lr_widget import Curve, Point
from lr_widget.axis import full_range, y_range
from lr_widget.chart import LRChart
from lr_widget.curves import Curves
from lr_widget.figure import Linear
from lr_widget.line import MAX_POINTS, Line, sample, thin

LENGTHS = [1, 999, 1000, 1001, 1999, 2000, 2001, 2500, 3999, 4001, 7000, 7001]
LENGTHS += [20_000, 50_003]


def values(kind):
    found = np.random.default_rng(0).normal(size=LENGTHS[-1])
    if kind == "holes":
        found[np.random.default_rng(1).random(len(found)) < 0.3] = np.nan
        found[5000:9000] = np.inf
    elif kind == "nothing":
        found[:] = np.nan
    return found


@pytest.fixture
def line():
    return Line(scales={"x": Linear(), "y": Linear()})


@pytest.mark.parametrize("kind", ["all", "holes", "nothing"])
def test_a_line_that_grows_is_drawn_as_if_it_came_at_once(line, kind):
    whole = values(kind)
    for length in LENGTHS:
        y = whole[:length]
        kept = line.show(None, y, "a run")
        x, thinned = thin(np.arange(float(length)), y)
        assert kept.tolist() == x.tolist()
        assert len(kept) <= MAX_POINTS
        finite = np.flatnonzero(np.isfinite(thinned))
        end = finite[-1] + 1 if len(finite) else 0
        np.testing.assert_array_equal(line.y, thinned[:end])
        np.testing.assert_array_equal(line.x, x[:end])


def test_a_line_of_something_else_has_nothing_of_the_one_before(line):
    length = 20_000
    line.show(None, np.zeros(length), "the first")
    spikes = np.zeros(length + 1)
    spikes[777] = 5.0
    line.show(None, spikes, "the second")
    assert line.y.max() == 5.0


@pytest.mark.parametrize("kind", ["all", "holes", "nothing"])
@pytest.mark.parametrize("bound", [y_range, full_range])
def test_the_range_read_off_a_sample_is_that_of_all(line, kind, bound):
    whole = values(kind)
    smooth = np.cumsum(np.nan_to_num(whole, posinf=0.0)) / 50
    for length in LENGTHS:
        y, calm = whole[:length], smooth[:length]
        rough = sample(y, line.show(None, y, "raw"))
        kept = Line(scales=line.scales).show(None, calm)
        assert bound(rough, calm[kept]) == bound(y, calm)


@pytest.mark.parametrize("y_log", [False, True])
def test_a_sweep_that_grows_spans_the_axes_as_one_that_is_there(y_log):
    rng = np.random.default_rng(0)
    curves, curve = Curves(lambda: None), Curve()
    curves.add(curve, "a")
    chart = LRChart(1e-7, 10.0)
    chart.set_y_log(y_log)
    for step in range(6000):
        curve.append(Point(step, 1e-7 * 1.002**step, float(rng.normal(1.0, 0.5))))
        if step == 0:
            chart.show(curves)
        elif step % 700 == 0 or step == 5999:
            chart.grow(curves, curve)
    other = LRChart(1e-7, 10.0)
    other.set_y_log(y_log)
    other.show(curves)
    assert chart.whole_range() == other.whole_range()
    lrs, raw, smooth = curve.trace("loss", chart.beta)
    drawable = np.where(raw > 0, raw, np.nan) if y_log else raw
    np.testing.assert_array_equal(chart.raw.y, thin(lrs, drawable)[1])
    assert chart.whole_range()[1] == chart._extent(lrs, raw, smooth)[1]
