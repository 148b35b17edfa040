"""Readback: late losses are the same losses; what looks at a step is in step with it.

No GPU is needed: `Late` tensors say that they are on one, and their events happen when
a test lets them. `test_cuda.py` does the same on a GPU.
"""

import pytest
import torch
from subjects import returned
from torch import Tensor, nn

import lr_widget.readback
from lr_widget import Best, Task, fit_one_cycle, range_test
from lr_widget.readback import Readback, fetched


class Late(Tensor):
    """A tensor on the CPU that says it is on a GPU."""

    is_cuda = True


class Clock:
    """Events as a GPU has them, that happen at each other look, or only when waited."""

    def __init__(self):
        self.events, self.waits, self.age, self.looks = [], 0, 0.0, 0

    def make(self, device):
        event = Event(self)
        self.events.append(event)
        return event


class Event:
    def __init__(self, clock):
        self.clock, self.done = clock, False

    def record(self):
        self.recorded = True

    def happened(self):
        assert self.recorded
        self.clock.looks += 1
        return self.done

    def age(self):
        return self.clock.age

    def wait(self):
        self.clock.waits += not self.done
        self.done = True


@pytest.fixture
def clock(monkeypatch):
    """Events that never happen by themselves."""
    clock = Clock()
    monkeypatch.setattr(lr_widget.readback, "_Event", clock.make)
    return clock


@pytest.fixture
def late(monkeypatch, clock):
    """Every loss of an update, and of a validation, comes from a GPU."""
    update = Task.update
    monkeypatch.setattr(
        Task, "update", lambda *args, **kw: update(*args, **kw).as_subclass(Late)
    )
    clock.age = 0.15  # not so long, nor so short, that the pace changes
    return clock


def number(value):
    return torch.tensor(value).as_subclass(Late)


# The readback itself ------------------------------------------------------------------


def test_on_the_cpu_a_number_is_there_at_once():
    readback = Readback()
    readback.send("a", [torch.tensor(1.5), 2])
    assert readback.arrived() == [("a", [1.5, 2.0])]
    assert readback.arrived() == readback.rest() == []


def test_what_a_gpu_computes_comes_back_in_its_order_when_it_is_there(clock):
    readback = Readback()
    readback._ahead = 3
    for key in range(3):
        readback.send(key, [number(float(key))])
        assert readback.arrived() == []
    clock.events[1].done = True
    assert readback.arrived() == []  # the first one is not there
    clock.events[0].done = True
    assert readback.arrived() == [(0, [0.0]), (1, [1.0])]
    assert len(readback) == 1
    assert clock.waits == 0


def test_nobody_runs_further_ahead_than_the_pace_allows(clock):
    readback = Readback()
    clock.age = 0.15
    for key in range(6):
        readback.send(key, [number(float(key))])
        back = readback.arrived()
        assert [sent for sent, _ in back] == ([key - 1] if key else [])
        assert len(readback) == 1


def test_short_steps_run_further_ahead_up_to_a_bound_and_long_ones_not_at_all(clock):
    readback = Readback(ahead=16)
    clock.age = 0.001
    for key in range(100):
        readback.send(key, [number(0.0)])
        readback.arrived()
    assert len(readback) == 16
    clock.age = 1.0
    for key in range(100):
        readback.send(key, [number(0.0)])
        readback.arrived()
    assert len(readback) == 0
    clock.age = 0.001
    readback.send(0, [number(0.0)]), readback.arrived()
    readback.send(1, [number(0.0)]), readback.arrived()
    assert len(readback) == 1  # and further again


def test_abreast_each_number_is_waited_for(clock):
    readback = Readback(ahead=0)
    for key in range(3):
        readback.send(key, [number(float(key))])
        assert readback.arrived() == [(key, [float(key)])]
    assert clock.waits == 3


def test_the_rest_is_waited_for(clock):
    readback = Readback()
    readback._ahead = 9
    for key in range(4):
        readback.send(key, [number(float(key)), 7])
    assert readback.rest() == [(key, [float(key), 7.0]) for key in range(4)]
    assert clock.waits == 4


def test_numbers_of_one_moment_are_fetched_with_one_wait(clock):
    assert fetched([number(1.0), 2.0, number(3.0)]) == [1.0, 2.0, 3.0]
    assert len(clock.events) == clock.waits == 1


def test_numbers_that_are_here_make_no_event(clock):
    assert fetched([torch.tensor(1.0), 2.0]) == [1.0, 2.0]
    assert clock.events == []


def test_a_validation_runs_no_further_ahead_than_a_sweep(late):
    def loss_fn(output, target):
        return nn.functional.mse_loss(output, target).as_subclass(Late)

    subject = task(valid_loader=[(torch.ones(8, 4), torch.ones(8, 1))] * 20)
    subject.loss_fn = loss_fn
    subject.validate()
    # Each but the last two is waited for on the way, and all once at the end.
    assert late.waits >= 19


# Sweep and fit ------------------------------------------------------------------------


def task(**more):
    torch.manual_seed(0)
    batches = [(torch.randn(8, 4), torch.randn(8, 1)) for _ in range(5)]
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.2), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return Task(model, batches, nn.MSELoss(), optimizer, **more)


def weights(of):
    return [parameter.detach().clone() for parameter in of.model.parameters()]


def same(one, other):
    return all(map(torch.equal, one, other))


def error(output, target):
    return (output - target).abs().mean()


RECIPES = {
    "plain": {},
    "accumulate": {"accumulate": 2},
    "metrics": {"metrics": {"error": error}},
    "both": {"metrics": {"error": error}, "accumulate": 3},
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_sweep_with_late_losses_has_the_same_points(recipe, request):
    prompt = list(range_test(task(**recipe), num_iter=20, end_lr=0.1))
    clock = request.getfixturevalue("late")
    assert list(range_test(task(**recipe), num_iter=20, end_lr=0.1)) == prompt
    assert clock.waits > 0


def test_a_sweep_is_a_step_ahead_of_its_losses(late):
    subject = task()
    seen = []
    hook = subject.model.register_forward_hook(lambda *_: seen.append(1))
    for point in range_test(subject, num_iter=20, end_lr=0.1):
        assert len(seen) == min(point.step + 2, 20)
    hook.remove()


def test_no_point_comes_after_the_diverged_one_and_all_is_put_back(request):
    def sweep(of):
        return returned(range_test(of, start_lr=1e-3, end_lr=1e6, num_iter=60))

    prompt, end = sweep(task())
    assert end == "diverged"
    request.getfixturevalue("late")
    subject = task()
    before = weights(subject)
    assert sweep(subject) == (prompt, end)
    assert same(weights(subject), before)


def test_a_sweep_that_is_left_puts_back_what_later_steps_have_done(late):
    subject = task()
    before = weights(subject)
    points = range_test(subject, num_iter=20, end_lr=0.1)
    next(points)
    assert not same(weights(subject), before)
    points.close()
    assert same(weights(subject), before)


def test_validation_is_of_the_step_it_is_given_with(request):
    batch = torch.randn(8, 4), torch.randn(8, 1)

    def sweep():
        subject = task(valid_loader=[batch])
        return list(range_test(subject, num_iter=12, end_lr=0.1, valid_every=3))

    prompt = sweep()
    request.getfixturevalue("late")
    assert sweep() == prompt


@pytest.mark.parametrize("recipe", [{}, {"accumulate": 2}], ids=["plain", "accumulate"])
def test_a_fit_with_late_losses_is_the_same_fit(recipe, request):
    def fitted():
        subject = task(valid_loader=[(torch.ones(2, 4), torch.ones(2, 1))], **recipe)
        return list(fit_one_cycle(subject, max_lr=0.05, epochs=3)), weights(subject)

    points, trained = fitted()
    clock = request.getfixturevalue("late")
    late_points, late_trained = fitted()
    assert late_points == points
    assert same(late_trained, trained)
    assert clock.waits > 0


def test_a_hook_sees_the_weights_of_its_step(request):
    def seen():
        subject, kept = task(), []
        for _ in fit_one_cycle(
            subject, max_lr=0.05, on_step=lambda point: kept.append(weights(subject))
        ):
            pass
        return kept

    prompt = seen()
    request.getfixturevalue("late")
    late = seen()
    assert len(late) == len(prompt) == 5
    assert all(map(same, late, prompt))


def test_who_looks_at_the_ends_of_epochs_does_not_hold_up_the_steps(late):
    subject = task()
    steps = []
    subject.model.register_forward_hook(lambda *_: steps.append(1))
    best = Best(subject, "train_loss")
    ahead = [
        len(steps) - point.step - 1
        for point in fit_one_cycle(subject, max_lr=0.05, epochs=2, on_step=best)
    ]
    assert ahead == [1, 1, 1, 1, 0] * 2
    best.restore()  # of an epoch's end, not of a later step
    assert best.epoch is not None


def test_a_fit_left_in_mid_epoch_has_every_step_in_its_checkpoint(tmp_path, request):
    whole, trained = task(), None
    points = list(fit_one_cycle(whole, max_lr=0.05, epochs=2))
    trained = weights(whole)
    request.getfixturevalue("late")
    path = tmp_path / "fit.ckpt"
    first = task()
    begun = fit_one_cycle(first, max_lr=0.05, epochs=2, checkpoint=path)
    told = [next(begun), next(begun)]
    begun.close()
    again = task()
    assert told == points[:2]
    rest = list(fit_one_cycle(again, max_lr=0.05, epochs=2, checkpoint=path))
    assert rest == points
    assert same(weights(again), trained)


def test_the_checkpoint_is_written_when_it_is_due_though_losses_are_late(
    tmp_path, late
):
    path = tmp_path / "fit.ckpt"
    subject = task()
    written = []
    for point in fit_one_cycle(
        subject, max_lr=0.05, checkpoint=path, checkpoint_every=2
    ):
        if path.exists():
            written.append((point.step, len(torch.load(path)["losses"])))
    assert (1, 2) in written
    assert (3, 4) in written
