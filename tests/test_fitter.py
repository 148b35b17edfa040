"""The finder's fits: planned before, undone after, kept on the way."""

import threading

import numpy as np
import pytest
import torch
from driving import LONG, Gate, press, regression, submit
from subjects import changes, fingerprint, seeded, subject
from torch import nn
from torch.optim import SGD, Adagrad, AdamW

from lr_widget import (
    Curve,
    LRFinder,
    Task,
    fine_tune,
    fit_one_cycle,
    one_cycle_schedule,
)
from lr_widget.series import Series


def two_groups(model):
    first, *rest = model.children()
    others = [parameter for part in rest for parameter in part.parameters()]
    return SGD(
        [{"params": first.parameters()}, {"params": others}], lr=0.1, momentum=0.9
    )


def net():
    return nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 1))


@pytest.fixture
def make():
    """Make finders; they are closed afterwards."""
    made = []

    def make(model=None, optimizer=None, loader=None, **given):
        torch.manual_seed(0)
        model = model or net()
        data = regression()[1] if loader is None else loader
        optimizer = None if optimizer is None else optimizer(model)
        made.append(LRFinder(model, data, nn.MSELoss(), optimizer, **given))
        return made[-1]

    yield make
    for finder in made:
        finder.close()


@pytest.fixture
def gated(make):
    """A finder whose fit goes on step by step, as its gate lets it."""
    gate = Gate(regression()[1])
    yield make(loader=gate, optimizer=two_groups), gate
    gate.open()


def pictured(optimizer="AdamW, used", **given):
    """A finder on the task of that name, and the task."""
    task = subject("cnn", optimizer, **given)
    finder = LRFinder(task.model, task.loader, task.loss_fn, task.optimizer)
    return finder, task


def choose(choice, value):
    """Choose from a list as the browser does."""
    choice._handle_custom_msg({"action": "choose", "value": value}, [])


def drawn(finder):
    """The planned LRs and momentums as the chart has them."""
    chart = finder._panel.fitting.schedule_chart
    return chart._lrs.y.tolist(), chart._momentums.y.tolist()


# Before -----------------------------------------------------------------------------


def test_the_schedule_is_drawn_as_soon_as_there_is_a_pick(make):
    finder = make()
    assert drawn(finder) == ([], [])
    finder.lr = 1e-2
    lrs, momentums = one_cycle_schedule(15, max_lr=1e-2)
    assert drawn(finder) == (lrs.tolist(), momentums.tolist())


def test_the_schedule_follows_what_is_typed_and_chosen(make):
    finder = make()
    panel = finder._panel
    submit(panel.lr, "1e-2")
    submit(panel.epochs, "4")
    submit(panel.pct_start, "0.4")
    expected = one_cycle_schedule(20, max_lr=1e-2, pct_start=0.4)
    assert drawn(finder) == tuple(part.tolist() for part in expected)
    choose(panel.schedule, "fastai")
    expected = one_cycle_schedule(20, max_lr=1e-2, pct_start=0.4, variant="fastai")
    assert drawn(finder) == tuple(part.tolist() for part in expected)
    choose(panel.schedule, "three-phase")
    submit(panel.pct_start, "")
    expected = one_cycle_schedule(20, max_lr=1e-2, three_phase=True)
    assert drawn(finder) == tuple(part.tolist() for part in expected)
    finder.lr = None
    assert drawn(finder) == ([], [])


def test_the_schedule_that_is_drawn_is_the_one_that_is_run(make):
    finder = make(optimizer=two_groups)
    finder.lr = 3e-2
    finder.cycle.epochs, finder.cycle.variant = 2, "fastai"
    planned = drawn(finder)
    press(finder._panel.fit)
    finder._run.wait(LONG)
    assert finder.history.lrs.tolist() == planned[0]
    assert finder.history.trace("momentum").values.tolist() == planned[1]


@pytest.mark.parametrize("text", ["2", "-0.1", "nan", "much"])
def test_a_typed_pct_start_that_makes_no_sense_is_answered_beside_the_field(make, text):
    finder = make()
    submit(finder._panel.pct_start, text)
    assert "no share from 0 to 1" in finder._panel.pct_start.error
    assert finder.cycle.pct_start is None
    submit(finder._panel.pct_start, "0.2")
    assert finder._panel.pct_start.error == ""
    assert finder.cycle.pct_start == 0.2


def test_a_cycle_that_cannot_be_says_why_in_place_of_the_schedule(make):
    finder = make(optimizer=lambda model: Adagrad(model.parameters()))
    finder.lr = 1e-2
    said = finder._panel.fitting._plan
    assert "cycle_momentum=False" in said.value
    assert drawn(finder) == ([], [])
    finder.cycle.cycle_momentum = False
    assert "Adagrad" not in said.value
    assert drawn(finder) == (one_cycle_schedule(15, max_lr=1e-2).lrs.tolist(), [])
    press(finder._panel.fit)
    assert finder._run.wait(LONG).state == "done"


def test_a_fit_too_long_to_be_drawn_while_one_types_says_so(make):
    finder = make()
    finder.lr = 1e-2
    submit(finder._panel.epochs, "999999999")
    assert "4,999,999,995 steps" in finder._panel.fitting._plan.value


def test_what_is_given_to_a_fit_is_what_the_widget_says_from_then_on(make):
    finder = make()
    finder.fit_one_cycle(2, max_lr=1e-2, pct_start=0.4, variant="fastai").wait(LONG)
    panel = finder._panel
    shown = panel.epochs.value, panel.pct_start.value, panel.schedule.value
    assert shown == ("2", "0.4", "fastai")
    finder.fit_one_cycle(max_lr=1e-2).wait(LONG)
    assert len(finder.history.epochs) == 2


def test_numbers_of_numpy_are_settings_too(make):
    finder = make()
    finder.fit_one_cycle(np.int64(2), max_lr=1e-2, pct_start=np.float32(0.5)).wait(LONG)
    assert finder.cycle.arguments() == {
        **{"epochs": 2, "pct_start": 0.5, "variant": "torch"},
        **{"three_phase": False, "cycle_momentum": True},
    }


def test_settings_of_a_fit_that_is_refused_are_not_taken(make, tmp_path):
    finder = make()
    before = finder.cycle.arguments()
    with pytest.raises(ValueError, match="pct_start"):
        finder.fit_one_cycle(2, max_lr=1e-2, pct_start=7.0)
    with pytest.raises(ValueError, match="max_lr"):
        finder.fit_one_cycle(2)
    (tmp_path / "no.ckpt").write_text("no checkpoint")
    with pytest.raises(ValueError, match="checkpoint"):
        finder.fit_one_cycle(2, max_lr=1e-2, checkpoint=tmp_path / "no.ckpt")
    assert finder.cycle.arguments() == before


def test_a_plan_waits_for_the_end_of_what_runs(gated):
    finder, gate = gated
    finder.lr = 1e-2
    planned = drawn(finder)
    run = finder.fit_one_cycle(1)
    gate.wait_until_asked()
    finder.cycle.epochs, finder.lr = 2, 2e-2
    assert drawn(finder)[0] == one_cycle_schedule(5, max_lr=1e-2).lrs.tolist()
    gate.open()
    run.wait(LONG)
    expected = one_cycle_schedule(10, max_lr=2e-2)
    assert drawn(finder)[0] == expected.lrs.tolist() != planned[0]


def test_the_schedule_of_a_finished_fit_stays_until_something_is_set(make):
    finder = make(optimizer=two_groups)
    finder.lr = 1e-2
    finder.fit_one_cycle(2, max_lr=slice(1e-3, 5e-2)).wait(LONG)
    chart = finder._panel.fitting.schedule_chart
    assert drawn(finder)[0] == finder.history.lrs.tolist() == chart._lrs_made.y.tolist()
    finder.lr = 2e-2
    assert drawn(finder)[0] == one_cycle_schedule(10, max_lr=2e-2).lrs.tolist()
    assert chart._lrs_made.y.tolist() == []


# During -----------------------------------------------------------------------------


def test_each_step_is_told_to_the_hook_in_the_thread_that_trains(make):
    finder, told = make(), []
    hook = lambda point: told.append((point, threading.current_thread().name))  # noqa: E731
    finder.fit_one_cycle(2, max_lr=1e-2, on_step=hook).wait(LONG)
    assert [point for point, _ in told] == list(finder.history)
    assert {name for _, name in told} == {"lr_widget"}


def test_an_error_in_the_hook_fails_the_fit_and_is_shown(make):
    finder = make()

    def hook(point):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        finder.fit_one_cycle(2, max_lr=1e-2, on_step=hook).wait(LONG)
    assert "disk full" in finder._panel._error.value
    finder.undo()
    assert finder.state == "idle"


def test_each_epoch_is_a_row_of_the_table(make):
    data = regression()[1]
    mae = lambda output, target: (output - target).abs().mean()  # noqa: E731
    finder = make(valid_loader=data, metrics={"mae": mae})
    finder.fit_one_cycle(3, max_lr=1e-2).wait(LONG)
    table = finder._panel.fitting.table
    assert table.columns == ["epoch", "train_loss", "valid_loss", "mae", "time"]
    assert [row[0] for row in table.rows] == ["1", "2", "3"]
    last = finder.history.epochs[-1]
    assert table.rows[-1][1:4] == [
        f"{value:.6f}"
        for value in (last.train_loss, last.valid_loss, last.metrics["mae"])
    ]
    assert all(epoch.seconds > 0 for epoch in finder.history.epochs)


@pytest.mark.parametrize("steps", [10**3, 10**6])
def test_a_long_fit_costs_a_frame_no_more_than_a_short_one(make, steps):
    finder, sent = make(), []
    finder.lr = 1e-2
    finder.cycle.epochs = steps // 5
    finder.fit_one_cycle(steps // 5).stop()
    finder._run.settle()
    rows = np.arange(float(steps)).tolist()
    made = {"step": rows, "lr": rows, "value": rows}
    of = {name: Series.of(made, name == "loss") for name in finder.history.measures}
    finder.history._keep(of)
    figures = finder._fit_board.chart, finder._panel.fitting.schedule_chart
    for figure in figures:
        for mark in figure.marks:
            mark.send_state = lambda key=None, mark=mark: sent.extend(
                np.asarray(getattr(mark, name)).size
                for name in key or ()
                if name in ("x", "y")
            )
    finder._fit_board.show()
    assert 0 < sum(sent) <= 2 * 2 * 2000 + 4 * 2 * 500


# After: undo --------------------------------------------------------------------------


def stopped(finder, task):
    seen = threading.Event()
    run = finder.fit_one_cycle(50, max_lr=1e-2, on_step=lambda point: seen.set())
    assert seen.wait(LONG)
    run.stop()
    run.wait(LONG)


def failed(finder, task):
    task.model.fuse.place, task.model.fuse.passed = "model", 0
    with pytest.raises(Exception, match="in"):
        finder.fit_one_cycle(3, max_lr=1e-2).wait(LONG)
    task.model.fuse.place = ""


ENDINGS = {
    "its end": lambda f, _: f.fit_one_cycle(2, max_lr=1e-2).wait(LONG),
    "Stop": stopped,
    "an error": failed,
    "a sweep after it": lambda f, _: (
        f.fit_one_cycle(1, max_lr=1e-2).wait(LONG),
        f.range_test(num_iter=10).wait(LONG),
    ),
}


@pytest.mark.parametrize("optimizer", ["SGD, fresh", "AdamW, used", "SGD, scheduled"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_undo_goes_back_to_before_the_fit_bit_for_bit(optimizer, ending):
    finder, task = pictured(optimizer)
    before = fingerprint(task)
    ENDINGS[ending](finder, task)
    assert changes(before, fingerprint(task))
    finder.undo()
    found = [name for name in changes(before, fingerprint(task)) if "fuse" not in name]
    assert not found
    assert (finder.state, len(finder.history)) == ("idle", 0)
    finder.close()


def test_a_fit_after_undo_is_the_fit_again():
    finder, _ = pictured()
    finder.fit_one_cycle(2, max_lr=1e-2).wait(LONG)
    first = list(finder.history)
    finder.undo()
    finder.fit_one_cycle(2, max_lr=1e-2).wait(LONG)
    assert list(finder.history) == first
    finder.close()


def test_a_second_fit_goes_on_where_the_first_has_ended():
    finder, _ = pictured("SGD, fresh")
    finder.fit_one_cycle(1, max_lr=1e-2).wait(LONG)
    first = finder.history
    finder.fit_one_cycle(1, max_lr=3e-2).wait(LONG)
    task = subject("cnn", "SGD, fresh")
    plain = [Curve(fit_one_cycle(task, max_lr=lr)) for lr in (1e-2, 3e-2)]
    assert [list(first), list(finder.history)] == [list(each) for each in plain]
    finder.undo()
    assert finder.history is first
    finder.close()


def test_there_is_one_way_back_and_none_where_none_was_wanted(make):
    finder = make()
    assert finder._panel.undo.disabled
    with pytest.raises(RuntimeError, match="nothing to undo"):
        finder.undo()
    finder.fit_one_cycle(1, max_lr=1e-2).wait(LONG)
    assert "Undo takes this fit back" in finder._panel._hint.value
    assert not finder._panel.undo.disabled
    press(finder._panel.undo)
    assert finder._panel.undo.disabled
    assert "undone" in finder._panel._hint.value
    with pytest.raises(RuntimeError, match="nothing to undo"):
        finder.undo()
    finder.fit_one_cycle(1, max_lr=1e-2, undo=False).wait(LONG)
    assert finder._panel._hint.value.endswith("Fit goes on from here.")
    assert finder._panel.undo.disabled


def test_undo_waits_for_nobody(gated):
    finder, gate = gated
    run = finder.fit_one_cycle(1, max_lr=1e-2)
    gate.wait_until_asked()
    with pytest.raises(RuntimeError, match="the fit is running"):
        finder.undo()
    gate.open()
    run.wait(LONG)
    finder.undo()


def test_undo_takes_a_hooks_state_back(make):
    class Counter:
        count = 0

        def __call__(self, point):
            self.count += 1

        def state_dict(self):
            return {"count": self.count}

        def load_state_dict(self, state):
            self.count = state["count"]

    finder, counter = make(), Counter()
    finder.fit_one_cycle(1, max_lr=1e-2, on_step=counter).wait(LONG)
    assert counter.count == 5
    finder.undo()
    assert counter.count == 0


# After: the best epoch, a checkpoint --------------------------------------------------


def weights(finder):
    return [p.detach().clone() for p in finder.task.model.parameters()]


def same(one, other):
    return all(torch.equal(p, q) for p, q in zip(one, other, strict=True))


def test_the_weights_of_the_best_epoch_are_there_at_the_end(make):
    data, kept = regression()[1], {}
    finder = make(valid_loader=[(x, -y) for x, y in data])  # ever worse

    def hook(point):
        if point.epoch is not None:
            kept[point.epoch.epoch] = weights(finder)

    finder.fit_one_cycle(4, max_lr=0.1, keep_best="valid_loss", on_step=hook).wait(LONG)
    losses = [epoch.valid_loss for epoch in finder.history.epochs]
    best = finder.best.epoch.epoch
    assert best == 1 + int(np.argmin(losses)) < 4
    assert same(weights(finder), kept[best])


def test_after_a_stop_the_best_epoch_is_there_on_request_only(gated):
    finder, gate = gated
    finder.task.valid_loader = gate.batches
    run = finder.fit_one_cycle(2, max_lr=0.1, keep_best="valid_loss")
    gate.let.release(6)
    for _ in range(7):
        gate.wait_until_asked()
    run.stop()
    gate.open()
    run.wait(LONG)
    trained = weights(finder)
    assert finder.best.epoch.epoch == 1
    finder.best.restore()
    assert not same(weights(finder), trained)


def test_keep_best_of_what_is_not_measured_is_refused_before_the_fit(make):
    finder = make()
    with pytest.raises(ValueError, match="valid_loader"):
        finder.fit_one_cycle(1, max_lr=1e-2, keep_best="valid_loss")
    assert finder.state == "idle"


def test_a_fit_goes_on_from_its_checkpoint_in_another_finder(tmp_path):
    whole, _ = pictured("SGD, fresh")
    whole.fit_one_cycle(3, max_lr=1e-2).wait(LONG)
    path = tmp_path / "fit.ckpt"
    first, _ = pictured("SGD, fresh")
    hook = lambda point: point.step == 5 and first.stop()  # noqa: E731
    first.fit_one_cycle(3, max_lr=1e-2, checkpoint=path, on_step=hook).wait(LONG)
    assert (first.state, len(first.history)) == ("stopped", 6)
    seeded(7)
    second, task = pictured("SGD, fresh")
    before = fingerprint(task)
    second.fit_one_cycle(3, max_lr=1e-2, checkpoint=path).wait(LONG)
    assert list(second.history) == list(whole.history)
    assert same(weights(second), weights(whole))
    second.undo()
    assert not changes(before, fingerprint(task))
    for finder in (whole, first, second):
        finder.close()


# Fine-tuning --------------------------------------------------------------------------


def test_fine_tuning_is_the_generators(make):
    finder = make(optimizer=two_groups)
    finder.lr = 2e-2
    assert finder.fine_tune(2).wait(LONG).state == "done"
    torch.manual_seed(0)
    model = net()
    task = Task(model, regression()[1], nn.MSELoss(), two_groups(model))
    torch.manual_seed(0)
    expected = Curve(fine_tune(task, base_lr=2e-2, epochs=2))
    assert len(finder.history.epochs) == 3
    assert finder.history.lrs.tolist() == expected.lrs.tolist()
    assert np.allclose(finder.history.losses, expected.losses)
    assert drawn(finder)[0] == expected.lrs.tolist()
    assert finder._panel.fitting.table.caption == "3 of 3 epochs"


def test_freezing_by_hand_and_the_finder_between_the_stages(make):
    finder = make(optimizer=two_groups)
    panel, (body, head) = finder._panel, finder.task.model
    press(panel.freeze)
    assert finder.task.frozen == (0,)
    assert panel.freeze.description == "Unfreeze"
    assert "1 of 2 param groups frozen" in panel.fitting._frozen.value
    before = body.weight.clone(), head.weight.clone()
    finder.range_test(num_iter=10, name="frozen").wait(LONG)
    finder.fit_one_cycle(1, max_lr=1e-2).wait(LONG)
    assert torch.equal(body.weight, before[0])
    assert not torch.equal(head.weight, before[1])
    press(panel.freeze)
    assert finder.task.frozen == ()
    assert panel.freeze.description == "Freeze"
    finder.range_test(num_iter=10, name="all").wait(LONG)
    finder.fit_one_cycle(1, max_lr=slice(1e-4, 1e-2)).wait(LONG)
    assert not torch.equal(body.weight, before[0])
    assert list(finder.curves) == ["frozen", "all"]


def test_undo_takes_the_freezing_since_then_back(make):
    finder = make(optimizer=two_groups)
    finder.fit_one_cycle(1, max_lr=1e-2).wait(LONG)
    finder.freeze()
    finder.undo()
    assert finder.task.frozen == ()
    assert all(p.requires_grad for p in finder.task.model.parameters())
    assert finder._panel.freeze.description == "Freeze"


def test_a_single_group_has_nothing_to_freeze(make):
    finder = make()
    assert "param groups" not in finder._panel.fitting._plan.value
    assert finder._panel.freeze not in finder._panel.fitting._buttons.children
    with pytest.raises(ValueError, match="param group"):
        finder.freeze()


def test_nothing_is_frozen_while_something_runs(gated):
    finder, gate = gated
    run = finder.fit_one_cycle(1, max_lr=1e-2)
    gate.wait_until_asked()
    for freeze in (finder.freeze, finder.unfreeze):
        with pytest.raises(RuntimeError, match="the fit is running"):
            freeze()
    gate.open()
    run.wait(LONG)


# Files --------------------------------------------------------------------------------


def used(make):
    finder = make(optimizer=lambda model: AdamW(model.parameters()))
    finder.range_test(num_iter=20, start_lr=1e-5, end_lr=1.0).wait(LONG)
    finder.compare({"a": {}, "b": {"weight_decay": 0.1}}, seeds=2, num_iter=12).wait(
        LONG
    )
    finder.curves.hide("a")
    finder.options.beta, finder.options.y_log = 0.5, True
    finder.lr = 3e-3
    finder.fit_one_cycle(2, pct_start=0.4, variant="fastai").wait(LONG)
    return finder


def test_what_is_saved_comes_back_in_another_finder(make, tmp_path):
    finder, other = used(make), make()
    finder.save(tmp_path / "run.json", weights=tmp_path / "model.safetensors")
    assert not same(weights(finder), weights(other))
    other.load(tmp_path / "run.json", weights=tmp_path / "model.safetensors")
    assert same(weights(finder), weights(other))
    assert other.curves.to_frame().equals(finder.curves.to_frame())
    assert [*other.curves] == [*finder.curves] == ["sweep 1", "a", "b"]
    assert (other.curves.front, other.curves.hidden("a")) == (finder.curves.front, True)
    assert list(other.history) == list(finder.history)
    assert other.history.epochs == finder.history.epochs
    assert (other.lr, other.cycle.arguments()) == (3e-3, finder.cycle.arguments())
    assert (other.start_lr, other.end_lr, other.num_iter) == (1e-5, 1.0, 12)
    assert (other.options.beta, other.options.y_log) == (0.5, True)
    assert other.state == "idle"
    assert len(other._fit_board.chart.raw.x) == len(finder.history)
    other.range_test().wait(LONG)
    assert [*other.curves][-1] == "sweep 2"


def test_an_empty_finder_is_saved_too(make, tmp_path):
    make().save(tmp_path / "run.json")
    other = used(make)
    other.load(tmp_path / "run.json")
    assert (len(other.curves), len(other.history), other.lr) == (0, 0, None)
    with pytest.raises(RuntimeError, match="nothing to undo"):
        other.undo()


@pytest.mark.parametrize("broken", ["session", "weights", "curve"])
def test_a_file_that_cannot_be_loaded_changes_nothing(make, tmp_path, broken):
    finder, model = used(make), tmp_path / "model.safetensors"
    finder.save(tmp_path / "run.json", weights=model)
    if broken == "session":
        text = (tmp_path / "run.json").read_text()
        (tmp_path / "run.json").write_text(
            text.replace('"pct_start": 0.4', '"pct_start": 4')
        )
    elif broken == "weights":
        model.write_bytes(b"\xff" * 100)
    else:
        finder.history.save(tmp_path / "run.json")
    other = used(make)
    before, trained, history = other.curves.to_frame(), weights(other), other.history
    with pytest.raises(ValueError, match=r"finder\.save"):
        other.load(tmp_path / "run.json", weights=model)
    assert other.curves.to_frame().equals(before)
    assert same(weights(other), trained)
    assert other.history is history
    assert other.cycle.pct_start == 0.4


def test_weights_are_not_written_while_a_run_changes_them(gated, tmp_path):
    finder, gate = gated
    run = finder.range_test(num_iter=5)
    gate.wait_until_asked()
    with pytest.raises(RuntimeError, match="range test is running"):
        finder.save(tmp_path / "run.json", weights=tmp_path / "model.safetensors")
    with pytest.raises(RuntimeError, match="range test is running"):
        finder.load(tmp_path / "run.json")
    assert list(tmp_path.iterdir()) == []
    gate.open()
    run.wait(LONG)
