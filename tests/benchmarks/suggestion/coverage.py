"""Coverage: how often the two intervals of `fall` hold what they are about."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import NamedTuple

from lr_widget.suggestion import Suggestion

from .judge import Truth
from .plan import Combination, Plan
from .rules import suggestion_of, swept
from .store import Store


class Coverage(NamedTuple):
    """Two shares; NaN where there is nothing to count."""

    repeat: float  # of pairs of seeds: the one's interval holds the other's suggestion
    band: float  # of sweeps: the band holds the best LR of the grid


def coverage(plan: Plan, known: Mapping[Combination, Truth], store: Store) -> Coverage:
    """That of all sweeps of ours which have a suggestion."""
    found = {
        combination: [
            suggestion_of(swept(store[plan.sweep(combination, seed).key]))
            for seed in range(plan.sweep_seeds)
        ]
        for combination in plan.combinations
    }
    best = {combination: truth.best_lr for combination, truth in known.items()}
    return counted(found, best)


def counted(
    found: Mapping[Combination, Sequence[Suggestion]], best: Mapping[Combination, float]
) -> Coverage:
    """Those of these suggestions, a list of seeds for each combination."""
    repeat, band = [], []
    for combination, seeds in found.items():
        given = [one for one in seeds if one.lr is not None]
        band += [holds(one.band, best[combination]) for one in given]
        pairs = permutations(given, 2)
        repeat += [holds(one.repeat_interval, other.lr) for one, other in pairs]
    return Coverage(*(statistics.fmean(x) if x else math.nan for x in (repeat, band)))


def holds(span: tuple[float, float] | None, lr: float | None) -> bool:
    """Whether an LR lies in an interval; in none, if there is none."""
    return span is not None and lr is not None and span[0] <= lr <= span[1]
