"""audition: complete short fits from one state, and no trace of them."""

import math

import numpy as np
import pytest
import torch
from subjects import (
    RECIPES,
    Blown,
    Fuse,
    Pictures,
    batches,
    changes,
    cnn,
    fingerprint,
    pictures,
    returned,
    sgd,
    subject,
)
from torch import nn
from torch.optim import SGD, Adagrad, Adam, AdamW
from torch.utils.data import DataLoader

from lr_widget import Trials, audition, fit_one_cycle, remembered
from lr_widget.trials import INIT

LRS = [1e-3, 1e-2, 1e-1]

OPTIMIZERS = {
    "SGD": sgd,
    "SGD, used": "SGD, used",
    "SGD, scheduled": "SGD, scheduled",
    "Adam": lambda model: Adam(model.parameters()),
    "AdamW, used": "AdamW, used",
}


def plain_net():
    """Nothing in it draws at random, and nothing moves but by a step."""
    return nn.Sequential(nn.Flatten(), nn.Linear(25, 8), nn.Tanh(), nn.Linear(8, 3))


def noting(seen):
    """A step that notes which pictures it is asked about."""

    def step(model, batch):
        images, labels = batch
        seen.append(tuple(images[:, 0, 0, 0].tolist()))
        return nn.functional.cross_entropy(model(images), labels)

    return step


def losses(task, lrs=LRS, **options):
    points, end = returned(audition(task, lrs, **{"steps": 10, **options}))
    assert end == "done"
    return [[p.loss for i, p in points if i == index] for index in range(len(lrs))]


# What it makes ------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "AdamW, used"])
def test_each_is_the_fit_one_would_make_from_the_same_state_on_the_same_batches(
    optimizer, recipe
):
    make = OPTIMIZERS[optimizer]
    data = batches(7)
    task = subject(plain_net, make, loader=data, **RECIPES[recipe])
    points, end = returned(audition(task, LRS, steps=12))
    assert end == "done"
    for index, lr in enumerate(LRS):
        again = subject(plain_net, make, loader=data, **RECIPES[recipe])
        plain = list(fit_one_cycle(again, max_lr=lr, steps_per_epoch=12))
        mine = [point for i, point in points if i == index]
        assert [p.loss for p in mine] == [p.loss for p in plain]
        assert [p.lr for p in mine] == [p.lr for p in plain]
        assert [p.momentum for p in mine] == [p.momentum for p in plain]


def test_a_step_of_ones_own_and_a_scaler_are_used_as_in_the_fit():
    def step(model, batch):
        inputs, targets = batch
        return 3 * nn.functional.cross_entropy(model(inputs), targets)

    def made(**kwargs):
        return subject(plain_net, sgd, loader=batches(7), **kwargs)

    plain = losses(made())
    own = losses(made(step=step))
    scaled = losses(made(scaler=torch.amp.GradScaler("cpu", init_scale=4.0)))
    assert [row[0] for row in own] == pytest.approx([3 * row[0] for row in plain])
    assert np.allclose(scaled, plain, rtol=1e-5)


def test_param_groups_keep_the_ratios_of_their_lrs():
    seen = []

    class Looking(SGD):
        def step(self, closure=None):
            seen.append([group["lr"] for group in self.param_groups])
            return super().step(closure)

    def groups(model):
        first, *rest = model.parameters()
        return Looking(
            [{"params": [first], "lr": 1e-3}, {"params": rest, "lr": 1e-2}],
            momentum=0.9,
        )

    losses(subject(plain_net, groups))
    assert len(seen) == 30
    assert [low / high for low, high in seen] == pytest.approx([0.1] * 30)
    assert max(high for _, high in seen) == pytest.approx(0.1)


@pytest.mark.parametrize("own_generator", [True, False])
def test_all_see_the_same_batches_in_one_order_and_not_in_that_of_the_fit(
    own_generator,
):
    def seen(make):
        found = []
        loader = pictures(48, own_generator=own_generator, augment=False)
        make(subject(plain_net, sgd, loader=loader, step=noting(found)))
        return found

    tried = seen(lambda task: losses(task, steps=20))
    # Four of the last steps for the loss before training, then each candidate.
    assert len(tried) == 4 + 3 * 20
    first, second, third = (tried[4 + 20 * i :][:20] for i in range(3))
    assert first == second == third
    assert tried[:4] == first[-4:]
    passes = [sorted(x for batch in first[i : i + 8] for x in batch) for i in (0, 8)]
    assert passes[0] == passes[1]  # each picture once
    assert first[:8] != first[8:16]
    fit = seen(lambda task: list(fit_one_cycle(task, max_lr=1e-2, steps_per_epoch=20)))
    assert first != fit


@pytest.mark.parametrize("persistent", [False, True])
def test_workers_give_the_same_batches_to_all_and_leave_no_trace(persistent):
    found = []
    loader = DataLoader(
        Pictures(48),  # augmented in the workers
        batch_size=6,
        shuffle=True,
        num_workers=1,
        persistent_workers=persistent,
    )
    task = subject(plain_net, sgd, loader=loader, step=noting(found))
    before = fingerprint(task)
    losses(task, LRS[:2])
    assert found[:2] == found[10:12] == found[20:22]
    assert found[2:12] == found[12:22]
    assert changes(before, fingerprint(task)) == []


def test_a_gpu_that_is_not_in_use_yet_keeps_the_seed_that_it_was_given():
    task = subject(plain_net, sgd)
    torch.manual_seed(7)
    given = torch.cuda._lazy_seed_tracker.get_calls()
    losses(task)
    assert torch.cuda._lazy_seed_tracker.get_calls() == given


def test_what_is_drawn_at_random_is_the_same_for_all():
    # Dropout, augmentation by all three generators, BatchNorm.
    tiny = losses(subject(cnn, sgd), [1e-12, 1.1e-12])
    assert tiny[0] == pytest.approx(tiny[1], rel=1e-6)


def test_the_loss_before_training_is_that_on_the_batches_of_the_last_fifth():
    data = batches(100)
    task = subject(plain_net, sgd, loader=data, accumulate=2)
    points, _ = returned(audition(task, LRS, steps=30))
    with torch.no_grad():
        plain = [nn.functional.cross_entropy(task.model(x), y).item() for x, y in data]
    found = [point.metrics[INIT] for _, point in points if point.step == 0]
    assert found == pytest.approx([np.mean(plain[48:60])] * 3, rel=1e-6)
    assert not any(point.metrics for _, point in points if point.step)


def test_it_is_measured_in_the_mode_in_which_steps_are_made():
    # The candidate with an LR of nearly nothing has its losses: BatchNorm and Dropout
    # are in train mode and draw alike.
    trials = Trials([1e-12], 10, audition(subject(cnn, sgd), [1e-12], steps=10))
    assert trials.score(0) == pytest.approx(trials.init_loss, rel=1e-5)


def test_validation_and_metrics_are_left_out():
    def never(*_):
        raise AssertionError("measured")

    class Valid:
        def __iter__(self):
            raise AssertionError("validated")

    task = subject(plain_net, sgd, valid_loader=Valid(), metrics={"never": never})
    assert [len(row) for row in losses(task)] == [10, 10, 10]


def test_one_whose_loss_is_not_finite_ends_there_and_the_next_goes_on():
    task = subject(plain_net, sgd, loader=batches(5), loss_fn=lambda output, y: (
        nn.functional.mse_loss(output * output, torch.ones_like(output))
    ))  # fmt: skip
    trials = Trials([1e-3, 1e8, 1e-2], 10, audition(task, [1e-3, 1e8, 1e-2], steps=10))
    assert [trials.blew_up(i) for i in range(3)] == [False, False, True]
    assert 1 < len(trials.curves[2]) < 10
    low = Trials([1e8, 1e9], 10, audition(task, [1e8, 1e9], steps=10))
    assert all(0 < len(curve) < 10 for curve in low.curves)
    assert low.marked is None


def test_it_finds_on_a_small_task_what_learns():
    task = subject(plain_net, sgd, loader=pictures(augment=False))
    lrs = [1e-6, 1e-2, 1e-1]
    trials = Trials(lrs, 30, audition(task, lrs))
    assert trials.marked in (1e-2, 1e-1)
    assert trials.progress(0) < 0.1


# No trace -----------------------------------------------------------------------------


@pytest.mark.parametrize("snapshot_device", ["cpu", "model"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", ["cnn", "frozen batchnorm", "eval mode"])
def test_it_leaves_no_trace(model, optimizer, snapshot_device):
    task = subject(model, OPTIMIZERS[optimizer])
    before = fingerprint(task)
    losses(task, snapshot_device=snapshot_device)
    assert changes(before, fingerprint(task)) == []


@pytest.mark.parametrize("made", [0, 1, 9, 10, 17, 29])
@pytest.mark.parametrize("optimizer", ["SGD, used", "AdamW, used"])
def test_it_leaves_none_wherever_it_is_closed(optimizer, made):
    task = subject("cnn", optimizer)
    before = fingerprint(task)
    going = audition(task, LRS, steps=10)
    for _ in range(made):
        next(going)
    going.close()
    assert changes(before, fingerprint(task)) == []


@pytest.mark.parametrize("at", [5, 25, 47])
@pytest.mark.parametrize("place", ["model", "loader"])
def test_it_leaves_none_when_something_raises(place, at):
    task = subject("cnn", "AdamW, used")
    fuse = Fuse(place, at)
    task.model.fuse = task.loader.dataset.fuse = fuse
    before = fingerprint(task)
    with pytest.raises(Blown):
        list(audition(task, LRS, steps=20))
    assert changes(before, fingerprint(task)) == []


def test_it_leaves_none_when_all_blow_up():
    task = subject(plain_net, sgd, loss_fn=lambda output, y: (
        nn.functional.mse_loss(output * output, torch.ones_like(output))
    ))  # fmt: skip
    before = fingerprint(task)
    list(audition(task, [1e8, 1e9], steps=10))
    assert changes(before, fingerprint(task)) == []


def test_between_two_candidates_the_state_is_that_of_before():
    task = subject("cnn", "AdamW, used")
    remembered(task)()  # as each of them: it opens nothing of its own
    alone = losses(task, [1e-1])
    assert losses(task, LRS)[2] == alone[0]
    assert losses(task, LRS)[2] == alone[0]


def test_a_fit_after_it_is_the_fit_without_it():
    def trained(first):
        task = subject("cnn", AdamW_of)
        if first:
            losses(task)
        return [p.loss for p in fit_one_cycle(task, max_lr=1e-2, epochs=2)]

    assert trained(True) == trained(False)


def AdamW_of(model):
    return AdamW(model.parameters())


# What is refused ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lrs", "options", "message"),
    [
        ([], {}, "lrs must be a list"),
        ([1e-2, -1.0], {}, "lrs must be positive numbers"),
        ([math.nan], {}, "lrs must be positive numbers"),
        ([1e-2, 1e-2], {}, "lrs has 0.01 twice"),
        (np.geomspace(1e-4, 1, 8), {}, "list of 1 to 7"),
        (LRS, {"steps": 9}, "steps must be a whole number of at least 10"),
        (LRS, {"snapshot_device": "disk"}, "snapshot_device must be"),
    ],
)
def test_arguments_that_cannot_be_are_refused_before_any_step(lrs, options, message):
    task = subject()
    before = fingerprint(task)
    with pytest.raises(ValueError, match=message):
        audition(task, lrs, **options)
    assert changes(before, fingerprint(task)) == []


def test_a_loader_that_is_an_iterator_is_refused():
    task = subject(loader=iter(batches()))
    with pytest.raises(ValueError, match="loader is an iterator"):
        audition(task, LRS)


def test_an_optimizer_without_momentum_is_treated_as_in_the_fit():
    def made():
        return subject(plain_net, lambda model: Adagrad(model.parameters()))

    with pytest.raises(ValueError, match="neither momentum nor betas"):
        audition(made(), LRS)
    assert [len(r) for r in losses(made(), cycle_momentum=False)] == [10, 10, 10]
