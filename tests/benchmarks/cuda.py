"""On a GPU: steps a second beside a bare loop that never waits, CUDA graphs, memory.

The bare loop copies pinned batches without waiting, trains, and never looks at a loss:
no loop that gives losses can be faster, but one that is captured. All make the same
steps on the same batches with Adam. Each variant is timed over n and over 4 n steps,
with a wait for the device at the end of both; the difference is the time of 3 n steps
without set-up and restore, which the notes have. The ratio is that of the medians over
interleaved repetitions. The small CNN is launch-bound: the GPU waits for Python there.
The large MLP keeps it busy.

Memory is `torch.cuda.max_memory_allocated` of a sweep with Adam's history, by default
copied to the CPU, to that of the bare loop.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Adam
from torch.utils.data import DataLoader

from lr_widget import Task, range_test

from .clock import interleaved
from .figure import Absent, Figure
from .rivals import RIVALS, hushed
from .subjects import CNN, END_LR, START_LR, Batch, Setup, as_it_is, batches

TITLE = "On a GPU"

#: What is timed: it is given a setup and a number of steps, and makes them.
Loop = Callable[[Setup, int], object]


def measure(short: bool) -> list[Figure | Absent]:
    """Throughput of both models, and memory of the large one; minutes, unless short."""
    if not torch.cuda.is_available():
        raise Absent("no CUDA device here")
    subjects = [small(), large(256 if short else 4096)]
    rows: list[Figure | Absent] = []
    for subject in subjects:
        rows += throughput(subject, *((10, 2) if short else (subject.steps, 9)))
    rows += memory(subjects[-1])
    return rows


# What is trained ----------------------------------------------------------------------


@dataclass(frozen=True)
class OnDevice:
    """A model, and batches in pinned memory; each `setup` is the same."""

    title: str
    model: Callable[[], nn.Module]
    loss_fn: nn.Module
    batches: list[Batch]
    steps: int  # that take about a quarter of a second

    def setup(self) -> Setup:
        """A fresh model on the device and its optimizer, and a loader of all batches.

        It is a DataLoader because torch-lr-finder takes no other.
        """
        torch.manual_seed(0)
        model = self.model().cuda()
        loader = DataLoader(self.batches, batch_size=None, collate_fn=as_it_is)
        return Setup(model, loader, self.loss_fn, Adam(model.parameters()))


def small() -> OnDevice:
    """The CNN of the other benchmarks, batch 64: some hundred short kernels a step."""
    return OnDevice(
        "small CNN, batch 64",
        CNN.model,
        nn.CrossEntropyLoss(),
        pinned(batches(CNN)),
        250,
    )


def large(width: int) -> OnDevice:
    """Six square layers, batch 512: 101 million parameters where they are 4096 wide."""

    def model() -> nn.Module:
        return nn.Sequential(*(nn.Linear(width, width) for _ in range(6)))

    torch.manual_seed(1)
    drawn = [(torch.randn(512, width), torch.randn(512, width)) for _ in range(8)]
    title = f"MLP of {6 * (width**2 + width) / 1e6:.3g}M parameters, batch 512"
    return OnDevice(title, model, nn.MSELoss(), pinned(drawn), 25)


def pinned(drawn: list[Batch]) -> list[Batch]:
    """The batches in memory that the GPU can copy from by itself."""
    return [(inputs.pin_memory(), target.pin_memory()) for inputs, target in drawn]


# The loops ----------------------------------------------------------------------------


def bare(setup: Setup, num_iter: int) -> None:
    """Train, and never wait."""
    step = 0
    while step < num_iter:
        for inputs, target in setup.loader:
            train(setup, inputs, target)
            step += 1
            if step == num_iter:
                break


def train(setup: Setup, inputs: Tensor, target: Tensor) -> None:
    """One step that does not wait."""
    inputs = inputs.cuda(non_blocking=True)
    target = target.cuda(non_blocking=True)
    setup.optimizer.zero_grad()
    loss: Tensor = setup.loss_fn(setup.model(inputs), target)
    loss.backward()  # type: ignore[no-untyped-call]
    setup.optimizer.step()


def ours(setup: Setup, num_iter: int, *, cuda_graph: bool = False) -> None:
    """`range_test`, from the making of the Task to everything being put back."""
    task = Task(setup.model, setup.loader, setup.loss_fn, setup.optimizer)
    points = range_test(
        task,
        start_lr=START_LR,
        end_lr=END_LR,
        num_iter=num_iter,
        stop_div=False,
        cuda_graph=cuda_graph,
    )
    if len(list(points)) != num_iter:
        raise RuntimeError("a sweep ended early: its time is not comparable")


def captured(setup: Setup, num_iter: int) -> None:
    """`range_test(cuda_graph=True)`."""
    ours(setup, num_iter, cuda_graph=True)


# The figures --------------------------------------------------------------------------


@dataclass(frozen=True)
class Pace:
    """Seconds of a step, and of all that is not a step, from two lengths of a loop."""

    step: float
    rest: float

    @classmethod
    def of(cls, shorter: list[float], longer: list[float], count: int) -> Pace:
        """From the seconds of `count` and of four times as many steps; medians."""
        one, four = statistics.median(shorter), statistics.median(longer)
        step = (four - one) / (3 * count)
        return cls(step, one - count * step)

    def __str__(self) -> str:
        return (
            f"{1e6 * self.step:,.0f} us a step, {1e3 * self.rest:,.0f} ms around them"
        )


def paces(
    loops: dict[str, Loop], subject: OnDevice, count: int, repetitions: int
) -> dict[str, Pace]:
    """Each loop's pace, all of them timed in turn."""

    def prepared(loop: Loop, steps: int) -> Callable[[], Callable[[], object]]:
        def prepare() -> Callable[[], object]:
            setup = subject.setup()
            loop(setup, 8)  # kernels are chosen, and memory is had
            torch.cuda.synchronize()

            def run() -> None:
                loop(setup, steps)
                torch.cuda.synchronize()

            return run

        return prepare

    variants = {
        f"{name}, {times}": prepared(loop, times * count)
        for name, loop in loops.items()
        for times in (1, 4)
    }
    with hushed():
        (laps,) = interleaved(variants, repetitions)
    return {
        name: Pace.of(laps.seconds[f"{name}, 1"], laps.seconds[f"{name}, 4"], count)
        for name in loops
    }


def throughput(
    subject: OnDevice, count: int, repetitions: int
) -> Iterator[Figure | Absent]:
    """Steps a second of one model, each to what it is to be compared with."""
    loops: dict[str, Loop] = {"bare": bare, "ours": ours, "graph": captured}
    rival = next(rival for rival in RIVALS if rival.package == "torch-lr-finder")
    absent = rival.absent(subject.title)
    if absent is None:
        loops["rival"] = lambda setup, steps: rival.sweep(setup, steps)()
    found = paces(loops, subject, count, repetitions)
    bound = subject.title.startswith("small")

    def row(who: str, name: str, base: str, target: float | None) -> Figure:
        return Figure(
            subject.title,
            who,
            found[base].step / found[name].step,
            {"bare": "x bare speed", "ours": "x eager speed"}.get(
                base, f"x {rival.who}"
            ),
            target,
            at_least=True,
            note=str(found[name]),
        )

    yield Figure(
        subject.title,
        "bare loop",
        1 / found["bare"].step,
        "steps/s",
        note=f"{found['bare']}",
    )
    yield row("lr_widget", "ours", "bare", 0.98)
    yield row("lr_widget, cuda_graph", "graph", "ours", 2.0 if bound else None)
    if absent is not None:
        yield absent
    else:
        yield row(rival.who, "rival", "bare", None)
        yield row("lr_widget", "ours", "rival", 1.2 if bound else None)


def memory(subject: OnDevice) -> Iterator[Figure]:
    """The peak of a sweep, and of one with a graph, to that of the bare loop."""
    setup = subject.setup()
    bare(setup, 3)  # Adam has its history, and cuBLAS its workspace
    base = peak(bare, setup)
    note = f"{base / 2**20:,.0f} MiB"
    yield Figure(subject.title, "bare loop", 1.0, "x bare memory", note=note)
    loops: dict[str, Loop] = {"lr_widget": ours, "lr_widget, cuda_graph": captured}
    for who, loop in loops.items():
        found = peak(loop, setup)
        target = 1.01 if loop is ours else None
        note = f"{(found - base) / 2**20:+,.0f} MiB"
        yield Figure(
            subject.title, who, found / base, "x bare memory", target, note=note
        )


def peak(loop: Loop, setup: Setup) -> int:
    """Highest number of bytes that tensors have had during eight steps of a loop."""
    setup.optimizer.zero_grad()
    gc.collect()  # what was measured before is no part of it
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    loop(setup, 8)
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated()
