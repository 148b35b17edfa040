"""On a GPU: nothing waits for it, nothing of it is kept, and a captured step is one.

No time is asserted; tests/benchmarks/cuda.py takes the figures.
"""

import gc
import threading
from contextlib import contextmanager

import pytest
import torch
from driving import LONG, Gate
from subjects import RECIPES, changes, fingerprint, returned, seeded
from torch import nn
from torch.amp import GradScaler
from torch.optim import SGD, Adagrad, Adam, AdamW, RMSprop
from torch.utils.data import DataLoader, TensorDataset

from lr_widget import Best, LRFinder, Task, fit_one_cycle, range_test, restored

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

GRAPH = pytest.mark.parametrize("cuda_graph", [False, True], ids=["eager", "graph"])


@contextmanager
def nothing_waits():
    """Each call that synchronises a stream raises here, in every thread."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def net(dropout=0.0):
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Flatten(),
        nn.Linear(8 * 36, 3),
    )


def loader(count=96, size=16, **kwargs):
    """Shuffled batches of pictures, the same for each call."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(count, 1, 8, 8, generator=generator)
    data = TensorDataset(images, torch.arange(count) % 3)
    return DataLoader(data, size, shuffle=True, generator=generator, **kwargs)


LOADERS = {
    "pinned": lambda: loader(pin_memory=True),
    "pageable": loader,
    "list": lambda: list(loader()),
    "on the device": lambda: [(x.cuda(), y.cuda()) for x, y in loader()],
}


def two_groups(model):
    parts = model[0].parameters(), model[5].parameters()
    lrs = 0.1, 0.01
    groups = [{"params": p, "lr": lr} for p, lr in zip(parts, lrs, strict=True)]
    return SGD(groups, momentum=0.9)


OPTIMIZERS = {
    "SGD": lambda model: SGD(model.parameters(), lr=0.1),
    "SGD, momentum": lambda model: SGD(model.parameters(), lr=0.1, momentum=0.9),
    "SGD, two groups": two_groups,
    "Adam": lambda model: Adam(model.parameters()),
    "AdamW": lambda model: AdamW(model.parameters()),
    "AdamW, fused": lambda model: AdamW(model.parameters(), fused=True),
    "AdamW, for-loop": lambda model: AdamW(model.parameters(), foreach=False),
    "RMSprop": lambda model: RMSprop(model.parameters(), momentum=0.5),
}


def subject(optimizer="SGD, momentum", batches=None, used=0, dropout=0.0, **kwargs):
    """A task on the GPU; `used` steps have been made with its optimizer."""
    seeded()
    model = net(dropout).cuda()
    make = OPTIMIZERS.get(optimizer, optimizer)
    batches = loader() if batches is None else batches
    task = Task(model, batches, nn.CrossEntropyLoss(), make(model), **kwargs)
    for _ in range(used):
        task.update(iter([*loader()]))
    return task


def sweep(task, num_iter=24, **kwargs):
    """The losses of a sweep that stays where rounding does not grow."""
    points = range_test(
        task, start_lr=1e-5, end_lr=3e-3, num_iter=num_iter, stop_div=False, **kwargs
    )
    return [point.loss for point in points]


def all_of(task):
    """The fingerprint, and the random state of the device."""
    return fingerprint(task) | {"cuda": torch.cuda.get_rng_state().tolist()}


# Nothing waits ------------------------------------------------------------------------


def test_the_guard_of_these_tests_sees_a_wait():
    number = torch.ones((), device="cuda")
    with nothing_waits(), pytest.raises(RuntimeError, match="synchronizing"):
        number.item()


@GRAPH
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("kind", LOADERS)
def test_a_sweep_does_not_wait_for_the_device(kind, recipe, cuda_graph):
    task = subject("AdamW", LOADERS[kind](), used=2, dropout=0.5, **RECIPES[recipe])
    with nothing_waits():
        losses = sweep(task, cuda_graph=cuda_graph)
    assert len(losses) == 24


@GRAPH
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_sweep_waits_with_no_optimizer(optimizer, cuda_graph):
    task = subject(optimizer, used=2)
    with nothing_waits():
        losses = sweep(task, cuda_graph=cuda_graph)
    assert len(losses) == 24


@GRAPH
def test_a_sweep_reads_no_lr_that_lies_on_the_device(cuda_graph):
    def made(model):
        return AdamW(model.parameters(), lr=torch.tensor(1e-3).cuda(), capturable=True)

    task = subject(made, used=2)
    with nothing_waits():
        losses = sweep(task, cuda_graph=cuda_graph)
        points = list(fit_one_cycle(task, max_lr=1e-2, epochs=1))
    assert (len(losses), len(points)) == (24, 6)


def test_the_weights_of_the_best_epoch_come_without_a_synchronisation():
    task = subject("AdamW", valid_loader=loader())
    best = Best(task)
    with nothing_waits():
        list(fit_one_cycle(task, max_lr=1e-2, epochs=2, on_step=best))
        best.restore()
    assert task.validate()[0] == pytest.approx(best.epoch.valid_loss, rel=1e-4)


def test_a_sweep_with_metrics_does_not_wait_for_the_device():
    def accuracy(output, target):
        return (output.argmax(1) == target).float().mean()

    task = subject(metrics={"accuracy": accuracy})
    with nothing_waits():
        points = list(range_test(task, num_iter=24))
    assert all(0 <= point.metrics["accuracy"] <= 1 for point in points)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("kind", LOADERS)
def test_a_fit_does_not_wait_for_the_device(kind, recipe):
    task = subject(
        "AdamW", LOADERS[kind](), valid_loader=LOADERS[kind](), **RECIPES[recipe]
    )
    with nothing_waits():
        points = list(fit_one_cycle(task, max_lr=1e-2, epochs=2))
    assert points[-1].epoch.epoch == 2


# The same numbers ---------------------------------------------------------------------


def test_the_losses_of_a_sweep_are_those_of_a_plain_loop_that_waits():
    task = subject(used=2)
    losses = sweep(task)
    plain, batches = [], task.batches()
    for i in range(24):
        x, y = (part.cuda() for part in next(batches))
        for group in task.optimizer.param_groups:
            group["lr"] = 1e-5 * 300 ** (i / 23)
        task.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(task.model(x), y)
        loss.backward()
        task.optimizer.step()
        plain.append(loss.item())
    assert losses == pytest.approx(plain, rel=1e-4)


@GRAPH
def test_no_point_comes_after_the_one_that_diverged(cuda_graph):
    seeded()
    model = nn.Linear(4, 1).cuda()
    batches = [(torch.randn(8, 4), torch.randn(8, 1)) for _ in range(40)]
    batches[12] = batches[12][0], batches[12][1] * float("nan")
    task = Task(model, batches, nn.MSELoss(), SGD(model.parameters(), lr=0.1))
    before = all_of(task)
    points, end = returned(
        range_test(task, start_lr=1e-8, end_lr=1e-7, num_iter=40, cuda_graph=cuda_graph)
    )
    assert end == "diverged"
    assert [point.step for point in points] == list(range(13))
    assert [point.loss != point.loss for point in points] == [False] * 12 + [True]
    assert changes(before, all_of(task)) == []


# Put back -----------------------------------------------------------------------------


@GRAPH
@pytest.mark.parametrize("used", [0, 3])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_everything_is_put_back_random_state_of_the_device_too(
    optimizer, used, cuda_graph
):
    task = subject(optimizer, used=used, dropout=0.5)
    before = all_of(task)
    sweep(task, cuda_graph=cuda_graph)
    assert changes(before, all_of(task)) == []


@pytest.mark.parametrize("steps", range(8))
@GRAPH
def test_everything_is_put_back_whenever_a_sweep_is_left(steps, cuda_graph):
    task = subject("AdamW", used=3, dropout=0.5)
    before = all_of(task)
    points = range_test(task, num_iter=100, cuda_graph=cuda_graph)
    for _ in range(steps):
        next(points)
    points.close()
    assert changes(before, all_of(task)) == []


def test_after_a_stop_in_mid_run_everything_is_put_back():
    seeded()
    gate = Gate(list(loader()))
    model = net(0.5).cuda()
    finder = LRFinder(model, gate, nn.CrossEntropyLoss(), num_iter=1000)
    before = all_of(finder.task)
    run = finder.range_test(stop_div=False)
    gate.let.release(5)
    for _ in range(6):
        gate.wait_until_asked()
    run.stop()
    gate.open()
    assert run.wait(LONG).state == "stopped"
    assert changes(before, all_of(finder.task)) == []
    finder.close()


@GRAPH
def test_a_second_sweep_and_a_fit_after_it_are_those_without_one(cuda_graph):
    def fitted(task):
        return [point.loss for point in fit_one_cycle(task, max_lr=1e-2, epochs=2)]

    untouched, task = subject("AdamW", used=3), subject("AdamW", used=3)
    first = sweep(task, cuda_graph=cuda_graph)
    assert sweep(task, cuda_graph=cuda_graph) == pytest.approx(first, rel=1e-3)
    assert fitted(task) == pytest.approx(fitted(untouched), rel=1e-3)


# Memory -------------------------------------------------------------------------------


def peak_of(function):
    gc.collect()  # what other tests have left
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    function()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated()


def test_a_sweep_takes_no_more_device_memory_than_the_bare_loop():
    seeded()
    model = nn.Sequential(*(nn.Linear(4096, 4096) for _ in range(3))).cuda()
    optimizer, loss_fn = AdamW(model.parameters()), nn.MSELoss()
    batches = [(torch.randn(16, 4096), torch.randn(16, 4096)) for _ in range(4)]
    task = Task(model, batches, loss_fn, optimizer)

    def bare():
        for x, y in batches:
            loss = loss_fn(model(x.cuda()), y.cuda())
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

    bare()  # the optimizer has its state, and cuBLAS its workspace
    plain = peak_of(bare)
    assert plain > 4 * sum(p.nbytes for p in model.parameters())
    assert peak_of(lambda: list(range_test(task, num_iter=8))) < 1.01 * plain


def test_a_sweep_that_found_no_memory_leaves_it_free_while_its_error_is_kept():
    class Large(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = net()

        def forward(self, images):
            kept = torch.ones(2**28, device="cuda", requires_grad=True) * 2  # 1 GiB
            return self.body(images) + torch.empty(2**50, device="cuda") + kept

    model = Large().cuda()
    before = torch.cuda.memory_allocated()
    task = Task(model, loader(), nn.CrossEntropyLoss(), SGD(model.parameters(), lr=0.1))
    with pytest.raises(torch.OutOfMemoryError) as caught:
        sweep(task)
    assert caught.value.__traceback__ is not None
    assert torch.cuda.memory_allocated() - before < 2**20


def test_a_graph_leaves_no_memory_behind():
    task = subject("AdamW", used=3)
    left = []
    for _ in range(3):
        sweep(task, cuda_graph=True)
        torch.cuda.synchronize()
        left.append(torch.cuda.memory_allocated())
    assert left[1] == left[2]


# Captured -----------------------------------------------------------------------------


@pytest.mark.parametrize("used", [0, 3])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_graph_gives_the_losses_of_eager_steps(optimizer, used):
    task = subject(optimizer, used=used)
    eager = sweep(task)
    assert sweep(task, cuda_graph=True) == pytest.approx(eager, rel=1e-3)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("kind", LOADERS)
def test_a_graph_takes_every_recipe_and_loader(kind, recipe):
    task = subject("AdamW", LOADERS[kind](), **RECIPES[recipe])
    eager = sweep(task)
    # bfloat16 has 8 bits: what differs in the last one of float32 may differ in it.
    rel = 1e-2 if "autocast" in RECIPES[recipe] else 1e-3
    assert sweep(task, cuda_graph=True) == pytest.approx(eager, rel=rel)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_graph_takes_a_short_last_batch_in_its_turn(accumulate):
    task = subject(batches=loader(count=70), accumulate=accumulate)
    eager = sweep(task)
    assert sweep(task, cuda_graph=True) == pytest.approx(eager, rel=1e-3)


def test_dropout_in_a_graph_draws_what_eager_steps_draw():
    task = subject(dropout=0.5)
    eager = sweep(task)
    assert sweep(task, cuda_graph=True) == pytest.approx(eager, rel=1e-3)


def test_dropout_draws_anew_at_each_replay():
    task = subject(batches=[next(iter(loader()))], dropout=0.5)
    points = range_test(
        task, start_lr=1e-12, end_lr=1e-11, num_iter=20, cuda_graph=True
    )
    losses = [point.loss for point in points]
    assert len(set(losses)) == len(losses)


def test_the_batches_of_the_loader_are_not_written_to():
    batches = LOADERS["on the device"]()
    before = [(x.clone(), y.clone()) for x, y in batches]
    sweep(subject(batches=batches), cuda_graph=True)
    torch.testing.assert_close(batches, before, rtol=0, atol=0)


def test_a_held_output_does_not_spoil_the_capture():
    task = subject("AdamW")
    eager = sweep(task)
    held = task.model(torch.randn(2, 1, 8, 8, device="cuda"))  # as a notebook's Out
    assert sweep(task, cuda_graph=True) == pytest.approx(eager, rel=1e-3)
    assert held.grad_fn is not None


def refused(match, **kwargs):
    task = subject(**kwargs)
    with pytest.raises(ValueError, match=match) as caught:
        range_test(task, cuda_graph=True)  # not begun
    assert "cuda_graph" in str(caught.value)


def test_a_graph_of_a_model_on_the_cpu_is_refused_at_once():
    model = net().cpu()
    task = Task(model, loader(), nn.CrossEntropyLoss(), device="cpu")
    with pytest.raises(ValueError, match="cuda_graph"):
        range_test(task, cuda_graph=True)


def test_a_graph_with_a_scaler_is_refused_at_once():
    refused("scaler", autocast=torch.float16, scaler=GradScaler("cuda"))


def test_a_graph_with_metrics_is_refused_at_once():
    refused("metrics", metrics={"mean": lambda output, target: output.mean()})


def test_a_graph_of_an_optimizer_that_cannot_be_captured_is_refused_at_once():
    refused("Adagrad", optimizer=lambda model: Adagrad(model.parameters()))


class Asks(nn.Module):
    """A model that waits for the device in its forward pass."""

    def __init__(self):
        super().__init__()
        self.body = net(0.5)

    def forward(self, images):
        return self.body(images) * (1.0 if images.sum().item() < 1e9 else 2.0)


def test_a_model_that_cannot_be_captured_says_so_and_leaves_the_device_in_order():
    seeded()
    model = Asks().cuda()
    optimizer = AdamW(model.parameters())
    task = Task(model, loader(), nn.CrossEntropyLoss(), optimizer)
    before = all_of(task)
    with pytest.raises(RuntimeError, match="cuda_graph could not capture") as caught:
        sweep(task, cuda_graph=True)
    assert caught.value.__cause__ is not None
    assert changes(before, all_of(task)) == []
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
    assert len(sweep(task)) == 24  # with dropout: random numbers are to be had
    assert changes(before, all_of(task)) == []


# Beside other work --------------------------------------------------------------------


class Mark:
    """What a Slow model tells of its fourth pass; nothing of it is put back."""

    def __init__(self):
        self.begun, self.done, self.passes = threading.Event(), torch.cuda.Event(), 0


class Slow(nn.Module):
    """A model whose fourth forward pass keeps its stream busy for a second or so.

    By then all kernels are loaded: to load one can hold up the whole device.
    """

    def __init__(self, mark):
        super().__init__()
        self.body, self.mark = nn.Linear(4, 1), mark

    def forward(self, inputs):
        self.mark.passes += 1
        if self.mark.passes == 4:
            torch.cuda._sleep(3_000_000_000)  # cycles
            self.mark.done.record()
            self.mark.stream = torch.cuda.current_stream()
            self.mark.begun.set()
        return self.body(inputs)


def test_a_matmul_in_a_cell_does_not_wait_for_the_sweep():
    seeded()
    factor = torch.randn(512, 512, device="cuda")
    product = torch.empty_like(factor)
    torch.mm(factor, factor, out=product)  # cuBLAS has begun
    torch.cuda.synchronize()
    mark = Mark()
    batches = [(torch.randn(8, 4), torch.randn(8, 1))]
    finder = LRFinder(Slow(mark).cuda(), batches, nn.MSELoss(), num_iter=8)
    run = finder.range_test()
    assert mark.begun.wait(LONG)
    torch.mm(factor, factor, out=product)
    mine = torch.cuda.Event()
    mine.record()
    mine.synchronize()
    assert not mark.done.query()  # the sweep's kernel is still at work
    assert mark.stream != torch.cuda.current_stream()
    assert run.wait(LONG).state in ("done", "diverged")
    assert mark.done.query()
    finder.close()


def test_what_a_cell_has_begun_on_the_weights_is_there_when_the_sweep_reads_them():
    model = nn.Linear(4, 1, bias=False).cuda()
    task_loader = [(torch.ones(8, 4), torch.zeros(8, 1))]
    finder = LRFinder(model, task_loader, nn.MSELoss(), num_iter=5)
    with torch.no_grad():
        model.weight.zero_()
        torch.cuda._sleep(500_000_000)  # what follows is late
        model.weight.fill_(1.0)
    run = finder.range_test().wait(LONG)
    assert run.state in ("done", "diverged")
    assert finder.curve.losses[0] == pytest.approx(16.0)
    assert torch.equal(model.weight, torch.ones(1, 4, device="cuda"))
    finder.close()


def test_restored_alone_waits_for_nothing_and_puts_all_back():
    task = subject("AdamW", used=3, dropout=0.5)
    before = all_of(task)
    with nothing_waits(), restored(task):
        task.update(task.batches())
    assert changes(before, all_of(task)) == []
