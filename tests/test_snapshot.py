"""restored: whatever happens in a sweep, nothing of it is left."""

import copy
import gc
import random
import threading
import warnings

import numpy as np
import pytest
import torch
from subjects import (
    MODELS,
    OPTIMIZERS,
    Blown,
    Fuse,
    Pictures,
    batches,
    changes,
    cnn,
    fingerprint,
    pictures,
    sgd,
    subject,
)
from torch import nn
from torch.utils.data import DataLoader, RandomSampler

from lr_widget import Run, Task, range_test, restored


class Spoiled(nn.Module):
    """Cross entropy that turns into something else after a few batches."""

    def __init__(self, factor=1.0, after=12):
        super().__init__()
        self.factor, self.after, self.calls = factor, after, 0
        self.fuse = Fuse()

    def forward(self, output, target):
        self.calls += 1
        self.fuse("loss_fn")
        loss = nn.functional.cross_entropy(output, target)
        return loss * (self.factor if self.calls > self.after else 1.0)


def to_its_end(task):
    assert len(list(range_test(task, num_iter=7))) == 7


def until_it_diverges(task):
    task.loss_fn.factor = 1e6
    assert len(list(range_test(task, end_lr=0.1, num_iter=40))) < 40


def until_nan(task):
    task.loss_fn.factor, task.loss_fn.after = float("nan"), task.loss_fn.calls + 4
    assert len(list(range_test(task, num_iter=7))) == 5


def closed_half_way(task):
    points = range_test(task, num_iter=7)
    assert [next(points).step for _ in range(4)] == [0, 1, 2, 3]
    points.close()


def dropped_half_way(task):
    points = range_test(task, num_iter=7)
    assert [next(points).step for _ in range(4)] == [0, 1, 2, 3]
    del points
    gc.collect()


def stopped_in_a_thread(task):
    middle = threading.Event()
    points = range_test(task, num_iter=10**6)
    run = Run(points, on_item=lambda point: point.step == 4 and middle.set()).start()
    assert middle.wait(20)
    run.stop()
    assert run.wait(20).state == "stopped"


def interrupted_in_wait(task):
    middle = threading.Event()

    class Interrupted(Run):
        def _wait(self, timeout):
            if not middle.is_set():
                assert middle.wait(20)
                raise KeyboardInterrupt
            super()._wait(timeout)

    points = range_test(task, num_iter=10**6)
    run = Interrupted(points, on_item=lambda p: p.step == 4 and middle.set())
    with pytest.raises(KeyboardInterrupt):
        run.start().wait()
    assert run.state == "stopped"


def failing_in(place, at=4):
    def run(task):
        fuse = Fuse(place, at)
        owners = [task.model, task.loss_fn, task.loader.dataset]
        for owner in owners:
            owner.fuse = fuse
        hook = task.optimizer.register_step_post_hook(lambda *_: fuse("optimizer"))
        with pytest.raises(Blown) as caught:
            list(range_test(task, num_iter=7))
        hook.remove()
        assert caught.value is fuse.error

    return run


ENDINGS = {
    "normal end": to_its_end,
    "divergence": until_it_diverges,
    "NaN": until_nan,
    "closed half-way": closed_half_way,
    "dropped half-way": dropped_half_way,
    "stopped in a thread": stopped_in_a_thread,
    "Ctrl-C in wait": interrupted_in_wait,
    "error in the model": failing_in("model"),
    "error in the loader": failing_in("loader", at=20),
    "error in loss_fn": failing_in("loss_fn"),
    "error in optimizer.step": failing_in("optimizer"),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", MODELS)
def test_after_a_sweep_everything_is_bit_for_bit_as_before(model, optimizer, ending):
    task = subject(model, optimizer, loss_fn=Spoiled())
    before = fingerprint(task)
    ENDINGS[ending](task)
    assert changes(before, fingerprint(task)) == []


# The comparison above can fail --------------------------------------------------------


def _flip(tensor):
    tensor.detach().view(-1).view(torch.uint8)[0] ^= 1


def _replace_parameter(task):
    old = task.model.body[0].weight
    task.model.body[0].weight = nn.Parameter(old.detach().clone())


def _state(task):
    return next(iter(task.optimizer.state.values()))


CHANGES = {
    "a bit of a parameter": lambda t: _flip(t.model.body[0].weight),
    "an equal parameter in its place": _replace_parameter,
    "a bit of a gradient": lambda t: _flip(t.model.body[0].weight.grad),
    "no gradient": lambda t: t.model.zero_grad(),
    "an equal gradient in its place": lambda t: setattr(
        t.model.body[0].weight, "grad", t.model.body[0].weight.grad.clone()
    ),
    "requires_grad": lambda t: t.model.body[0].weight.requires_grad_(False),
    "a running mean": lambda t: _flip(t.model.body[1].running_mean),
    "a batch count": lambda t: t.model.body[1].num_batches_tracked.add_(1),
    "a buffer of no checkpoint": lambda t: _flip(t.model.seen),
    "a flag": lambda t: t.model.body[3].eval(),
    "a flag of the loss": lambda t: t.loss_fn.eval(),
    "a bit of the momentum": lambda t: _flip(_state(t)["momentum_buffer"]),
    "an equal momentum in its place": lambda t: _state(t).update(
        momentum_buffer=_state(t)["momentum_buffer"].clone()
    ),
    "no optimizer state": lambda t: t.optimizer.state.clear(),
    "another state key": lambda t: _state(t).update(more=1),
    "an LR": lambda t: t.optimizer.param_groups[0].update(lr=0.1),
    "an initial LR": lambda t: t.optimizer.param_groups[0].update(initial_lr=0.1),
    "a group": lambda t: t.optimizer.add_param_group({"params": [torch.ones(1)]}),
    "an equal group in its place": lambda t: t.optimizer.param_groups.__setitem__(
        0, dict(t.optimizer.param_groups[0])
    ),
    "a counter of the optimizer": lambda t: setattr(t.optimizer, "_opt_called", 7),
    "python's generator": lambda t: random.random(),
    "numpy's generator": lambda t: np.random.rand(),
    "torch's generator": lambda t: torch.rand(1),
    "the loader's generator": lambda t: iter(t.loader),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_fingerprint_shows_every_kind_of_change(change):
    task = subject("cnn", "SGD, used")
    before = fingerprint(task)
    assert changes(before, fingerprint(task)) == []
    CHANGES[change](task)
    assert changes(before, fingerprint(task)) != []


# What else is borrowed ----------------------------------------------------------------


@pytest.mark.parametrize("change", CHANGES)
def test_every_kind_of_change_in_the_block_is_undone(change):
    task = subject("cnn", "SGD, used")
    before = fingerprint(task)
    with restored(task):
        task.step(batches()[0])
        task.loss_fn(task.model(batches()[0][0]), batches()[0][1]).backward()
        CHANGES[change](task)
    assert changes(before, fingerprint(task)) == []


def test_an_error_in_the_block_passes_through():
    task = subject()
    with pytest.raises(ZeroDivisionError), restored(task):
        raise ZeroDivisionError


def test_two_sweeps_in_a_row_give_the_same_points():
    task = subject("cnn", "AdamW, used")
    first = list(range_test(task, num_iter=9))
    assert list(range_test(task, num_iter=9)) == first


def test_a_gradient_that_was_there_stays_the_same_object():
    task = subject("cnn", "AdamW, used")
    grads = [parameter.grad for parameter in task.model.parameters()]
    copies = copy.deepcopy(grads)
    list(range_test(task, num_iter=5))
    for parameter, grad, kept in zip(
        task.model.parameters(), grads, copies, strict=True
    ):
        assert parameter.grad is grad
        assert torch.equal(grad, kept)


def test_a_parameter_that_the_optimizer_does_not_hold_keeps_its_gradient():
    model = cnn()
    optimizer = torch.optim.SGD(model.body[5].parameters(), lr=0.1)
    task = Task(model, batches(), nn.CrossEntropyLoss(), optimizer)
    model.body[0].weight.grad = torch.full_like(model.body[0].weight, 2.0)
    before = fingerprint(task)
    list(range_test(task, num_iter=5))
    assert changes(before, fingerprint(task)) == []


def test_parameters_of_a_loss_module_are_put_back():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, output, target):
            return nn.functional.cross_entropy(output * self.scale, target)

    loss_fn = Scaled()
    task = subject(
        loss_fn=loss_fn,
        optimizer=lambda model: torch.optim.SGD(
            [*model.parameters(), loss_fn.scale], lr=0.1
        ),
    )
    before = fingerprint(task)
    list(range_test(task, num_iter=5))
    assert changes(before, fingerprint(task)) == []


def test_a_tensor_lr_is_put_back_into_the_same_tensor():
    lr = torch.tensor(0.05)
    task = subject(optimizer=lambda m: torch.optim.SGD(m.parameters(), lr=lr))
    list(range_test(task, num_iter=5))
    assert task.optimizer.param_groups[0]["lr"] is lr
    assert torch.equal(lr, torch.tensor(0.05))


def test_a_scheduler_goes_on_after_the_sweep_as_if_nothing_had_been():
    lrs = []
    for swept in (False, True):
        task = subject("cnn", "SGD, scheduled")
        if swept:
            list(range_test(task, num_iter=5))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for batch in batches(4):
                task.step(batch)
                task.optimizer.owner.step()
                lrs.append(task.optimizer.param_groups[0]["lr"])
    assert lrs[:4] == lrs[4:]


def test_a_scheduler_that_has_not_begun_still_warns_of_a_missing_step():
    task = subject(optimizer=sgd)
    scheduler = torch.optim.lr_scheduler.StepLR(task.optimizer, 2)
    list(range_test(task, num_iter=5))
    with pytest.warns(UserWarning, match=r"before `optimizer\.step"):
        scheduler.step()


@pytest.mark.parametrize("place", ["sampler", "dataset", "model"])
def test_generators_that_parts_of_the_task_own_are_put_back(place):
    dataset = Pictures()
    generator = torch.Generator().manual_seed(1)
    sampler = RandomSampler(
        dataset, generator=generator if place == "sampler" else None
    )
    rng = np.random.default_rng(1)
    task = subject(loader=DataLoader(dataset, batch_size=6, sampler=sampler))
    if place == "dataset":
        dataset.rng, dataset.seed = rng, random.Random(1)
        draw = dataset.__class__.__getitem__

        class Drawing(Pictures):
            def __getitem__(self, index):
                self.rng.random(), self.seed.random()
                return draw(self, index)

        dataset.__class__ = Drawing
    if place == "model":
        task.model.generator = generator
        task.model.register_forward_pre_hook(
            lambda model, _: torch.rand(1, generator=model.generator) and None
        )
    states = [generator.get_state().tolist(), rng.bit_generator.state]
    seed = random.Random(1).getstate()
    list(range_test(task, num_iter=9))
    assert [generator.get_state().tolist(), rng.bit_generator.state] == states
    if place == "dataset":
        assert dataset.seed.getstate() == seed


def test_a_loader_that_can_tell_its_position_is_put_back_there():
    class Stateful:
        def __init__(self):
            self.at, self.batches = 1, batches()

        def __iter__(self):
            for self.at in range(self.at, len(self.batches)):  # noqa: B020
                yield self.batches[self.at]
            self.at = 0

        def state_dict(self):
            return {"at": self.at}

        def load_state_dict(self, state):
            self.at = state["at"]

    task = subject(loader=Stateful())
    list(range_test(task, num_iter=6))
    assert task.loader.at == 1


def test_a_buffer_whose_elements_share_memory_does_no_harm():
    task = subject()
    task.model.register_buffer("wide", torch.zeros(1).expand(3))
    before = fingerprint(task)
    list(range_test(task, num_iter=3))
    assert changes(before, fingerprint(task)) == []


def test_a_weight_that_a_hook_computes_is_put_back():
    def model():
        net = cnn()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch wants parametrizations instead
            nn.utils.weight_norm(net.body[5])
        return net

    task = subject(model)
    before = fingerprint(task)
    list(range_test(task, num_iter=3))
    assert changes(before, fingerprint(task)) == []


def test_a_parametrized_weight_is_put_back():
    def model():
        net = cnn()
        nn.utils.parametrizations.spectral_norm(net.body[5])
        return net

    task = subject(model)
    before = fingerprint(task)
    list(range_test(task, num_iter=3))
    assert changes(before, fingerprint(task)) == []


def test_the_copy_is_independent_of_the_live_state():
    task = subject("cnn", "AdamW, used")
    before = fingerprint(task)
    for _ in range(2):
        with restored(task):
            for batch in batches():
                task.step(batch)
    assert changes(before, fingerprint(task)) == []


def test_a_loader_with_workers_leaves_no_trace():
    loader = DataLoader(Pictures(), batch_size=6, shuffle=True, num_workers=1)
    task = subject(loader=loader)
    before = fingerprint(task)
    list(range_test(task, num_iter=5))
    assert changes(before, fingerprint(task)) == []


def test_the_default_loader_draws_the_same_batches_after_a_sweep():
    firsts = []
    for swept in (False, True):
        task = subject(loader=pictures(own_generator=False))
        if swept:
            list(range_test(task, num_iter=5))
        firsts.append(next(iter(task.loader))[0])
    assert torch.equal(*firsts)
