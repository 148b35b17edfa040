"""The clock: variants timed in turn, so that a machine that drifts is fair to all."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch

#: Makes ready, which is not timed, and gives what is.
Prepare = Callable[[], Callable[[], object]]


class Laps:
    """Seconds of each variant, one for each repetition.

    >>> laps = Laps({"bare": [1.0, 2.0, 4.0], "ours": [1.1, 2.0, 4.8]})
    >>> laps.median("bare"), round(laps.ratio("ours", "bare"), 2)
    (2.0, 1.1)
    """

    def __init__(self, seconds: Mapping[str, list[float]]) -> None:
        self.seconds = seconds

    def median(self, name: str) -> float:
        """Median of a variant's seconds."""
        return statistics.median(self.seconds[name])

    def ratios(self, name: str, base: str) -> list[float]:
        """A variant's seconds to those of `base` in the same repetition, sorted."""
        both = zip(self.seconds[name], self.seconds[base], strict=True)
        return sorted(mine / other for mine, other in both)

    def ratio(self, name: str, base: str) -> float:
        """Median of `ratios`: what drifts from one repetition to the next cancels."""
        return statistics.median(self.ratios(name, base))

    def spread(self, name: str, base: str) -> tuple[float, float]:
        """Lower and upper quartile of `ratios`."""
        found = self.ratios(name, base)
        if len(found) < 2:
            return found[0], found[0]
        low, _, high = statistics.quantiles(found, n=4, method="inclusive")
        return low, high


def interleaved(
    variants: Mapping[str, Prepare],
    repetitions: int,
    *,
    seed: int = 0,
    clocks: Sequence[Callable[[], float]] = (time.perf_counter,),
) -> list[Laps]:
    """Time every variant once in each repetition, in an order that is drawn anew.

    The laps are given for each of the clocks. What prepares a variant is not timed.
    Python's garbage collector is left as it is.
    """
    order, draw = list(variants), random.Random(seed)
    seconds = [{name: list[float]() for name in variants} for _ in clocks]
    for _ in range(repetitions):
        draw.shuffle(order)
        for name in order:
            run = variants[name]()
            begun = [now() for now in clocks]
            run()
            ended = [now() for now in clocks]
            for found, start, end in zip(seconds, begun, ended, strict=True):
                found[name].append(end - start)
            del run  # what it holds, before the next one is made
    return [Laps(found) for found in seconds]


@contextmanager
def one_thread() -> Iterator[None]:
    """Have torch compute in one thread, as long as the block lasts."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
