"""range_test: which LR each step uses, what is recorded, and when it ends."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from subjects import (
    batches,
    changes,
    cnn,
    fingerprint,
    pictures,
    returned,
    seeded,
    subject,
)
from torch import nn
from torch.optim import SGD, AdamW

from lr_widget import Task, range_test
from lr_widget.sweep import sweep_lrs


def watched(task):
    """The LRs of all groups at each call of optimizer.step, as they come."""
    used = []
    task.optimizer.register_step_pre_hook(
        lambda optimizer, *_: used.append(
            [float(group["lr"]) for group in optimizer.param_groups]
        )
    )
    return used


# LRs ----------------------------------------------------------------------------------


def test_range_test_records_the_lr_that_each_step_used():
    task = subject()
    used = watched(task)
    points = list(range_test(task, num_iter=20))
    assert [[point.lr] for point in points] == used


def test_the_first_step_is_at_start_lr_and_the_last_at_end_lr_exactly():
    task = subject()
    used = watched(task)
    points = list(range_test(task, start_lr=3e-6, end_lr=0.7, num_iter=13))
    assert (points[0].lr, points[-1].lr) == (3e-6, 0.7)
    assert (used[0], used[-1]) == ([3e-6], [0.7])


@given(
    st.floats(1e-10, 1e2),
    st.floats(1.001, 1e9),
    st.integers(2, 300),
)
def test_lrs_grow_by_one_factor_from_start_to_end(start_lr, factor, num_iter):
    end_lr = start_lr * factor
    lrs = sweep_lrs(start_lr, end_lr, num_iter)
    assert len(lrs) == num_iter
    assert (lrs[0], lrs[-1]) == (start_lr, end_lr)
    np.testing.assert_allclose(lrs, np.geomspace(start_lr, end_lr, num_iter), rtol=1e-9)
    assert lrs == sorted(lrs)


def test_two_steps_are_start_lr_and_end_lr():
    points = list(range_test(subject(), start_lr=1e-5, end_lr=1e-2, num_iter=2))
    assert [point.lr for point in points] == [1e-5, 1e-2]


def two_groups(lrs):
    def make(model):
        parts = model.body[0], model.body[5]
        groups = [
            {"params": part.parameters(), "lr": lr}
            for part, lr in zip(parts, lrs, strict=True)
        ]
        return SGD(groups)

    return make


@pytest.mark.parametrize("lrs", [(0.1, 0.01), (0.01, 0.1), (0.3, 0.3)])
def test_param_groups_keep_the_ratios_of_their_lrs(lrs):
    task = subject(optimizer=two_groups(lrs))
    used = watched(task)
    points = list(range_test(task, num_iter=8))
    for point, (first, second) in zip(points, used, strict=True):
        assert max(first, second) == point.lr
        assert first / second == pytest.approx(lrs[0] / lrs[1])
    assert [group["lr"] for group in task.optimizer.param_groups] == list(lrs)


def test_a_tensor_lr_is_filled_in_place():
    lr = torch.tensor(0.1, dtype=torch.float64)
    task = subject(optimizer=lambda model: AdamW(model.parameters(), lr=lr))
    held = []
    task.optimizer.register_step_pre_hook(
        lambda optimizer, *_: held.append((optimizer.param_groups[0]["lr"], float(lr)))
    )
    points = list(range_test(task, num_iter=6))
    assert all(tensor is lr for tensor, _ in held)
    assert [value for _, value in held] == [point.lr for point in points]


# Losses -------------------------------------------------------------------------------


def plain_range_test(model, loader, optimizer, lrs):
    """What a person would write."""
    losses, batches = [], iter(loader)
    for lr in lrs:
        try:
            x, y = next(batches)
        except StopIteration:
            batches = iter(loader)
            x, y = next(batches)
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("make", [lambda p: SGD(p, momentum=0.9), AdamW])
@pytest.mark.parametrize("own_generator", [True, False])
def test_a_sweep_equals_a_plain_loop_loss_for_loss(make, own_generator):
    losses = []
    for plain in (True, False):
        seeded(3)
        model, loader = cnn(), pictures(own_generator=own_generator)
        optimizer = make(model.parameters())
        if plain:
            lrs = [1e-5 * (1 / 1e-5) ** (i / 19) for i in range(20)]
            losses.append(plain_range_test(model, loader, optimizer, lrs))
        else:
            task = Task(model, loader, nn.CrossEntropyLoss(), optimizer, device="cpu")
            points = range_test(
                task, start_lr=1e-5, end_lr=1.0, num_iter=20, stop_div=False
            )
            losses.append([point.loss for point in points])
    assert losses[0] == losses[1]


def test_points_are_numbered_and_plain():
    points = list(range_test(subject(), num_iter=5))
    assert [point.step for point in points] == [0, 1, 2, 3, 4]
    assert all(type(point.lr) is type(point.loss) is float for point in points)
    assert all(point.epoch is None for point in points)


# Loaders ------------------------------------------------------------------------------


class Counted:
    """An iterable without a length that counts how often it is begun."""

    def __init__(self, count):
        self.begun, self.count = 0, count

    def __iter__(self):
        self.begun += 1
        yield from batches(self.count)


def test_a_sweep_may_be_longer_than_an_epoch():
    loader = Counted(4)
    assert len(list(range_test(subject(loader=loader), num_iter=10))) == 10
    assert loader.begun == 3


def test_a_sweep_shorter_than_an_epoch_draws_no_batch_too_many():
    drawn = []

    class Loader:
        def __iter__(self):
            for batch in batches(9):
                drawn.append(batch)
                yield batch

    list(range_test(subject(loader=Loader()), num_iter=5))
    assert len(drawn) == 5


@pytest.mark.parametrize("kind", [tuple, list, lambda b: dict(enumerate(b)).values()])
def test_any_iterable_serves_as_loader(kind):
    assert len(list(range_test(subject(loader=kind(batches())), num_iter=6))) == 6


def test_an_iterator_that_lasts_serves_as_loader():
    loader = iter(batches(6))
    assert len(list(range_test(subject(loader=loader), num_iter=6))) == 6


def test_an_iterator_that_runs_out_is_an_error_and_all_is_put_back():
    task = subject(loader=iter(batches(4)))
    before = fingerprint(task)
    points = range_test(task, num_iter=6)
    with pytest.raises(
        ValueError, match=r"loader gave no batch.*iterator.*starts anew"
    ):
        list(points)
    assert changes(before, fingerprint(task)) == []


# Modes --------------------------------------------------------------------------------


def flags_in_steps(task):
    seen = []
    task.model.register_forward_hook(
        lambda model, *_: seen.append([module.training for module in model.modules()])
    )
    list(range_test(task, num_iter=3))
    return seen


def test_a_frozen_batchnorm_stays_frozen_in_the_sweep():
    task = subject("frozen batchnorm")
    kept = [module.training for module in task.model.modules()]
    assert False in kept
    assert flags_in_steps(task) == [kept] * 3


def test_a_model_in_eval_mode_is_swept_in_train_mode():
    task = subject("eval mode")
    assert all(all(flags) for flags in flags_in_steps(task))
    assert not any(module.training for module in task.model.modules())


# Ends ---------------------------------------------------------------------------------


def test_a_sweep_that_reaches_its_end_says_done():
    assert returned(range_test(subject(), num_iter=5))[1] == "done"


class Scripted(nn.Module):
    """A loss of given values, whatever the model says."""

    def __init__(self, losses):
        super().__init__()
        self.losses = iter(losses)

    def forward(self, output, target):
        return output.sum() * 0 + next(self.losses)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_ends_the_sweep_and_is_recorded(bad):
    task = subject(loss_fn=Scripted([1.0, 1.0, bad, 1.0]))
    points, end = returned(range_test(task, num_iter=4))
    assert end == "diverged"
    assert [point.loss for point in points] == pytest.approx([1, 1, bad], nan_ok=True)


def test_a_sweep_whose_loss_blows_up_says_diverged():
    losses = [1.0] * 12 + [0.8] * 5 + [2.0**i for i in range(40)]
    points, end = returned(range_test(subject(loss_fn=Scripted(losses)), num_iter=50))
    assert end == "diverged"
    assert 17 < len(points) < 30


def test_stop_div_false_goes_on_to_end_lr():
    losses = [1.0] * 12 + [math.nan, 1e30] + [2.0**i for i in range(40)]
    task = subject(loss_fn=Scripted(losses))
    points, end = returned(range_test(task, num_iter=50, stop_div=False))
    assert (len(points), end) == (50, "done")


def test_nothing_happens_before_the_first_point_is_asked_for():
    task = subject("eval mode")
    before = fingerprint(task)
    points = range_test(task)
    assert changes(before, fingerprint(task)) == []
    points.close()


def test_the_sweep_sees_the_task_as_it_is_when_it_begins():
    task = subject(optimizer=lambda model: SGD(model.parameters(), lr=0.1))
    points = range_test(task, num_iter=3)
    task.optimizer.param_groups[0]["lr"] = 0.02
    list(points)
    assert task.optimizer.param_groups[0]["lr"] == 0.02


# What is refused ----------------------------------------------------------------------

REFUSED = {
    "start above end": (
        {"start_lr": 1.0, "end_lr": 0.1},
        r"start_lr \(1\) must be below end_lr \(0\.1\): lower start_lr or raise end_lr",
    ),
    "start equals end": (
        {"start_lr": 0.1, "end_lr": 0.1},
        "start_lr.*must be below end_lr",
    ),
    "start_lr zero": ({"start_lr": 0}, "start_lr must be a positive number, not 0: t"),
    "start_lr negative": ({"start_lr": -1e-3}, r"start_lr must be .*not -0\.001: try"),
    "start_lr NaN": ({"start_lr": math.nan}, "start_lr must be .*, not nan: try"),
    "start_lr a word": ({"start_lr": "1e-7"}, "start_lr must be .*, not '1e-7': try"),
    "start_lr None": ({"start_lr": None}, "start_lr must be .*, not None: try"),
    "end_lr negative": ({"end_lr": -1}, "end_lr must be .*, not -1: try 10"),
    "end_lr infinite": ({"end_lr": math.inf}, "end_lr must be .*, not inf: try 10"),
    "num_iter one": ({"num_iter": 1}, "num_iter must be .*at least 2, not 1: try 100"),
    "num_iter zero": ({"num_iter": 0}, "num_iter must be .*at least 2, not 0: try 100"),
    "num_iter broken": ({"num_iter": 9.5}, r"num_iter must be a whole number.*9\.5"),
    "num_iter a word": ({"num_iter": "9"}, "num_iter must be a whole number.*'9'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_at_once_and_nothing_has_changed(case):
    options, words = REFUSED[case]
    task = subject("cnn", "SGD, used")
    before = fingerprint(task)
    with pytest.raises(ValueError, match=words):
        range_test(task, **options)
    assert changes(before, fingerprint(task)) == []


def test_numbers_of_numpy_are_taken():
    options = {"start_lr": np.float32(1e-3), "end_lr": np.int64(1)}
    points = list(range_test(subject(), num_iter=np.int64(3), **options))
    assert points[-1].lr == 1.0
