"""fine_tune: two plain loops, the first with a frozen body, weight for weight."""

import math

import pytest
import torch
from subjects import (
    Blown,
    Fuse,
    batches,
    changes,
    cnn,
    fingerprint,
    pictures,
    seeded,
    subject,
)
from torch import nn
from torch.optim import SGD, Adagrad, AdamW
from torch.optim.lr_scheduler import OneCycleLR

from lr_widget import Task, fit_one_cycle, one_cycle_schedule
from lr_widget.fine_tuning import fine_tune, fine_tune_plan

BASE_LR = 0.05


def split(kind, **options):
    """An optimizer with three param groups: convolution, norm, and the head."""

    def make(model):
        parts = model.body[0], model.body[1], model.body[5]
        return kind([{"params": p.parameters()} for p in parts], lr=0.1, **options)

    return make


OPTIMIZERS = {"SGD": split(SGD, momentum=0.9), "AdamW": split(AdamW)}


def task(optimizer="AdamW", **options):
    made = OPTIMIZERS.get(optimizer, optimizer)
    return subject(optimizer=made, valid_loader=pictures(9), **options)


# The definition -----------------------------------------------------------------------


def cosine(start, end, position):
    """`SchedCos` of fastai/callback/schedule.py."""
    return start + (1 + math.cos(math.pi * (1 - position))) * (end - start) / 2


def published(steps, peaks, pct, div):
    """LRs and momentum of each step of fastai's `fit_one_cycle`."""
    for step in range(steps):
        at = step / steps
        rises, way = at < pct, at / pct if at < pct else (at - pct) / (1 - pct)
        lrs = [
            cosine(p / div, p, way) if rises else cosine(p, p / 1e5, way) for p in peaks
        ]
        yield lrs, cosine(0.95, 0.85, way) if rises else cosine(0.85, 0.95, way)


def torchs(steps, peaks, pct, div):
    """The same of torch's."""
    groups = [{"params": [nn.Parameter(torch.zeros(1))]} for _ in peaks]
    optimizer = SGD(groups, lr=0.1, momentum=0.9)
    options = {"total_steps": steps, "pct_start": pct, "div_factor": div}
    scheduler = OneCycleLR(optimizer, peaks, **options)
    for _ in range(steps):
        groups = optimizer.param_groups
        yield [group["lr"] for group in groups], groups[0]["momentum"]
        optimizer.step()
        scheduler.step()


def stage(model, optimizer, loader, epochs, rows):
    """A plain loop; each step is made at a row of LRs and one momentum."""
    losses = []
    for _ in range(epochs):
        for x, y in loader:
            lrs, momentum = next(rows)
            for group, lr in zip(optimizer.param_groups, lrs, strict=True):
                group["lr"] = lr
                if "betas" in group:
                    group["betas"] = momentum, 0.999
                else:
                    group["momentum"] = momentum
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


def plain(optimizer, formula, epochs, freeze_epochs):
    """What a person would write after fastai's `Learner.fine_tune`."""
    seeded(1)
    model, loader = cnn(), pictures()
    optim = OPTIMIZERS[optimizer](model)
    losses, steps = [], len(loader)
    model.body[0].requires_grad_(False)  # and not the norm
    if freeze_epochs:
        peaks = [BASE_LR / 10, BASE_LR / 10, BASE_LR]
        rows = formula(freeze_epochs * steps, peaks, 0.99, 25.0)
        losses += stage(model, optim, loader, freeze_epochs, rows)
    model.body[0].requires_grad_(True)
    top = BASE_LR / 2
    low = top / 100
    peaks = [low, low * (top / low) ** (1 / 2), top]
    rows = formula(epochs * steps, peaks, 0.3, 5.0)
    losses += stage(model, optim, loader, epochs, rows)
    return model, optim, losses


FORMULAS = {"fastai": published, "torch": torchs}


@pytest.mark.parametrize("freeze_epochs", [0, 1, 2])
@pytest.mark.parametrize("variant", FORMULAS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_it_equals_two_plain_loops_weight_for_weight(optimizer, variant, freeze_epochs):
    model, optim, losses = plain(optimizer, FORMULAS[variant], 2, freeze_epochs)
    state = torch.get_rng_state()
    seeded(1)
    net, loader = cnn(), pictures()
    ours = OPTIMIZERS[optimizer](net)
    task = Task(net, loader, nn.CrossEntropyLoss(), ours, device="cpu")
    points = fine_tune(
        task, base_lr=BASE_LR, epochs=2, freeze_epochs=freeze_epochs, variant=variant
    )
    assert [point.loss for point in points] == losses
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, net.state_dict()[name]), name
    for kept, trained in zip(optim.state.values(), ours.state.values(), strict=True):
        for name, value in kept.items():
            assert torch.equal(value, trained[name]), name
    assert torch.equal(torch.get_rng_state(), state)


def test_it_equals_two_fits_with_freezing_between():
    subject = task("SGD")
    subject.freeze()
    cycle = {"variant": "fastai"}
    first = {"max_lr": slice(BASE_LR), "pct_start": 0.99}
    losses = [p.loss for p in fit_one_cycle(subject, **first, **cycle)]
    subject.unfreeze()
    second = {"max_lr": slice(BASE_LR / 2 / 10, BASE_LR / 2), "div_factor": 5.0}
    points = fit_one_cycle(subject, epochs=2, pct_start=0.4, **second, **cycle)
    losses += [point.loss for point in points]
    ours = task("SGD")
    points = fine_tune(ours, base_lr=BASE_LR, epochs=2, lr_mult=10, pct_start=0.4)
    assert [point.loss for point in points] == losses
    for name, weight in subject.model.state_dict().items():
        assert torch.equal(weight, ours.model.state_dict()[name]), name


def test_points_and_epochs_count_through_both_cycles():
    points = list(fine_tune(task(), base_lr=BASE_LR, epochs=2, freeze_epochs=3))
    assert [point.step for point in points] == [*range(20)]
    ends = [(p.epoch.epoch, p.epoch.step) for p in points if p.epoch]
    assert ends == [(1, 3), (2, 7), (3, 11), (4, 15), (5, 19)]
    assert all(point.epoch.valid_loss for point in points if point.epoch)


def test_further_arguments_are_those_of_both_cycles():
    cycle = {"base_momentum": 0.6, "final_div_factor": 10.0}
    plan = fine_tune_plan(task(), base_lr=BASE_LR, epochs=5, freeze_epochs=5, **cycle)
    assert plan.schedule.momentums[:20].min() == pytest.approx(0.6, abs=0.01)
    assert plan.schedule.momentums[20:].min() == pytest.approx(0.6, abs=0.01)
    still = fine_tune_plan(task(), base_lr=BASE_LR, cycle_momentum=False)
    assert still.schedule.momentums is None


# The plan -----------------------------------------------------------------------------


def test_a_plan_is_of_both_cycles_and_of_all_groups():
    subject = task()
    before = fingerprint(subject)
    plan = fine_tune_plan(subject, base_lr=BASE_LR, epochs=2, freeze_epochs=3)
    assert changes(before, fingerprint(subject)) == []
    assert (plan.epochs, plan.freeze_epochs, plan.freeze) == (5, 3, (0, 1))
    assert plan.schedule.lrs.shape == plan.schedule.momentums.shape == (20, 3)
    options = {"optimizer": subject.optimizer, "variant": "fastai"}
    first = one_cycle_schedule(12, max_lr=slice(BASE_LR), pct_start=0.99, **options)
    peak = slice(BASE_LR / 200, BASE_LR / 2)
    second = one_cycle_schedule(
        8, max_lr=peak, pct_start=0.3, div_factor=5.0, **options
    )
    assert plan.schedule.lrs.tolist() == first.lrs.tolist() + second.lrs.tolist()
    assert not plan.schedule.lrs.flags.writeable
    points = list(fine_tune(subject, base_lr=BASE_LR, epochs=2, freeze_epochs=3))
    assert [point.lr for point in points] == plan.schedule.lrs[:, 2].tolist()
    assert [p.momentum for p in points] == plan.schedule.momentums[:, 2].tolist()


def test_without_frozen_epochs_one_param_group_will_do():
    subject = task(lambda model: AdamW(model.parameters()))
    plan = fine_tune_plan(subject, base_lr=BASE_LR, freeze_epochs=0)
    assert plan.schedule.lrs.shape == (4, 1)
    points = list(fine_tune(subject, base_lr=BASE_LR, freeze_epochs=0))
    assert max(point.lr for point in points) <= BASE_LR / 2


# What is frozen -----------------------------------------------------------------------


def trains(task):
    parts = task.model.body[0], task.model.body[1], task.model.body[5]
    return [[p.requires_grad for p in part.parameters()] for part in parts]


ALL = [[True, True]] * 3


@pytest.mark.parametrize(
    ("freeze", "frozen"),
    [
        (None, [[False] * 2, [True] * 2, [True] * 2]),  # the second is a norm
        ([0], [[False] * 2, [True] * 2, [True] * 2]),
        ([2, 0], [[False] * 2, [True] * 2, [False] * 2]),
        ([2], [[True] * 2, [True] * 2, [False] * 2]),
    ],
)
def test_the_groups_are_frozen_in_the_first_epochs_only(freeze, frozen):
    subject, seen = task(), []
    fine_tune_points = fine_tune(
        subject, base_lr=BASE_LR, freeze_epochs=2, freeze=freeze
    )
    for _ in fine_tune_points:
        seen.append(trains(subject))
    assert seen == [frozen] * 8 + [ALL] * 4
    assert trains(subject) == ALL


def test_what_was_frozen_before_by_hand_stays_frozen():
    subject = task()
    subject.model.body[1].requires_grad_(False)
    list(fine_tune(subject, base_lr=BASE_LR))
    assert trains(subject) == [[True] * 2, [False] * 2, [True] * 2]


def close(points):
    next(points), next(points)
    points.close()


def fail(points):
    with pytest.raises(Blown):
        list(points)


@pytest.mark.parametrize("end", [close, fail, list])
def test_however_it_is_left_nothing_is_frozen_and_options_are_back(end):
    subject = task()
    if end is fail:
        subject.loader.dataset.fuse = Fuse("loader", at=8)
    before = [dict(group, params=None) for group in subject.optimizer.param_groups]
    end(fine_tune(subject, base_lr=BASE_LR))
    assert trains(subject) == ALL
    assert [dict(g, params=None) for g in subject.optimizer.param_groups] == before


def test_nothing_is_frozen_before_the_first_point_is_asked_for():
    subject = task()
    before = fingerprint(subject)
    fine_tune(subject, base_lr=BASE_LR).close()
    assert changes(before, fingerprint(subject)) == []


# What is refused ----------------------------------------------------------------------

REFUSED = {
    "base_lr zero": ({"base_lr": 0}, "base_lr must be a positive number, not 0: pick"),
    "base_lr NaN": ({"base_lr": math.nan}, "base_lr must be .*, not nan: pick one on"),
    "base_lr a slice": ({"base_lr": slice(0.1)}, "base_lr must be a positive number"),
    "no epochs": ({"epochs": 0}, "epochs must be .*at least 1, not 0: try"),
    "freeze_epochs": ({"freeze_epochs": -1}, "freeze_epochs must be .*least 0, not -1"),
    "half freeze_epochs": (
        {"freeze_epochs": 0.5},
        r"freeze_epochs must be .*0\.5: try",
    ),
    "lr_mult zero": ({"lr_mult": 0}, "lr_mult must be a positive number, not 0: try"),
    "lr_mult": ({"lr_mult": 0.5}, r"lr_mult must be at least 1, not 0\.5: the first"),
    "a group too many": ({"freeze": [3]}, r"freeze must be a list .* to 2, not \[3\]"),
    "a group from the end": ({"freeze": [-1]}, r"freeze must be .*2, not \[-1\]: try"),
    "a bare group": ({"freeze": 0}, "freeze must be a list of param groups.*not 0"),
    "all groups": ({"freeze": [0, 1, 2]}, r"freeze must leave out.*freeze_epochs=0"),
    "no groups": ({"freeze": []}, r"freeze must leave out.*freeze_epochs=0"),
    "pct_start": ({"pct_start": 2.0}, "pct_start must be a share"),
    "div_factor": ({"div_factor": 0}, "div_factor must be a positive number"),
    "variant": ({"variant": "keras"}, "variant must be 'torch' or 'fastai'"),
    "steps": ({"steps_per_epoch": 0}, "steps_per_epoch must be .*at least 1"),
    "on_step": ({"on_step": 3}, "on_step must be callable"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_at_once_and_nothing_has_changed(case):
    given, words = REFUSED[case]
    subject = task()
    before = fingerprint(subject)
    with pytest.raises(ValueError, match=words):
        fine_tune(subject, **{"base_lr": BASE_LR, **given})
    assert changes(before, fingerprint(subject)) == []


def test_a_single_param_group_is_refused_with_the_code_for_two():
    subject = task(lambda model: AdamW(model.parameters()))
    words = r"(?s)single param group.*torch\.optim\.AdamW\(\[.*params.*freeze_epochs=0"
    with pytest.raises(ValueError, match=words):
        fine_tune(subject, base_lr=BASE_LR)


def test_an_optimizer_without_momentum_is_refused_with_two_remedies():
    subject = task(split(Adagrad))
    with pytest.raises(ValueError, match=r"Adagrad.*cycle_momentum=False"):
        fine_tune(subject, base_lr=BASE_LR)
    points = fine_tune(subject, base_lr=BASE_LR, cycle_momentum=False)
    assert len(list(points)) == 8


def test_an_argument_that_the_cycle_does_not_have_is_refused_at_once():
    with pytest.raises(TypeError, match="pct_strat"):
        fine_tune(task(loader=batches()), base_lr=BASE_LR, pct_strat=0.3)
