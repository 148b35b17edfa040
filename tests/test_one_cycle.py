"""fit_one_cycle: the plain loop with torch's OneCycleLR, weight for weight."""

import math
import random

import numpy as np
import pytest
import torch
from subjects import (
    Blown,
    Fuse,
    batches,
    changes,
    cnn,
    fingerprint,
    frozen,
    pictures,
    seeded,
    subject,
    tied,
)
from torch import nn
from torch.optim import SGD, Adadelta, Adagrad, Adam, AdamW, RMSprop
from torch.optim.lr_scheduler import OneCycleLR

from lr_widget import Task, fit_one_cycle, one_cycle_schedule, range_test

MAX_LR = 0.05


def plain_fit(model, loader, optimizer, max_lr, epochs, valid_loader=None, **cycle):
    """What a person would write; each step's LR and loss, each epoch's valid loss."""
    steps = epochs * len(loader)
    scheduler = OneCycleLR(optimizer, max_lr, total_steps=steps, **cycle)
    record, valid = [], []
    for _ in range(epochs):
        for x, y in loader:
            lr = max(group["lr"] for group in optimizer.param_groups)
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            scheduler.step()
            record.append((lr, loss.item()))
        if valid_loader is not None:
            valid.append(plain_valid(model, valid_loader))
    return record, valid


def plain_valid(model, loader):
    flags = {module: module.training for module in model.modules()}
    model.eval()
    total = count = 0
    with torch.no_grad():
        for x, y in loader:
            total += nn.functional.cross_entropy(model(x), y).item() * len(y)
            count += len(y)
    for module, flag in flags.items():
        module.training = flag
    return total / count


def two_groups(model):
    groups = [
        {"params": model.body[0].parameters(), "lr": 0.02, "momentum": 0.8},
        {"params": model.body[5].parameters(), "lr": 0.1},
    ]
    return SGD(groups, lr=1.0, momentum=0.9, nesterov=True)


OPTIMIZERS = {
    "SGD with momentum": lambda m: SGD(m.parameters(), lr=0.1, momentum=0.9),
    "SGD without momentum": lambda m: SGD(m.parameters(), lr=0.1),
    "AdamW": lambda m: AdamW(m.parameters(), betas=(0.8, 0.99)),
    "Adam, amsgrad": lambda m: Adam(m.parameters(), amsgrad=True),
    "RMSprop": lambda m: RMSprop(m.parameters(), momentum=0.5),
    "two groups": two_groups,
}
CYCLES = {
    "defaults": {},
    "no momentum cycled": {"cycle_momentum": False},
    "three phases": {"three_phase": True},
    "linear": {"anneal_strategy": "linear", "pct_start": 0.4},
    "other factors": {
        "div_factor": 10.0,
        "final_div_factor": 50.0,
        "base_momentum": 0.7,
        "max_momentum": 0.99,
    },
}


def both(optimizer, cycle=None, model=cnn, valid=False, epochs=2, **loader):
    """The same fit by a plain loop and by fit_one_cycle, from the same seed."""
    for plain in (True, False):
        seeded(1)
        net, data = model(), pictures(**loader)
        valid_loader = pictures(15, shuffle=False, **loader) if valid else None
        optim = optimizer(net)
        if plain:
            lrs = [group["lr"] for group in optim.param_groups]
            max_lr = [MAX_LR * (lr / max(lrs)) for lr in lrs]
            outcome = plain_fit(
                net, data, optim, max_lr, epochs, valid_loader, **(cycle or {})
            )
        else:
            task = Task(
                net,
                data,
                nn.CrossEntropyLoss(),
                optim,
                valid_loader=valid_loader,
                device="cpu",
            )
            points = list(
                fit_one_cycle(task, max_lr=MAX_LR, epochs=epochs, **(cycle or {}))
            )
            outcome = (
                [(point.lr, point.loss) for point in points],
                [point.epoch.valid_loss for point in points if point.epoch and valid],
            )
        yield net, optim, outcome, torch.get_rng_state(), random.getstate()


def assert_equal(plain, ours):
    assert ours[2] == plain[2]
    expected, found = plain[0].state_dict(), ours[0].state_dict()
    for name, weight in expected.items():
        assert torch.equal(weight, found[name]), name
    for kept, trained in zip(
        plain[1].state.values(), ours[1].state.values(), strict=True
    ):
        for name, value in kept.items():
            same = torch.is_tensor(value) and torch.equal(value, trained[name])
            assert same or value == trained[name], name
    assert torch.equal(plain[3], ours[3])
    assert plain[4] == ours[4]


@pytest.mark.parametrize("cycle", CYCLES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_fit_equals_a_plain_loop_weight_for_weight(optimizer, cycle):
    assert_equal(*both(OPTIMIZERS[optimizer], CYCLES[cycle]))


@pytest.mark.parametrize("valid", [False, True])
@pytest.mark.parametrize("own_generator", [False, True])
@pytest.mark.parametrize("model", [cnn, frozen, tied])
def test_a_fit_draws_the_same_data_as_a_plain_loop(model, own_generator, valid):
    make = OPTIMIZERS["SGD with momentum"]
    assert_equal(*both(make, None, model, valid, own_generator=own_generator))


def test_one_epoch_of_one_batch_equals_a_plain_loop():
    make = OPTIMIZERS["AdamW"]
    assert_equal(*both(make, count=6, epochs=1))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_fit_after_a_sweep_equals_a_fit_without_one(optimizer):
    weights, losses = [], []
    for swept in (False, True):
        task = subject(optimizer=OPTIMIZERS[optimizer])
        if swept:
            list(range_test(task, num_iter=11))
        losses.append([p.loss for p in fit_one_cycle(task, max_lr=MAX_LR, epochs=2)])
        weights.append(task.model.state_dict())
    assert losses[0] == losses[1]
    for name, weight in weights[0].items():
        assert torch.equal(weight, weights[1][name]), name


def test_a_fit_records_the_lr_that_each_step_used():
    task = subject()
    used = []
    task.optimizer.register_step_pre_hook(
        lambda optimizer, *_: used.append(optimizer.param_groups[0]["lr"])
    )
    points = list(fit_one_cycle(task, max_lr=MAX_LR, epochs=3))
    assert [point.lr for point in points] == used
    assert max(used) == pytest.approx(MAX_LR, rel=0.1)
    assert max(used) <= MAX_LR


def test_a_tensor_lr_is_filled_in_place_and_put_back():
    lr = torch.tensor(0.03, dtype=torch.float64)
    task = subject(optimizer=lambda m: SGD(m.parameters(), lr=lr, momentum=0.9))
    points = []
    for point in fit_one_cycle(task, max_lr=MAX_LR):
        points.append(point)
        assert task.optimizer.param_groups[0]["lr"] is lr
        assert float(lr) == point.lr
    assert task.optimizer.param_groups[0]["lr"] is lr
    assert lr.item() == 0.03


# The schedule -------------------------------------------------------------------------


class Hybrid(torch.optim.Optimizer):
    """Groups with betas and groups with momentum in one, as Muon with an Adam has."""

    def __init__(self, model):
        body, head = model.body[0].parameters(), model.body[5].parameters()
        groups = [
            {"params": body, "lr": 0.02, "momentum": 0.6},
            {"params": head, "lr": 0.01, "betas": [0.7, 0.99]},
        ]
        super().__init__(groups, {})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.sub_(group["lr"] * parameter.grad)


def tensors(model):
    lr = torch.tensor(0.03, dtype=torch.float64)
    betas = torch.tensor(0.7, dtype=torch.float64), torch.tensor(0.99)
    return AdamW(model.parameters(), lr=lr, betas=betas)


STEERED = {**OPTIMIZERS, "betas and momentum": Hybrid, "tensors": tensors}


def recorded(task, **cycle):
    """LR and momentum of each group as each step of the optimizer found them."""
    lrs, momentums = [], []

    def record(optimizer, *_):
        groups = optimizer.param_groups
        lrs.append([float(group["lr"]) for group in groups])
        momentums.append(
            [float(g["betas"][0] if "betas" in g else g["momentum"]) for g in groups]
        )

    task.optimizer.register_step_pre_hook(record)
    return list(fit_one_cycle(task, **cycle)), lrs, momentums


@pytest.mark.parametrize("max_lr", [0.05, slice(1e-3, 0.05), slice(0.05)], ids=str)
@pytest.mark.parametrize("variant", ["torch", "fastai"])
@pytest.mark.parametrize("optimizer", STEERED)
def test_every_step_is_made_at_what_the_schedule_said_before(
    optimizer, variant, max_lr
):
    task = subject(optimizer=STEERED[optimizer])
    cycle = {"max_lr": max_lr, "variant": variant}
    before = fingerprint(task)
    schedule = one_cycle_schedule(12, optimizer=task.optimizer, **cycle)
    assert changes(before, fingerprint(task)) == []
    points, lrs, momentums = recorded(task, epochs=3, **cycle)
    groups = len(task.optimizer.param_groups)
    assert lrs == schedule.lrs.reshape(12, groups).tolist()
    assert momentums == schedule.momentums.reshape(12, groups).tolist()
    assert [point.lr for point in points] == [max(row) for row in lrs]


@pytest.mark.parametrize("optimizer", STEERED)
def test_a_momentum_that_is_not_cycled_is_the_users_at_every_step(optimizer):
    task = subject(optimizer=STEERED[optimizer])
    kept = [
        float(g["betas"][0] if "betas" in g else g["momentum"])
        for g in task.optimizer.param_groups
    ]
    cycle = {"max_lr": 0.05, "cycle_momentum": False}
    assert recorded(task, **cycle)[2] == [kept] * 4


def test_tensor_betas_are_filled_in_place_and_put_back():
    task = subject(optimizer=tensors)
    (group,) = task.optimizer.param_groups
    betas = group["betas"]
    seen = []
    for _ in fit_one_cycle(task, max_lr=MAX_LR, epochs=2):
        assert group["betas"] is betas
        seen.append(betas[0].item())
    assert min(seen) == pytest.approx(0.85, abs=0.02)
    assert group["betas"] is betas
    assert [beta.item() for beta in betas] == [0.7, pytest.approx(0.99)]


@pytest.mark.parametrize(
    ("max_lr", "lrs"),
    [
        (slice(0.001, 0.05), [0.001, 0.05]),
        (slice(0.05), [0.005, 0.05]),
        ([0.05, 0.01], [0.05, 0.01]),
    ],
)
def test_discriminative_lrs_train_as_a_plain_loop_with_one_lr_per_group(max_lr, lrs):
    seeded(1)
    net, data = cnn(), pictures()
    plain_fit(net, data, two_groups(net), lrs, 2)
    seeded(1)
    ours, data = cnn(), pictures()
    task = Task(ours, data, nn.CrossEntropyLoss(), two_groups(ours), device="cpu")
    points = list(fit_one_cycle(task, max_lr=max_lr, epochs=2))
    assert 0.04 < max(point.lr for point in points) <= 0.05
    for name, weight in net.state_dict().items():
        assert torch.equal(weight, ours.state_dict()[name]), name


# What goes back -----------------------------------------------------------------------


def options(task):
    return [
        {key: value for key, value in group.items() if key != "params"}
        for group in task.optimizer.param_groups
    ]


def finish(points):
    assert len(list(points)) == 8


def close(points):
    next(points), next(points)
    points.close()


@pytest.mark.parametrize("end", [finish, close])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_optimizers_own_options_are_back_afterwards(optimizer, end):
    task = subject(optimizer=OPTIMIZERS[optimizer])
    before = options(task)
    end(fit_one_cycle(task, max_lr=MAX_LR, epochs=2))
    assert options(task) == before


@pytest.mark.parametrize("model", ["cnn", "frozen batchnorm", "eval mode"])
@pytest.mark.parametrize("place", ["model", "loader"])
def test_options_and_flags_are_back_after_an_error(model, place):
    task = subject(model, "AdamW, used")
    flags = [module.training for module in task.model.modules()]
    before = options(task)
    owner = task.model if place == "model" else task.loader.dataset
    owner.fuse = Fuse(place, at=4)
    with pytest.raises(Blown):
        list(fit_one_cycle(task, max_lr=MAX_LR))
    assert options(task) == before
    assert [module.training for module in task.model.modules()] == flags


@pytest.mark.parametrize("valid", [False, True])
def test_a_frozen_batchnorm_stays_frozen_in_the_fit(valid):
    task = subject("frozen batchnorm", valid_loader=batches() if valid else None)
    batchnorm = task.model.body[1]
    before = {name: value.clone() for name, value in batchnorm.state_dict().items()}
    list(fit_one_cycle(task, max_lr=MAX_LR, epochs=2))
    assert not batchnorm.training
    assert task.model.training
    for name, value in batchnorm.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_model_in_eval_mode_is_fitted_in_train_mode():
    task = subject("eval mode", valid_loader=batches())
    seen = []
    task.model.register_forward_hook(
        lambda model, *_: seen.append((torch.is_grad_enabled(), model.training))
    )
    list(fit_one_cycle(task, max_lr=MAX_LR, epochs=2))
    assert seen == ([(True, True)] * 4 + [(False, False)] * 4) * 2
    assert not any(module.training for module in task.model.modules())


# Epochs -------------------------------------------------------------------------------


def hits(output, target):
    return (output.argmax(1) == target).float().mean()


def test_each_epoch_is_recorded_on_its_last_point():
    uneven = [*batches(2), *batches(1, size=2, seed=1)]
    task = subject(valid_loader=uneven, metrics=[hits])
    steps = []
    for point in fit_one_cycle(task, max_lr=MAX_LR, epochs=3):
        steps.append(point)
        if point.epoch is None:
            continue
        last = steps[-4:]
        assert point.epoch.step == point.step
        assert point.epoch.train_loss == pytest.approx(np.mean([p.loss for p in last]))
        assert point.epoch.valid_loss == pytest.approx(plain_valid(task.model, uneven))
        assert list(point.epoch.metrics) == ["hits"]
        assert 0 <= point.epoch.metrics["hits"] <= 1
    assert [(p.step, p.epoch and p.epoch.epoch) for p in steps] == [
        (i, (i + 1) // 4 if i % 4 == 3 else None) for i in range(12)
    ]


def test_without_valid_loader_an_epoch_has_its_training_loss_only():
    *_, last = fit_one_cycle(subject(), max_lr=MAX_LR)
    assert (last.epoch.valid_loss, last.epoch.metrics) == (None, {})


def test_a_stop_during_validation_ends_it_after_the_batch_under_way():
    stops = iter([False, True])
    task = subject("frozen batchnorm", valid_loader=batches())
    seen = []
    task.model.register_forward_hook(lambda model, *_: seen.append(model.training))
    points = fit_one_cycle(
        task, max_lr=MAX_LR, epochs=2, stopping=lambda: next(stops, True)
    )
    *_, last = [next(points) for _ in range(4)]
    assert seen == [True] * 4 + [False]
    assert last.epoch.valid_loss is None
    assert last.epoch.train_loss > 0
    points.close()
    assert task.model.training
    assert not task.model.body[1].training


def test_a_fit_that_reaches_its_end_says_done():
    points = fit_one_cycle(subject(), max_lr=MAX_LR)
    for _ in range(4):
        next(points)
    with pytest.raises(StopIteration) as last:
        next(points)
    assert last.value.value == "done"


# Loaders ------------------------------------------------------------------------------


class Unsized:
    def __init__(self, count):
        self.count, self.begun = count, 0

    def __iter__(self):
        self.begun += 1
        return iter(batches(self.count))


def test_a_loader_without_a_length_is_fitted_with_steps_per_epoch():
    loader = Unsized(4)
    task = subject(loader=loader)
    points = list(fit_one_cycle(task, max_lr=MAX_LR, epochs=2, steps_per_epoch=3))
    assert [point.step for point in points if point.epoch] == [2, 5]
    assert loader.begun == 2  # the second epoch goes on where the first one ended


def test_an_epoch_may_be_longer_than_the_loader():
    task = subject(loader=batches(2))
    points = list(fit_one_cycle(task, max_lr=MAX_LR, steps_per_epoch=5))
    assert len(points) == 5


def test_a_loader_without_a_length_says_what_to_pass():
    task = subject(loader=Unsized(4))
    with pytest.raises(
        ValueError, match="steps_per_epoch is needed: the loader has no"
    ):
        fit_one_cycle(task, max_lr=MAX_LR)


class Short(list):
    def __len__(self):
        return 6


def test_a_loader_shorter_than_its_length_is_an_error_and_options_are_back():
    task = subject(loader=Short(batches(4)))
    before = options(task)
    with pytest.raises(ValueError, match=r"loader gave 4 batches where 6 were due.*=4"):
        list(fit_one_cycle(task, max_lr=MAX_LR))
    assert options(task) == before


def test_an_empty_valid_loader_is_an_error_by_name():
    task = subject(valid_loader=iter([]))
    with pytest.raises(ValueError, match="valid_loader gave no batch"):
        list(fit_one_cycle(task, max_lr=MAX_LR))


# What is refused ----------------------------------------------------------------------

REFUSED = {
    "max_lr zero": ({"max_lr": 0}, "max_lr must be a positive number, not 0: pick"),
    "max_lr negative": ({"max_lr": -1.0}, r"max_lr must be .*, not -1\.0: pick"),
    "max_lr NaN": ({"max_lr": math.nan}, "max_lr must be .*, not nan: pick one on"),
    "max_lr None": ({"max_lr": None}, "max_lr must be .*, not None: pick one on"),
    "max_lr a word": ({"max_lr": "0.1"}, "max_lr must be .*, not '0.1': pick"),
    "no epochs": ({"epochs": 0}, "epochs must be .*at least 1, not 0: try"),
    "half an epoch": ({"epochs": 0.5}, r"epochs must be a whole number.*0\.5: try"),
    "no steps": ({"steps_per_epoch": 0}, "steps_per_epoch must be .*at least 1, not 0"),
    "pct_start": ({"pct_start": 2.0}, "pct_start"),
    "pct_start that leaves a phase no step": (
        {"pct_start": 0.25},
        "pct_start",
    ),
    "anneal_strategy": ({"anneal_strategy": "no"}, "anneal_strategy"),
    "div_factor zero": ({"div_factor": 0}, "div_factor"),
    "final_div_factor zero": ({"final_div_factor": 0}, "final_div_factor"),
    "a momentum of one": ({"max_momentum": 1.0}, "max_momentum must be .*: try 0.95"),
    "variant": ({"variant": "keras"}, "variant must be 'torch' or 'fastai'"),
    "a slice that falls": ({"max_lr": slice(0.2, 0.1)}, r"max_lr=.* pass slice\(0.1"),
    "too many LRs": ({"max_lr": [0.1, 0.2]}, "max_lr has 2 LRs for 1 param groups"),
    "fastai in three phases": (
        {"variant": "fastai", "three_phase": True},
        "three_phase is not in fastai's",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_at_once_and_nothing_has_changed(case):
    given, words = REFUSED[case]
    task = subject("cnn", "SGD, used")
    before = fingerprint(task)
    with pytest.raises(ValueError, match=words):
        fit_one_cycle(task, **{"max_lr": MAX_LR, **given})
    assert changes(before, fingerprint(task)) == []


def test_an_argument_that_the_cycle_does_not_have_is_refused_at_once():
    with pytest.raises(TypeError, match="pct_strat"):
        fit_one_cycle(subject(), max_lr=MAX_LR, pct_strat=0.3)


@pytest.mark.parametrize("variant", ["torch", "fastai"])
@pytest.mark.parametrize("optimizer", [Adagrad, Adadelta])
def test_an_optimizer_without_momentum_is_refused_with_two_remedies(optimizer, variant):
    task = subject(optimizer=lambda model: optimizer(model.parameters()))
    before = fingerprint(task)
    words = f"optimizer {optimizer.__name__} .*cycle_momentum=False, or use SGD"
    with pytest.raises(ValueError, match=words):
        fit_one_cycle(task, max_lr=MAX_LR, variant=variant)
    assert changes(before, fingerprint(task)) == []


@pytest.mark.parametrize("optimizer", [Adagrad, Adadelta])
def test_an_optimizer_without_momentum_is_fitted_without_cycling_it(optimizer):
    make = lambda model: optimizer(model.parameters())  # noqa: E731
    assert_equal(*both(make, {"cycle_momentum": False}))


def test_nothing_happens_before_the_first_point_is_asked_for():
    task = subject("eval mode", "AdamW, used")
    before = fingerprint(task)
    points = fit_one_cycle(task, max_lr=MAX_LR)
    assert changes(before, fingerprint(task)) == []
    points.close()
    assert changes(before, fingerprint(task)) == []


def test_a_used_rmsprop_without_momentum_is_refused_with_two_remedies():
    task = subject("tied weights", lambda model: RMSprop(model.parameters()))
    task.step(batches()[0])
    before = fingerprint(task)
    with pytest.raises(ValueError, match=r"RMSprop.*cycle_momentum=False"):
        fit_one_cycle(task, max_lr=1e-2)
    assert changes(before, fingerprint(task)) == []
    points = list(fit_one_cycle(task, max_lr=1e-2, cycle_momentum=False))
    assert len(points) == len(task.loader)
