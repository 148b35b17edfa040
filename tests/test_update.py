"""Accumulating, clipping, autocast, GradScaler: a plain loop's weights."""

import gc
import math
import weakref
from itertools import islice

import pytest
import torch
from subjects import CLASSES, batches, changes, cnn, fingerprint, pictures, seeded
from torch import nn
from torch.amp import GradScaler
from torch.optim import SGD, AdamW, RMSprop
from torch.optim.lr_scheduler import OneCycleLR

from lr_widget import Task, fit_one_cycle, range_test

RECIPES = {
    "plain": {},
    "accumulate": {"accumulate": 4},
    "clip": {"clip_norm": 0.3},
    "bf16": {"autocast": torch.bfloat16},
    "fp16 and scaler": {"autocast": torch.float16, "scaler": 2.0**10},
    "a scaler that skips": {"autocast": torch.float16, "scaler": 2.0**24},
    "all": {
        "accumulate": 3,
        "clip_norm": 0.3,
        "autocast": torch.float16,
        "scaler": 2.0**8,
    },
    "all, and a scaler that skips": {
        "accumulate": 2,
        "clip_norm": 0.3,
        "autocast": torch.float16,
        "scaler": 2.0**24,
    },
}
OPTIMIZERS = {
    "SGD": lambda model: SGD(model.parameters(), lr=0.1, momentum=0.9),
    "AdamW": lambda model: AdamW(model.parameters()),
    "AdamW, fused": lambda model: AdamW(model.parameters(), fused=True),
}


def two_groups(model):
    parts = model.body[:5].parameters(), model.body[5:].parameters()
    return SGD([{"params": part} for part in parts], lr=0.1, momentum=0.9)


#: Those of a fit, whose schedule sets each group's LR.
FITTED = {
    **OPTIMIZERS,
    "RMSprop": lambda model: RMSprop(model.parameters(), momentum=0.5),
    "two groups": two_groups,
}


def scaler_of(recipe):
    scale = recipe.get("scaler")
    return None if scale is None else GradScaler("cpu", init_scale=scale)


def plain_update(model, window, optimizer, scaler, recipe):
    """What a person would write, after torch's documentation of torch.amp."""
    scaler = scaler or GradScaler("cpu", enabled=False)
    optimizer.zero_grad()
    total = 0.0
    count = recipe.get("count", recipe.get("accumulate", 1))
    dtype = recipe.get("autocast")
    for x, y in islice(window, count):
        with torch.autocast("cpu", dtype=dtype, enabled=dtype is not None):
            loss = nn.functional.cross_entropy(model(x), y)
        scaler.scale(loss / count).backward()
        total += loss.item()
    if "clip_norm" in recipe:
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), recipe["clip_norm"])
    before = scaler.get_scale()
    scaler.step(optimizer)
    scaler.update()
    return total / count, scaler.get_scale() < before


def plain_sweep(model, loader, optimizer, scaler, recipe, lrs):
    def endless():
        while True:
            yield from loader

    losses, window = [], endless()
    for lr in lrs:
        skipped = True
        while skipped:
            optimizer.param_groups[0]["lr"] = lr
            loss, skipped = plain_update(model, window, optimizer, scaler, recipe)
        losses.append(loss)
    return losses


def plain_fit(model, loader, optimizer, scaler, recipe, epochs):
    count = recipe.get("accumulate", 1)
    steps = math.ceil(len(loader) / count)
    scheduler = OneCycleLR(optimizer, 0.05, epochs=epochs, steps_per_epoch=steps)
    losses = []
    for _ in range(epochs):
        window = iter(loader)
        for i in range(steps):
            left = min(count, len(loader) - i * count)
            now = {**recipe, "count": left}
            losses.append(plain_update(model, window, optimizer, scaler, now)[0])
            scheduler.step()
        next(window, None)
    return losses


def made(recipe, optimizer):
    seeded(1)
    model, scaler = cnn(), scaler_of(recipe)
    return model, pictures(41), FITTED[optimizer](model), scaler


def task_of(model, loader, optimizer, scaler, recipe):
    options = {**recipe, "scaler": scaler}
    loss_fn = nn.CrossEntropyLoss()
    return Task(model, loader, loss_fn, optimizer, device="cpu", **options)


def assert_same(one, other):
    for name, weight in one.state_dict().items():
        assert torch.equal(weight, other.state_dict()[name]), name


@pytest.mark.parametrize("optimizer", FITTED)
@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_fit_equals_a_plain_loop_weight_for_weight(recipe, optimizer):
    model, *rest = made(recipe, optimizer)
    losses = plain_fit(model, *rest, recipe, epochs=3)
    ours, *rest = made(recipe, optimizer)
    points = list(fit_one_cycle(task_of(ours, *rest, recipe), max_lr=0.05, epochs=3))
    assert [point.loss for point in points] == pytest.approx(losses, rel=1e-6)
    assert_same(model, ours)
    accumulate = recipe.get("accumulate", 1)
    assert len(points) == 3 * math.ceil(7 / accumulate)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_sweep_equals_a_plain_loop_weight_for_weight(recipe, optimizer):
    lrs = [1e-5 * 1e5 ** (i / 11) for i in range(12)]
    model, *rest = made(recipe, optimizer)
    losses = plain_sweep(model, *rest, recipe, lrs)
    ours, *rest = made(recipe, optimizer)
    task = task_of(ours, *rest, recipe)
    before = fingerprint(task)
    points = range_test(task, start_lr=1e-5, end_lr=1.0, num_iter=12, stop_div=False)
    found = [next(points) for _ in range(12)]
    assert [point.loss for point in found] == pytest.approx(losses, rel=1e-6)
    assert [point.lr for point in found] == pytest.approx(lrs)
    assert_same(model, ours)
    if recipe.get("scaler") == 2.0**24:
        assert task.scale() < 2.0**24  # some were skipped
    points.close()
    assert changes(before, fingerprint(task)) == []


def test_a_last_window_that_is_shorter_weighs_each_of_its_batches_in_full():
    # One window of 2 and one of 1, at LR 1: the weight moves by the mean of each.
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.zero_()
    ones = [(torch.ones(1, 1), torch.ones(1, 1) * value) for value in (2.0, 4.0, 9.0)]
    task = Task(
        model,
        ones,
        step=lambda model, batch: -(model(batch[0]) * batch[1]).mean(),
        optimizer=SGD(model.parameters(), lr=1.0),
        accumulate=2,
        device="cpu",
    )
    task.update(iter(ones), 2)
    assert model.weight.item() == 3.0
    task.update(iter(ones[2:]), 1)
    assert model.weight.item() == 12.0


def test_steps_per_epoch_counts_optimizer_steps():
    recipe = {"accumulate": 2}
    task = task_of(*made(recipe, "SGD"), recipe)
    points = list(fit_one_cycle(task, max_lr=0.05, epochs=2, steps_per_epoch=5))
    assert [point.step for point in points if point.epoch] == [4, 9]


def test_a_loader_shorter_than_its_length_says_how_many_steps_there_are():
    class Short(list):
        def __len__(self):
            return 6

    recipe = {"accumulate": 2}
    model, _, optimizer, scaler = made(recipe, "SGD")
    task = task_of(model, Short(batches(4)), optimizer, scaler, recipe)
    with pytest.raises(ValueError, match=r"4 batches where 6.*steps_per_epoch=2"):
        list(fit_one_cycle(task, max_lr=0.05))


def test_only_forward_and_loss_run_under_autocast():
    seen = []

    def note(place):
        seen.append((place, torch.is_autocast_enabled("cpu")))

    recipe = {"autocast": torch.bfloat16}
    model, loader, optimizer, _ = made(recipe, "SGD")
    model.register_forward_pre_hook(lambda *_: note("forward"))
    next(model.parameters()).register_hook(lambda _: note("backward"))
    optimizer.register_step_pre_hook(lambda *_: note("step"))
    task = Task(
        model, loader, lambda o, y: note("loss") or nn.functional.cross_entropy(o, y),
        optimizer, valid_loader=batches(1), device="cpu", **recipe,
    )  # fmt: skip
    task.step(batches()[0])
    assert dict(seen) == {
        "forward": True, "loss": True, "backward": False, "step": False
    }  # fmt: skip
    seen.clear()
    task.validate()
    assert dict(seen) == {"forward": True, "loss": True}
    assert not torch.is_autocast_enabled("cpu")


def test_a_window_is_drawn_batch_by_batch():
    order = []

    def loader():
        for batch in batches(3):
            order.append("batch")
            yield batch

    recipe = {"accumulate": 3}
    model, _, optimizer, scaler = made(recipe, "SGD")
    task = task_of(model, batches(), optimizer, scaler, recipe)
    model.register_forward_pre_hook(lambda *_: order.append("forward"))
    task.update(loader())
    assert order == ["batch", "forward"] * 3


# Skipped steps ------------------------------------------------------------------------


def test_a_step_that_the_scaler_skips_is_no_point_and_is_made_again_at_the_same_lr():
    recipe = RECIPES["a scaler that skips"]
    task = task_of(*made(recipe, "SGD"), recipe)
    tried, updated = [], []
    task.model.register_forward_pre_hook(
        lambda *_: tried.append(task.optimizer.param_groups[0]["lr"])
    )
    task.optimizer.register_step_post_hook(
        lambda optimizer, *_: updated.append(optimizer.param_groups[0]["lr"])
    )
    points = list(range_test(task, num_iter=4))
    assert [point.lr for point in points] == updated
    assert len(tried) > 4
    assert tried[: len(tried) - 3] == [1e-7] * (len(tried) - 3)


def test_a_scaler_that_always_skips_is_an_error_that_says_what_to_do():
    recipe = {"scaler": 2.0**16}
    task = task_of(*made(recipe, "SGD"), recipe)
    next(task.model.parameters()).register_hook(lambda grad: grad * math.inf)
    before = fingerprint(task)
    with pytest.raises(RuntimeError, match=r"scaler skipped 33 steps.*bfloat16"):
        list(range_test(task, num_iter=4))
    assert changes(before, fingerprint(task)) == []


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_the_sweep_though_the_scaler_skipped(loss):
    recipe = {"scaler": 2.0**16}
    model, loader, optimizer, scaler = made(recipe, "SGD")
    task = Task(
        model,
        loader,
        step=lambda model, batch: model(batch[0]).sum() * loss,
        optimizer=optimizer,
        scaler=scaler,
    )
    (point,) = range_test(task, num_iter=4)
    assert not math.isfinite(point.loss)


# What is refused ----------------------------------------------------------------------


def half():
    return cnn().half()


REFUSED = {
    "accumulate zero": ({"accumulate": 0}, "accumulate must be .* not 0: try 4"),
    "accumulate half": ({"accumulate": 1.5}, r"accumulate must be .* not 1\.5: try"),
    "clip_norm zero": ({"clip_norm": 0}, "clip_norm must be .*, not 0: try 1.0"),
    "clip_norm NaN": ({"clip_norm": math.nan}, "clip_norm must be .*, not nan: try"),
    "clip_norm inf": ({"clip_norm": math.inf}, "clip_norm must be .*, not inf: try"),
    "clip_norm a word": ({"clip_norm": "1"}, "clip_norm must be .*, not '1': try"),
    "autocast a word": (
        {"autocast": "bf16"},
        "autocast must be torch.bfloat16 or.*: p",
    ),
    "autocast True": ({"autocast": True}, "autocast must be torch.bfloat16 or"),
    "autocast float64": ({"autocast": torch.float64}, "autocast must be torch.bfloat"),
    "scaler a number": (
        {"scaler": 1024.0},
        "scaler must be a torch.amp.GradScaler, no",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_work_is_refused_at_once_by_name(case):
    options, words = REFUSED[case]
    with pytest.raises(ValueError, match=words):
        Task(cnn(), batches(), nn.CrossEntropyLoss(), **options)


def test_a_scaler_for_a_model_in_half_precision_is_refused():
    with pytest.raises(ValueError, match=r"scaler cannot unscale.*model\.float\(\)"):
        Task(half(), batches(), nn.CrossEntropyLoss(), scaler=GradScaler("cpu"))


def test_autocast_that_the_device_lacks_is_refused():
    with pytest.raises(ValueError, match="autocast is not to be had on meta"):
        Task(cnn(), batches(), device="meta", autocast=torch.bfloat16)


def two_devices():
    return nn.Sequential(nn.Linear(2, CLASSES), nn.Linear(2, CLASSES, device="meta"))


def test_a_model_on_two_devices_is_refused_before_it_is_moved():
    model = two_devices()
    with pytest.raises(ValueError, match=r"several devices \(cpu, meta\): move it to"):
        Task(model, batches(), nn.CrossEntropyLoss())
    assert [p.device.type for p in model.parameters()] == ["cpu"] * 2 + ["meta"] * 2


def test_a_model_without_values_is_refused():
    with pytest.raises(ValueError, match=r"model has .* without values.*to_empty"):
        Task(two_devices(), batches(), nn.CrossEntropyLoss(), device="cpu")


class Stuck:
    def to(self, device):
        raise TypeError("stuck")


class Full:
    def to(self, device):
        raise torch.OutOfMemoryError("full")


def test_a_batch_that_cannot_be_moved_says_what_to_do():
    task = Task(cnn(), [(Stuck(), Stuck())], nn.CrossEntropyLoss())
    before = fingerprint(task)
    with pytest.raises(ValueError, match=r"batch of type tuple that cannot be moved to"
                       r" cpu \(stuck\): let its collate_fn") as caught:  # fmt: skip
        list(range_test(task, num_iter=3))
    assert isinstance(caught.value.__cause__, TypeError)
    assert changes(before, fingerprint(task)) == []


def test_memory_that_runs_out_while_a_batch_is_moved_stays_that_error():
    task = Task(cnn(), [(Full(), Full())], nn.CrossEntropyLoss())
    with pytest.raises(torch.OutOfMemoryError):
        list(range_test(task, num_iter=3))


class Asserted:
    def to(self, device):
        raise RuntimeError("CUDA error: device-side assert triggered")


def test_what_a_gpu_tells_late_is_not_put_down_to_the_batch():
    task = Task(cnn(), [(Asserted(), Asserted())], nn.CrossEntropyLoss())
    with pytest.raises(RuntimeError, match="CUDA error: device-side assert"):
        list(range_test(task, num_iter=3))


class Large(nn.Module):
    """A model that finds no memory after its first layer."""

    def __init__(self, place, note):
        super().__init__()
        self.body, self.place, self.note = nn.Linear(4, 1), place, note

    def forward(self, inputs):
        hidden = self.body(inputs)
        self.note(weakref.ref(hidden))
        if self.place == "forward" or not torch.is_grad_enabled():
            raise torch.OutOfMemoryError("CUDA out of memory")
        return NoRoom.apply(hidden)


class NoRoom(torch.autograd.Function):
    """A layer that finds none on its way back."""

    @staticmethod
    def forward(ctx, hidden):
        ctx.save_for_backward(hidden)
        return hidden.clone()

    @staticmethod
    def backward(ctx, grad):
        raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("place", ["forward", "validation", "backward"])
def test_an_error_of_no_memory_holds_no_activations(place, accumulate):
    made, batch = [], (torch.ones(2, 4), torch.ones(2, 1))
    model = Large(place, made.append)
    task = Task(
        model, [batch], nn.MSELoss(), valid_loader=[batch], accumulate=accumulate
    )
    train = task.validate if place == "validation" else range_test(task).__next__
    gc.disable()
    try:
        with pytest.raises(torch.OutOfMemoryError) as caught:
            train()
        assert [hidden() for hidden in made] == [None]
        assert caught.value.__traceback__ is not None
    finally:
        gc.enable()


STEPS = {
    "an int": (lambda model, batch: 3, "step must give a scalar tensor.*not int"),
    "a vector": (
        lambda model, batch: model(batch[0])[:, 0],
        r"step must give a scalar tensor.*not \(6,\): take the mean",
    ),
    "no gradient": (
        lambda model, batch: model(batch[0]).detach().sum(),
        "step gave a loss without gradient: do not detach",
    ),
    "whole numbers": (
        lambda model, batch: torch.tensor(3),
        "step gave a loss without gradient",
    ),
}


@pytest.mark.parametrize("case", STEPS)
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_that_gives_no_loss_is_refused_by_name(case, accumulate):
    step, words = STEPS[case]
    task = Task(cnn(), batches(), step=step, accumulate=accumulate)
    before = fingerprint(task)
    with pytest.raises(ValueError, match=words):
        list(range_test(task, num_iter=3))
    assert changes(before, fingerprint(task)) == []
