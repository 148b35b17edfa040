"""LRFinder among unruly users: observers that raise or wait, threads that compete."""

import html
import random
import threading

import ipywidgets
import pytest
import torch
from driving import LONG, pick, press, regression, submit, weights
from torch import nn

from lr_widget import LRFinder
from lr_widget.run import ENDS


@pytest.fixture
def finder():
    model, batches = regression()
    finder = LRFinder(model, batches, nn.MSELoss(), num_iter=20)
    yield finder
    finder.close()


def error_shown(finder):
    return html.unescape(finder._panel._error.value)


def in_thread(function):
    """Call in another thread and wait for it, as an observer might."""
    thread = threading.Thread(target=function)
    thread.start()
    thread.join(LONG)
    assert not thread.is_alive()


# Observers that raise -----------------------------------------------------------------


class Raising:
    """An observer that raises at a value, or at each."""

    def __init__(self, at=None, error=ValueError):
        self.at, self.error, self.seen = at, error, []

    def __call__(self, change):
        self.seen.append(change["new"])
        if self.at in (None, change["new"]):
            raise self.error(f"<u>at {change['new']}</u>")


@pytest.mark.parametrize("at", ["running", "done", None])
def test_an_observer_of_state_that_raises_is_shown_and_the_run_goes_on(finder, at):
    finder.observe(observer := Raising(at), "state")
    run = finder.range_test().wait(LONG)
    assert run.state == finder.state == "done"
    assert observer.seen == ["running", "done"]
    assert len(finder.curve) == 20
    assert f"ValueError: <u>at {at or 'done'}</u>" in error_shown(finder)
    assert "<u>" not in finder._panel._error.value
    assert finder.fit_one_cycle(1, max_lr=1e-2).wait(LONG).state == "done"


def test_an_observer_that_exits_in_the_thread_of_the_run_does_not_end_it(finder):
    finder.observe(Raising("done", SystemExit), "state")
    assert finder.range_test().wait(LONG).state == "done"
    assert "SystemExit" in error_shown(finder)


@pytest.mark.parametrize("action", ["pause", "resume", "stop"])
def test_an_observer_that_raises_does_not_fail_the_action_that_it_follows(
    gated, action
):
    finder, gate = gated
    run = finder.range_test()
    gate.wait_until_asked()
    if action == "resume":
        finder.pause()
    finder.observe(Raising(), "state")
    getattr(finder, action)()
    assert "ValueError: <u>at" in error_shown(finder)
    finder.stop()
    gate.open()
    assert run.wait(LONG).state == "stopped"


def test_the_error_of_the_run_is_shown_beside_that_of_an_observer_of_it(gated):
    finder, gate = gated
    finder.observe(Raising("failed"), "state")
    gate.fault = ArithmeticError("in the loader")
    gate.open()
    with pytest.raises(ArithmeticError):
        finder.range_test().wait(LONG)
    assert "ArithmeticError: in the loader" in error_shown(finder)
    assert "ValueError: <u>at failed" in error_shown(finder)


@pytest.mark.parametrize("how", ["click", "type"])
@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_an_observer_of_a_picked_lr_that_raises_is_shown_and_the_pick_holds(
    finder, how, error
):
    finder.observe(Raising(error=error), "lr")
    if how == "click":
        pick(finder, 1e-2)
    else:
        submit(finder._panel.lr, "1e-2")
    assert finder.lr == finder._board.picker.lr == 1e-2
    assert finder._panel.lr.error == ""
    assert f"{error.__name__}: <u>at 0.01</u>" in error_shown(finder)


def test_an_observer_of_an_lr_set_in_code_raises_where_it_was_set(finder):
    finder.observe(Raising(), "lr")
    with pytest.raises(ValueError, match=r"at 0\.01"):
        finder.lr = 1e-2
    assert finder.lr == finder._board.picker.lr == 1e-2


def test_an_error_stays_shown_until_the_next_run(finder):
    finder.observe(observer := Raising(), "lr")
    pick(finder, 1e-2)
    finder.unobserve(observer, "lr")
    pick(finder, 2e-2)
    assert "at 0.01" in error_shown(finder)
    finder.range_test().wait(LONG)
    assert error_shown(finder) == ""


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, MemoryError])
def test_an_exit_in_the_model_fails_the_run_is_shown_and_raised_by_wait(gated, error):
    finder, gate = gated
    before = weights(finder.task)
    gate.fault = error("in the loader")
    gate.open()
    run = finder.range_test()
    with pytest.raises(error, match="in the loader"):
        run.wait(LONG)
    assert run.state == finder.state == "failed"
    assert f"{error.__name__}: in the loader" in error_shown(finder)
    assert all(map(torch.equal, weights(finder.task), before))


@pytest.mark.parametrize("text", ["\udc80 half", "wide " * 100_000, "a\nb\n" * 10_000])
def test_an_error_of_any_text_is_shown_within_bounds(finder, text):
    finder._panel.show_error(ValueError(text))
    shown = finder._panel._error.value
    assert 0 < len(shown.encode()) < 10_000


def test_a_metric_named_like_html_is_a_column_of_plain_text():
    model, batches = regression()
    name = "<img onerror=alert(1)>"
    finder = LRFinder(
        model,
        batches,
        nn.MSELoss(),
        valid_loader=batches,
        metrics={name: lambda output, target: output.mean()},
    )
    finder.fit_one_cycle(1, max_lr=1e-2).wait(LONG)
    assert name in finder._panel.fitting.table.columns  # the browser writes no HTML
    finder.close()


# Starts that fail ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [{"start_lr": 1.0, "end_lr": 0.1}, {"num_iter": 1}, {"end_lr": -1}]
)
def test_a_start_that_was_refused_changes_nothing(finder, arguments):
    finder.range_test(num_iter=15).wait(LONG)
    curve, axis = finder.curve, finder._board.chart.x_scale.max
    with pytest.raises(ValueError, match=r"_lr|num_iter"):
        finder.range_test(**arguments)
    with pytest.raises(ValueError, match="epochs"):
        finder.fit_one_cycle(0, max_lr=1e-2)
    assert finder.curve is curve
    assert (finder.start_lr, finder.end_lr, finder.num_iter) == (1e-7, 10.0, 15)
    assert finder._board.chart.x_scale.max == axis
    assert finder.state == "done"
    assert len(finder.history) == 0


def test_another_range_widens_the_axis_to_hold_both_sweeps(gated):
    finder, gate = gated
    gate.open()
    finder.range_test(start_lr=1e-5, end_lr=1.0).wait(LONG)
    finder.range_test(start_lr=1e-4, end_lr=100.0, num_iter=5).wait(LONG)
    scale = finder._board.chart.x_scale
    assert (finder.start_lr, finder.end_lr) == (1e-4, 100.0)
    assert (scale.min, scale.max) == (1e-5, 100.0)
    assert finder._board.chart.raw.x.tolist() == finder.curve.lrs.tolist()
    assert len(finder._board.chart.raw.x) == 5
    del finder.curves["sweep 1"]
    assert (scale.min, scale.max) == (1e-4, 100.0)


def test_a_thread_that_cannot_be_started_is_told_and_the_next_one_may(
    finder, monkeypatch
):
    def exhausted(thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", exhausted)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            finder.range_test()
    assert finder.state == "failed"
    assert "can't start new thread" in error_shown(finder)
    assert finder.range_test().wait(LONG).state == "done"


# Observers that wait, stop and close --------------------------------------------------


def test_an_observer_of_state_may_wait_for_threads_that_use_the_finder(finder):
    seen = []

    def follow(change):
        seen.append(change["new"])
        if len(seen) < 3:
            in_thread(lambda: setattr(finder, "lr", 1e-3 * len(seen)))
            in_thread(lambda: press(finder._panel.pause))
            in_thread(finder.resume)

    finder.observe(follow, "state")
    finder.range_test().wait(LONG)
    assert {"running", "done"} <= set(seen)
    assert finder.lr == 2e-3


def test_an_observer_may_wait_for_the_end_of_the_run_whose_start_it_sees(finder):
    seen = []

    def follow(change):
        seen.append(change["new"])
        if change["new"] == "running":
            assert finder._run.wait(LONG).state == "done"
            assert finder.state == "done"

    finder.observe(follow, "state")
    assert finder.range_test().state == "done"
    assert seen == ["running", "done"]
    assert error_shown(finder) == ""


def test_a_run_stopped_before_its_first_step_touches_nothing(gated):
    finder, gate = gated
    before = weights(finder.task)

    def follow(change):
        if change["new"] == "running":
            finder.stop()

    finder.observe(follow, "state")
    run = finder.range_test()
    gate.open()
    assert run.wait(LONG).state == finder.state == "stopped"
    assert all(map(torch.equal, weights(finder.task), before))


@pytest.mark.parametrize("at", ["running", "done"])
def test_an_observer_may_close_the_finder(finder, at):
    def follow(change):
        if change["new"] == at:
            finder.close()

    finder.observe(follow, "state")
    run = finder.range_test().wait(LONG)
    assert run.state in ENDS
    assert finder.comm is None
    finder.close()


def test_the_model_may_close_the_finder_it_runs_in():
    model, batches = regression()
    before = [p.detach().clone() for p in model.parameters()]

    def step(model, batch):
        finder.close()
        return model(batch[0]).square().mean()

    finder = LRFinder(model, batches, step=step)
    assert finder.range_test().wait(LONG).state == "stopped"
    assert finder.comm is None
    assert all(map(torch.equal, model.parameters(), before))


def test_closing_all_widgets_at_once_puts_the_model_back(gated):
    finder, gate = gated
    before = weights(finder.task)
    run = finder.range_test(num_iter=10**4)
    gate.wait_until_asked()
    gate.open()
    ipywidgets.Widget.close_all()
    assert run.state in ENDS
    assert finder.comm is None
    assert all(map(torch.equal, weights(finder.task), before))


# Threads that compete -----------------------------------------------------------------


def together(*functions):
    """Call them at once, each in a thread; what each returned or raised."""
    begin, results = threading.Barrier(len(functions)), [None] * len(functions)

    def call(i, function):
        begin.wait(LONG)
        try:
            results[i] = function()
        except Exception as error:
            results[i] = error

    threads = [
        threading.Thread(target=call, args=pair) for pair in enumerate(functions)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
        assert not thread.is_alive()
    return results


def test_of_threads_that_start_at_once_one_gets_the_run_the_others_are_refused(finder):
    finder.lr = 1e-3
    for _ in range(30):
        starts = [finder.range_test, finder.fit_one_cycle] * 2
        results = together(*starts)
        refused = [r for r in results if isinstance(r, RuntimeError)]
        runs = [r for r in results if r not in refused]
        assert len(runs) >= 1
        finder._run.wait(LONG)
        assert all(run.state == "done" for run in runs)


def test_threads_that_pause_and_resume_are_told_in_one_order(gated):
    finder, gate = gated
    told = []
    finder.observe(lambda change: told.append((change["old"], change["new"])), "state")
    run = finder.range_test()
    gate.wait_until_asked()

    def hammer(seed):
        choice = random.Random(seed)
        for _ in range(100):
            choice.choice([finder.pause, finder.resume])()

    together(*[lambda seed=seed: hammer(seed) for seed in range(4)])
    finder.stop()
    gate.open()
    assert run.wait(LONG).state == "stopped"
    assert [old for old, _ in told] == ["idle", *[new for _, new in told[:-1]]]
    assert [new for _, new in told][-2:] == ["stopping", "stopped"]


def test_threads_that_close_at_once_all_find_it_closed_and_put_back(gated):
    finder, gate = gated
    before = weights(finder.task)
    run = finder.range_test()
    gate.wait_until_asked()
    gate.open()
    assert together(*[finder.close] * 4) == [None] * 4
    assert run.state in ENDS
    assert finder.comm is None
    assert all(map(torch.equal, weights(finder.task), before))
    with pytest.raises(RuntimeError, match="closed"):
        finder.range_test()


def test_starting_and_closing_at_once_leaves_no_run_behind():
    for seed in range(10):
        model, batches = regression(seed)
        finder = LRFinder(model, batches, nn.MSELoss(), num_iter=10**6)
        before = weights(finder.task)
        together(lambda f=finder: f.range_test(stop_div=False), finder.close)
        finder.close()
        if finder._run is not None:
            assert finder._run._ended.wait(LONG)
        assert all(map(torch.equal, weights(finder.task), before))


def test_a_run_that_follows_at_once_does_not_lose_the_last_frame_of_the_one_before(
    finder,
):
    follow_up = []

    def follow(change):
        if change["new"] == "done" and not follow_up:
            follow_up.append(finder.fit_one_cycle(1, max_lr=1e-3))

    finder.observe(follow, "state")
    finder.range_test().wait(LONG)
    follow_up[0].wait(LONG)
    assert len(finder._board.chart.raw.x) == len(finder.curve) == 20
    assert len(finder._fit_board.chart.raw.x) == len(finder.history) == 5
