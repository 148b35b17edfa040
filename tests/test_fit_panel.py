"""FitPanel: it shows what it is told, and asks its owner about all else."""

import pytest

from lr_widget import Curve, Epoch, Point
from lr_widget.controls import parts
from lr_widget.cycle import SCHEDULES
from lr_widget.fit_chart import FitChart
from lr_widget.fit_panel import FitPanel
from lr_widget.schedule import PCT_START, one_cycle_schedule

PLAN = one_cycle_schedule(30, max_lr=1e-2)
FIT = Curve([Point(0, 4e-4, 1.0, Epoch(1, 0, 1.0))])


@pytest.fixture
def panel():
    return FitPanel(FitChart())


def shown(panel):
    """All widgets that are in the page."""
    return {id(part) for child in panel.children for part in parts(child)}


def sees(panel, *widgets):
    return [id(widget) in shown(panel) for widget in widgets]


def test_there_is_no_chart_before_there_is_a_plan_nor_a_fit(panel):
    charts = panel.schedule_chart, panel._fit_chart, panel.table
    assert sees(panel, *charts) == [False, False, False]
    panel.show_plan(*PLAN)
    assert sees(panel, *charts) == [True, False, False]
    panel.show_fit(FIT, 3)
    assert sees(panel, *charts) == [True, True, True]
    panel.show_plan(None, None)
    assert sees(panel, *charts) == [False, True, True]
    panel.show_fit(None, 0)
    assert sees(panel, *charts) == [False, False, False]


def test_the_charts_are_one_below_the_other_the_schedule_first(panel):
    panel.show_fit(FIT, 3)
    panel.show_plan(*PLAN)
    assert panel._box.children[:2] == (panel.schedule_chart, panel._fit_chart)


def test_a_plan_is_told_in_words_and_where_there_is_none_why(panel):
    panel.show_plan(*PLAN)
    assert panel._plan.value.startswith("Solid: lr 4e-4 to 1e-2 at step 9 of 30")
    assert "lr-widget-error" not in panel._plan._dom_classes
    panel.show_plan(None, None, "pct_start=0.1 of 10 steps is a single one")
    assert panel._plan.value == "pct_start=0.1 of 10 steps is a single one"
    assert "lr-widget-error" in panel._plan._dom_classes
    assert sees(panel, panel.schedule_chart) == [False]
    panel.show_plan(*PLAN)
    assert "lr-widget-error" not in panel._plan._dom_classes
    panel.show_plan(None, None)
    assert panel._plan.value == ""


def test_what_has_been_fitted_is_in_both_charts_places_and_in_the_table(panel):
    panel.show_plan(*PLAN)
    panel.show_fit(FIT, 3)
    assert panel.schedule_chart._lrs_made.y.tolist() == [4e-4]
    assert panel.table.rows[0][:2] == ["1", "1.000000"]
    assert panel.table.caption == "1 of 3 epochs"


def test_the_page_is_left_alone_when_nothing_opens_or_closes(panel):
    panel.show_plan(*PLAN)
    panel.show_fit(FIT, 3)
    changes = []
    panel._box.observe(changes.append, "children")
    panel._buttons.observe(changes.append, "children")
    panel.show_plan(*PLAN)
    panel.show_fit(FIT, 3)
    panel.show_freezing(False, False, "")
    assert changes == []


@pytest.mark.parametrize(
    ("active", "lr", "can_undo", "enabled"),
    [
        (False, None, False, (False, False)),
        (False, 1e-3, False, (True, False)),
        (False, 1e-3, True, (True, True)),
        (False, None, True, (False, True)),
        (True, 1e-3, True, (False, False)),
    ],
)
def test_only_what_can_be_done_can_be_pressed(panel, active, lr, can_undo, enabled):
    panel.show_state(active, lr=lr, can_undo=can_undo)
    assert (not panel.fit.disabled, not panel.undo.disabled) == enabled
    assert panel.freeze.disabled == active
    assert panel.lr.value == ("" if lr is None else "1e-3")


def test_freezing_is_offered_only_where_there_are_groups_to_freeze(panel):
    panel.show_freezing(False, False, "")
    assert sees(panel, panel.freeze) == [False]
    panel.show_freezing(True, False, "all 3 groups train")
    assert sees(panel, panel.freeze, panel._frozen) == [True, True]
    assert (panel.freeze.description, panel._frozen.value) == (
        *("Freeze", "all 3 groups train"),
    )
    panel.show_freezing(True, True, "1 of 3 groups trains")
    assert panel.freeze.description == "Unfreeze"


def test_settings_are_shown_as_they_are_and_a_share_left_out_as_a_hint(panel):
    for schedule, (_, _, share) in SCHEDULES.items():
        panel.show_settings(5, None, schedule)
        assert (panel.epochs.value, panel.schedule.value) == ("5", schedule)
        assert (panel.pct_start.value, panel.pct_start.placeholder) == ("", str(share))
    panel.show_settings(5, 0.125, "torch")
    assert panel.pct_start.value == "0.125"


def test_the_hints_are_the_schedules_own_shares():
    assert {k: SCHEDULES[k].pct_start for k in PCT_START} == PCT_START


def test_a_setting_that_replaces_another_clears_its_error_and_no_other(panel):
    panel.show_settings(5, 0.25, "torch")
    panel.epochs.error = panel.pct_start.error = "no"
    panel.show_settings(5, 0.25, "torch")
    assert panel.epochs.error == panel.pct_start.error == "no"
    panel.show_settings(6, 0.25, "fastai")
    assert (panel.epochs.error, panel.pct_start.error) == ("", "no")


def test_whoever_closes_children_and_parts_has_closed_all_of_it():
    panel = FitPanel(FitChart())
    made = {*parts(*panel.children), *parts(*panel.parts)}
    panel.show_plan(*PLAN)
    panel.show_fit(FIT, 3)
    panel.show_freezing(True, True, "")
    assert {*parts(*panel.children)} <= made | {*parts(*panel.parts)}
    for part in made | {*parts(*panel.parts)}:
        part.close()
    assert parts(*panel.children) == parts(panel.schedule_chart, panel.freeze) == []


def test_what_a_person_does_is_the_owners_to_handle(panel):
    asked = []
    panel.schedule.on_choose(asked.append)
    panel.pct_start.on_submit(asked.append)
    panel.undo.on_click(lambda: asked.append("undo"))
    panel.freeze.on_click(lambda: asked.append("freeze"))
    panel.show_state(False, lr=1e-2, can_undo=True)
    for widget, said in (
        (panel.schedule, {"action": "choose", "value": "fastai"}),
        (panel.pct_start, {"action": "submit", "text": "0.4"}),
        (panel.undo, {"action": "click"}),
        (panel.freeze, {"action": "click"}),
    ):
        widget._handle_custom_msg(said, [])
    assert asked == ["fastai", "0.4", "undo", "freeze"]
    assert (panel.schedule.value, panel.pct_start.value) == ("torch", "")


def test_nothing_but_what_runs_can_be_pressed_while_something_runs(panel):
    panel.show_state(False, lr=1e-2, can_undo=True)
    buttons = panel.fit, panel.undo, panel.freeze
    assert [button.disabled for button in buttons] == [False, False, False]
    panel.show_state(True, lr=1e-2, can_undo=True)
    assert [button.disabled for button in buttons] == [True, True, True]
    panel.show_state(False, lr=None, can_undo=False)
    assert [button.disabled for button in buttons] == [True, True, False]
