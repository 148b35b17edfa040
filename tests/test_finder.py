"""LRFinder: run, pick, fit, and what it refuses, without a browser."""

import asyncio
import threading

import numpy as np
import pytest
import torch
from driving import Gate, pick, press, regression, submit
from ipywidgets.widgets.widget import _instances
from torch import nn

from lr_widget import Curve, LRFinder, Task, fit_one_cycle, range_test
from lr_widget.workbench import _gap


@pytest.fixture
def finder():
    model, batches = regression()
    finder = LRFinder(model, batches, nn.MSELoss(), num_iter=40)
    yield finder
    finder.close()


def test_the_main_job_from_run_to_fit_by_the_buttons(finder):
    panel = finder._panel
    press(panel.run)
    finder._run.wait(20)
    assert len(finder.curve) == 40
    pick(finder, 3e-2)
    assert (finder.lr, panel.lr.value, finder._board.picker.lr) == (3e-2, "3e-2", 3e-2)
    submit(panel.epochs, "2")
    before = finder.task.model.weight.clone()
    press(panel.fit)
    finder._run.wait(20)
    assert len(finder.history) == 10
    assert max(finder.history.lrs) == pytest.approx(3e-2)
    assert not torch.equal(finder.task.model.weight, before)
    assert [row[0] for row in panel.fitting.table.rows] == ["1", "2"]


def test_the_widget_and_the_plain_generators_give_the_same_numbers():
    model, batches = regression()
    finder = LRFinder(model, batches, nn.MSELoss(), num_iter=40)
    torch.manual_seed(1)
    finder.range_test().wait(20)
    finder.fit_one_cycle(epochs=3, max_lr=1e-2).wait(20)

    model, batches = regression()
    task = Task(model, batches, nn.MSELoss())
    torch.manual_seed(1)
    curve = Curve(range_test(task, num_iter=40))
    history = Curve(fit_one_cycle(task, max_lr=1e-2, epochs=3))
    assert np.array_equal(finder.curve.losses, curve.losses)
    assert np.array_equal(finder.curve.lrs, curve.lrs)
    assert np.array_equal(finder.history.losses, history.losses)
    assert torch.equal(finder.task.model.weight, model.weight)


def test_the_chart_ends_up_with_every_point_of_the_curve(finder):
    finder.range_test().wait(20)
    assert np.array_equal(finder._board.chart.raw.y, finder.curve.losses)
    assert finder._panel._bar.value == 40


@pytest.mark.parametrize("took", [0.0, 1e-5, 1e-3, 5e-3, 1.0])
@pytest.mark.parametrize("step", [0.0, 1e-5, 5e-4, 2e-3, 0.02, 10.0])
def test_frames_take_a_fiftieth_of_the_time_at_most_and_little_of_short_steps(
    took, step
):
    gap = _gap(took, step)
    assert 1 / 15 <= gap <= 1.0
    assert gap == 1.0 or took / gap <= 0.02
    if step < 1e-3:
        assert gap == 1.0 or took / gap * step <= 1.5e-6 * (1 + 1e-9)
    else:
        assert gap == max(1 / 15, min(took / 0.02, 1.0))


@pytest.mark.parametrize(
    ("steps", "told"), [(2, "0.2"), (123, "12.3"), (18_345, "1,830"), (7e5, "70,000")]
)
def test_the_speed_is_told_as_people_write_it(finder, steps, told, monkeypatch):
    clock = iter([100.0, 110.0])
    monkeypatch.setattr("lr_widget.panel.time.monotonic", lambda: next(clock))
    for made in (0, int(steps)):
        finder._panel.show_progress("range test", "running", made, 10**6)
    assert f"· {told} steps/s ·" in finder._panel._progress.value


def test_range_test_returns_at_once_and_says_running(gated):
    finder, gate = gated
    run = finder.range_test()
    assert gate.asked.acquire(timeout=20)
    assert run.state == finder.state == "running"
    assert finder._panel.run.disabled
    assert finder._panel.fit.disabled
    assert not finder._panel.stop.disabled


def test_pause_rests_and_resume_goes_on(gated):
    finder, gate = gated
    run = finder.range_test()
    assert gate.asked.acquire(timeout=20)
    press(finder._panel.pause)
    assert finder.state == "paused"
    assert finder._panel.pause.description == "Resume"
    gate.let.release()
    press(finder._panel.pause)
    assert finder.state == "running"
    for _ in range(100):
        gate.let.release()
    assert run.wait(20).state == "done"
    assert len(finder.curve) == 40


def test_stop_restores_and_keeps_what_was_measured(gated):
    finder, gate = gated
    before = finder.task.model.weight.clone()
    run = finder.range_test()
    gate.let.release()
    for _ in range(2):
        assert gate.asked.acquire(timeout=20)
    press(finder._panel.stop)
    assert finder.state == "stopping"
    gate.let.release()
    assert run.wait(20).state == finder.state == "stopped"
    assert 1 <= len(finder.curve) <= 2
    assert torch.equal(finder.task.model.weight, before)


@pytest.mark.parametrize("second", ["range_test", "fit_one_cycle"])
def test_a_second_run_while_one_is_running_is_refused(gated, second):
    finder, _ = gated
    finder.lr = 1e-2
    run = finder.range_test()
    with pytest.raises(RuntimeError, match=r"range test is running.*stop\(\)"):
        getattr(finder, second)()
    assert run.state == "running"


def test_fit_one_cycle_without_a_pick_names_max_lr(finder):
    before = finder.task.model.weight.clone()
    with pytest.raises(ValueError, match=r"max_lr is missing: click the curve"):
        finder.fit_one_cycle()
    assert finder.state == "idle"
    assert torch.equal(finder.task.model.weight, before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start_lr": 1.0, "end_lr": 0.1}, "start_lr"),
        ({"start_lr": -1.0}, "start_lr must be a positive number"),
        ({"end_lr": 0.0}, "end_lr must be a positive number"),
        ({"num_iter": 1}, "num_iter"),
    ],
)
def test_bad_ranges_are_refused_by_finder_and_range_test(finder, arguments, message):
    model, batches = regression()
    with pytest.raises(ValueError, match=message):
        LRFinder(model, batches, nn.MSELoss(), **arguments)
    with pytest.raises(ValueError, match=message):
        finder.range_test(**arguments)
    assert finder.state == "idle"
    finder.range_test().wait(20)


@pytest.mark.parametrize("lr", [0, -1e-3, float("nan"), float("inf")])
def test_an_lr_that_is_no_positive_number_is_refused(finder, lr):
    finder.lr = 1e-3
    with pytest.raises(ValueError, match="lr must be a positive number"):
        finder.lr = lr
    assert finder.lr == 1e-3


def test_lr_set_in_code_typed_and_clicked_meet_in_one_place(finder):
    seen = []
    finder.observe(lambda change: seen.append(change["new"]), "lr")
    finder.lr = np.float32(0.5)
    pick(finder, 1e-3)
    submit(finder._panel.lr, "2e-3")
    assert seen == [0.5, 1e-3, 2e-3]
    assert finder._board.picker.lr == 2e-3
    assert finder._panel.lr.value == "2e-3"
    submit(finder._panel.lr, "")
    assert finder.lr is None
    assert finder._panel.fit.disabled


@pytest.mark.parametrize("text", ["fast", "-1", "0", "nan"])
def test_a_typed_lr_that_makes_no_sense_is_answered_beside_the_field(finder, text):
    finder.lr = 1e-3
    submit(finder._panel.lr, text)
    assert finder.lr == 1e-3
    assert text in finder._panel.lr.error
    submit(finder._panel.lr, "1e-3")
    assert finder._panel.lr.error == ""


@pytest.mark.parametrize("text", ["", "0", "-3", "2.5", "many"])
def test_typed_epochs_that_make_no_sense_are_answered_beside_the_field(finder, text):
    submit(finder._panel.epochs, text)
    assert finder._panel.epochs.error
    assert finder.cycle.epochs == 3


def failing(model, batch):
    raise ArithmeticError("<img src=x onerror=alert(1)> in the model")


def test_an_error_in_the_model_is_shown_as_text_and_raised_by_wait_and_await():
    model, batches = regression()
    finder = LRFinder(model, batches, step=failing)
    run = finder.range_test()
    with pytest.raises(ArithmeticError, match="in the model"):
        run.wait(20)

    async def wait():
        await run

    with pytest.raises(ArithmeticError, match="in the model"):
        asyncio.run(wait())
    assert finder.state == "failed"
    assert "The range test failed" in finder._panel._hint.value
    shown = finder._panel._error.value
    assert "&lt;img src=x" in shown
    assert "<img" not in shown
    assert "in failing" in shown


def test_an_error_at_the_press_of_a_button_is_shown(finder):
    finder.task.optimizer = torch.optim.Adagrad(finder.task.model.parameters())
    finder.lr = 1e-2
    press(finder._panel.fit)
    assert "cycle_momentum=False" in finder._panel._error.value
    assert finder.state == "idle"


def test_a_new_run_clears_the_error_of_the_last(finder):
    finder._panel.show_error(ValueError("old"))
    finder.range_test().wait(20)
    assert finder._panel._error.value == ""


def test_an_observer_of_state_may_start_the_fit_when_the_sweep_has_ended(finder):
    fitted = threading.Event()

    def follow(change):
        if change["new"] == "done" and not finder.history:
            finder.fit_one_cycle(epochs=1, max_lr=1e-3)
        elif change["new"] == "done":
            fitted.set()

    finder.observe(follow, "state")
    finder.range_test(end_lr=1e-3).wait(20)
    assert fitted.wait(20)
    assert len(finder.history) == 5


def test_no_suggestion_is_said_in_words(finder):
    finder.range_test(num_iter=7).wait(20)
    assert finder.curve.suggestion.reason == "too_few"
    assert "Too few points" in finder._board.message.value
    assert finder.lr is None


def test_repr_is_short(finder):
    finder.lr = 1.23456e-3
    assert repr(finder) == "LRFinder(range test idle, step 0/40, lr=1.23e-3)"


def test_close_in_mid_run_restores_and_leaves_no_thread_and_no_widget():
    widgets = set(_instances)
    model, batches = regression()
    gate = Gate(batches)
    before = model.weight.clone()
    finder = LRFinder(model, gate, nn.MSELoss())
    run = finder.range_test()
    for _ in range(3):
        gate.let.release()
        assert gate.asked.acquire(timeout=20)
    threading.Timer(0.05, lambda: [gate.let.release() for _ in range(9)]).start()
    finder.close()
    assert run.state in ("stopped", "done")
    assert torch.equal(model.weight, before)
    assert set(_instances) == widgets
    run._thread.join(20)
    assert not run._thread.is_alive()
    with pytest.raises(RuntimeError, match="closed"):
        finder.range_test()


def test_a_finder_that_could_not_be_made_leaves_nothing_behind():
    widgets = set(_instances)
    model, batches = regression()
    stranger = torch.optim.SGD(nn.Linear(2, 2).parameters())
    with pytest.raises(ValueError, match="optimizer does not hold"):
        LRFinder(model, batches, nn.MSELoss(), stranger)
    assert set(_instances) == widgets


def test_validation_and_metrics_fill_the_epochs():
    model, batches = regression()

    def mae(output, target):
        return (output - target).abs().mean()

    finder = LRFinder(model, batches, nn.MSELoss(), valid_loader=batches, metrics=[mae])
    finder.fit_one_cycle(epochs=2, max_lr=1e-2).wait(20)
    first, second = finder.history.epochs
    assert (first.epoch, second.epoch) == (1, 2)
    assert second.metrics["mae"] > 0
    assert "mae" in finder._panel.fitting.table.columns
