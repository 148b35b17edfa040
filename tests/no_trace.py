"""No trace: every way a sweep may end, on every kind of task, for every kind of state.

`python tests/no_trace.py` runs them all and writes `no_trace.md` anew.
"""

import functools
import gc
import random
import signal
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from subjects import (
    CLASSES,
    SIDE,
    Blown,
    Fuse,
    Is,
    Pictures,
    batches,
    bits,
    cnn,
    frozen,
    seeded,
    sgd,
    with_scheduler,
)
from torch import nn
from torch.amp import GradScaler
from torch.nn.parameter import is_lazy
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from torch.utils.data import DataLoader, IterableDataset, RandomSampler

from lr_widget import LRFinder, Run, Task, range_test, run, undo

TABLE = Path(__file__).with_suffix(".md")

# Subjects -----------------------------------------------------------------------------


class Loss(nn.Module):
    """Cross entropy, times `factor` after some batches."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self.factor, self.after, self.calls, self.fuse = 1.0, 12, 0, fuse

    def forward(self, output, target):
        self.calls += 1
        self.fuse("loss")
        loss = nn.functional.cross_entropy(output, target)
        if loss.requires_grad:
            loss.register_hook(lambda _: self.fuse("backward"))
        return loss * (self.factor if self.calls > self.after else 1.0)


class Reader(nn.Module):
    """An LSTM that keeps what it has read from batch to batch, as plain attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(SIDE, 4, batch_first=True, dropout=0.1, num_layers=2)
        self.head = nn.Linear(4, CLASSES)
        self.reset()

    def reset(self) -> None:
        self.hidden: Any = None
        self.norms: list[float] = []

    def forward(self, images):
        rows, hidden = self.lstm(images.squeeze(1), self.hidden)
        self.hidden = tuple(part.detach() for part in hidden)
        self.norms.append(float(hidden[0].detach().norm()))
        self.latest = rows.detach()  # an attribute that was not there
        return self.head(rows[:, -1])


class Transformer(nn.Module):
    """A small one, whose head is its embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(CLASSES, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.head = nn.Linear(8, CLASSES, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, images):
        tokens = images.squeeze(1)[:, 0].gt(0).long()
        return self.head(self.layer(self.embedding(tokens)).mean(1))


class Counting(nn.Module):
    """Counts its batches in a buffer of no checkpoint."""

    def __init__(self, *body: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)
        self.register_buffer("seen", torch.zeros(1), persistent=False)

    def forward(self, images):
        self.seen += 1
        return self.body(images)


def lazy() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls them experimental
        return Counting(
            nn.LazyConv2d(2, 3),
            nn.LazyBatchNorm2d(),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.LazyLinear(CLASSES),
        )


def compiled() -> nn.Module:
    return torch.compile(cnn(), backend="eager")


class Collate:
    """The default one, with a fuse."""

    def __init__(self, fuse: Fuse) -> None:
        self.fuse = fuse

    def __call__(self, samples):
        self.fuse("loader")
        return torch.utils.data.default_collate(samples)


class Stream(IterableDataset):
    """Pictures without an index, and a position of its own."""

    def __init__(self) -> None:
        self.at, self.pictures = 7, Pictures()

    def __iter__(self):
        for _ in range(len(self.pictures)):
            self.at = (self.at + 1) % len(self.pictures)
            yield self.pictures[self.at]

    def state_dict(self):
        return {"at": self.at}

    def load_state_dict(self, state):
        self.at = state["at"]


class Stateful:
    """A loader that goes on where it was, as torchdata's do."""

    def __init__(self, fuse: Fuse) -> None:
        self.at, self.batches, self.fuse = 1, batches(), fuse

    def __iter__(self):
        while self.at < len(self.batches):
            self.fuse("loader")
            self.at += 1
            yield self.batches[self.at - 1]
        self.at = 0

    def state_dict(self):
        return {"at": self.at}

    def load_state_dict(self, state):
        self.at = state["at"]


class Wandering:
    """A batch sampler whose order depends on how often it was begun."""

    def __init__(self) -> None:
        self.begun, self.rng = 3, np.random.default_rng(0)

    def __len__(self) -> int:
        return 4

    def __iter__(self):
        self.begun += 1
        for start in range(4):
            yield [(self.begun + 6 * start + i) % 24 for i in self.rng.permutation(6)]

    def state_dict(self):
        return {"begun": self.begun}

    def load_state_dict(self, state):
        self.begun = state["begun"]


def loader(fuse: Fuse, **options: Any) -> DataLoader:
    dataset = options.pop("dataset", None) or Pictures()
    if "batch_sampler" not in options:
        options["batch_size"] = 6
        shuffled = not {"sampler", "shuffle"} & set(options)
        options.setdefault("shuffle", shuffled and not isinstance(dataset, Stream))
    return DataLoader(dataset, collate_fn=Collate(fuse), **options)


def own_generator(seed: int = 5) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sampled(fuse: Fuse) -> DataLoader:
    dataset = Pictures()
    sampler = RandomSampler(dataset, generator=own_generator())
    return loader(fuse, dataset=dataset, sampler=sampler, shuffle=None)


def persistent(fuse: Fuse) -> DataLoader:
    made = loader(fuse, num_workers=1, persistent_workers=True)
    list(made)
    return made


def steps(
    kind: Callable[..., Optimizer], **options: Any
) -> Callable[[nn.Module], Optimizer]:
    return lambda model: kind(model.parameters(), **options)


def groups(model: nn.Module) -> Optimizer:
    first, *rest = model.parameters()
    return SGD(
        [{"params": [first], "lr": 0.02, "momentum": 0.5}, {"params": rest}],
        lr=torch.tensor(0.1),
        momentum=0.9,
        nesterov=True,
    )


def owning(fuse: Fuse) -> DataLoader:
    return loader(fuse, generator=own_generator())


class Subject:
    """A task, seeded, with a history of `used` steps, and fuses in it."""

    def __init__(
        self,
        model: Callable[[], nn.Module] = cnn,
        optimizer: Callable[[nn.Module], Optimizer] = sgd,
        data: Callable[[Fuse], Any] = loader,
        *,
        used: int = 0,
        **options: Any,
    ) -> None:
        seeded()
        self.fuse = Fuse()
        net = model()
        self.loss = Loss(self.fuse)
        scaler = options.pop("scaler", None)
        self.task = Task(
            net,
            data(self.fuse),
            self.loss,
            optimizer(net),
            device="cpu",
            scaler=scaler and GradScaler("cpu", init_scale=scaler),
            **options,
        )
        net.register_forward_pre_hook(lambda *_: self.fuse("forward"))
        self.task.optimizer.register_step_post_hook(lambda *_: self.fuse("optimizer"))
        flags = [(module, module.training) for module in net.modules()]
        self.task.update(iter(batches(used)), used) if used == 1 else None
        for batch in batches(used) if used > 1 else ():
            self.task.step(batch)
        for module, flag in flags:
            module.training = flag
        if used:  # with gradients of the user's own
            trained = (p for p in net.parameters() if p.requires_grad)
            sum(p.square().sum() for p in trained).backward()


SUBJECTS: dict[str, Callable[[], Subject]] = {
    "CNN with BatchNorm and dropout, SGD with momentum": Subject,
    "the same with a history": lambda: Subject(used=3),
    "BatchNorm frozen, AdamW": lambda: Subject(frozen, steps(AdamW), used=3),
    "model in eval mode, Adam with amsgrad": lambda: Subject(
        lambda: cnn().eval(), steps(Adam, amsgrad=True), used=3
    ),
    "AdamW, foreach": lambda: Subject(optimizer=steps(AdamW, foreach=True), used=3),
    "AdamW, fused": lambda: Subject(optimizer=steps(AdamW, fused=True), used=3),
    "SGD, fused": lambda: Subject(
        optimizer=steps(SGD, momentum=0.9, fused=True), used=3
    ),
    "RMSprop, foreach": lambda: Subject(
        optimizer=steps(RMSprop, momentum=0.5, foreach=True), used=3
    ),
    "RMSprop": lambda: Subject(
        optimizer=steps(RMSprop, centered=True, momentum=0.9), used=3
    ),
    "two param groups, an LR that is a tensor": lambda: Subject(
        optimizer=groups, used=3
    ),
    "a scheduler attached": lambda: Subject(optimizer=with_scheduler, used=3),
    "LSTM that keeps its hidden state": lambda: Subject(Reader, steps(AdamW), used=3),
    "transformer with tied embeddings": lambda: Subject(
        Transformer, steps(AdamW), used=3
    ),
    "lazy modules": lambda: Subject(lazy, steps(AdamW)),
    "torch.compile": lambda: Subject(compiled, steps(AdamW), used=3),
    "autocast in bfloat16": lambda: Subject(used=3, autocast=torch.bfloat16),
    "autocast in float16, GradScaler": lambda: Subject(
        used=3, autocast=torch.float16, scaler=2.0**20
    ),
    "GradScaler that has not begun": lambda: Subject(scaler=2.0**10),
    "accumulation and clipping": lambda: Subject(used=3, accumulate=2, clip_norm=0.5),
    "a loader with a generator": lambda: Subject(data=owning),
    "a sampler with a generator": lambda: Subject(data=sampled),
    "a batch sampler with state": lambda: Subject(
        data=lambda fuse: loader(fuse, batch_sampler=Wandering())
    ),
    "workers": lambda: Subject(data=lambda fuse: loader(fuse, num_workers=1)),
    "persistent workers, fresh": lambda: Subject(
        data=lambda fuse: loader(fuse, num_workers=1, persistent_workers=True)
    ),
    "persistent workers, used": lambda: Subject(data=persistent),
    "IterableDataset": lambda: Subject(
        data=lambda fuse: loader(fuse, dataset=Stream())
    ),
    "a loader that can tell its position": lambda: Subject(data=Stateful),
}

# Endings ------------------------------------------------------------------------------


def to_its_end(subject: Subject) -> None:
    assert len(list(range_test(subject.task, num_iter=6))) == 6


def diverging(subject: Subject) -> None:
    subject.loss.factor = 1e6
    subject.loss.after = subject.loss.calls + 14 * subject.task.accumulate
    points = range_test(subject.task, end_lr=0.1, num_iter=60)
    assert len(list(points)) < 60
    subject.loss.factor = 1.0


def not_a_number(subject: Subject) -> None:
    subject.loss.factor = float("nan")
    subject.loss.after = subject.loss.calls + 6
    assert len(list(range_test(subject.task, num_iter=12))) < 12
    subject.loss.factor = 1.0


def half_way(subject: Subject) -> Any:
    points = range_test(subject.task, num_iter=8)
    assert [next(points).step for _ in range(4)] == [0, 1, 2, 3]
    return points


def closed(subject: Subject) -> None:
    half_way(subject).close()


def collected(subject: Subject) -> None:
    for point in range_test(subject.task, num_iter=8):
        if point.step == 3:
            break
    gc.collect()


def in_thread(subject: Subject, then: Callable[[Run], None]) -> None:
    middle = threading.Event()
    points = range_test(subject.task, num_iter=10**4, stop_div=False)
    run = Run(points, on_item=lambda point: point.step == 3 and middle.set())
    run.start()
    assert middle.wait(60)
    then(run)
    assert run.state == "stopped"


def stopped(subject: Subject) -> None:
    def stop(run: Run) -> None:
        run.stop()
        run.wait(60)

    in_thread(subject, stop)


def paused_then_stopped(subject: Subject) -> None:
    def pause(run: Run) -> None:
        run.pause()
        run.stop()
        run.wait(60)

    in_thread(subject, pause)


def shut_down(subject: Subject) -> None:
    in_thread(subject, lambda _: run._stop_all())  # what a kernel does at its exit


def widget_closed(subject: Subject) -> None:
    task = subject.task
    finder = LRFinder(task.model, task.loader, task.loss_fn, task.optimizer)
    finder.task = task
    run = finder.range_test(num_iter=10**4, stop_div=False)
    while len(finder.curve) < 4:
        assert not run._ended.wait(0.005)
    finder.close()
    assert run.state == "stopped"


def interrupted_in_wait(subject: Subject) -> None:
    def interrupt(run: Run) -> None:
        ended = run._ended.wait
        calls = iter([KeyboardInterrupt])

        def wait(*timeout: Any) -> Any:
            for error in calls:
                raise error
            return ended(*timeout)

        with mock.patch.object(run._ended, "wait", wait), suppress(KeyboardInterrupt):
            run.wait()

    in_thread(subject, interrupt)


def interrupted_between_steps(subject: Subject) -> None:
    def loop() -> None:
        for point in range_test(subject.task, num_iter=8):
            if point.step == 3:
                signal.raise_signal(signal.SIGINT)

    with suppress(KeyboardInterrupt):
        loop()
        raise AssertionError
    gc.collect()


def failing(
    place: str, error: Callable[[], BaseException] = Blown, at: int = 3
) -> Callable[[Subject], None]:
    def run(subject: Subject) -> None:
        fuse = subject.fuse
        fuse.place, fuse.at, fuse.passed, fuse.error = place, at, 0, error()
        try:
            list(range_test(subject.task, num_iter=8))
        except type(fuse.error):
            fuse.place, fuse.error = "", None  # nor the frames that it holds
        else:
            raise AssertionError

    return run


def out_of_memory_in_the_snapshot(subject: Subject) -> None:
    kept, calls = undo._kept, iter(range(100))

    def full(*arguments: Any) -> Any:
        if next(calls) == 1:
            raise torch.OutOfMemoryError
        return kept(*arguments)

    with mock.patch.object(undo, "_kept", full):
        try:
            next(range_test(subject.task))
        except torch.OutOfMemoryError:
            return
    raise AssertionError


def three_times(subject: Subject) -> None:
    first, second, third = (list(range_test(subject.task, num_iter=5)) for _ in "123")
    assert first == second == third


ENDINGS: dict[str, Callable[[Subject], None]] = {
    "its end": to_its_end,
    "divergence": diverging,
    "a loss that is NaN": not_a_number,
    "Stop": stopped,
    "pause, then Stop": paused_then_stopped,
    "the generator closed": closed,
    "break, and collected": collected,
    "error in forward": failing("forward"),
    "error in the loss": failing("loss"),
    "error in the loader": failing("loader"),
    "error in the optimizer": failing("optimizer"),
    "Ctrl-C in `wait()`": interrupted_in_wait,
    "Ctrl-C in a step": failing("forward", KeyboardInterrupt),
    "Ctrl-C between two steps": interrupted_between_steps,
    "out of memory in forward": failing("forward", torch.OutOfMemoryError),
    "out of memory in backward": failing("backward", torch.OutOfMemoryError),
    "out of memory in the snapshot": out_of_memory_in_the_snapshot,
    "`close()` of the widget in mid-run": widget_closed,
    "kernel shutdown in mid-run": shut_down,
    "three runs in a row": three_times,
}

# Kinds of state -----------------------------------------------------------------------

State = dict[str, Any]
OWN = set(vars(nn.Module())) - {"training"}


def registered(task: Task, kind: str) -> list[tuple[str, nn.Module, torch.Tensor]]:
    return [
        (f"{path}.{name}", module, tensor)
        for path, module in modules(task)
        for name, tensor in getattr(module, kind).items()
        if tensor is not None
    ]


def modules(task: Task) -> list[tuple[str, nn.Module]]:
    return [
        found
        for name, root in (("model", task.model), ("loss_fn", task.loss_fn))
        for found in root.named_modules(prefix=name, remove_duplicate=False)
    ]


def content(value: Any) -> Any:
    """The same object, with the same bits in it, and so on inwards."""
    if isinstance(value, torch.Tensor):
        blank = is_lazy(value) or value.is_meta
        return Is(value), "blank" if blank else bits(value)
    if isinstance(value, dict):
        return Is(value), [(Is(k), content(v)) for k, v in value.items()]
    if isinstance(value, (list, tuple)):
        return Is(value), [content(part) for part in value]
    plain = value is None or isinstance(value, (bool, int, float, str))
    return value if plain else Is(value)


def parameters(task: Task) -> State:
    return {name: content(p) for name, _, p in registered(task, "_parameters")}


def buffers(task: Task, persistent: bool = True) -> State:
    return {
        name: content(buffer)
        for name, module, buffer in registered(task, "_buffers")
        if (name.split(".")[-1] not in module._non_persistent_buffers_set) == persistent
    }


def ties(task: Task) -> State:
    names: dict[int, list[str]] = {}
    for name, _, parameter in registered(task, "_parameters"):
        names.setdefault(id(parameter), []).append(name)
    return {found[0]: found for found in names.values() if len(found) > 1}


def requires_grad(task: Task) -> State:
    return {n: p.requires_grad for n, _, p in registered(task, "_parameters")}


def gradients(task: Task) -> State:
    return {n: content(p.grad) for n, _, p in registered(task, "_parameters")}


def optimizer_state(task: Task) -> State:
    state = task.optimizer.state
    counters = {k: v for k, v in vars(task.optimizer).items() if k == "_opt_called"}
    return {"state": content(state), **counters}


def param_groups(task: Task) -> State:
    found: State = {"groups": [Is(group) for group in task.optimizer.param_groups]}
    for i, group in enumerate(task.optimizer.param_groups):
        found |= {f"{i} {key}": content(value) for key, value in group.items()}
        found[f"{i} params"] = Is(group["params"]), [Is(p) for p in group["params"]]
    return found


def scheduler(task: Task) -> State:
    owner = getattr(task.optimizer, "owner", None)
    return {} if owner is None else {k: v for k, v in owner.state_dict().items()}


def scaler(task: Task) -> State:
    if task.scaler is None:
        return {}
    return {k: content(v) for k, v in vars(task.scaler).items() if k != "_device"}


def flags(task: Task) -> State:
    return {name: module.training for name, module in modules(task)}


def attributes(task: Task) -> State:
    found = {}
    for name, module in modules(task):
        flat = {"_flat_weights": None}  # an LSTM's parameters, once more
        own = vars(module) | (flat if hasattr(module, "_flat_weights") else {})
        own = {k: v for k, v in own.items() if k not in OWN | {"training"}}
        own.pop("factor", None), own.pop("after", None)  # the endings set these
        found[name] = type(module), {k: content(v) for k, v in own.items()}
    return found


def hooks(task: Task) -> State:
    owners = [*modules(task), ("optimizer", task.optimizer)]
    return {
        f"{name}.{kind}": [(key, Is(value)) for key, value in held.items()]
        for name, owner in owners
        for kind, held in vars(owner).items()
        if "_hooks" in kind and isinstance(held, dict)
    }


def loader_generators(task: Task) -> State:
    found = {}
    batch_sampler = getattr(task.loader, "batch_sampler", None)
    for owner in (task.loader, getattr(task.loader, "sampler", None), batch_sampler):
        for name, value in getattr(owner, "__dict__", {}).items():
            if isinstance(value, torch.Generator):
                found[f"{type(owner).__name__}.{name}"] = value.get_state().tolist()
            elif isinstance(value, np.random.Generator):
                found[f"{type(owner).__name__}.{name}"] = value.bit_generator.state
    return found


def position(task: Task) -> State:
    found: State = {}
    if isinstance(task.loader, DataLoader):
        found["iterator"] = Is(task.loader._iterator)
    names = ("dataset", "sampler", "batch_sampler")
    for owner in (task.loader, *(getattr(task.loader, name, None) for name in names)):
        if hasattr(owner, "state_dict"):
            found[type(owner).__name__] = owner.state_dict()
    return found


def numpy_generator(_task: Task) -> State:
    return {"state": [np.asarray(p).tolist() for p in np.random.get_state()]}


def thread(_task: Task) -> State:
    return {
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "autocast": (torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")),
        "device": torch.get_default_device(),
        "dtype": torch.get_default_dtype(),
    }


COLUMNS: dict[str, Callable[[Task], State]] = {
    "parameters": parameters,
    "buffers": buffers,
    "buffers of no checkpoint": lambda task: buffers(task, persistent=False),
    "ties": ties,
    "requires_grad": requires_grad,
    "grad": gradients,
    "train flags": flags,
    "module attributes": attributes,
    "hooks": hooks,
    "optimizer state": optimizer_state,
    "param groups": param_groups,
    "scheduler": scheduler,
    "GradScaler": scaler,
    "random: Python": lambda _: {"state": random.getstate()},
    "random: NumPy": numpy_generator,
    "random: torch": lambda _: {"state": torch.get_rng_state().tolist()},
    "loader: generators": loader_generators,
    "loader: position": position,
    "thread": thread,
}

# The table ----------------------------------------------------------------------------


def look(task: Task) -> dict[str, State]:
    """All kinds of state that a task has."""
    found = {name: column(task) for name, column in COLUMNS.items()}
    return {name: state for name, state in found.items() if state}


def differing(before: dict[str, State], after: dict[str, State]) -> dict[str, Any]:
    """Kinds of state that are not as before, and where."""
    return {
        name: [key for key in {**old, **after.get(name, {})}
               if old.get(key, Is(0)) != after.get(name, {}).get(key, Is(1))]
        for name, old in before.items()
        if old != after.get(name)
    }  # fmt: skip


def close(subject: Subject) -> None:
    """End the workers now: those that a garbage collector ends make it wait."""
    workers = getattr(subject.task.loader, "_iterator", None)
    getattr(workers, "_shutdown_workers", lambda: None)()


@functools.cache
def outcome(ending: str, subject: str) -> dict[str, Any]:
    """Kinds of state that were looked at, and for each what was not as before."""
    made = SUBJECTS[subject]()
    before = look(made.task)
    ENDINGS[ending](made)
    changed = differing(before, look(made.task))
    close(made)
    return {name: changed.get(name, []) for name in before}


def table() -> str:
    """The document: endings by kinds of state, in each cell how many subjects."""
    lines = [
        "# The sweep leaves no trace",
        "",
        "However a range test ends, everything is bit for bit as before. Rows: how it",
        "ended. Columns: a kind of state. Cells: on how many of the subjects below it",
        "was compared before and after, and was the same. `python tests/no_trace.py`",
        "writes this file; a test does the same and compares.",
        "",
        f"| | {' | '.join(COLUMNS)} |",
        "| --- " * (len(COLUMNS) + 1) + "|",
    ]
    for ending in ENDINGS:
        outcomes = [outcome(ending, subject) for subject in SUBJECTS]
        cells = []
        for name in COLUMNS:
            seen = [found[name] for found in outcomes if name in found]
            same = sum(not changed for changed in seen)
            cells.append(str(same) if same == len(seen) else f"**{same}/{len(seen)}**")
        lines.append(f"| {ending} | {' | '.join(cells)} |")
    lines += ["", f"The {len(SUBJECTS)} subjects:", ""]
    lines += [f"- {subject}" for subject in SUBJECTS]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
