"""Profile: where what is left of the tiny MLP's overhead goes, room by room.

A statistical profile, on one thread: a timer interrupts the process after every
millisecond of its own CPU time (or as often as the system's clock ticks), and what
Python was in then is counted. Nothing else is changed, so that calls cost what they
cost; cProfile would add about a microsecond to each, and there are many short ones.
Time in C counts for the Python function that called it: `loss.backward()` is called by
torch/autograd, `float(loss)` by a room of ours.

The sweep and the bare loop run in turn, a thousand steps each. Each row is the own time
of one file, or of one folder of torch, in microseconds per step, with the bare loop's
beside it; the sum of the differences is the overhead. Set-up and restore are in it,
divided by the steps. Torch's share differs where we call more of it than the bare loop.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import torch

import lr_widget

from .clock import one_thread
from .figure import Absent, Figure
from .loops import Sweep, bare, ours
from .subjects import MLP

TITLE = "Profile of the tiny MLP's sweep"

INTERVAL = 1e-3  # seconds of CPU time between two looks
ROOMS = str(Path(lr_widget.__file__).parent)
TORCH = str(Path(torch.__file__).parent)


class Profile:
    """Looks at one kind of loop, and the seconds and steps they were taken in."""

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self.looks: Counter[str] = Counter()
        self.seconds, self.steps = 0.0, 0

    def run(self, num_iter: int) -> None:
        """Run it once more, looked at."""
        run = self._sweep(MLP.setup(num_iter), num_iter)
        with looking(self.looks):
            begun = time.process_time()
            run()
            self.seconds += time.process_time() - begun
        self.steps += num_iter

    def step(self) -> float:
        """Microseconds per step."""
        return 1e6 * self.seconds / self.steps

    def own(self, place: str) -> float:
        """Microseconds per step that a place has to itself."""
        return self.step() * self.looks[place] / max(self.looks.total(), 1)


def measure(short: bool) -> list[Figure | Absent]:
    """Own times of every place, those that differ most first."""
    if not hasattr(signal, "setitimer"):
        raise Absent("needs a system with setitimer, which Windows has not")
    if threading.current_thread() is not threading.main_thread():
        raise Absent("needs the main thread, which alone hears signals")
    turns, num_iter = (1, 200) if short else (25, 1000)
    swept, plain = Profile(ours), Profile(bare)
    with one_thread():
        for turn in range(2 * turns):
            (swept, plain)[turn % 2].run(num_iter)
    subject = f"tiny MLP, {num_iter:,} steps"
    return [
        Figure(subject, "bare loop", plain.step(), "us/step", note=looks(plain)),
        Figure(subject, "lr_widget", swept.step(), "us/step", note=looks(swept)),
        *shares(swept, plain),
    ]


def shares(swept: Profile, plain: Profile) -> Iterator[Figure]:
    """A row for each place, the greatest difference first."""
    places = swept.looks.keys() | plain.looks.keys()
    extra = {place: swept.own(place) - plain.own(place) for place in places}
    for place in sorted(places, key=lambda place: -extra[place]):
        note = f"bare loop {plain.own(place):.1f}, difference {extra[place]:+.1f}"
        yield Figure(place, "lr_widget", swept.own(place), "us/step", note=note)


def looks(profile: Profile) -> str:
    """How well it is founded."""
    return f"{profile.looks.total():,} looks in {profile.steps:,} steps"


def place(frame: FrameType | None) -> str:
    """The room, or the folder of torch, that a frame is in."""
    path = frame.f_code.co_filename if frame is not None else ""
    if path.startswith(ROOMS):
        return "lr_widget" + path.removeprefix(ROOMS)
    if path.startswith(TORCH):
        return "torch" + str(Path(path).parent).removeprefix(TORCH)
    return "the loop itself" if path == bare.__code__.co_filename else "all else"


@contextmanager
def looking(looks: Counter[str]) -> Iterator[None]:
    """Count where Python is, as long as the block lasts."""

    def look(_signal: int, frame: FrameType | None) -> None:
        looks[place(frame)] += 1

    before = signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
