"""Overhead: what a sweep without widget costs beside a bare loop, ours and the rivals'.

Each variant runs in this process, on one thread, with the same batches, the same
number of steps and an Adam of its own that starts fresh; model and optimizer are made
anew, and alike, before each run. A repetition runs every variant once, in an order
drawn anew. A run before them, which is not timed, warms up and counts the optimizer's
steps: who makes another number is not in the table. The time is that of the whole call,
with set-up and restore. The figure is the median of the ratios to the bare loop of the
same repetition; the note has their quartiles, what the median comes to per step, and
the same ratio of the process's CPU time, which tells more on a machine that is busy
with other things.

The bare loop (`zero_grad`, forward, `backward`, `step`) keeps nothing. Setting the LR
and keeping `loss.item()` is the least that any range test does more.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from .clock import Laps, interleaved, one_thread
from .figure import Absent, Figure
from .loops import Sweep, Trial, bare, ours, recording
from .rivals import RIVALS, hushed
from .subjects import CNN, MLP, TRANSFORMER, Subject

TITLE = "Overhead of a sweep without widget"

BARE, LEAST, OURS = "bare loop", "bare loop, LR set, loss kept", "lr_widget"


@dataclass(frozen=True)
class Race:
    """A subject, how far each runs, how often, and the target of ours."""

    subject: Subject
    num_iter: int
    repetitions: int
    target: float

    @property
    def title(self) -> str:
        """As in the table."""
        return f"{self.subject.title}, {self.num_iter:,} steps"


RACES = (
    Race(MLP, 100, 31, 1.05),
    Race(MLP, 1000, 15, 1.05),
    Race(CNN, 20, 25, 1.01),
    Race(TRANSFORMER, 6, 13, 1.01),
)
SHORT = (Race(MLP, 20, 2, 1.05), Race(CNN, 6, 1, 1.01))


def measure(short: bool) -> list[Figure | Absent]:
    """The ratios of all variants in all races; minutes, unless short."""
    with one_thread(), elsewhere(), hushed():
        rows = [row for race in (SHORT if short else RACES) for row in run(race)]
    if short:
        rows.append(Absent("not in a short run", subject=TRANSFORMER.title))
    return rows


def run(race: Race) -> Iterator[Figure | Absent]:
    """The rows of one race."""
    sweeps, absent = entrants(race)
    variants = {
        who: lambda sweep=sweep: sweep(race.subject.setup(race.num_iter), race.num_iter)
        for who, sweep in sweeps.items()
    }
    clocks = time.perf_counter, time.process_time
    laps, cpu = interleaved(variants, race.repetitions, clocks=clocks)
    step = 1e3 * laps.median(BARE) / race.num_iter
    repeated = f"median of {race.repetitions}"
    yield Figure(race.title, BARE, step, "ms/step", note=repeated)
    for who in sweeps:
        if who != BARE:
            target = race.target if who == OURS else None
            yield compared(race, laps, cpu, who, target)
    yield from absent
    yield from edges(race, min(race.repetitions, 5))


def compared(
    race: Race, laps: Laps, cpu: Laps, who: str, target: float | None
) -> Figure:
    """A variant's ratio to the bare loop."""
    ratio, (low, high) = laps.ratio(who, BARE), laps.spread(who, BARE)
    extra = 1e6 * (ratio - 1) * laps.median(BARE) / race.num_iter
    note = f"quartiles {low:.3f} to {high:.3f}; {extra:+.0f} us/step"
    note += f"; CPU time {cpu.ratio(who, BARE):.3f}"
    return Figure(race.title, who, ratio, "x bare", target, note=note)


def entrants(race: Race) -> tuple[Mapping[str, Sweep], list[Absent]]:
    """All that can run, each run once to its end, and why the others cannot."""
    found: dict[str, Sweep] = {BARE: bare, LEAST: recording, OURS: ours}
    for who, sweep in found.items():
        if reason := miscount(race, sweep):
            raise RuntimeError(f"{who} {reason}")
    absent: list[Absent] = []
    for rival in RIVALS:
        reason = rival.missing()
        try:
            reason = reason or miscount(race, rival.sweep)
        except Exception as error:  # another version's, or another platform's
            reason = f"failed: {type(error).__name__}: {error}"
        if reason:
            absent.append(Absent(reason, subject=race.title, who=rival.who))
        else:
            found[rival.who] = rival.sweep
    return found, absent


def miscount(race: Race, sweep: Sweep) -> str:
    """How it does not make the steps asked for; empty if it does. It warms up, too."""
    made = Trial.of(sweep, race.subject.setup(race.num_iter), race.num_iter).steps
    return "" if made == race.num_iter else f"made {made} steps for {race.num_iter}"


def edges(race: Race, repetitions: int) -> Iterator[Figure]:
    """Milliseconds that ours takes around the steps, each a median of some calls."""
    trials = [Trial.of(ours, race.subject.setup(2), 2) for _ in range(repetitions)]
    for name, seconds in (
        ("set-up", [trial.set_up for trial in trials]),
        ("restore", [trial.restore for trial in trials]),
    ):
        median = 1e3 * statistics.median(seconds)
        yield Figure(race.title, OURS, median, "ms", note=f"{name}: in the ratio")


@contextmanager
def elsewhere() -> Iterator[None]:
    """Work in a folder of its own: some finders write into the current one."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)
