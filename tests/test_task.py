"""Task: what it takes, what it refuses, and one training step."""

import contextlib
import threading
from collections import namedtuple
from types import SimpleNamespace

import pytest
import torch
from subjects import CLASSES, SIDE, batches, changes, cnn, fingerprint, frozen, subject
from torch import nn
from torch.optim import LBFGS, SGD, AdamW

from lr_widget import Run, Task, fit_one_cycle, range_test
from lr_widget.surroundings import Surroundings

Pair = namedtuple("Pair", ["input", "target"])
PIXELS = SIDE**2


class Two(nn.Module):
    """Takes two inputs."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(2, CLASSES), nn.Linear(3, CLASSES)

    def forward(self, left, right):
        return self.left(left) + self.right(right)


class Talker(nn.Module):
    """Computes its own loss when it is given labels, as Hugging Face models do."""

    def __init__(self, kind):
        super().__init__()
        self.kind, self.layer = kind, nn.Linear(2, CLASSES)

    def forward(self, inputs, labels=None):
        logits = self.layer(inputs)
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        if self.kind == "attribute":
            return SimpleNamespace(loss=loss, logits=logits)
        if self.kind == "mapping":
            return {"loss": loss, "logits": logits}
        return (logits,) if loss is None else (loss, logits)


def first_loss(model, batch, loss_fn=None, **kwargs):
    return float(Task(model, [batch], loss_fn, **kwargs).step(batch))


# Batches ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [tuple, list, lambda parts: Pair(*parts)])
def test_input_and_target_go_to_model_and_loss_fn(kind):
    model, (x, y) = nn.Linear(2, CLASSES), (torch.randn(4, 2), torch.arange(4) % 3)
    expected = nn.functional.cross_entropy(model(x), y).item()
    assert first_loss(model, kind([x, y]), nn.CrossEntropyLoss()) == expected


def test_several_inputs_go_to_the_model_in_their_order():
    model = Two()
    left, right, y = torch.randn(4, 2), torch.randn(4, 3), torch.arange(4) % 3
    expected = nn.functional.cross_entropy(model(left, right), y).item()
    assert first_loss(model, (left, right, y), nn.CrossEntropyLoss()) == expected


@pytest.mark.parametrize("key", ["labels", "y"])
def test_a_mapping_with_loss_fn_keeps_the_target_from_the_model(key):
    model = Two()
    batch = {"right": torch.randn(4, 3), key: torch.arange(4) % 3}
    batch["left"] = torch.randn(4, 2)
    output = model(batch["left"], batch["right"])
    expected = nn.functional.cross_entropy(output, batch[key]).item()
    loss = first_loss(model, batch, nn.CrossEntropyLoss(), target_key=key)
    assert loss == expected


@pytest.mark.parametrize("kind", ["attribute", "mapping", "tuple"])
def test_a_model_may_compute_its_own_loss(kind):
    model = Talker(kind)
    batch = {"inputs": torch.randn(4, 2), "labels": torch.arange(4) % 3}
    logits = model.layer(batch["inputs"])
    expected = nn.functional.cross_entropy(logits, batch["labels"]).item()
    assert first_loss(model, batch) == expected


def test_step_gets_the_model_and_the_whole_batch():
    model, batch, calls = nn.Linear(2, 1), {"any": torch.randn(4, 2)}, []

    def step(model, batch):
        calls.append((model, batch))
        return model(batch["any"]).mean()

    expected = model(batch["any"]).mean().item()
    assert first_loss(model, batch, step=step) == expected
    assert calls[0][0] is model
    assert torch.equal(calls[0][1]["any"], batch["any"])


# One step -----------------------------------------------------------------------------


def test_a_step_is_zero_grad_loss_backward_step():
    losses, weights = [], []
    for plain in (True, False):
        torch.manual_seed(0)
        model = cnn()
        optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
        task = Task(model, batches(), nn.CrossEntropyLoss(), optimizer)
        for x, y in batches():
            if plain:
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model(x), y)
                loss.backward()
                optimizer.step()
            else:
                loss = task.step((x, y))
            losses.append(loss.item())
        weights.append(model.state_dict())
    assert losses[:4] == losses[4:]
    for name, weight in weights[0].items():
        assert torch.equal(weight, weights[1][name]), name


def test_a_step_gives_a_loss_that_holds_no_graph():
    task = subject()
    assert not task.step(batches()[0]).requires_grad


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_step_trains_though_the_caller_has_switched_gradients_off(mode):
    task, batch = subject(), batches()[0]
    before = task.model.body[0].weight.clone()
    with mode():
        task.step(batch)
    assert not torch.equal(task.model.body[0].weight, before)


def test_the_default_optimizer_is_adamw_on_what_trains():
    model = frozen()
    task = Task(model, batches(), nn.CrossEntropyLoss())
    (group,) = task.optimizer.param_groups
    assert type(task.optimizer) is AdamW
    assert {id(p) for p in group["params"]} == {
        id(p) for p in model.parameters() if p.requires_grad
    }


# Validation ---------------------------------------------------------------------------


def accuracy(output, target):
    return (output.argmax(1) == target).float().mean()


def spread(output, target):
    return output.std().item()


UNEVEN = [*batches(2), *batches(1, size=2, seed=1)]


def by_hand(model, fn):
    """A mean over samples, batch by batch."""
    model.eval()
    with torch.no_grad():
        total = sum(float(fn(model(x), y)) * len(y) for x, y in UNEVEN)
    return total / sum(len(y) for _, y in UNEVEN)


def test_validation_weighs_uneven_batches_by_their_samples():
    task = subject(valid_loader=UNEVEN, metrics=[accuracy, spread])
    loss, metrics = task.validate()
    assert loss == pytest.approx(by_hand(task.model, task.loss_fn))
    assert metrics == {
        "accuracy": pytest.approx(by_hand(task.model, accuracy)),
        "spread": pytest.approx(by_hand(task.model, spread)),
    }


def test_metrics_may_be_named_in_a_mapping():
    task = subject(valid_loader=UNEVEN, metrics={"hits": accuracy})
    assert list(task.validate()[1]) == ["hits"]


def test_two_metrics_of_one_name_are_not_merged_in_silence():
    two = [lambda output, target: 1.0, lambda output, target: 2.0]
    with pytest.raises(ValueError, match=r"metrics.*<lambda>.*mapping"):
        subject(valid_loader=UNEVEN, metrics=two)


@pytest.mark.parametrize("model", ["cnn", "frozen batchnorm", "eval mode"])
def test_validation_changes_nothing(model):
    task = subject(model, "SGD, used", valid_loader=UNEVEN)
    task.model.fuse = lambda place: None
    kept = task.model.seen.clone()
    before = fingerprint(task)
    task.validate()
    task.model.seen.copy_(kept)  # this model counts in eval mode too
    assert changes(before, fingerprint(task)) == []


def test_validation_runs_in_eval_mode_without_gradients():
    seen = []
    task = subject(
        "frozen batchnorm",
        valid_loader=UNEVEN,
        metrics=[lambda output, target: seen.append(output.requires_grad) or 0.0],
    )
    task.model.register_forward_hook(
        lambda model, *_: seen.append(any(m.training for m in model.modules()))
    )
    task.validate()
    assert set(seen) == {False}


def test_validation_ends_between_two_batches_when_it_is_stopped():
    asked = []

    def stopping():
        asked.append(1)
        return len(asked) == 3

    task = subject(valid_loader=UNEVEN)
    assert task.validate(stopping) is None
    assert task.model.seen.item() == sum(len(y) for _, y in UNEVEN[:2])
    assert task.model.training


def test_flags_are_back_after_an_error_in_validation():
    def metric(output, target):
        raise ZeroDivisionError

    task = subject("frozen batchnorm", valid_loader=UNEVEN, metrics=[metric])
    before = [module.training for module in task.model.modules()]
    with pytest.raises(ZeroDivisionError):
        task.validate()
    assert [module.training for module in task.model.modules()] == before


def test_metrics_work_for_a_model_that_computes_its_own_loss():
    batch = {"inputs": torch.randn(4, 2), "labels": torch.arange(4) % 3}
    model = Talker("mapping")

    def hits(output, target):
        return accuracy(output["logits"], target)

    task = Task(model, [batch], valid_loader=[batch], metrics=[hits])
    expected = accuracy(model.layer(batch["inputs"]), batch["labels"]).item()
    assert task.validate()[1]["hits"] == pytest.approx(expected)


# Device -------------------------------------------------------------------------------


@pytest.fixture
def accelerator(monkeypatch):
    """A machine with an accelerator; "meta" stands for it."""
    meta = torch.device("meta")
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: meta)
    return meta


@pytest.fixture
def no_accelerator(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: None)


@pytest.mark.usefixtures("no_accelerator")
def test_without_an_accelerator_the_model_trains_on_the_cpu():
    assert subject().device == torch.device("cpu")


def test_a_model_on_the_cpu_goes_to_the_accelerator(accelerator):
    task = Task(cnn(), batches(), nn.CrossEntropyLoss())
    assert task.device == accelerator
    assert all(p.device == accelerator for p in task.model.parameters())


@pytest.mark.usefixtures("accelerator")
def test_a_device_that_is_asked_for_is_taken():
    assert subject(device="cpu").device == torch.device("cpu")


def test_a_device_is_known_by_the_name_that_its_tensors_have():
    task = subject(device="cpu:0")
    assert task.device == next(task.model.parameters()).device == torch.device("cpu")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("optimizer", ["SGD, used", "AdamW, used", "RMSprop, used"])
def test_parameters_stay_the_same_and_their_state_goes_along(optimizer):
    used = subject("cnn", optimizer, device="cpu")
    parameters = list(used.model.parameters())
    task = Task(used.model, used.loader, used.loss_fn, used.optimizer)
    assert task.device.type == "cuda"
    for old, new in zip(parameters, task.model.parameters(), strict=True):
        assert old is new
        for name, value in task.optimizer.state[new].items():
            if isinstance(value, torch.Tensor) and value.dim():
                assert value.device == new.device == task.device, name
    before = fingerprint(task)
    assert len(list(range_test(task, num_iter=6))) == 6
    assert changes(before, fingerprint(task)) == []


# What is refused ----------------------------------------------------------------------


def data():
    return [(torch.randn(4, 2), torch.arange(4) % CLASSES)]


def model():
    return nn.Linear(2, CLASSES)


def still():
    return nn.Linear(2, CLASSES).requires_grad_(False)


REFUSED = {
    "model is no module": (
        lambda: Task(len, data()),
        "model must be a torch.nn.Module",
    ),
    "nothing to train": (
        lambda: Task(still(), data()),
        "model has no parameter.*unfreeze",
    ),
    "no loader": (
        lambda: Task(model(), None),
        "loader must be an iterable of batches",
    ),
    "empty loader": (
        lambda: Task(model(), []),
        "loader is empty: pass one that gives at least one batch",
    ),
    "empty valid_loader": (
        lambda: Task(model(), data(), valid_loader=[]),
        "valid_loader is empty: pass",
    ),
    "loss_fn cannot be called": (
        lambda: Task(model(), data(), "mse"),
        "loss_fn must be callable",
    ),
    "step cannot be called": (
        lambda: Task(model(), data(), step=3),
        "step must be callable",
    ),
    "one bare metric": (
        lambda: Task(model(), data(), metrics=accuracy),
        r"metrics must be.*pass \[metric\]",
    ),
    "a metric that cannot be called": (
        lambda: Task(model(), data(), metrics={"a": 1}),
        r"metrics\['a'\] must be callable",
    ),
    "metrics beside step": (
        lambda: Task(model(), data(), step=len, metrics=[accuracy]),
        "metrics need the model's output.*pass loss_fn",
    ),
    "an optimizer of another model": (
        lambda: Task(model(), data(), None, SGD(model().parameters())),
        r"optimizer does not hold the model's parameters.*model\.parameters\(\)",
    ),
    "no optimizer": (
        lambda: Task(model(), data(), None, "adam"),
        r"optimizer must be a torch\.optim\.Optimizer, not str",
    ),
    "a device that is none": (
        lambda: Task(model(), data(), device="warp"),
        "device",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_work_is_refused_at_once_by_name(case):
    make, words = REFUSED[case]
    with pytest.raises(ValueError, match=words):
        make()


def test_an_optimizer_that_needs_a_closure_is_refused_with_a_remedy():
    net = model()
    with pytest.raises(ValueError, match=r"optimizer LBFGS needs a closure.*use SGD"):
        Task(net, data(), nn.CrossEntropyLoss(), LBFGS(net.parameters()))


RUNS = {
    "sweep": lambda task: list(range_test(task, num_iter=5)),
    "fit": lambda task: list(fit_one_cycle(task, max_lr=0.1)),
}
LATE = {
    "no loss_fn": (
        lambda x, y: (x, y),
        {"loss_fn": None},
        "loss_fn is missing.*pass loss_fn, or step=",
    ),
    "a bare tensor": (
        lambda x, y: x,
        {},
        r"loader gave a batch of type Tensor.*pass step=",
    ),
    "a batch of one": (
        lambda x, y: [x],
        {},
        r"loader gave a batch of type list.*pass step=",
    ),
    "no such target": (
        lambda x, y: {"images": x, "y": y},
        {},
        r"target_key='labels' is not in the batch, which has \['images', 'y'\]",
    ),
    "a loss per sample": (
        lambda x, y: (x, y),
        {"loss_fn": nn.CrossEntropyLoss(reduction="none")},
        r"loss_fn must give a scalar tensor as loss, not \(6,\)",
    ),
    "a loss that is a number": (
        lambda x, y: (x, y),
        {"loss_fn": lambda output, target: 1.0},
        "loss_fn must give a scalar tensor as loss, not float",
    ),
    "a detached loss": (
        lambda x, y: (x, y),
        {"loss_fn": lambda output, target: output.detach().mean()},
        "loss_fn gave a loss without gradient.*do not detach",
    ),
    "step gives nothing": (
        lambda x, y: (x, y),
        {"loss_fn": None, "step": lambda model, batch: None},
        "step must give a scalar tensor as loss, not NoneType",
    ),
}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("case", LATE)
def test_a_batch_without_a_loss_is_refused_before_any_step(case, run):
    make, options, words = LATE[case]
    task = subject("cnn", "SGD, used")
    task.loader = [make(x, y) for x, y in batches()]
    task = Task(
        task.model,
        task.loader,
        options.get("loss_fn", task.loss_fn),
        task.optimizer,
        step=options.get("step"),
    )
    seen, running = task.model.seen.clone(), task.model.body[1].state_dict()
    running = {name: value.clone() for name, value in running.items()}
    random = torch.get_rng_state()
    before = fingerprint(task)
    with pytest.raises(ValueError, match=words):
        RUNS[run](task)
    if run == "fit":  # a forward pass there may have been, but no step
        task.model.seen.copy_(seen)
        task.model.body[1].load_state_dict(running)
        torch.set_rng_state(random)
    assert changes(before, fingerprint(task)) == []


# The thread's settings ----------------------------------------------------------------


def test_surroundings_carry_autocast_and_default_device_into_another_thread():
    def settings():
        while True:
            yield (
                torch.is_autocast_enabled("cpu"),
                torch.get_autocast_dtype("cpu"),
                torch.get_default_device(),
            )

    with torch.autocast("cpu", dtype=torch.float16), torch.device("meta"):
        around = Surroundings()
    seen, enough = [], threading.Event()

    def take(item):
        seen.append(item)
        enough.set()

    run = Run(settings(), on_item=take, around=around).start()
    assert enough.wait(10)
    run.stop()
    run.wait(10)
    assert seen[0] == (True, torch.float16, torch.device("meta"))
    assert not torch.is_autocast_enabled("cpu")


def test_plain_surroundings_change_nothing():
    around = Surroundings()
    with around():
        assert not torch.is_autocast_enabled("cpu")
        assert torch.get_default_device() == torch.device("cpu")


def test_a_sweep_under_autocast_is_the_same_in_a_thread():
    here, there = [], []
    with torch.autocast("cpu", dtype=torch.bfloat16):
        here += range_test(subject(), num_iter=6)
        points = range_test(subject(), num_iter=6)
        run = Run(points, on_item=there.append, around=Surroundings())
    run.start().wait(30)
    assert len(here) == 6
    assert here == there
    assert here != list(range_test(subject(), num_iter=6))


def nested_losses(outer):
    """Losses of a task with an autocast of its own, inside the caller's or not."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
    batch = torch.randn(8, 4), torch.randn(8, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    task = Task(model, [batch], nn.MSELoss(), optimizer, autocast=torch.bfloat16)
    with outer:
        return [float(task.step(batch)) for _ in range(6)]


def test_an_autocast_inside_the_callers_trains_on_the_weights_of_now():
    alone = nested_losses(contextlib.nullcontext())
    assert nested_losses(torch.autocast("cpu", dtype=torch.bfloat16)) == alone
    assert alone[-1] < alone[0] / 2


def test_after_a_sweep_the_callers_autocast_casts_the_weights_anew():
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    batch = torch.randn(8, 4), torch.randn(8, 1)
    task = Task(model, [batch], nn.MSELoss())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        before = model(batch[0])
        for _ in range_test(task, num_iter=5, end_lr=1.0):
            pass
        assert torch.equal(model(batch[0]), before)
