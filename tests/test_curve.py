"""Curve keeps what happened."""

import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lr_widget import Curve, Epoch, Point
from lr_widget.classics import classics
from lr_widget.curve import RESERVED
from lr_widget.series import KEPT

LOSSES = st.lists(st.floats(-1e6, 1e6), max_size=60)
BETAS = st.floats(0, 0.999)


def curve_of(losses):
    return Curve(Point(i, 1e-7 * 1.2**i, loss) for i, loss in enumerate(losses))


def plain_smooth(losses, beta):
    """The moving average with weights that sum to one, written as a sum."""
    smoothed = []
    for i in range(len(losses)):
        weights = [(1 - beta) * beta ** (i - j) for j in range(i + 1)]
        smoothed.append(math.fsum(w * x for w, x in zip(weights, losses, strict=False)))
        smoothed[-1] /= 1 - beta ** (i + 1)
    return smoothed


# The record ---------------------------------------------------------------------------


def test_a_curve_gives_back_the_points_it_was_given():
    points = [Point(0, 1e-3, 2.0), Point(1, 1e-2, 1.0), Point(2, 1e-1, 3.0)]
    assert list(Curve(points)) == points


def test_a_curve_of_a_fit_gives_back_its_epochs_with_its_points():
    end = Epoch(1, 1, train_loss=1.5, valid_loss=2.0, metrics={"accuracy": 0.5})
    points = [Point(0, 1e-3, 2.0), Point(1, 1e-2, 1.0, end)]
    curve = Curve(points)
    assert curve.epochs == [end]
    assert list(curve) == points


def test_lrs_and_losses_are_float64_arrays_of_one_entry_per_step():
    curve = curve_of([3, 2, 1])
    for column in (curve.lrs, curve.losses):
        assert (column.dtype, column.shape) == (np.float64, (3,))
    assert len(curve) == 3
    assert curve.losses.tolist() == [3, 2, 1]


def test_an_empty_curve_is_empty_everywhere():
    curve = Curve()
    assert len(curve) == len(curve.lrs) == len(curve.losses) == len(curve.smooth()) == 0
    assert list(curve) == []


@pytest.mark.parametrize("column", ["lrs", "losses", "smooth"])
def test_what_a_curve_hands_out_cannot_be_written_to(column):
    curve = curve_of([1.0, 2.0])
    array = curve.smooth() if column == "smooth" else getattr(curve, column)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 7


def test_an_array_taken_early_does_not_change_when_the_curve_grows():
    curve = curve_of(range(10))
    losses, smooth = curve.losses, curve.smooth()
    copies = losses.copy(), smooth.copy()
    for i in range(10, 2000):
        curve.append(Point(i, 1.0, i))
    assert losses.tolist() == copies[0].tolist()
    assert smooth.tolist() == copies[1].tolist()
    assert curve.losses.tolist() == list(range(2000))


def test_raw_losses_are_kept_whatever_they_are():
    losses = [1.0, math.inf, -math.inf, math.nan]
    np.testing.assert_array_equal(curve_of(losses).losses, losses)


# Smoothing ----------------------------------------------------------------------------


@given(LOSSES, BETAS)
def test_smoothing_is_a_weighted_mean_of_what_came_before(losses, beta):
    expected = plain_smooth(losses, beta)
    np.testing.assert_allclose(
        curve_of(losses).smooth(beta), expected, rtol=1e-9, atol=1e-6
    )


@given(LOSSES, BETAS, BETAS)
def test_smoothing_while_the_curve_grows_equals_smoothing_it_whole(losses, beta, other):
    grown = Curve()
    for point in curve_of(losses):
        grown.append(point)
        grown.smooth(beta), grown.smooth(other)
    assert grown.smooth(beta).tolist() == curve_of(losses).smooth(beta).tolist()
    assert grown.smooth(other).tolist() == curve_of(losses).smooth(other).tolist()


def test_beta_zero_gives_the_raw_losses():
    assert curve_of([3.0, 1.0, 2.0]).smooth(0).tolist() == [3.0, 1.0, 2.0]


def test_a_constant_loss_stays_the_same_when_smoothed():
    np.testing.assert_allclose(curve_of([2.5] * 50).smooth(), 2.5)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_from_the_first_loss_that_is_not_finite_the_smoothed_one_is_not(bad):
    smooth = curve_of([1.0, 1.0, bad, 1.0]).smooth()
    assert np.isfinite(smooth).tolist() == [True, True, False, False]


@pytest.mark.parametrize("beta", [1, 1.5, -0.1, math.nan])
def test_a_beta_that_cannot_be_is_refused(beta):
    with pytest.raises(ValueError, match=r"beta must be in \[0, 1\).*try 0\.98"):
        curve_of([1.0]).smooth(beta)


# Metrics ------------------------------------------------------------------------------


def with_metrics():
    """Five points, accuracy at each, validation at the first, third and last."""
    return Curve([
        Point(i, 10.0 ** (i - 5), 3.0 - i, metrics={"accuracy": 0.1 * i}
              | ({"valid_loss": 5.0 - i, "valid_accuracy": 0.2 * i}
                 if i % 2 == 0 else {}))
        for i in range(5)
    ])  # fmt: skip


def test_a_curve_gives_back_its_points_with_their_metrics():
    points = list(with_metrics())
    assert points[2].metrics == {
        "accuracy": 0.2, "valid_loss": 3.0, "valid_accuracy": 0.4
    }  # fmt: skip
    assert points[1].metrics == {"accuracy": 0.1}
    assert list(Curve(points)) == points


def test_measures_are_the_loss_and_each_metric_as_it_first_came():
    assert Curve().measures == ("loss",)
    assert with_metrics().measures == (
        "loss", "accuracy", "valid_loss", "valid_accuracy"
    )  # fmt: skip


def test_a_trace_has_the_steps_at_which_it_was_measured_and_no_other():
    curve = with_metrics()
    lrs, values, smooth = curve.trace("valid_loss")
    assert lrs.tolist() == [1e-5, 1e-3, 1e-1]
    assert values.tolist() == [5.0, 3.0, 1.0]
    assert smooth.tolist() == values.tolist()
    assert curve.steps("valid_loss").tolist() == [0, 2, 4]
    assert curve.steps().tolist() == [0, 1, 2, 3, 4]


def test_a_training_metric_is_smoothed_as_the_loss_is():
    curve = with_metrics()
    values = curve.trace("accuracy").values.tolist()
    np.testing.assert_allclose(
        curve.trace("accuracy", 0.7).smooth, plain_smooth(values, 0.7)
    )
    assert curve.trace("loss", 0.7).smooth.tolist() == curve.smooth(0.7).tolist()


def test_a_trace_cannot_be_written_to_and_stays_when_the_curve_grows():
    curve = with_metrics()
    trace = curve.trace("accuracy", 0.5)
    copies = [array.tolist() for array in trace]
    for array in trace:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7
    for i in range(5, 1000):
        curve.append(Point(i, 1.0, 1.0, metrics={"accuracy": 1.0}))
    assert [array.tolist() for array in trace] == copies
    assert [len(array) for array in curve.trace("accuracy", 0.5)] == [1000] * 3


@pytest.mark.parametrize("measure", ["precision", "valid_precision", "smooth", None])
def test_a_measure_that_was_never_taken_is_refused_with_those_that_were(measure):
    with pytest.raises(ValueError, match=r"one of loss, accuracy, valid_loss, valid_a"):
        with_metrics().trace(measure)


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_metric_with_the_name_of_another_column_is_refused(name):
    curve = Curve()
    with pytest.raises(ValueError, match=f"metrics has '{name}'.*rename"):
        curve.append(Point(0, 0.1, 1.0, metrics={name: 1.0}))
    assert len(curve) == 0


def test_a_slider_that_goes_through_many_betas_leaves_few_averages_behind():
    curve = curve_of(range(50))
    for beta in np.linspace(0, 0.99, 200).tolist():
        plain = curve_of(range(50)).smooth(beta)
        assert curve.smooth(beta).tolist() == plain.tolist()
    assert len(curve._series["loss"]._averages) == KEPT


def test_suggestions_are_read_off_the_curve_smoothed_as_asked():
    random = np.random.default_rng(0)
    losses = [1 - 0.6 * math.tanh(i / 30) + max(0, i - 90) for i in range(100)]
    curve = curve_of(np.array(losses) + random.normal(0, 0.05, 100))
    for beta in (0.0, 0.9, 0.98):
        plain = classics(curve.lrs, curve.smooth(beta))
        found = curve.suggestions(beta)
        assert found.pop("fall") == curve.suggestion.lr
        assert found == plain
    assert curve.suggestions() == curve.suggestions(0.98)
    assert curve.suggestions(0.0) != curve.suggestions(0.98)


# Tables and pictures ------------------------------------------------------------------


def test_a_frame_has_a_row_per_step_and_nan_where_nothing_was_measured():
    frame = with_metrics().to_frame(beta=0.5)
    assert list(frame.columns) == [
        "step", "lr", "loss", "smooth", "accuracy", "valid_loss", "valid_accuracy"
    ]  # fmt: skip
    assert frame["step"].tolist() == [0, 1, 2, 3, 4]
    assert frame["smooth"].tolist() == with_metrics().smooth(0.5).tolist()
    np.testing.assert_array_equal(frame["valid_loss"], [5, math.nan, 3, math.nan, 1])


def test_a_frame_of_an_empty_curve_is_empty():
    frame = Curve().to_frame()
    assert (len(frame), list(frame.columns)) == (0, ["step", "lr", "loss", "smooth"])


def test_a_frame_does_not_change_when_the_curve_grows():
    curve = curve_of([1.0, 2.0])
    frame = curve.to_frame()
    frame.loc[0, "loss"] = 7.0
    assert curve.losses.tolist() == [1.0, 2.0]


@pytest.fixture
def axes():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    from matplotlib.figure import Figure

    return Figure().subplots()


def test_a_plot_shows_raw_and_smooth_the_suggestions_and_the_lr(axes):
    curve = curve_of([3 - 0.02 * i + max(0, i - 90) for i in range(100)])
    assert curve.plot(axes, beta=0.5, lr=1e-3) is axes
    lines = {line.get_label().split()[0]: line for line in axes.lines}
    assert lines["raw"].get_ydata().tolist() == curve.losses.tolist()
    assert lines["smoothed"].get_ydata().tolist() == curve.smooth(0.5).tolist()
    suggestions = curve.suggestions(0.5)
    assert suggestions["valley"] is not None
    assert suggestions["fall"] == curve.suggestion.lr
    assert axes.patches[0].get_label() == "look here"
    for name, lr in suggestions.items():
        assert (name in lines) == (lr is not None)
        assert lr is None or lines[name].get_xdata().tolist() == [lr]
    assert list(lines["lr"].get_xdata()) == [1e-3, 1e-3]
    assert axes.get_xscale() == "log"


def test_a_plot_says_why_there_is_no_suggestion_and_doubts_the_other_rules(axes):
    curve = curve_of(2 + 0.01 * (-1) ** np.arange(100))
    curve.plot(axes)
    assert axes.get_title() == curve.suggestion.sentence
    lines = {line.get_label().split()[0]: line for line in axes.lines}
    assert "fall" not in lines
    assert lines["minimum"].get_fillstyle() == "none"


def test_a_plot_of_an_empty_curve_is_empty(axes):
    Curve().plot(axes)
    assert all(len(line.get_xdata()) == 0 for line in axes.lines)


def test_a_plot_without_axes_makes_some(axes):
    import matplotlib.pyplot as plt

    made = curve_of([1.0, 2.0]).plot()
    assert made in plt.gcf().axes
    plt.close(made.figure)


def test_a_plot_without_matplotlib_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        curve_of([1.0]).plot()


def fitted():
    ends = {1: Epoch(1, 1, 2.5, 2.0, {"accuracy": 0.5}, 0.25), 3: Epoch(2, 3, 1.5)}
    return Curve(
        Point(i, 0.1 * i, 3.0 - i, ends.get(i), momentum=0.9 - 0.1 * i)
        for i in range(4)
    )


def test_a_point_of_a_fit_gives_back_its_momentum():
    points = list(fitted())
    assert [point.momentum for point in points] == [0.9, 0.8, 0.9 - 0.2, 0.9 - 0.1 * 3]
    assert all(point.metrics == {} for point in points)
    assert fitted().to_frame()["momentum"].tolist() == [p.momentum for p in points]


def test_a_saved_fit_has_its_momentum_and_the_time_of_its_epochs(tmp_path):
    fitted().save(tmp_path / "fit.json")
    loaded = Curve.load(tmp_path / "fit.json")
    assert list(loaded) == list(fitted())
    assert [epoch.seconds for epoch in loaded.epochs] == [0.25, 0.0]


def test_the_epochs_of_a_fit_are_a_frame_with_a_row_each():
    frame = fitted().epochs_to_frame()
    columns = ["epoch", "train_loss", "valid_loss", "accuracy", "seconds"]
    assert frame.columns.tolist() == columns
    assert frame.iloc[0].tolist() == [1, 2.5, 2.0, 0.5, 0.25]
    assert frame["valid_loss"].isna().tolist() == [False, True]
    assert len(Curve().epochs_to_frame()) == 0


def test_two_epochs_are_equal_however_long_they_took():
    assert Epoch(1, 9, 2.0, seconds=1.0) == Epoch(1, 9, 2.0, seconds=2.0)
