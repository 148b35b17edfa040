"""ScheduleChart: the plan as it will be made, and over it what has been."""

import ipywidgets
import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances

from lr_widget import Curve, Point
from lr_widget.controls import parts
from lr_widget.fit_chart import FitChart
from lr_widget.schedule import one_cycle_schedule
from lr_widget.schedule_chart import MAX_GROUPS, MAX_POINTS, ScheduleChart


@pytest.fixture
def chart():
    chart = ScheduleChart()
    yield chart
    chart.close()


@pytest.fixture
def sent(monkeypatch):
    """The size in bytes of each message to the browser, by the model it is for."""
    sizes = []

    def note(widget, message, buffers=None):
        size = sum(memoryview(buffer).nbytes for buffer in buffers or ())
        sizes.append((widget, set(message.get("state", ())), size))

    monkeypatch.setattr(ipywidgets.Widget, "_send", note)
    return sizes


def made(schedule, steps, step=0):
    """What a fit has recorded after so many steps of a schedule."""
    lrs, momentums = schedule
    return Curve(
        Point(i, lrs[i].max().item(), 1.0, momentum=momentums[i].max().item())
        for i in range(steps)
    )


def line(mark):
    return np.array([mark.x, mark.y])


def test_a_plan_is_drawn_step_by_step_on_axes_that_hold_it(chart):
    lrs, momentums = one_cycle_schedule(300, max_lr=1e-2)
    chart.plan(lrs, momentums)
    steps = np.arange(300)
    assert np.array_equal(line(chart._lrs), [steps, lrs])
    assert np.array_equal(line(chart._momentums), [steps, momentums])
    assert (chart._steps.min, chart._steps.max) == (0, 299)
    for axis, values in ((chart._lr_axis, lrs), (chart._momentum_axis, momentums)):
        assert axis.scale.min < values.min() < values.max() < axis.scale.max
        assert 2 <= len(axis.tick_values) <= 5
    assert [axis.label for axis in chart.axes] == ["step", "lr", "momentum"]
    assert chart.text.startswith("Solid: lr 4e-4 to 1e-2 at step 90 of 300")


def test_lr_and_momentum_differ_in_more_than_colour(chart):
    chart.plan(*one_cycle_schedule(10, max_lr=1.0))
    assert chart._lrs.line_style == "solid"
    assert chart._momentums.line_style == "dashed"
    assert chart._lrs.colors != chart._momentums.colors
    assert chart._lrs.stroke_width > chart._momentums.stroke_width


def test_without_momentum_there_is_no_axis_for_it(chart):
    chart.plan(*one_cycle_schedule(10, max_lr=1.0))
    assert chart._momentum_axis.visible
    chart.plan(*one_cycle_schedule(10, max_lr=1.0, cycle_momentum=False))
    assert not chart._momentum_axis.visible
    assert len(chart._momentums.x) == 0
    assert "momentum" not in chart.text


@pytest.mark.parametrize("groups", [1, 2, MAX_GROUPS, 100])
def test_each_group_has_a_line_up_to_a_few_and_the_leading_one_is_bold(chart, groups):
    peaks = np.geomspace(1e-3, 1e-1, groups)[::-1].tolist()
    lrs, momentums = one_cycle_schedule(50, max_lr=peaks)
    chart.plan(lrs, momentums)
    lead = lrs.reshape(50, -1)[:, 0]
    assert np.array_equal(chart._lrs.y, lead)
    shown = chart._groups.y.reshape(-1, 50) if groups > 1 else []
    assert len(shown) == min(groups, MAX_GROUPS) - 1
    columns = {*map(tuple, lrs.reshape(50, -1).T)}
    assert columns >= {*map(tuple, shown)}
    assert chart._groups.stroke_width < chart._lrs.stroke_width


def test_groups_that_go_together_are_one_line(chart):
    chart.plan(*one_cycle_schedule(50, max_lr=[0.1, 0.1, 0.1, 0.01, 0.01]))
    assert len(chart._groups.y.reshape(-1, 50)) == 1


def test_what_has_been_made_is_bold_on_a_plan_that_is_faint_from_then_on(chart):
    schedule = one_cycle_schedule(300, max_lr=1e-2)
    chart.plan(*schedule)
    assert chart._lrs.opacities == [1.0]
    history = made(schedule, 120)
    chart.show(history)
    steps = np.arange(120)
    assert np.array_equal(line(chart._lrs_made), [steps, schedule.lrs[:120]])
    assert np.array_equal(
        line(chart._momentums_made), [steps, schedule.momentums[:120]]
    )
    assert line(chart._now).ravel().tolist() == [119, schedule.lrs[119]]
    assert chart._lrs.opacities[0] < 0.5
    assert (chart._steps.min, chart._steps.max) == (0, 299)


def test_an_lr_that_strays_from_its_plan_is_drawn_where_it_was(chart):
    chart.plan(*one_cycle_schedule(300, max_lr=1e-2))
    chart.show(Curve([Point(0, 0.5, 1.0), Point(1, 0.6, 1.0)]))
    assert chart._lrs_made.y.tolist() == [0.5, 0.6]
    assert chart._lr_axis.scale.max > 0.6


def test_a_fit_is_drawn_on_the_plan_that_it_was_begun_with_and_on_no_other(chart):
    first, other = (one_cycle_schedule(n, max_lr=1e-2) for n in (300, 500))
    chart.plan(*first)
    history = made(first, 300)
    chart.show(history)
    chart.plan(*other)
    assert len(chart._lrs_made.x) == 0
    chart.show(history)
    assert len(chart._lrs_made.x) == len(chart._now.x) == 0
    assert chart._lrs.opacities == [1.0]
    chart.plan(*one_cycle_schedule(300, max_lr=1e-2))
    assert len(chart._lrs_made.x) == 300
    chart.plan(*other)
    chart.show(made(other, 3))
    assert len(chart._lrs_made.x) == 3


def test_a_fit_without_a_plan_is_drawn_by_itself(chart):
    assert chart.empty
    chart.show(made(one_cycle_schedule(100, max_lr=1.0), 40))
    assert not chart.empty
    assert chart.text == ""
    assert (chart._steps.min, chart._steps.max) == (0, 39)
    chart.clear()
    assert chart.empty


def test_a_cleared_chart_draws_nothing_and_takes_the_same_plan_again(chart):
    schedule = one_cycle_schedule(100, max_lr=1.0)
    chart.plan(*schedule)
    chart.show(made(schedule, 10))
    chart.clear()
    assert chart.empty
    assert (chart.text, chart._momentum_axis.visible) == ("", False)
    chart.plan(*schedule)
    assert len(chart._lrs.x) == 100
    assert len(chart._lrs_made.x) == 0


@pytest.mark.parametrize("steps", [10**3, 10**6])
def test_a_million_steps_cost_no_more_than_a_thousand(chart, sent, steps):
    schedule = one_cycle_schedule(steps, max_lr=[1e-3, 1e-2])
    history = made(schedule, steps // 10)
    sent.clear()
    chart.plan(*schedule)
    chart.show(history)
    lines = 5  # two LRs and a momentum that are planned, one of each that was made
    assert 0 < sum(size for *_, size in sent) < lines * MAX_POINTS * 2 * 8
    assert all(len(mark.x) <= MAX_POINTS for mark in chart.marks)
    assert chart._lrs.y.max() == schedule.lrs.max()
    assert chart._momentums.y.min() == schedule.momentums.min()
    assert chart._lrs_made.x[-1] == steps // 10 - 1


def test_x_and_y_of_a_line_are_in_one_message_and_nothing_new_is_not_sent(chart, sent):
    schedule = one_cycle_schedule(300, max_lr=1e-2)
    history = made(schedule, 100)
    chart.plan(*schedule)
    chart.show(history)
    drawn = [keys for widget, keys, _ in sent if widget in chart.marks]
    assert drawn
    assert not [keys for keys in drawn if len(keys & {"x", "y"}) == 1]
    sent.clear()
    chart.plan(*one_cycle_schedule(300, max_lr=1e-2))
    chart.show(history)
    assert sent == []


@pytest.mark.parametrize(
    ("lr", "ticks", "form"),
    [
        (1e-2, [0.0, 0.005, 0.01], "~g"),
        (3e-5, [1e-5, 2e-5, 3e-5], "~e"),
        (2.0, [0.0, 0.5, 1.0, 1.5, 2.0], "~g"),
    ],
)
def test_small_lrs_are_written_as_people_write_them(chart, sent, lr, ticks, form):
    chart.plan(*one_cycle_schedule(100, max_lr=0.5))
    chart.plan(*one_cycle_schedule(100, max_lr=3e-4))
    sent.clear()
    chart.plan(*one_cycle_schedule(100, max_lr=lr))
    axis = chart._lr_axis
    assert axis.tick_values.tolist() == pytest.approx(ticks)
    assert axis.tick_format == form
    # bqplot writes new ticks with the format that it has by then.
    told = [key for widget, keys, _ in sent if widget is axis for key in keys]
    assert told[-1] == "tick_values"


@pytest.mark.parametrize("lr", [0.0, 1e-320, 1e-30, 1.0, 1e300])
@pytest.mark.parametrize("steps", [1, 2, 1000])
def test_the_smallest_and_the_largest_lrs_have_an_axis(chart, lr, steps):
    with np.errstate(all="ignore"):
        chart.plan(np.full(steps, lr), np.zeros(steps))
    for axis in chart.axes:
        assert -np.inf < axis.scale.min < axis.scale.max < np.inf
        assert np.isfinite(axis.tick_values.astype(float)).all()


def test_the_steps_of_the_schedule_are_right_above_those_of_the_losses(chart):
    fit = FitChart()
    for steps in (1, 2, 300):
        fit.set_steps(steps)
        chart.plan(*one_cycle_schedule(steps, max_lr=0.1))
        assert (fit._steps.min, fit._steps.max) == (chart._steps.min, chart._steps.max)
        assert np.array_equal(fit._axis.tick_values, chart._axis.tick_values)
    for side in ("left", "right"):
        assert fit.fig_margin[side] == chart.fig_margin[side]
    # bqplot keeps half of a dot free at either end of the axis.
    assert fit._valid.default_size == chart._now.default_size


def test_closing_the_figure_and_its_parts_leaves_no_widget_behind():
    before = {*_instances}
    chart = ScheduleChart()
    chart.plan(*one_cycle_schedule(10, max_lr=[0.1, 0.2]))
    chart.plan(*one_cycle_schedule(10, max_lr=0.1, cycle_momentum=False))
    for part in parts(chart):
        part.close()
    assert {*_instances} == before
