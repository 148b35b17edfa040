"""The table of `no_trace.md`, and that it can fail."""

import copy
import gc
import random
import sys
from unittest import mock

import no_trace
import numpy as np
import pytest
import torch
from no_trace import (
    COLUMNS,
    ENDINGS,
    SUBJECTS,
    TABLE,
    Reader,
    Stateful,
    Subject,
    close,
    differing,
    lazy,
    look,
    owning,
    persistent,
    sampled,
    steps,
    thread,
)
from subjects import Pictures, batches, cnn, seeded, with_scheduler
from torch import nn
from torch.nn.parameter import is_lazy
from torch.optim import AdamW
from torch.utils._python_dispatch import TorchDispatchMode

from lr_widget import Task, fit_one_cycle, range_test, restored, snapshot, undo


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_sweep_leaves_no_trace(subject, ending):
    changed = {k: v for k, v in no_trace.outcome(ending, subject).items() if v}
    assert changed == {}


def test_the_table_in_the_documents_is_what_the_tests_find():
    assert TABLE.read_text(encoding="utf-8") == no_trace.table()


def test_every_kind_of_state_is_looked_at_in_some_subject():
    seen = {name for subject in SUBJECTS for name in no_trace.outcome(
        "its end", subject)}  # fmt: skip
    assert seen == set(COLUMNS)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_fit_after_a_sweep_is_the_fit_without_one(subject):
    found = []
    for swept in (False, True):
        made = SUBJECTS[subject]()
        if swept:
            list(range_test(made.task, num_iter=5))
        points = list(fit_one_cycle(made.task, max_lr=0.01, steps_per_epoch=6))
        found.append((points, made.task.model.state_dict(), torch.get_rng_state()))
        close(made)
    assert found[0][0] == found[1][0]
    for name, weight in found[0][1].items():
        assert torch.equal(weight, found[1][1][name]), name
    assert torch.equal(found[0][2], found[1][2])


# Each column can fail -----------------------------------------------------------------


def rich():
    """A subject with every kind of state in it."""

    class Model(Reader):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm2d(1)
            self.register_buffer("seen", torch.zeros(1), persistent=False)
            self.twin = nn.Linear(4, 3)
            self.twin.weight = self.head.weight

        def forward(self, images):
            self.seen += 1
            random.random(), np.random.rand()
            return super().forward(self.norm(images))

    made = Subject(
        Model,
        lambda model: with_scheduler(model),
        lambda fuse: no_trace.loader(
            fuse, dataset=no_trace.Stream(), generator=no_trace.own_generator()
        ),
        used=3,
        scaler=2.0**10,
        autocast=torch.bfloat16,
    )
    made.task.model.latest = torch.zeros(1)
    return made


def nothing(*_args, **_kwargs):
    return lambda: None


def without(name):
    """The snapshot without one of its parts."""
    return mock.patch.object(snapshot, name, return_value=())


def without_copies(which):
    """The snapshot without the copies of some tensors."""
    kept = undo._kept

    def forgetful(tensor, place):
        return nothing() if which(tensor) else kept(tensor, place)

    return lambda task: mock.patch.object(undo, "_kept", forgetful)


def without_copies_of(tensors):
    def make(task):
        ids = {id(tensor) for tensor in tensors(task)}
        return without_copies(lambda tensor: id(tensor) in ids)(task)

    return make


def lent(grad, requires_grad):
    """The snapshot that forgets `.grad` or `requires_grad`."""

    def make(_task):
        real = undo._lent

        def forgetful(tensor):
            if not tensor.is_leaf:
                return nothing()
            kept = tensor.grad, tensor.requires_grad
            back = real(tensor)

            def put_back():
                now = tensor.grad, tensor.requires_grad
                back()
                tensor.grad = kept[0] if grad else now[0]
                tensor.requires_grad_(kept[1] if requires_grad else now[1])

            return put_back

        return mock.patch.object(undo, "_lent", forgetful)

    return make


def attributes_without(kind, names=None):
    """The snapshot that forgets attributes of objects of a kind."""

    def make(_task):
        real = snapshot.attributes

        def forgetful(owner, seen):
            if not isinstance(owner, kind):
                yield from real(owner, seen)
                return
            for put_back in real(owner, seen):

                def partly(put_back=put_back):
                    now = dict(vars(owner))
                    put_back()
                    forgotten = set(now) if names is None else names & set(now)
                    vars(owner).update({name: now[name] for name in forgotten})

                yield partly

        return mock.patch.object(snapshot, "attributes", forgetful)

    return make


def containers_without(which):
    """The snapshot that forgets what some lists and dicts held."""

    def make(task):
        ids, real = {id(container) for container in which(task)}, undo._held

        def forgetful(container):
            return nothing() if id(container) in ids else real(container)

        return mock.patch.object(undo, "_held", forgetful)

    return make


def hidden(task):
    return [*task.model.hidden, task.model.latest]


def all_buffers(task, persistent):
    return [
        buffer
        for _, module, buffer in no_trace.registered(task, "_buffers")
        if (buffer is not getattr(module, "seen", None)) == persistent
    ]


def momenta(task):
    return [value for s in task.optimizer.state.values() for value in s.values()]


#: What is left out of the restore: how, what happens in the block beside a step, and
#: the columns that must tell.
MUTATIONS = {
    "values of parameters": (
        without_copies_of(lambda task: task.model.parameters()),
        None,
        {"parameters"},
    ),
    "which parameters there are": (
        containers_without(lambda task: [task.model.twin._parameters]),
        lambda task: setattr(
            task.model.twin, "weight", nn.Parameter(task.model.head.weight.clone())
        ),
        {"parameters", "ties", "grad"},
    ),
    "values of buffers": (
        without_copies_of(lambda task: all_buffers(task, True)), None, {"buffers"}
    ),
    "buffers of no checkpoint": (
        without_copies_of(lambda task: all_buffers(task, False)),
        None,
        {"buffers of no checkpoint"},
    ),
    "requires_grad": (
        lent(grad=True, requires_grad=False),
        lambda task: task.model.twin.bias.requires_grad_(False),
        {"requires_grad"},
    ),
    "grad": (lent(grad=False, requires_grad=True), None, {"grad"}),
    "train flags": (
        attributes_without(nn.Module, {"training"}),
        lambda task: task.model.norm.eval(),
        {"train flags"},
    ),
    "module attributes": (
        attributes_without(nn.Module, {"hidden", "norms", "latest"}),
        None,
        {"module attributes"},
    ),
    "values in module attributes": (
        without_copies_of(hidden),
        lambda task: [part.add_(1) for part in task.kept],
        {"module attributes"},
    ),
    "hooks": (
        lambda task: mock.patch.object(undo, "_hooks", nothing),
        lambda task: task.model._forward_pre_hooks.popitem(),
        {"hooks"},
    ),
    "values of optimizer state": (
        without_copies_of(momenta), None, {"optimizer state"}
    ),
    "keys of optimizer state": (
        containers_without(lambda task: task.optimizer.state.values()),
        lambda task: next(iter(task.optimizer.state.values())).update(more=1),
        {"optimizer state"},
    ),
    "options of param groups": (
        containers_without(lambda task: task.optimizer.param_groups),
        lambda task: task.set_lrs([3.0]),
        {"param groups"},
    ),
    "GradScaler": (
        lambda task: without("_scaler"),
        lambda task: task.scaler.update(2.0**5),
        {"GradScaler"},
    ),
    "random: Python": (
        lambda task: mock.patch.object(random, "setstate"), None, {"random: Python"}
    ),
    "random: NumPy": (
        lambda task: mock.patch.object(np.random, "set_state"), None, {"random: NumPy"}
    ),
    "random: torch": (
        lambda task: mock.patch.object(torch, "set_rng_state"), None, {"random: torch"}
    ),
    "loader: generators": (
        lambda task: mock.patch.object(snapshot, "generator", return_value=()),
        None,
        {"loader: generators"},
    ),
    "loader: position": (
        lambda task: mock.patch.object(snapshot, "position", nothing),
        None,
        {"loader: position"},
    ),
    "loader: iterator": (
        lambda task: mock.patch.object(snapshot, "iterator", nothing),
        lambda task: setattr(task.loader, "_iterator", iter([])),
        {"loader: position"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("mutation", [None, *MUTATIONS])
def test_a_broken_restore_is_seen_in_the_columns_it_should_be_and_no_other(mutation):
    broken, more, columns = MUTATIONS.get(mutation, (None, None, set()))
    task = rich().task
    task.kept = hidden(task)
    before = look(task)
    with (
        mock.patch.object(Reader, "reset"),
        broken(task) if broken else mock.patch.object(task, "kept", task.kept),
        restored(task),
        task.mode(train=True) if not more else restored(Task(cnn(), batches())),
    ):
        list(zip(range(3), map(task.step, task.batches())))  # noqa: B905
        if more:
            more(task)
    assert set(differing(before, look(task))) == columns


def test_every_column_that_the_restore_writes_has_a_mutation_that_it_catches():
    caught = set().union(*(columns for *_, columns in MUTATIONS.values()))
    untouched = {"scheduler", "thread"}  # a sweep leaves these alone
    assert caught == set(COLUMNS) - untouched


def test_what_the_table_looks_at_is_not_the_same_after_training():
    task = rich().task
    before = look(task)
    with mock.patch.object(Reader, "reset"):
        for _, batch in zip(range(3), task.batches(), strict=False):
            task.step(batch)
    changed = set(differing(before, look(task)))
    assert changed >= {
        "parameters", "buffers", "buffers of no checkpoint", "grad",
        "module attributes",
        "optimizer state", "random: Python", "random: NumPy", "random: torch",
        "loader: generators", "loader: position",
    }  # fmt: skip


# Recurrent and lazy modules -----------------------------------------------------------


def test_a_module_with_reset_has_it_called_at_the_start_and_at_the_end():
    made, calls = Subject(Reader, used=3), []
    hidden, norms = made.task.model.hidden, list(made.task.model.norms)
    with mock.patch.object(Reader, "reset", autospec=True, side_effect=calls.append):
        points = range_test(made.task, num_iter=3)
        next(points)
        assert len(calls) == 1
        points.close()
        assert len(calls) == 2
    assert made.task.model.hidden is hidden
    assert made.task.model.norms == norms


def test_a_reset_that_is_a_module_or_wants_arguments_is_not_called():
    model = cnn()
    model.reset = nn.Linear(2, 2)
    model.body[0].reset = lambda much: 1 / 0
    assert len(list(range_test(Subject(lambda: model).task, num_iter=3))) == 3


def test_a_lazy_module_is_lazy_again_and_then_draws_the_same_weights():
    found = []
    for swept in (False, True):
        made = Subject(lazy, steps(AdamW))
        weight = made.task.model.body[4].weight
        if swept:
            points = range_test(made.task, num_iter=3)
            next(points)
            assert not is_lazy(weight)
            points.close()
            assert is_lazy(weight)
            assert not made.task.optimizer.state
        made.task.step(batches()[0])
        assert made.task.model.body[4].weight is weight
        found.append(weight)
    assert torch.equal(*found)


def test_a_list_that_cannot_be_written_to_does_no_harm():
    class Still(list):
        def clear(self):
            raise TypeError

    model = cnn()
    model.still = Still([1, torch.zeros(1)])
    assert len(list(range_test(Subject(lambda: model).task, num_iter=3))) == 3


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_scripted_model_gets_back_what_its_batch_norm_has_counted():
    layers = nn.Flatten(), nn.Linear(25, 3), nn.BatchNorm1d(3)
    model = torch.jit.script(nn.Sequential(*layers))
    task = Task(model, batches(), nn.CrossEntropyLoss(), AdamW(model.parameters()))
    before = {name: value.clone() for name, value in task.model.state_dict().items()}

    def is_as_before():
        return all(map(torch.equal, before.values(), task.model.state_dict().values()))

    assert len(list(range_test(task, num_iter=3))) == 3
    assert is_as_before()
    put_back = snapshot.remembered(task)
    task.step(batches()[0])
    assert not is_as_before()
    put_back()
    assert is_as_before()


def test_a_traced_model_leaves_no_trace():
    made = Subject(lambda: torch.fx.symbolic_trace(nn.Sequential(
        nn.Flatten(), nn.Linear(25, 3))), used=3)  # fmt: skip
    before = look(made.task)
    list(range_test(made.task, num_iter=3))
    assert differing(before, look(made.task)) == {}


def test_tensors_of_inference_mode_and_of_no_device_do_no_harm():
    model = cnn()
    with torch.inference_mode():
        model.cache = torch.ones(2)
    model.ghost = torch.ones(2, device="meta")
    task = Subject(lambda: model, used=3).task
    before, (batch, *_) = look(task), batches()
    list(range_test(task, num_iter=3))
    with torch.no_grad(), restored(task), torch.inference_mode():
        task.step(batch)
        model.cache.add_(1)
    with torch.inference_mode():
        list(range_test(task, num_iter=3))
    assert differing(before, look(task)) == {}


# Schedulers, hooks, threads -----------------------------------------------------------


def test_the_next_step_of_a_scheduler_is_what_it_would_have_been():
    lrs = []
    for swept in (False, True):
        made = Subject(optimizer=with_scheduler, used=3)
        if swept:
            list(range_test(made.task, num_iter=5))
        for batch in batches(4):
            made.task.step(batch)
            made.task.optimizer.owner.step()
            lrs.append(made.task.optimizer.param_groups[0]["lr"])
    assert lrs[:4] == lrs[4:]


def test_the_callers_thread_is_as_it_was_also_between_two_points():
    task = Subject(used=3, autocast=torch.float16, scaler=2.0**10).task
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        before = thread(task)
        for _ in range_test(task, num_iter=4):
            assert thread(task) == before
        for _ in fit_one_cycle(task, max_lr=0.01):
            assert thread(task) == before
        assert thread(task) == before
    task = Subject(used=3).task
    with torch.inference_mode(), torch.device("meta"):
        before = thread(task)
        points = range_test(task, num_iter=4)
        assert thread(task) == before
        points.close()


def test_hooks_that_come_during_a_sweep_stay():
    task, calls = Subject().task, []
    points = range_test(task, num_iter=5)
    next(points)
    task.model.register_forward_hook(lambda *_: calls.append(1))
    next(points)
    points.close()
    task.step(batches()[0])
    assert len(calls) == 2


# Loaders ------------------------------------------------------------------------------


def test_workers_that_were_there_are_left_in_the_middle_of_their_work():
    loader = persistent(no_trace.Fuse())
    task = Task(cnn(), loader, nn.CrossEntropyLoss())
    batches = iter(loader)
    next(batches)
    (worker,) = batches._workers
    list(range_test(task, num_iter=6))
    assert len(list(batches)) == 3
    assert loader._iterator is batches
    assert worker.is_alive()
    batches._shutdown_workers()


def test_workers_of_the_sweep_end_with_it():
    made = Subject(data=lambda fuse: no_trace.loader(
        fuse, num_workers=1, persistent_workers=True))  # fmt: skip
    points = range_test(made.task, num_iter=5)
    next(points)
    (worker,) = made.task.loader._iterator._workers
    points.close()
    assert made.task.loader._iterator is None
    assert not worker.is_alive()


@pytest.mark.parametrize("data", [Stateful, owning, sampled])
def test_the_batches_after_a_sweep_are_those_without_one(data):
    firsts = []
    for swept in (False, True):
        made = Subject(data=data)
        if swept:
            list(range_test(made.task, num_iter=5))
        firsts.append([x for x, _ in made.task.loader])
    assert len(firsts[0]) == len(firsts[1])
    assert all(map(torch.equal, *firsts))


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("drawn", [0, 2])
def test_torchdatas_loader_goes_on_where_it_was(workers, drawn):
    module = pytest.importorskip(
        "torchdata.stateful_dataloader", reason="torchdata is not installed"
    )
    rests = []
    for swept in (False, True):
        seeded()
        loader = module.StatefulDataLoader(
            Pictures(augment=False), batch_size=6, shuffle=True, num_workers=workers
        )
        batches = iter(loader)
        for _ in range(drawn):
            next(batches)
        state = copy.deepcopy(loader.state_dict()) if drawn else None
        if not drawn:
            loader.load_state_dict(loader.state_dict())
        if swept:
            task = Task(cnn(), loader, nn.CrossEntropyLoss())
            list(range_test(task, num_iter=6))
            assert state is None or str(loader.state_dict()) == str(state)
        rests.append([x for x, _ in (batches if drawn else loader)])
    assert len(rests[0]) == len(rests[1]) == 4 - drawn
    assert all(map(torch.equal, *rests))


# Memory -------------------------------------------------------------------------------


class Allocated(TorchDispatchMode):
    """Counts the bytes of the storages that come into being."""

    def __init__(self):
        super().__init__()
        self.storages = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        before = {t.untyped_storage().data_ptr() for t in args if torch.is_tensor(t)}
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            storage = out.untyped_storage()
            if storage.data_ptr() not in before:
                self.storages[storage.data_ptr()] = storage  # held: no address twice
        return out

    @property
    def bytes(self):
        return sum(storage.nbytes() for storage in self.storages.values())


@pytest.mark.parametrize("device", ["cpu", "model"])
@pytest.mark.parametrize("used", [0, 3])
@pytest.mark.parametrize("model", [cnn, Reader, no_trace.Transformer])
def test_the_snapshot_is_one_copy_of_model_and_optimizer_state(model, used, device):
    task = Subject(model, steps(AdamW), used=used).task
    held = {id(t): t for t in [*task.model.parameters(), *task.model.buffers()]}
    held |= {id(v): v for s in task.optimizer.state.values() for v in s.values()}
    recurrent = list(getattr(task.model, "hidden", None) or ())
    recurrent += [task.model.latest] if recurrent else []
    own = sum(t.numel() * t.element_size() for t in [*held.values(), *recurrent])
    with Allocated() as allocated, restored(task, device):
        counted = allocated.bytes
    generators = torch.get_rng_state().nbytes
    assert own <= counted <= own + 2 * generators


def test_nothing_is_written_to_disk():
    opened, watching = [], [True]

    def hook(event, arguments):
        if watching and event == "open" and isinstance(arguments[2], int):
            writes = arguments[2] & 3  # O_WRONLY, O_RDWR
            opened.extend([arguments[0]] if writes else [])

    task = Subject(used=3).task
    list(range_test(task, num_iter=3))  # what torch opens once
    sys.addaudithook(hook)
    list(range_test(task, num_iter=3))
    watching.clear()  # an audit hook stays for ever
    assert opened == []


def tensors():
    gc.collect()
    return sum(issubclass(type(o), torch.Tensor) for o in gc.get_objects())


def test_after_a_sweep_nothing_holds_the_copy():
    task = Subject(used=3).task
    list(range_test(task, num_iter=3))
    before = tensors()
    for _ in range(3):
        list(range_test(task, num_iter=3))
    assert tensors() == before


@pytest.mark.parametrize("device", ["gpu", "", None, 3])
def test_a_place_for_the_snapshot_that_is_none_is_refused_at_once(device):
    task = Subject().task
    for refused in (lambda: restored(task, device),
                    lambda: range_test(task, snapshot_device=device)):  # fmt: skip
        with pytest.raises(
            ValueError, match='snapshot_device must be "cpu" or "model"'
        ):
            refused()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("place", ["cpu", "model"])
def test_on_a_gpu_the_copy_lies_where_it_is_asked_to(place):
    model = nn.Linear(1000, 1000).cuda()
    task = Task(model, [(torch.ones(2, 1000), torch.ones(2, 1000))], nn.MSELoss())
    task.step(task.loader[0])
    before, rng = torch.cuda.memory_allocated(), torch.cuda.get_rng_state()
    with restored(task, place):
        taken = torch.cuda.memory_allocated() - before
        torch.rand(1, device="cuda")
    own = 3 * sum(p.nbytes for p in model.parameters())
    assert taken == pytest.approx(own if place == "model" else 0, rel=0.01, abs=4096)
    assert torch.equal(rng, torch.cuda.get_rng_state())
