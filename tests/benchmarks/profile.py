"""Profile: where what is left of the tiny MLP's overhead goes, room by room.

A statistical profile, on one thread: a timer interrupts the process every millisecond,
and where Python was then is counted. Nothing else is changed, so that calls cost what
they cost; cProfile would add about a microsecond to each, and there are many short
ones. Time in C counts for the Python file that called it: the backward pass is
torch/autograd/graph.py, `float(loss)` a room of ours.

The sweep and the bare loop run in turn, a thousand steps each. Each row is the own time
of one file in microseconds of CPU time per step, with the bare loop's beside it; the
sum of the differences is the overhead. The number after +- is one standard error, as
counting has it. Set-up and restore are in it, divided by the steps. A file of torch
differs where we call more of it than the bare loop does. Files that take less than a
microsecond in both are one row.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from math import hypot, sqrt
from pathlib import Path
from types import FrameType

import torch

import lr_widget

from .clock import one_thread
from .figure import Absent, Figure
from .loops import Sweep, bare, ours
from .subjects import MLP

TITLE = "Profile of the tiny MLP's sweep"

INTERVAL = 1e-3  # seconds between two looks
REST = "all else"
SMALL = 1.0  # microseconds per step
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
        return self.step() * self.looks[place] / max(sum(self.looks.values()), 1)

    def error(self, place: str) -> float:
        """One standard error of `own`."""
        return self.own(place) / sqrt(max(self.looks[place], 1))


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
    both = swept, plain
    for found in swept.looks.keys() | plain.looks.keys():
        if max(profile.own(found) for profile in both) < SMALL:
            for profile in both:
                profile.looks[REST] += profile.looks.pop(found, 0)
    places = swept.looks.keys() | plain.looks.keys()
    extra = {found: swept.own(found) - plain.own(found) for found in places}
    for found in sorted(places, key=lambda found: -extra[found]):
        error = hypot(*(profile.error(found) for profile in both))
        note = f"bare loop {plain.own(found):.1f}:"
        note += f" {extra[found]:+.1f} +- {error:.1f}"
        yield Figure(found, "lr_widget", swept.own(found), "us/step", note=note)


def looks(profile: Profile) -> str:
    """How well it is founded."""
    return f"{sum(profile.looks.values()):,} looks in {profile.steps:,} steps"


def place(frame: FrameType | None) -> str:
    """The file that a frame is in, of ours or of torch."""
    path = frame.f_code.co_filename if frame is not None else ""
    if path.startswith(ROOMS):
        return "lr_widget" + path.removeprefix(ROOMS)
    if path.startswith(TORCH):
        return "torch" + path.removeprefix(TORCH)
    return "the loop itself" if path == bare.__code__.co_filename else REST


@contextmanager
def looking(looks: Counter[str]) -> Iterator[None]:
    """Count where Python is, as long as the block lasts."""

    def look(_signal: int, frame: FrameType | None) -> None:
        looks[place(frame)] += 1

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, INTERVAL, INTERVAL)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
