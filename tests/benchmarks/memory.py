"""Memory: what a sweep of a model of 201 million parameters takes beside the model.

Every variant runs in a process of its own, which starts in an empty folder. `fresh` is
an Adam that has not stepped yet, whose state is the parameters alone; `warm` is one
that has, with two moments for each parameter. The peak is the process's VmHWM, set
back by /proc/self/clear_refs just before the call, less that of the bare loop, which
makes the same steps in the same state. Its unit is the state: 768 MiB fresh, 2,304 MiB
warm. What is written is /proc/self/io's wchar: everything that went through write(),
to a file that is gone again, too.

Set-up is the time from the call to the first forward pass, restore that from the end
of the last optimizer step to the return; of the bare loop the same is measured, and is
next to nothing. A memcpy is one clone of every tensor of the state into memory that is
fresh, timed in the same process right after the call. The figure is the median over
three calls of ours, and that of one call of a rival. One torch thread. A sweep of a
small model comes first, so that what is imported late counts for nobody.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .figure import Absent, Figure
from .loops import Sweep, Trial, bare, ours, train
from .machine import meminfo
from .rivals import RIVALS, hushed
from .subjects import Setup, Subject

TITLE = "Memory, files and time of set-up and restore"

ROOT = Path(__file__).parents[2]
SWEEPS: dict[str, Sweep] = {"bare loop": bare, "lr_widget": ours}
SWEEPS |= {rival.package: rival.sweep for rival in RIVALS}

#: Steps of each sweep: the fewest that fastai makes.
STEPS = 6


FULL, TINY = 4096, 256  # widths: 201 million parameters, or 0.8
NEEDED = 8 * 2**30  # bytes: model, gradients, Adam's state, a copy, and the rest


def measure(short: bool) -> list[Figure | Absent]:
    """Each variant's peak, files and times; minutes, unless short."""
    if not Path("/proc/self/clear_refs").exists():
        raise Absent("needs Linux: /proc/self/clear_refs sets the peak back")
    if not short and (free := meminfo("MemAvailable")) < NEEDED:
        raise Absent(f"needs 8 GiB of free memory, and {free / 2**30:.1f} GiB are")
    width = TINY if short else FULL
    return [row for warm in (True, False)[: 2 - short] for row in rows(width, warm)]


def rows(width: int, warm: bool) -> Iterator[Figure | Absent]:
    """The rows of one kind of state."""
    title = f"{parameters(width)} parameters, {'warm' if warm else 'fresh'} Adam"
    base = probe("bare loop", width, warm)
    rise = base["rise"] / 2**20
    yield Figure(title, "bare loop", rise, "MiB rise", note="gradients, workspace")
    yield from compared(title, "lr_widget", probe("lr_widget", width, warm), base, warm)
    for rival in RIVALS:
        reason = rival.missing() or ("not in a short run" if width == TINY else "")
        try:
            found = {} if reason else probe(rival.package, width, warm)
        except RuntimeError as error:
            reason = str(error)
        if reason:
            yield Absent(reason, subject=title, who=rival.who)
        else:
            yield from compared(title, rival.who, found, base, warm=False)


def compared(
    title: str, who: str, found: dict[str, Any], base: dict[str, Any], warm: bool
) -> Iterator[Figure]:
    """One variant's figures; the targets are those of ours with Adam's history."""
    extra, state = found["rise"] - base["rise"], found["state"]
    note = f"{extra / 2**20:,.0f} MiB over the bare loop"
    # One copy, and 1 % for everything else that a process does.
    yield Figure(
        title, who, extra / state, "x state", 1.01 if warm else None, note=note
    )
    written = found["written"] / 2**20
    yield Figure(title, who, written, "MiB written", 0.0 if warm else None)
    ratios = [
        (call["set_up"] + call["restore"]) / call["memcpy"] for call in found["calls"]
    ]
    words = (
        f"{name} {statistics.median(call[name] for call in found['calls']):.3g} s"
        for name in ("set_up", "restore", "memcpy")
    )
    ratio, note = statistics.median(ratios), ", ".join(words).replace("_", "-")
    yield Figure(title, who, ratio, "x memcpy", 2.0 if warm else None, note=note)


def parameters(width: int) -> str:
    """How many, in millions."""
    return f"{subject(width).parameters / 1e6:.3g}M"


def probe(who: str, width: int, warm: bool) -> dict[str, Any]:
    """What one variant takes, found in a process of its own.

    Raises
    ------
    RuntimeError
        If the process failed, with the last line that it wrote.
    """
    # Our own is called more often: a rival need not leave its setup as it was.
    calls = 3 if who in ("bare loop", "lr_widget") else 1
    words = [who, str(width), "warm" if warm else "fresh", str(calls)]
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", __spec__.name, *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "TMPDIR": folder},
            capture_output=True,
            text=True,
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise RuntimeError(f"failed with exit status {done.returncode}: {last}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


# In the process of its own ------------------------------------------------------------


def subject(width: int) -> Subject:
    """Twelve square layers."""

    def model() -> nn.Module:
        return nn.Sequential(*(nn.Linear(width, width) for _ in range(12)))

    def batch() -> tuple[Tensor, Tensor]:
        return torch.randn(4, width), torch.randint(width, (4,))

    return Subject("square layers", model, batch)


def probed(who: str, width: int, warm: bool, calls: int) -> dict[str, Any]:
    """What a variant takes in this process; memory and files are the first call's."""
    torch.set_num_threads(1)
    # Whatever is imported late, is imported now.
    Trial.of(SWEEPS[who], subject(TINY).setup(STEPS), STEPS)
    setup = subject(width).setup(STEPS)
    if warm:
        train(setup, *next(iter(setup.loader)))
        setup.optimizer.zero_grad()
    Path("/proc/self/clear_refs").write_text("5")
    resident, written = status("VmRSS"), written_bytes()
    found = [Trial.of(SWEEPS[who], setup, STEPS)]
    rise, written = status("VmHWM") - resident, written_bytes() - written
    seconds = [memcpy(setup)]
    for _ in range(calls - 1):
        found.append(Trial.of(SWEEPS[who], setup, STEPS))
        seconds.append(memcpy(setup))
    if [trial.steps for trial in found] != [STEPS] * calls:
        raise RuntimeError(f"made {[trial.steps for trial in found]} steps for {STEPS}")
    timed = [
        {"set_up": trial.set_up, "restore": trial.restore, "memcpy": second}
        for trial, second in zip(found, seconds, strict=True)
    ]
    state = sum(t.numel() * t.element_size() for t in tensors(setup))
    return {"rise": rise, "written": written, "state": state, "calls": timed}


def tensors(setup: Setup) -> list[Tensor]:
    """The state: parameters and what the optimizer keeps for each."""
    kept = [v for state in setup.optimizer.state.values() for v in state.values()]
    return [*setup.model.parameters(), *(v for v in kept if isinstance(v, Tensor))]


def memcpy(setup: Setup) -> float:
    """Seconds of one clone of the state, into memory that is fresh."""
    start = time.perf_counter()
    copies = [tensor.detach().clone() for tensor in tensors(setup)]
    seconds = time.perf_counter() - start
    del copies
    return seconds


def status(name: str) -> int:
    """Bytes that a line of /proc/self/status has."""
    lines = Path("/proc/self/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith(f"{name}:"))
    return 1024 * int(line.split()[1])


def written_bytes() -> int:
    """Bytes that this process has handed to write() so far."""
    lines = Path("/proc/self/io").read_text().splitlines()
    line = next(line for line in lines if line.startswith("wchar:"))
    return int(line.split()[1])


if __name__ == "__main__":
    who, width, state, calls = sys.argv[1:]
    with hushed():
        answer = probed(who, int(width), state == "warm", int(calls))
    print(json.dumps(answer))
