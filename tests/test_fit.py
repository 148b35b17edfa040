"""The loop of all fits: its hook, its points, and its clock."""

import math

import pytest
import torch
from subjects import Blown, Fuse, batches, changes, cnn, fingerprint, seeded, subject
from torch import nn
from torch.optim import SGD, AdamW
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lr_widget import Task, fit, fit_one_cycle, one_cycle_schedule
from lr_widget.one_cycle import one_cycle_plan

MAX_LR = 0.05


def hits(output, target):
    return (output.argmax(1) == target).float().mean()


# The hook -----------------------------------------------------------------------------


def test_the_hook_gets_each_point_before_the_one_who_asked_for_it():
    seen, task = [], subject(valid_loader=batches(2))
    for point in fit_one_cycle(task, max_lr=MAX_LR, epochs=2, on_step=seen.append):
        assert seen[-1] is point
    assert [point.step for point in seen] == [*range(8)]
    assert [p.step for p in seen if p.epoch and p.epoch.valid_loss] == [3, 7]


def test_the_hook_comes_after_the_step_and_the_validation():
    order, task = [], subject(valid_loader=batches(1), metrics={"hits": hits})
    task.optimizer.register_step_post_hook(lambda *_: order.append("step"))
    task.model.register_forward_hook(
        lambda model, *_: None if model.training else order.append("valid")
    )
    list(fit_one_cycle(task, max_lr=MAX_LR, on_step=lambda point: order.append("hook")))
    assert order == ["step", "hook"] * 3 + ["step", "valid", "hook"]


def test_a_hook_works_on_the_model_in_train_mode_with_the_lr_of_its_step():
    def hook(point):
        assert task.model.training
        assert task.optimizer.param_groups[0]["lr"] == point.lr

    task = subject("eval mode", valid_loader=batches(1))
    assert len(list(fit_one_cycle(task, max_lr=MAX_LR, epochs=2, on_step=hook))) == 8


def test_averaged_weights_are_those_of_a_plain_loop():
    def average(model):
        return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))

    task = subject()
    ema = average(task.model)
    list(
        fit_one_cycle(
            task,
            max_lr=MAX_LR,
            epochs=2,
            on_step=lambda point: ema.update_parameters(task.model),
        )
    )
    plain = subject()
    expected = average(plain.model)
    for _ in fit_one_cycle(plain, max_lr=MAX_LR, epochs=2):
        expected.update_parameters(plain.model)
    assert int(ema.n_averaged) == 8
    for name, value in expected.state_dict().items():
        assert torch.equal(value, ema.state_dict()[name]), name


def test_a_hook_that_raises_ends_the_fit_and_options_are_back():
    fuse = Fuse("hook", at=3)
    task = subject("eval mode", "AdamW, used")
    before = [dict(group, params=None) for group in task.optimizer.param_groups]
    points = fit_one_cycle(
        task, max_lr=MAX_LR, epochs=2, on_step=lambda point: fuse("hook")
    )
    next(points), next(points)
    with pytest.raises(Blown):
        next(points)
    assert [dict(g, params=None) for g in task.optimizer.param_groups] == before
    assert not task.model.training
    assert list(points) == []


def test_a_hook_that_cannot_be_called_is_refused_at_once():
    task = subject()
    before = fingerprint(task)
    words = "on_step must be callable with a Point, not list: pass a function"
    with pytest.raises(ValueError, match=words):
        fit_one_cycle(task, max_lr=MAX_LR, on_step=[])
    assert changes(before, fingerprint(task)) == []


# What a point has ---------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["torch", "fastai"])
@pytest.mark.parametrize(
    ("max_lr", "lead"), [([0.05, 0.01], 0), ([0.01, 0.05], 1)], ids=str
)
def test_a_point_has_the_momentum_of_the_leading_group(max_lr, lead, variant):
    def groups(model):
        parts = model.body[:5].parameters(), model.body[5:].parameters()
        return AdamW([{"params": part} for part in parts])

    task = subject(optimizer=groups)
    used = []
    task.optimizer.register_step_pre_hook(
        lambda optimizer, *_: used.append(
            [(g["lr"], g["betas"][0]) for g in optimizer.param_groups]
        )
    )
    cycle = {"variant": variant, "base_momentum": [0.7, 0.8]}
    points = list(fit_one_cycle(task, max_lr=max_lr, epochs=2, **cycle))
    assert [(p.lr, p.momentum) for p in points] == [row[lead] for row in used]
    lowest = min(point.momentum for point in points)
    assert lowest == pytest.approx([0.7, 0.8][lead], abs=0.02)


def test_a_momentum_that_is_not_cycled_is_none():
    points = fit_one_cycle(subject(), max_lr=MAX_LR, cycle_momentum=False)
    assert {point.momentum for point in points} == {None}


# The clock ----------------------------------------------------------------------------


class Clock:
    """It stands still unless it is turned."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(fit, "perf_counter", lambda: self.now)

    def turned(self, items, seconds):
        for item in items:
            self.now += seconds
            yield item


class Slow(list):
    """A loader whose batches take some seconds each."""

    def __init__(self, clock, seconds, count):
        super().__init__(batches(count))
        self.clock, self.seconds = clock, seconds

    def __iter__(self):
        return self.clock.turned(super().__iter__(), self.seconds)


@pytest.mark.parametrize("steps_per_epoch", [None, 4])
def test_an_epoch_has_the_seconds_that_were_worked_and_not_the_pauses(
    steps_per_epoch, monkeypatch
):
    clock = Clock(monkeypatch)
    task = subject(loader=Slow(clock, 1.0, 4), valid_loader=Slow(clock, 0.25, 2))
    points = fit_one_cycle(
        task, max_lr=MAX_LR, epochs=3, steps_per_epoch=steps_per_epoch
    )
    clock.now += 1e3
    epochs = [point.epoch for point in clock.turned(points, 1e6) if point.epoch]
    assert [epoch.seconds for epoch in epochs] == [4.5, 4.5, 4.5]


def test_the_seconds_before_an_interruption_count(monkeypatch, tmp_path):
    clock = Clock(monkeypatch)
    path = tmp_path / "fit.ckpt"
    for steps in (2, 6, 12):
        task = subject(loader=Slow(clock, 1.0, 4))
        points = fit_one_cycle(task, max_lr=MAX_LR, epochs=3, checkpoint=path)
        made = [next(points) for _ in range(steps)]
        clock.now += 1e6
        points.close()
    assert [p.epoch.seconds for p in made if p.epoch] == [4.0, 4.0, 4.0]


# The plan -----------------------------------------------------------------------------


def test_a_plan_is_known_before_the_first_step_and_changes_nothing():
    task = subject()
    before = fingerprint(task)
    plan = one_cycle_plan(task, max_lr=MAX_LR, epochs=3, variant="fastai")
    assert changes(before, fingerprint(task)) == []
    assert (plan.epochs, plan.steps_per_epoch, plan.length) == (3, 4, 4)
    assert (plan.total_steps, plan.freeze_epochs, plan.freeze) == (12, 0, ())
    expected = one_cycle_schedule(12, max_lr=MAX_LR, variant="fastai")
    assert plan.schedule.lrs.tolist() == expected.lrs.tolist()
    points = list(fit_one_cycle(task, max_lr=MAX_LR, epochs=3, variant="fastai"))
    assert [point.lr for point in points] == plan.schedule.lrs.tolist()
    assert [point.momentum for point in points] == plan.schedule.momentums.tolist()


def test_a_plan_whose_passes_run_on_has_no_length():
    plan = one_cycle_plan(subject(), max_lr=MAX_LR, steps_per_epoch=7)
    assert (plan.total_steps, plan.length) == (7, None)


def test_a_plan_of_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="epochs must be a whole number of at least 1"):
        one_cycle_plan(subject(), max_lr=MAX_LR, epochs=0)


# As fastai publishes it ---------------------------------------------------------------


def annealed(start, end, position):
    """`SchedCos` of fastai/callback/schedule.py."""
    return start + (1 + math.cos(math.pi * (1 - position))) * (end - start) / 2


def combined(position, pct, start, middle, end):
    """`combined_cos` of the same: two phases, the second from `pct` on."""
    if position >= pct:
        return annealed(middle, end, (position - pct) / (1 - pct))
    return annealed(start, middle, position / pct)


def published(step, steps, lr, pct=0.25, div=25.0, final=1e5, moms=(0.95, 0.85, 0.95)):
    """LR and momentum that fastai's `fit_one_cycle` makes a step at."""
    at = step / steps
    return combined(at, pct, lr / div, lr, lr / final), combined(at, pct, *moms)


OPTIMIZERS = {
    "SGD": lambda model: SGD(model.parameters(), lr=0.1, momentum=0.9),
    "AdamW": lambda model: AdamW(model.parameters()),
    "RMSprop": lambda model: torch.optim.RMSprop(model.parameters(), momentum=0.5),
}
RECIPES = {
    "plain": {},
    "accumulate": {"accumulate": 4},
    "clip": {"clip_norm": 0.3},
    "bf16": {"autocast": torch.bfloat16},
    "all": {"accumulate": 4, "clip_norm": 0.3, "autocast": torch.bfloat16},
}


def plain_fastai_fit(model, data, optimizer, epochs, peaks, recipe):
    """What a person would write, by fastai's formula."""
    size, dtype = recipe.get("accumulate", 1), recipe.get("autocast")
    windows = [data[i : i + size] for i in range(0, len(data), size)]
    steps = epochs * len(windows)
    for step in range(steps):
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            lr, momentum = published(step, steps, peak)
            group["lr"] = lr
            if "betas" in group:
                group["betas"] = momentum, group["betas"][1]
            else:
                group["momentum"] = momentum
        window = windows[step % len(windows)]
        optimizer.zero_grad()
        for x, y in window:
            with torch.autocast("cpu", dtype=dtype, enabled=dtype is not None):
                loss = nn.functional.cross_entropy(model(x), y) / len(window)
            loss.backward()
        if "clip_norm" in recipe:
            nn.utils.clip_grad_norm_(model.parameters(), recipe["clip_norm"])
        optimizer.step()


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, "two groups"])
def test_a_fit_after_fastai_equals_a_plain_loop_weight_for_weight(optimizer, recipe):
    def two_groups(model):
        parts = model.body[:5].parameters(), model.body[5:].parameters()
        groups = [
            {"params": p, "lr": lr} for p, lr in zip(parts, (0.02, 0.1), strict=True)
        ]
        return SGD(groups, momentum=0.9)

    make, recipe = OPTIMIZERS.get(optimizer, two_groups), RECIPES[recipe]
    data = batches(6)
    models = []
    for plain in (True, False):
        seeded(3)
        model = cnn()
        optim = make(model)
        if plain:
            lrs = [group["lr"] for group in optim.param_groups]
            peaks = [MAX_LR * (lr / max(lrs)) for lr in lrs]
            plain_fastai_fit(model, data, optim, 3, peaks, recipe)
        else:
            loss_fn = nn.CrossEntropyLoss()
            task = Task(model, data, loss_fn, optim, device="cpu", **recipe)
            list(fit_one_cycle(task, max_lr=MAX_LR, epochs=3, variant="fastai"))
        models.append(model.state_dict())
    for name, weight in models[0].items():
        assert torch.equal(weight, models[1][name]), name


@pytest.mark.parametrize("epochs", [1, 5])
@pytest.mark.parametrize("pct", [0.25, 0.3, 0.5])
def test_every_step_after_fastai_is_at_what_fastai_publishes(epochs, pct):
    cycle = {"variant": "fastai", "epochs": epochs, "pct_start": pct}
    points = list(fit_one_cycle(subject(), max_lr=MAX_LR, **cycle))
    steps = 4 * epochs
    expected = [published(step, steps, MAX_LR, pct) for step in range(steps)]
    assert [(p.lr, p.momentum) for p in points] == expected
