"""Job: one thing to measure; `done` measures those that the store has not."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import astuple, dataclass
from typing import Any

import torch

from .finders import FINDERS, suggested
from .store import Store, fingerprint
from .sweeps import sweep
from .training import fit

#: The modules that decide what a job finds.
ROOMS = {
    "fit": (".tasks", ".models", ".training"),
    "sweep": (".tasks", ".models", ".sweeps", "lr_widget.sweep"),
    "finder": (".tasks", ".models", ".finders"),
}


@dataclass(frozen=True)
class Job:
    """A fit, a sweep, or a run of another package's finder."""

    kind: str  # "fit", "sweep", or the name of a finder
    task: str
    optimizer: str
    seed: int
    steps: int
    lr: float = 0.0  # of a fit

    @property
    def key(self) -> str:
        """Under which the store has it: all that what is measured depends on."""
        rooms = ROOMS["finder" if self.kind in FINDERS else self.kind]
        who = FINDERS[self.kind].who if self.kind in FINDERS else self.kind
        return " ".join(map(str, (who, *astuple(self)[1:], fingerprint(*rooms))))


def measured(job: Job) -> dict[str, Any]:
    """What the job is to measure, and the CPU seconds that it took; one thread."""
    torch.set_num_threads(1)
    begun = time.process_time()
    where = job.task, job.optimizer, job.seed
    if job.kind == "fit":
        found: dict[str, Any] = fit(*where, job.lr, job.steps)
    elif job.kind == "sweep":
        found = sweep(*where, job.steps)
    else:
        found = suggested(job.kind, *where, job.steps)
    return {**found, "seconds": time.process_time() - begun}


def done(jobs: Iterable[Job], store: Store, processes: int = 1) -> int:
    """Have the store hold every job; how many had to be measured."""
    missing = [job for job in dict.fromkeys(jobs) if job.key not in store]
    for count, (job, found) in enumerate(turned(missing, processes), 1):
        store[job.key] = found
        if count % 100 == 0 or count == len(missing):
            print(f"  {count} of {len(missing)}", file=sys.stderr, flush=True)
    return len(missing)


def turned(jobs: list[Job], processes: int) -> Iterator[tuple[Job, dict[str, Any]]]:
    """Each job with what was measured, as it comes."""
    work: Callable[[Job], dict[str, Any]] = measured
    if processes == 1 or len(jobs) < 2:
        for job in jobs:
            yield job, work(job)
        return
    # Not forked: torch's threads do not live through that.
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=spawned) as pool:
        waiting = {pool.submit(work, job): job for job in jobs}
        for future in as_completed(waiting):
            yield waiting[future], future.result()
