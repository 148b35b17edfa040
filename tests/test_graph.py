"""Graph: a captured step is the same step, and what it changes goes back.

No GPU is needed: a stand-in for the recorder does the step again at each replay, on the
static tensors, as a replay does. The optimizers are torch's own, in the very
implementations that are captured; only their refusal of the CPU is lifted.
`test_cuda.py` does the same with a real capture.
"""

import sys
from collections import namedtuple
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from subjects import (
    CLASSES,
    RECIPES,
    SIDE,
    Net,
    batches,
    changes,
    fingerprint,
    seeded,
    subject,
)
from torch import nn
from torch.amp import GradScaler
from torch.nn.utils.rnn import pack_sequence
from torch.optim import SGD, Adagrad, Adam, AdamW, NAdam, Optimizer, RMSprop, SparseAdam

from lr_widget import restored
from lr_widget.capturable import prepare
from lr_widget.graph import Graph
from lr_widget.recorder import Recorder, _any_stream, _unwatched

WITH_CAPTURABLE = "adadelta", "adam", "adamax", "asgd", "nadam", "radam", "rmsprop"


@pytest.fixture(autouse=True)
def _capturable_on_the_cpu(monkeypatch):
    """Lift the one check that keeps capturable=True from the CPU."""
    for name in WITH_CAPTURABLE:
        monkeypatch.setattr(
            sys.modules[f"torch.optim.{name}"],
            "_get_capturable_supported_devices",
            lambda supports_xla=True: ["cpu"],
        )


class Again(Recorder):
    """A recorder without a device: its replay does the function again."""

    def __init__(self):
        self.made = []  # what was done, in order

    @contextmanager
    def aside(self):
        self.made.append("eager")
        yield

    def record(self, function):
        self.made.append("captured")

        def replay():
            self.made.append("replayed")
            return function().clone()

        return replay

    def close(self):
        self.made.append("closed")


class Python(Again):
    """One whose capture runs the Python of the step, as a real one does."""

    def record(self, function):
        function()
        return super().record(function)


def net():
    """Without a bias before BatchNorm: rounding alone would decide its gradient."""
    return Net(
        nn.Conv2d(1, 2, 3, bias=False),
        nn.BatchNorm2d(2),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Flatten(),
        nn.Linear(2 * (SIDE - 2) ** 2, CLASSES),
    )


def lrs_of(task, count):
    """LRs that grow, with the ratio of two groups where there are two."""
    ratios = [1.0, 0.1][: len(task.optimizer.param_groups)]
    return [[0.01 * 1.2**i * ratio for ratio in ratios] for i in range(count)]


def trained(task, update, count=9):
    """The losses of some steps, all read at their end."""
    drawn, losses = task.batches(), []
    with task.mode(train=True):
        for lrs in lrs_of(task, count):
            task.set_lrs(lrs)
            losses.append(update(drawn))
    return [float(loss) for loss in losses]


def both(make, count=9):
    """Losses and weights of the eager task and of the graph; what the recorder did."""
    eager, graphed, recorder = make(), make(), Again()
    seeded(1)
    losses = trained(eager, eager.update, count)
    seeded(1)
    with Graph(graphed, recorder) as graph:
        replayed = trained(graphed, graph.update, count)
    weights = [
        [p.detach() for p in task.model.parameters()] for task in (eager, graphed)
    ]
    return losses, replayed, weights, recorder.made


def assert_same(make, count=9):
    losses, replayed, (eager, graphed), made = both(make, count)
    assert made.count("captured") == 1
    assert replayed == pytest.approx(losses, rel=1e-4)
    torch.testing.assert_close(graphed, eager, rtol=1e-3, atol=1e-5)


def two_groups(model):
    parts = model.body[0], model.body[5]
    return SGD([{"params": part.parameters()} for part in parts], lr=1.0, momentum=0.9)


def dampened(model):
    return SGD(model.parameters(), lr=1.0, momentum=0.9, dampening=0.5)


def nesterov(model):
    return SGD(
        model.parameters(), lr=1.0, momentum=0.9, nesterov=True, weight_decay=0.1
    )


OPTIMIZERS = {
    "SGD": lambda model: SGD(model.parameters(), lr=1.0),
    "SGD, momentum": lambda model: SGD(model.parameters(), lr=1.0, momentum=0.9),
    "SGD, dampening": dampened,
    "SGD, Nesterov and decay": nesterov,
    "SGD, two groups": two_groups,
    "Adam": lambda model: Adam(model.parameters()),
    "Adam, AMSGrad": lambda model: Adam(model.parameters(), amsgrad=True),
    "AdamW": lambda model: AdamW(model.parameters()),
    "AdamW, fused": lambda model: AdamW(model.parameters(), fused=True),
    "AdamW, for-loop": lambda model: AdamW(model.parameters(), foreach=False),
    "AdamW, tensor LR": lambda m: AdamW(m.parameters(), lr=torch.tensor([0.1])),
    "RMSprop": lambda model: RMSprop(model.parameters(), momentum=0.5),
    "RMSprop, for-loop": lambda model: RMSprop(model.parameters(), foreach=False),
    "NAdam": lambda model: NAdam(model.parameters()),
}


def make(optimizer="SGD, momentum", loader=None, model=net, **kwargs):
    optimizer = OPTIMIZERS.get(optimizer, optimizer)
    loader = batches() if loader is None else loader
    return subject(model, optimizer, loader=loader, device="cpu", **kwargs)


# The same step ------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_losses_and_weights_are_those_of_the_eager_task(optimizer):
    assert_same(lambda: make(optimizer))


@pytest.mark.parametrize("optimizer", ["SGD, momentum", "AdamW"])
def test_a_lazy_model_gets_its_shapes_from_the_first_step(optimizer):
    def lazy():
        return nn.Sequential(nn.Flatten(), nn.LazyLinear(CLASSES))

    assert_same(lambda: make(optimizer, model=lazy))


@pytest.mark.parametrize("used", ["SGD, used", "AdamW, used", "RMSprop, used"])
def test_an_optimizer_with_history_goes_on_from_it(used):
    assert_same(lambda: make(used))


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("optimizer", ["SGD, momentum", "AdamW"])
def test_every_recipe_is_captured(optimizer, recipe):
    assert_same(lambda: make(optimizer, **RECIPES[recipe]))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_replay_is_the_eager_step_of_the_prepared_optimizer_bit_for_bit(optimizer):
    eager, graphed = make(optimizer), make(optimizer)
    seeded(1)
    with torch.no_grad():
        prepare(eager.optimizer, eager.device)
    losses = trained(eager, eager.update)
    seeded(1)
    with Graph(graphed, Again()) as graph:
        assert trained(graphed, graph.update) == losses
    for one, other in zip(
        eager.model.parameters(), graphed.model.parameters(), strict=True
    ):
        assert torch.equal(one, other)


def test_the_first_three_steps_are_eager_and_the_step_is_captured_once():
    recorder, task = Again(), make()
    with Graph(task, recorder) as graph:
        trained(task, graph.update, 6)
    eager, replayed = ["eager"] * 3, ["replayed"] * 3
    assert recorder.made == [*eager, "captured", *replayed, "closed"]


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_short_last_batch_is_trained_on_eagerly_in_its_turn(accumulate):
    loader = [*batches(4), *batches(1, size=2, seed=3)]
    assert_same(lambda: make(loader=loader, accumulate=accumulate), 12)
    recorder, task = Again(), make(loader=loader)
    with Graph(task, recorder) as graph:
        trained(task, graph.update, 10)
    first = ["eager"] * 3 + ["captured", "replayed", "eager"]
    assert recorder.made == [*first, *["replayed"] * 4, "eager", "closed"]


def test_the_form_of_the_first_batch_is_captured_though_the_fourth_is_short():
    loader = [*batches(3), *batches(1, size=2, seed=3)]
    assert_same(lambda: make(loader=loader), 12)
    recorder, task = Again(), make(loader=loader)
    with Graph(task, recorder) as graph:
        trained(task, graph.update, 9)
    assert recorder.made.count("eager") == 5  # the first three, and two short ones


def test_batches_that_each_have_a_shape_of_their_own_are_never_captured():
    loader = [batches(1, size=size)[0] for size in range(1, 10)]
    losses, replayed, _, made = both(lambda: make(loader=loader))
    assert "captured" not in made
    assert replayed == pytest.approx(losses, rel=1e-4)


class Keyed(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(SIDE**2, CLASSES)

    def forward(self, pixels, scale=1.0):
        return self.body(pixels.flatten(1)) * scale


def keyed(scales=(1.0,)):
    pairs = zip(batches(len(scales)), scales, strict=True)
    return [{"pixels": x, "labels": y, "scale": scale} for (x, y), scale in pairs]


def test_mappings_are_captured():
    assert_same(lambda: make(loader=keyed(), model=Keyed))


def test_a_value_that_is_no_tensor_and_has_changed_is_seen():
    loader = keyed((1.0, 1.0, 1.0, 1.0, 3.0))
    assert_same(lambda: make(loader=loader, model=Keyed), 12)


def test_lists_and_named_tuples_are_captured():
    Pair = namedtuple("Pair", "image label")
    assert_same(lambda: make(loader=[Pair(x, y) for x, y in batches()]))
    assert_same(lambda: make(loader=[[x, y] for x, y in batches()]))


def test_dropout_draws_anew_at_each_replay():
    task = make(loader=batches(1), model=lambda: nn.Sequential(nn.Dropout(), net()))
    with Graph(task, Again()) as graph, task.mode(train=True):
        task.set_lrs([0.0])
        drawn = task.batches()
        losses = [float(graph.update(drawn)) for _ in range(9)]
    assert len(set(losses)) == 9


def test_a_step_of_the_users_is_captured_as_any_other():
    def step(model, batch):
        return nn.functional.cross_entropy(model(batch[0]), batch[1])

    assert_same(lambda: make(step=step))


def test_the_batches_of_the_loader_are_not_written_to():
    loader = batches()
    before = [(x.clone(), y.clone()) for x, y in loader]
    task = make(loader=loader)
    with Graph(task, Again()) as graph:
        trained(task, graph.update)
    torch.testing.assert_close(loader, before, rtol=0, atol=0)


def test_a_callers_autocast_does_not_hold_on_to_old_weights():
    def run(captured):
        task = make()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            if not captured:
                return trained(task, task.update)
            with Graph(task, Again()) as graph:
                return trained(task, graph.update)

    seeded(1)
    losses = run(False)
    seeded(1)
    assert run(True) == pytest.approx(losses, rel=1e-3)
    assert len(set(losses)) == len(losses)


def test_a_task_with_autocast_under_a_callers_captures_no_old_weights():
    def linear():
        return nn.Sequential(nn.Flatten(), nn.Linear(SIDE**2, CLASSES, bias=False))

    task = make(loader=batches(1), model=linear, autocast=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16), Graph(task, Again()) as graph:
        losses = trained(task, graph.update)
    assert len(set(losses[3:])) == 6


def test_a_callers_autocast_goes_on_with_the_weights_that_are_put_back():
    task, (x, _) = make(), batches()[0]
    task.model.eval()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        before = task.model(x)
        with restored(task), Graph(task, Again()) as graph:
            trained(task, graph.update)
        assert torch.equal(task.model(x), before)


@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode])
def test_a_caller_without_gradients_makes_no_difference(around):
    losses, task = both(make)[0], make()
    seeded(1)
    with around(), Graph(task, Again()) as graph:
        assert trained(task, graph.update) == pytest.approx(losses, rel=1e-4)


# Put back -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "optimizer", [*OPTIMIZERS, "SGD, used", "AdamW, used", "RMSprop, used"]
)
def test_everything_is_put_back_by_restored(optimizer):
    task = make(optimizer)
    before = fingerprint(task)
    with restored(task), Graph(task, Again()) as graph:
        trained(task, graph.update)
    assert changes(before, fingerprint(task)) == []


@pytest.mark.parametrize("steps", range(6))
def test_everything_is_put_back_whenever_it_is_left(steps):
    task = make("AdamW, used")
    before = fingerprint(task)
    with restored(task), Graph(task, Again()) as graph:
        trained(task, graph.update, steps)
    assert changes(before, fingerprint(task)) == []


def test_a_fit_after_it_is_the_fit_without_it():
    losses = []
    for captured in (False, True):
        task = make("AdamW, used", loader=batches())
        if captured:
            with restored(task), Graph(task, Again()) as graph:
                trained(task, graph.update)
        seeded(2)
        losses.append(trained(task, task.update))
    assert losses[0] == losses[1]


def test_no_gradient_is_left_though_closing_fails():
    class Fails(Again):
        def close(self):
            raise ArithmeticError

    def train():
        with Graph(task, Fails()) as graph:
            trained(task, graph.update, 5)
            task.model.body[5].bias.grad = torch.ones(CLASSES)

    task = make()
    with pytest.raises(ArithmeticError):
        train()
    assert all(parameter.grad is None for parameter in task.model.parameters())


def test_counters_move_to_where_the_parameters_are():
    weight = nn.Parameter(torch.empty(3, device="meta"))
    optimizer = NAdam([weight])
    weight.grad = torch.empty(3, device="meta")
    optimizer._init_group(optimizer.param_groups[0], *([] for _ in range(6)))
    state = optimizer.state[weight]
    assert state["step"].device.type == state["mu_product"].device.type == "cpu"
    del optimizer._warned_capturable_if_run_uncaptured  # as in one that was unpickled
    prepare(optimizer, torch.device("meta"))
    assert optimizer._warned_capturable_if_run_uncaptured
    (group,) = optimizer.param_groups
    assert (group["capturable"], group["foreach"]) == (True, True)
    tensors = [*state.values(), group["lr"]]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert (group["lr"].shape, group["lr"].dtype) == ((), torch.float32)


def test_half_begun_momentum_goes_on():
    def half(model):
        optimizer = SGD(model.parameters(), lr=1.0, momentum=0.9)
        first = next(model.parameters())
        optimizer.state[first]["momentum_buffer"] = torch.ones_like(first)
        return optimizer

    assert_same(lambda: make(half))


# Refused ------------------------------------------------------------------------------


def refused(match, **kwargs):
    task = make(**kwargs)
    before = fingerprint(task)
    with pytest.raises(ValueError, match=match) as caught:
        Graph(task, Again())
    assert "cuda_graph" in str(caught.value)
    assert changes(before, fingerprint(task)) == []


def test_a_model_on_the_cpu_is_refused_at_once():
    with pytest.raises(ValueError, match=r'cuda_graph.*device="cuda"'):
        Graph(make())


def test_a_scaler_is_refused_at_once_unless_it_is_disabled():
    refused("without a scaler", scaler=GradScaler("cpu"))
    Graph(make(scaler=GradScaler("cpu", enabled=False)), Again())


def test_metrics_are_refused_at_once():
    refused("without metrics", metrics={"mean": lambda output, target: output.mean()})


def test_sparse_gradients_are_refused_at_once():
    refused(
        "sparse=False",
        model=lambda: nn.Embedding(3, 2, sparse=True),
        optimizer=lambda model: SparseAdam(model.parameters()),
    )


@pytest.mark.parametrize("kind", [Adagrad, torch.optim.Adafactor, torch.optim.Rprop])
def test_optimizers_of_torch_without_capturable_are_refused_at_once(kind):
    refused("use SGD", optimizer=lambda model: kind(model.parameters()))


def test_complex_parameters_are_refused_with_sgd():
    class Complex(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2, dtype=torch.complex64))

    refused("floating-point", model=Complex)


@pytest.mark.parametrize(
    "target",
    [
        np.zeros(6),
        torch.zeros(6).to_sparse(),
        pack_sequence([torch.ones(2), torch.ones(1)]),
        object(),
    ],
    ids=lambda target: type(target).__name__,
)
def test_batches_that_cannot_be_held_still_are_refused_with_the_first(target):
    task = make(loader=[(torch.zeros(6, 1, SIDE, SIDE), target)])
    with Graph(task, Again()) as graph:
        with pytest.raises(ValueError, match="cuda_graph needs batches"):
            graph.update(task.batches())


def test_a_failed_capture_names_cuda_graph_and_its_first_cause():
    class Waits(Again):
        def record(self, function):
            task.loss_fn = waits
            try:
                function()
            finally:
                raise RuntimeError("the end of it")

    def waits(*_):
        try:
            {}["what is not the cause"]
        except KeyError:
            raise NotImplementedError("a wait")  # noqa: B904

    task = make("AdamW, used")
    loss_fn, before = task.loss_fn, fingerprint(task)
    with (
        pytest.raises(RuntimeError, match=r"cuda_graph.*a wait.*leave cuda_graph") as e,
        restored(task),
        Graph(task, Waits()) as graph,
    ):
        trained(task, graph.update)
    assert isinstance(e.value.__cause__, NotImplementedError)
    task.loss_fn = loss_fn
    assert changes(before, fingerprint(task)) == []


@pytest.mark.parametrize("before", [False, True])
def test_in_a_capture_autograd_forgets_the_streams_of_before_and_only_there(before):
    allowed = torch._C._override_stale_capture_stream
    torch.autograd.graph.set_override_stale_capture_stream(before)
    try:
        with _any_stream():
            assert allowed()
        assert allowed() is before
    finally:
        torch.autograd.graph.set_override_stale_capture_stream(False)


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_a_capture_is_not_watched_for_waits_and_what_follows_is(mode, monkeypatch):
    modes = [mode]
    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: modes[-1])
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)
    with _unwatched():
        assert modes[-1] == 0
    assert modes == ([mode, 0, mode] if mode else [0])


class Foreign(Optimizer):
    """An optimizer of somebody else's; `kind` is how it keeps its state."""

    def __init__(self, params, kind):
        super().__init__(params, {"lr": 0.1, "kind": kind})

    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state[parameter]
                old = state.get("mean", 0.0)
                with torch.no_grad():
                    if group["kind"] == "counts":
                        state["step"] = state.get("step", 0) + 1
                    elif group["kind"] == "makes":
                        state["mean"] = 0.9 * old + parameter.grad
                    parameter.sub_(group["lr"] * parameter.grad)


@pytest.mark.parametrize("kind", ["counts", "makes"])
def test_an_optimizer_that_a_replay_would_leave_behind_is_refused(kind):
    task = make(lambda model: Foreign(model.parameters(), kind))
    before = fingerprint(task)
    with (
        pytest.raises(RuntimeError, match="cuda_graph cannot replay Foreign"),
        restored(task),
        Graph(task, Python()) as graph,
    ):
        trained(task, graph.update)
    assert changes(before, fingerprint(task)) == []


def test_an_optimizer_of_somebody_elses_that_can_be_captured_is():
    task = make(lambda model: Foreign(model.parameters(), "plain"))
    with restored(task), Graph(task, Python()) as graph:
        assert len(trained(task, graph.update)) == 9


def test_batches_are_drawn_only_as_they_are_needed():
    drawn = []

    class Loader:
        def __iter__(self):
            for batch in batches(40):
                drawn.append(batch)
                yield batch

    task = make(loader=Loader(), accumulate=2)
    with Graph(task, Again()) as graph:
        trained(task, graph.update, 7)
    assert len(drawn) == 14
