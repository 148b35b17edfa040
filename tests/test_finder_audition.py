"""The audition in the finder: the button, the charts, the mark, and a pick from it."""

import threading
from itertools import islice

import numpy as np
import pytest
import torch
from driving import LONG, pick, press, regression, weights
from ipywidgets.widgets.widget import _instances
from subjects import changes, fingerprint, pictures, sgd, subject
from torch import nn
from torch.optim import Adagrad

from lr_widget import LRFinder, Trials, audition
from lr_widget.palette import GREEN

LRS = [1e-3, 1e-2, 1e-1]


@pytest.fixture
def finder():
    """One on random pictures, which can be learnt by heart."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(25, 8), nn.Tanh(), nn.Linear(8, 3))
    loader = pictures(augment=False)
    finder = LRFinder(model, loader, nn.CrossEntropyLoss(), sgd(model))
    yield finder
    finder.close()


def heard(finder):
    """What a screen reader says of the audition."""
    return finder._auditions.message.value


def cells(finder):
    """Those that are in the page."""
    board = finder._auditions
    shown = board._row.children if board._box.children else ()
    return [cell for cell in board._cells if cell.column in shown]


# The main job -------------------------------------------------------------------------


def test_from_the_sweep_by_the_button_to_a_pick_of_the_marked_one(finder):
    finder.range_test().wait(LONG)
    press(finder._panel.audition)
    finder._run.wait(LONG)
    assert finder.state == "done"
    assert finder.lr is None  # only a person picks
    trials = finder.trials
    suggested = finder.curve.suggestion.lr
    third = 10 ** (1 / 3)
    assert trials.lrs == pytest.approx(
        [suggested / third, suggested, suggested * third]
    )
    assert [len(curve) for curve in trials.curves] == [30] * 3
    assert trials.marked is not None
    assert heard(finder) == trials.sentence
    marked = trials.lrs.index(trials.marked)
    assert ["marked" in cell.title.value for cell in cells(finder)] == [
        i == marked for i in range(3)
    ]
    press(cells(finder)[marked].use)
    assert finder.lr == trials.marked
    assert finder._board.picker.lr == trials.marked
    assert not finder._panel.fit.disabled


def test_it_is_the_plain_generators_audition_and_leaves_no_trace():
    def made():
        task = subject("cnn", "AdamW, used")
        finder = LRFinder(task.model, task.loader, task.loss_fn, task.optimizer)
        return finder, task

    finder, task = made()
    before = fingerprint(task)
    finder.audition(LRS, steps=12).wait(LONG)
    assert changes(before, fingerprint(task)) == []
    finder.close()
    plain = Trials(LRS, 12, audition(made()[1], LRS, steps=12))
    for curve, other in zip(finder.trials.curves, plain.curves, strict=True):
        assert np.array_equal(curve.losses, other.losses)
    assert finder.trials.init_loss == plain.init_loss


def test_the_charts_show_every_step_on_one_scale_and_the_mark(finder):
    finder.audition([1e-5, 1e-2, 1e-1]).wait(LONG)
    trials, charts = finder.trials, [cell.chart for cell in cells(finder)]
    for curve, chart in zip(trials.curves, charts, strict=True):
        assert np.array_equal(chart.raw.y, curve.losses)
        assert chart._init.y.tolist() == [trials.init_loss] * 2
    scales = {(chart.y_scale.min, chart.y_scale.max) for chart in charts}
    assert len(scales) == 1
    ((low, high),) = scales
    assert low < min(curve.losses.min() for curve in trials.curves)
    assert low < trials.init_loss < high
    green = [chart.smooth.colors == [GREEN] for chart in charts]
    assert green == [lr == trials.marked for lr in trials.lrs]
    titles = [cell.title.value for cell in cells(finder)]
    assert all(text in title for text, title in zip(
        ["lr 1e-5", "lr 1e-2", "lr 0.1"], titles, strict=True))  # fmt: skip


def test_one_that_blows_up_says_so_and_its_line_ends_before():
    model, batches = regression()
    finder = LRFinder(model, batches, nn.MSELoss(), sgd(model))
    finder.audition([1e-2, 1e30]).wait(LONG)
    assert finder.state == "done"
    last = cells(finder)[1]
    assert "blew up at step" in last.text.value
    assert len(last.chart.raw.y) == len(finder.trials.curves[1]) - 1
    assert np.isfinite(last.chart.smooth.y).all()
    assert "Blew up: lr 1e30." in heard(finder)
    finder.close()


# What is tried ------------------------------------------------------------------------


def test_the_pick_is_tried_too_unless_it_is_one_of_them(finder):
    finder.range_test().wait(LONG)
    around = finder._candidates()
    finder.lr = around[1] * 1.01
    assert finder._candidates() == around
    finder.lr = around[1] * 1.5
    assert finder._candidates() == sorted([*around, finder.lr])
    assert finder._panel.audition.tooltip == (
        "4 short fits of 30 steps around the suggestion: a check, not the truth"
    )


def test_all_picks_since_the_sweep_are_tried_the_newest_before_the_oldest(finder):
    finder.range_test().wait(LONG)
    around = finder._candidates()
    picks = [around[1] * 10**power for power in (-3, -2, -1.5, 1, 1.5)]
    for lr in picks:
        finder.lr = lr
    finder.lr = None
    assert finder._candidates() == pytest.approx(sorted([*around, *picks[1:]]))
    finder.range_test().wait(LONG)
    assert len(finder._candidates()) == 3


def test_without_a_suggestion_it_is_around_the_pick(finder):
    pick(finder, 1e-2)
    assert not finder._panel.audition.disabled
    assert "30 steps around the pick: a check" in finder._panel.audition.tooltip
    assert finder._candidates() == pytest.approx([4.64e-3, 1e-2, 2.154e-2], rel=1e-3)


def test_with_neither_the_button_is_off_and_says_why(finder):
    button = finder._panel.audition
    assert button.disabled
    assert "pick an LR on the chart or pass lrs=[1e-3, 1e-2]" in button.tooltip
    with pytest.raises(ValueError, match=r"^lrs: .* pick an LR on the chart"):
        finder.audition()
    assert (finder.state, finder.trials) == ("idle", None)


def test_the_button_follows_the_curve_in_front(finder):
    finder.range_test().wait(LONG)
    assert not finder._panel.audition.disabled
    del finder.curves["sweep 1"]
    assert finder._panel.audition.disabled


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lrs": []}, "lrs must be a list"),
        ({"lrs": [1e-2, -1]}, "lrs must be positive"),
        ({"lrs": LRS, "steps": 3}, "steps must be"),
    ],
)
def test_what_cannot_be_is_refused_and_the_last_audition_stays(
    finder, arguments, message
):
    finder.audition(LRS, steps=10).wait(LONG)
    last = finder.trials
    with pytest.raises(ValueError, match=message):
        finder.audition(**arguments)
    assert finder.trials is last
    assert finder.state == "done"


def test_the_cycle_says_whether_momentum_is_moved():
    model, batches = regression()
    optimizer = Adagrad(model.parameters())
    finder = LRFinder(model, batches, nn.MSELoss(), optimizer)
    with pytest.raises(ValueError, match="neither momentum nor betas"):
        finder.audition(LRS)
    finder.cycle.cycle_momentum = False
    finder.audition(LRS, steps=10).wait(LONG)
    assert [len(curve) for curve in finder.trials.curves] == [10] * 3
    finder.close()


# As any other run ---------------------------------------------------------------------


def test_a_second_run_is_refused_and_the_buttons_are_those_of_a_run(gated):
    finder, gate = gated
    finder.audition(LRS, steps=10)
    gate.wait_until_asked()
    panel = finder._panel
    assert panel._state.value == "audition running"
    assert [panel.run.disabled, panel.fit.disabled, panel.audition.disabled] == [
        True
    ] * 3
    assert not panel.stop.disabled
    for second in (finder.range_test, finder.audition):
        with pytest.raises(RuntimeError, match="the audition is running: wait for"):
            second()
    with pytest.raises(RuntimeError, match="audition is running"):
        finder.undo()


def test_it_is_refused_while_a_sweep_runs(gated):
    finder, gate = gated
    finder.range_test()
    gate.wait_until_asked()
    with pytest.raises(RuntimeError, match="the range test is running"):
        finder.audition(LRS)
    assert finder.trials is None


def test_pause_rests_resume_goes_on_and_stop_puts_everything_back(gated):
    finder, gate = gated
    before = weights(finder.task)
    run = finder.audition(LRS, steps=10)
    for _ in range(14):  # ten for the loss before training
        gate.wait_until_asked()
        gate.let.release()
    press(finder._panel.pause)
    assert finder._panel._state.value == "audition paused"
    gate.open()
    press(finder._panel.pause)
    assert run.wait(LONG).state == "done"
    assert [len(curve) for curve in finder.trials.curves] == [10] * 3
    assert all(map(torch.equal, weights(finder.task), before))


def test_stopped_it_marks_nothing_and_leaves_no_trace(gated):
    finder, gate = gated
    before = weights(finder.task)
    run = finder.audition(LRS, steps=10)
    for _ in range(26):
        gate.wait_until_asked()
        gate.let.release()
    press(finder._panel.stop)
    gate.open()
    assert run.wait(LONG).state == finder.state == "stopped"
    assert finder.trials.marked is None
    assert heard(finder) == "Audition: 1 of 3 short fits of 10 steps each finished."
    assert all(map(torch.equal, weights(finder.task), before))


def test_stop_does_not_wait_for_the_loss_before_training(gated):
    finder, gate = gated
    run = finder.audition(LRS, steps=20)
    gate.wait_until_asked()
    press(finder._panel.stop)
    gate.let.release()  # this one batch, and no more
    assert run.wait(LONG).state == finder.state == "stopped"
    assert heard(finder) == "Audition: 0 of 3 short fits of 20 steps each finished."


def test_an_error_is_shown_and_everything_is_put_back(gated):
    finder, gate = gated
    before = weights(finder.task)
    run = finder.audition(LRS, steps=10)
    gate.wait_until_asked()
    gate.fault = RuntimeError("the disk is gone")
    gate.open()
    with pytest.raises(RuntimeError, match="the disk is gone"):
        run.wait(LONG)
    assert finder.state == "failed"
    assert "the disk is gone" in finder._panel._error.value
    assert all(map(torch.equal, weights(finder.task), before))


def test_closed_in_mid_run_everything_is_put_back(gated):
    finder, gate = gated
    before = weights(finder.task)
    run = finder.audition(LRS, steps=10)
    gate.wait_until_asked()
    threading.Thread(target=gate.open).start()
    finder.close()
    assert run.state in ("stopped", "done")
    assert all(map(torch.equal, weights(finder.task), before))


def test_a_new_one_takes_the_place_of_the_last(finder):
    assert cells(finder) == []
    finder.audition([1e-4, 1e-3, 1e-2, 1e-1], steps=10).wait(LONG)
    assert len(cells(finder)) == 4
    first = cells(finder)
    finder.audition(LRS[:2], steps=10).wait(LONG)
    assert cells(finder) == first[:2]
    assert "lr 1e-3" in cells(finder)[0].title.value
    assert len(cells(finder)[0].chart.raw.y) == 10


def test_a_file_that_is_loaded_takes_it_from_the_page(finder, tmp_path):
    finder.range_test().wait(LONG)
    finder.save(tmp_path / "finder.json")
    finder.audition(steps=10).wait(LONG)
    finder.load(tmp_path / "finder.json")
    assert finder.trials is None
    assert cells(finder) == []


def test_close_closes_all_charts_that_were_ever_shown():
    before = set(_instances)
    model, batches = regression()
    finder = LRFinder(model, batches, nn.MSELoss())
    finder.audition(list(islice((10.0**-i for i in range(9)), 7)), steps=10).wait(LONG)
    finder.audition(LRS, steps=10).wait(LONG)
    finder.close()
    assert set(_instances) - before == set()


def test_an_audition_after_a_fit_leaves_the_way_back(finder):
    before = weights(finder.task)
    finder.fit_one_cycle(1, max_lr=1e-2).wait(LONG)
    history = finder.history
    finder.audition(LRS, steps=10).wait(LONG)
    assert finder.history is history
    finder.undo()
    assert all(map(torch.equal, weights(finder.task), before))
