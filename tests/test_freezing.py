"""Freezing: param groups that do not move, and come back exactly as they were."""

import warnings

import numpy as np
import pytest
import torch
from subjects import batches, changes, cnn, fingerprint, seeded, subject
from torch import nn
from torch.amp import GradScaler
from torch.optim import SGD, AdamW, RMSprop

from lr_widget import Task, fit_one_cycle, range_test
from lr_widget.freezing import NORMS


def grouped(make=SGD, parts=(slice(0, 5), slice(5, 6)), **options):
    """An optimizer with a param group for each part of a model's body."""

    def optimizer(model):
        groups = [{"params": list(model.body[part].parameters())} for part in parts]
        return make(groups, **{"lr": 0.05, **options})

    return optimizer


MOMENTUM = {"momentum": 0.9, "weight_decay": 0.1}
OPTIMIZERS = {
    "SGD": grouped(**MOMENTUM),
    "SGD, foreach": grouped(foreach=True, **MOMENTUM),
    "SGD, fused": grouped(fused=True, **MOMENTUM),
    "AdamW": grouped(AdamW, weight_decay=0.1),
    "AdamW, fused": grouped(AdamW, weight_decay=0.1, fused=True),
    "RMSprop": grouped(RMSprop, **MOMENTUM),
}


def used(optimizer="SGD", steps=3, **options):
    """A task whose optimizer has a history, and parameters gradients of the user's."""
    seeded()
    model = cnn()
    task = Task(
        model,
        batches(),
        nn.CrossEntropyLoss(),
        OPTIMIZERS[optimizer](model),
        device="cpu",
        **options,
    )
    for batch in batches(steps):
        task.step(batch)
    sum(p.square().sum() for p in model.parameters()).backward()
    return task


def weights(model):
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def trained(model):
    return [name for name, p in model.named_parameters() if p.requires_grad]


BODY, NORM, HEAD = (
    [f"body.{i}.{name}" for name in ("weight", "bias")] for i in (0, 1, 5)
)


# Which ones ---------------------------------------------------------------------------


def test_all_groups_but_the_last_freeze_and_normalisation_goes_on_training():
    task = used()
    task.freeze()
    assert task.frozen == (0,)
    assert trained(task.model) == [*NORM, *HEAD]


def test_without_train_norm_normalisation_freezes_too():
    task = used()
    task.freeze(train_norm=False)
    assert trained(task.model) == HEAD


@pytest.mark.parametrize(
    ("groups", "frozen", "left"),
    [
        (None, (0, 1), HEAD),
        ([0], (0,), [*NORM, *HEAD]),
        ([-1], (2,), [*BODY, *NORM]),
        ([2, -3, 0, np.int64(0)], (0, 2), NORM),
        ((1,), (1,), [*BODY, *HEAD]),
        (range(2), (0, 1), HEAD),
        ([], (), [*BODY, *NORM, *HEAD]),
    ],
)
def test_groups_are_meant_by_their_index(groups, frozen, left):
    parts = (slice(0, 1), slice(1, 5), slice(5, 6))
    task = subject(optimizer=grouped(parts=parts))
    task.freeze(groups, train_norm=False)
    assert task.frozen == frozen
    assert trained(task.model) == left
    task.unfreeze()
    assert task.frozen == ()
    assert trained(task.model) == [*BODY, *NORM, *HEAD]


def test_the_second_of_two_calls_is_what_holds():
    task = used()
    task.freeze([0], train_norm=False)
    task.freeze([1], train_norm=False)
    assert task.frozen == (1,)
    assert trained(task.model) == [*BODY, *NORM]
    task.freeze([])
    assert task.frozen == ()
    assert trained(task.model) == [*BODY, *NORM, *HEAD]


def test_what_was_frozen_by_hand_stays_frozen():
    task = used()
    task.model.body[0].bias.requires_grad_(False)
    for _ in range(2):
        task.freeze()
        assert trained(task.model) == [*NORM, *HEAD]
    task.unfreeze()
    assert trained(task.model) == [BODY[0], *NORM, *HEAD]


def test_a_task_with_another_loader_knows_what_is_frozen_and_may_end_it():
    task = used()
    other = task.with_loader(batches(1))
    task.freeze()
    assert other.frozen == (0,)
    other.unfreeze()
    assert task.frozen == ()
    assert trained(task.model) == [*BODY, *NORM, *HEAD]


def layers():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lazy modules are experimental
        return [
            nn.BatchNorm1d(2),
            nn.BatchNorm3d(2),
            nn.SyncBatchNorm(2),
            nn.LazyBatchNorm2d(),
            nn.InstanceNorm2d(2, affine=True),
            nn.LayerNorm(2),
            nn.GroupNorm(1, 2),
            nn.RMSNorm(2),
            nn.utils.parametrizations.weight_norm(nn.LayerNorm(2)),
        ]


@pytest.mark.parametrize("layer", layers(), ids=lambda layer: type(layer).__name__)
def test_every_normalisation_of_torch_goes_on_training(layer):
    body, head = nn.Sequential(nn.Linear(2, 2), layer), nn.Linear(2, 1)
    groups = [{"params": list(part.parameters())} for part in (body, head)]
    task = Task(nn.Sequential(body, head), [(1, 2)], nn.MSELoss(), SGD(groups, 0.1))
    task.freeze()
    assert isinstance(layer, NORMS)
    assert list(layer.parameters())
    assert all(parameter.requires_grad for parameter in layer.parameters())
    assert not any(parameter.requires_grad for parameter in body[0].parameters())


def test_a_normalisation_within_a_loss_module_counts_too():
    class Loss(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.LayerNorm(1)

    model, loss_fn = nn.Linear(2, 1), Loss()
    groups = [{"params": part.parameters()} for part in (loss_fn, model)]
    task = Task(model, [(1, 2)], loss_fn, SGD(groups, 0.1))
    task.freeze()
    assert loss_fn.norm.weight.requires_grad
    task.freeze(train_norm=False)
    assert not loss_fn.norm.weight.requires_grad


# Training -----------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.5}, {"accumulate": 2}])
def test_frozen_weights_do_not_move_whatever_momentum_and_decay_there_is(
    optimizer, options
):
    task = used(optimizer, **options)
    task.freeze()
    before = weights(task.model)
    list(fit_one_cycle(task, max_lr=0.1, epochs=2))
    after = weights(task.model)
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert moved == [*NORM, *HEAD]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("train_norm", [True, False])
def test_a_fit_with_frozen_groups_equals_a_plain_loop_without_their_gradients(
    optimizer, train_norm
):
    task, plain = used(optimizer), used(optimizer)
    task.freeze(train_norm=train_norm)
    seeded()
    points = list(fit_one_cycle(task, max_lr=0.1, epochs=2, cycle_momentum=False))
    model, optimizer, losses = plain.model, plain.optimizer, []
    model.body[0].requires_grad_(False)
    model.body[1].requires_grad_(train_norm)
    seeded()
    for point, (x, y) in zip(points, batches() * 2, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = point.lr
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses == [point.loss for point in points]
    state = model.state_dict()
    for name, value in task.model.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_unfrozen_all_trains_as_before():
    found = []
    for task in (used(), used()):
        if not found:
            task.freeze()
            task.unfreeze()
        seeded()
        found.append(list(fit_one_cycle(task, max_lr=0.1)))
    assert found[0] == found[1]


def test_a_grad_scaler_works_with_a_frozen_group():
    task = used(scaler=GradScaler("cpu", init_scale=2.0**10), clip_norm=1.0)
    task.freeze(train_norm=False)
    before = weights(task.model)
    points = list(fit_one_cycle(task, max_lr=0.1))
    assert len(points) == 4
    after = weights(task.model)
    assert [n for n in before if not torch.equal(before[n], after[n])] == HEAD


def test_a_range_test_with_frozen_groups_leaves_no_trace_and_moves_none_of_them():
    task = used()
    task.freeze()
    before, seen = fingerprint(task), []
    for _ in range_test(task, num_iter=5):
        seen.append(weights(task.model))
        assert trained(task.model) == [*NORM, *HEAD]
    assert all(torch.equal(w["body.0.weight"], seen[0]["body.0.weight"]) for w in seen)
    assert not torch.equal(seen[0]["body.5.weight"], seen[-1]["body.5.weight"])
    assert changes(before, fingerprint(task)) == []
    assert task.frozen == (0,)


def test_the_running_statistics_of_a_frozen_batchnorm_are_its_flags_to_decide():
    task = used()
    task.freeze(train_norm=False)
    norm = task.model.body[1]
    for flag in (True, False):
        norm.train(flag)
        before = norm.running_mean.clone()
        task.step(batches()[0])
        assert torch.equal(norm.running_mean, before) is not flag


# What is refused ----------------------------------------------------------------------

REFUSED = {
    "one group": (
        lambda model: SGD(model.parameters(), 0.1),
        {},
        r"groups: .* only one param group.*AdamW\(\[\{\"params\": body\.parameters",
    ),
    "all of one group": (
        lambda model: SGD(model.body[5].parameters(), 0.1),
        {"groups": [0]},
        r"groups=\[0\] leaves nothing to train.*make two with torch\.optim",
    ),
    "all groups": (
        grouped(),
        {"groups": [0, 1], "train_norm": False},
        r"groups=\[0, 1\] leaves nothing to train: leave out a param group of the 2",
    ),
    "a group that is not there": (
        grouped(),
        {"groups": [2]},
        "groups has 2, and the optimizer has 2 param groups: pass indices from 0 to 1",
    ),
    "a group before the first": (grouped(), {"groups": [-3]}, "groups has -3"),
    "a bare index": (grouped(), {"groups": 0}, r"groups must be a list .*not 0: try"),
    "a word": (grouped(), {"groups": "0"}, "groups must be a list"),
    "words": (grouped(), {"groups": ["0"]}, "groups must have whole numbers, not '0'"),
    "a flag": (grouped(), {"groups": [True]}, "groups must have whole numbers"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_frozen_is_refused_and_changes_nothing(case):
    optimizer, options, words = REFUSED[case]
    task = subject(optimizer=optimizer)
    if len(task.optimizer.param_groups) > 1:
        task.freeze([1])
    before, frozen = fingerprint(task), task.frozen
    with pytest.raises(ValueError, match=words):
        task.freeze(**options)
    assert changes(before, fingerprint(task)) == []
    assert task.frozen == frozen


def test_all_groups_may_freeze_where_normalisation_is_left_to_train():
    task = subject(optimizer=grouped())
    task.freeze([0, 1])
    assert trained(task.model) == NORM
    assert len(list(range_test(task, num_iter=3))) == 3
