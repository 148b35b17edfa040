"""remembered: a copy taken now, and everything put back as often as one likes."""

import copy
import gc
import random
import warnings
import weakref
from unittest import mock

import no_trace
import numpy as np
import pytest
import torch
from no_trace import SUBJECTS, differing, look
from subjects import (
    CLASSES,
    MODELS,
    OPTIMIZERS,
    SIDE,
    Blown,
    Fuse,
    Pictures,
    batches,
    changes,
    cnn,
    fingerprint,
    pictures,
    subject,
)
from test_snapshot import CHANGES
from torch import nn
from torch.optim import SGD
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from lr_widget import Task, fit_one_cycle, range_test, undo
from lr_widget.snapshot import remembered


def fit(task, **options):
    return list(fit_one_cycle(task, **{"max_lr": 0.1, "epochs": 2, **options}))


def stopped_half_way(task):
    points = fit_one_cycle(task, max_lr=0.1, epochs=2)
    assert [next(points).step for _ in range(3)] == [0, 1, 2]
    points.close()


def failing(task):
    fuse = Fuse("optimizer")
    hook = task.optimizer.register_step_post_hook(lambda *_: fuse("optimizer"))
    with pytest.raises(Blown):
        fit(task)
    hook.remove()


RUNS = {
    "a fit": fit,
    "a fit that was stopped": stopped_half_way,
    "a fit that failed": failing,
    "a fit, a sweep and a fit": lambda task: (
        fit(task),
        list(range_test(task, num_iter=4)),
        fit(task),
    ),
}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", MODELS)
def test_undone_everything_is_bit_for_bit_as_before(model, optimizer, run):
    task = subject(model, optimizer, valid_loader=pictures(8, seed=3))
    before, valid = fingerprint(task), task.valid_loader.generator.get_state()
    put_back = remembered(task)
    assert changes(before, fingerprint(task)) == []  # it has touched nothing
    for _ in range(2):
        RUNS[run](task)
        assert changes(before, fingerprint(task)) != []
        put_back()
        assert changes(before, fingerprint(task)) == []
        assert torch.equal(task.valid_loader.generator.get_state(), valid)


@pytest.mark.parametrize("device", ["cpu", "model"])
@pytest.mark.parametrize("change", CHANGES)
def test_every_kind_of_change_is_undone(change, device):
    task = subject("cnn", "SGD, used")
    before = fingerprint(task)
    put_back = remembered(task, device)
    for _ in range(2):
        CHANGES[change](task)
        put_back()
        assert changes(before, fingerprint(task)) == []


@pytest.mark.parametrize("kind", SUBJECTS)
def test_a_fit_of_any_task_is_undone_and_goes_the_same_way_again(kind):
    made = SUBJECTS[kind]()
    task, found = made.task, []
    before = look(task)
    put_back = remembered(task)
    assert differing(before, look(task)) == {}
    for _ in range(2):
        found.append(fit(task, steps_per_epoch=3, max_lr=0.01))
        assert differing(before, look(task)) != {}
        put_back()
        assert differing(before, look(task)) == {}
    no_trace.close(made)
    if "persistent workers, used" not in kind:  # theirs is a random state of their own
        assert found[0] == found[1]


def test_a_fit_after_undo_is_the_fit_that_would_have_been_without_the_first():
    def weights(undone):
        task = subject("cnn", "AdamW, used")
        if undone:
            put_back = remembered(task)
            fit(task)
            put_back()
        return fit(task), task.model.state_dict()

    (points, once), (again, twice) = weights(False), weights(True)
    assert points == again
    for name, weight in once.items():
        assert torch.equal(weight, twice[name]), name


# What it holds ------------------------------------------------------------------------


def tensors(task):
    """All that a task has, each once: parameters, buffers, gradients, state."""
    roots = [task.model, task.loss_fn]
    found = [t for root in roots for t in (*root.parameters(), *root.buffers())]
    found += [t.grad for t in found if t.grad is not None]
    for state in task.optimizer.state.values():
        found += [value for value in state.values() if isinstance(value, torch.Tensor)]
    return list({id(tensor): tensor for tensor in found}.values())


@pytest.mark.parametrize("device", ["cpu", "model"])
def test_there_is_exactly_one_copy_and_it_shares_no_memory_with_the_task(device):
    task = subject("tied weights", "AdamW, used")
    copies, kept = [], undo._kept

    def watched(tensor, place):
        back = kept(tensor, place)
        cells = [cell.cell_contents for cell in back.__closure__]
        copies.extend(
            c for c in cells if isinstance(c, torch.Tensor) and c is not tensor
        )
        return back

    with mock.patch.object(undo, "_kept", watched):
        put_back = remembered(task, device)
    live = tensors(task)
    assert sum(t.nbytes for t in copies) == sum(t.nbytes for t in live)
    assert {t.device for t in copies} == {torch.device("cpu")}
    pointers = {t.untyped_storage().data_ptr() for t in copies}
    assert not pointers & {t.untyped_storage().data_ptr() for t in live}
    put_back()
    assert not pointers & {t.untyped_storage().data_ptr() for t in tensors(task)}


def test_what_was_remembered_goes_when_it_is_dropped():
    task = subject("cnn", "AdamW, used")
    grad = task.model.body[0].weight.grad
    put_back, held = remembered(task), weakref.ref(grad)
    fit(task)
    del grad
    gc.collect()
    assert held() is not None
    del put_back
    gc.collect()
    assert held() is None


def test_another_device_is_refused_by_name():
    with pytest.raises(ValueError, match='snapshot_device must be "cpu" or "model"'):
        remembered(subject(), "disk")


# What else is put back ----------------------------------------------------------------


def test_a_gradient_comes_back_as_the_same_object_and_none_as_none():
    task = subject("cnn", "AdamW, used")
    first, last = task.model.body[0].weight, task.model.body[5].weight
    last.grad = None
    grad, values = first.grad, first.grad.clone()
    put_back = remembered(task)
    grad.zero_()
    fit(task)
    last.grad = torch.ones_like(last)
    put_back()
    assert first.grad is grad
    assert torch.equal(grad, values)
    assert last.grad is None


def test_a_sparse_gradient_is_put_back():
    model = nn.EmbeddingBag(9, CLASSES, sparse=True)
    data = [(torch.arange(6).view(2, 3), torch.tensor([0, 1]))]
    task = Task(model, data, nn.CrossEntropyLoss(), SGD(model.parameters(), 0.1))
    nn.functional.cross_entropy(model(data[0][0]), data[0][1]).backward()
    before, grad = model.weight.grad.to_dense(), model.weight.grad
    put_back = remembered(task)
    fit(task)
    put_back()
    assert model.weight.grad is grad
    assert torch.equal(grad.to_dense(), before)


def test_a_modules_reset_is_not_called():
    calls = []

    class Model(nn.Linear):
        def reset(self):
            calls.append(1)

    task = Task(Model(2, 1), [(torch.ones(1, 2), torch.ones(1, 1))], nn.MSELoss())
    remembered(task)()
    assert calls == []


def test_what_is_frozen_is_put_back_for_every_task_that_shares_the_optimizer():
    model = cnn()
    groups = [{"params": part.parameters()} for part in (model.body[:5], model.body[5])]
    task = Task(model, batches(), nn.CrossEntropyLoss(), SGD(groups, 0.1))
    other = task.with_loader(batches(2))
    put_back = remembered(task)
    task.freeze()
    held = remembered(task)
    put_back()
    assert (task.frozen, other.frozen) == ((), ())
    assert all(parameter.requires_grad for parameter in model.parameters())
    held()
    assert (task.frozen, other.frozen) == ((0,), (0,))
    task.unfreeze()  # it knows again what it had switched off
    assert all(parameter.requires_grad for parameter in model.parameters())


class Average:
    """A hook with a state of its own."""

    def __init__(self):
        self.mean, self.steps = {"w": torch.zeros(2)}, [0]

    def __call__(self, point):
        self.mean["w"] += point.loss
        self.steps[0] += 1

    def state_dict(self):
        return {"mean": self.mean, "steps": self.steps}

    def load_state_dict(self, state):
        self.mean, self.steps = state["mean"], state["steps"]


def test_owners_that_have_a_state_dict_are_put_back_and_others_left_alone():
    task, hook = subject(), Average()
    ema = AveragedModel(task.model, use_buffers=True)
    before = copy.deepcopy(ema.state_dict())
    put_back = remembered(task, owners=[hook, ema, print])
    for _ in range(2):
        for point in fit(task):
            hook(point)
            ema.update_parameters(task.model)
        put_back()
        assert (hook.mean["w"].tolist(), hook.steps) == ([0.0, 0.0], [0])
        for name, value in ema.state_dict().items():
            assert torch.equal(value, before[name]), name


def test_one_part_that_cannot_be_put_back_does_not_keep_the_others_from_it():
    class Broken(Average):
        def load_state_dict(self, state):
            raise Blown

    task, hook = subject("cnn", "AdamW, used"), Average()
    before = fingerprint(task)
    put_back = remembered(task, owners=[hook, Broken()])
    for point in fit(task):
        hook(point)
    for _ in range(2):
        with pytest.raises(Blown):
            put_back()
        assert changes(before, fingerprint(task)) == []
        assert hook.steps == [0]


def test_of_many_parts_that_cannot_be_put_back_the_first_is_told_alone():
    class Broken(Average):
        def load_state_dict(self, state):
            raise Blown(self)

    hooks = [Broken(), Broken(), Broken()]
    put_back = remembered(subject("cnn", "AdamW, used"), owners=hooks)
    with pytest.raises(Blown) as caught:
        put_back()
    assert caught.value.args == (hooks[-1],)  # the last one is put back first
    assert caught.value.__context__ is None


def test_a_metric_gets_back_what_it_had_gathered():
    metric = Gathered()
    task = subject(metrics={"m": metric}, valid_loader=batches(2))
    metric.update(None, [1, 2, 3])
    put_back, seen = remembered(task), metric.seen
    fit(task)
    assert metric.seen != [3]
    put_back()
    assert metric.seen is seen
    assert seen == [3]


class Gathered:
    """A metric that gathers."""

    def __init__(self):
        self.seen = []

    def reset(self):
        self.seen = []

    def update(self, output, target):
        self.seen.append(len(target))

    def compute(self):
        return sum(self.seen)


class Noise(torch.utils.data.Dataset):
    """Pictures that the workers draw."""

    def __len__(self):
        return 8

    def __getitem__(self, index):
        random.random(), np.random.rand()
        return torch.randn(1, SIDE, SIDE), index % CLASSES


def test_persistent_workers_that_came_later_are_ended_and_new_ones_draw_the_same():
    loader = DataLoader(Noise(), 4, num_workers=1, persistent_workers=True)
    task = subject(loader=loader)
    outer = remembered(task)
    first = fit(task)
    running = loader._iterator
    inner = remembered(task)
    second = fit(task)
    inner()
    assert loader._iterator is running  # they go on
    outer()
    assert loader._iterator is None
    assert running._shutdown
    assert fit(task) == first
    inner()  # what it remembers has ended since: others start
    assert len(fit(task)) == len(second)
    outer()


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("told", ["nothing", "its state", "a state to go on from"])
@pytest.mark.parametrize("sweep", [False, True])
def test_torchdatas_loader_is_put_back_where_it_was(workers, told, sweep):
    module = pytest.importorskip(
        "torchdata.stateful_dataloader", reason="torchdata is not installed"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchdata's own
        loader = module.StatefulDataLoader(
            Pictures(augment=False), 6, shuffle=True, num_workers=workers
        )
    task, found = subject(loader=loader), []
    if told != "nothing":
        if told != "its state":
            next(iter(loader))
        state = loader.state_dict()
        if told != "its state":
            loader.load_state_dict(state)
    put_back = remembered(task)
    for _ in range(3):
        if sweep:
            list(range_test(task, num_iter=3))
        found.append(fit(task, steps_per_epoch=5))
        put_back()
    assert found[0] == found[1] == found[2]
