"""Judge: the gap that an LR leaves, and what all gaps of a rule come to.

`gap = (loss - best) / (init - best)`, from 0 to 1: `loss` is the validation loss after
the training, `init` that before it, and `best` that of the best LR of the grid, both
means over the seeds. 1 is: learnt nothing, or blew up.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .plan import Combination, Plan
from .rules import Answer, Place, Rule
from .store import Store


def gap(loss: float, best: float, init: float) -> float:
    """Share of what the best LR gains that is not gained; from 0 to 1.

    >>> gap(0.6, best=0.5, init=1.0), gap(0.4, best=0.5, init=1.0)
    (0.19999999999999996, 0.0)
    >>> gap(3.0, best=0.5, init=1.0), gap(math.nan, best=0.5, init=1.0)
    (1.0, 1.0)
    """
    if not math.isfinite(loss):
        return 1.0
    return min(1.0, max(0.0, (loss - best) / (init - best)))


@dataclass(frozen=True)
class Truth:
    """What the grid says about one combination."""

    init: float
    losses: Mapping[float, float]  # LR to mean loss over the seeds

    @classmethod
    def of(cls, fits: Mapping[float, Sequence[Mapping[str, float]]]) -> Truth:
        """From the fits of each LR, one for each seed."""
        inits = [found["init"] for each in fits.values() for found in each]
        return cls(
            statistics.fmean(inits),
            {lr: mean([found["loss"] for found in each]) for lr, each in fits.items()},
        )

    @property
    def best_lr(self) -> float:
        """The LR of the grid with the lowest mean loss."""
        return min(self.losses, key=lambda lr: self.losses[lr])

    @property
    def best(self) -> float:
        """The lowest mean loss."""
        return self.losses[self.best_lr]

    def gap(self, loss: float) -> float:
        """The gap of one training."""
        return gap(loss, self.best, self.init)

    def near(self, within: float = 0.02) -> tuple[float, float]:
        """The LRs around the best one from which the gap is at most so much."""
        lrs = sorted(self.losses)
        low = high = lrs.index(self.best_lr)
        while low > 0 and self.gap(self.losses[lrs[low - 1]]) <= within:
            low -= 1
        while high + 1 < len(lrs) and self.gap(self.losses[lrs[high + 1]]) <= within:
            high += 1
        return lrs[low], lrs[high]


def mean(losses: Sequence[float]) -> float:
    """Mean, or inf where one is not finite."""
    return statistics.fmean(losses) if all(map(math.isfinite, losses)) else math.inf


@dataclass(frozen=True)
class Verdict:
    """One rule on one combination: what it suggested, and what that was worth."""

    truth: Truth
    answers: Sequence[Answer]  # one for each seed
    losses: Sequence[float]  # one for each LR that was suggested

    @property
    def lrs(self) -> list[float]:
        """The LRs that were suggested; a seed without one has none."""
        return [answer.lr for answer in self.answers if answer.lr is not None]

    @property
    def gap(self) -> float | None:
        """Mean gap over the seeds that had a suggestion; None where none had."""
        gaps = [self.truth.gap(loss) for loss in self.losses]
        return statistics.fmean(gaps) if gaps else None

    @property
    def offsets(self) -> list[float]:
        """Decades from the best LR of the grid to each suggestion."""
        return [math.log10(lr / self.truth.best_lr) for lr in self.lrs]

    @property
    def spread(self) -> float | None:
        """Decades from the lowest to the highest suggestion of the seeds."""
        return max(self.offsets) - min(self.offsets) if len(self.lrs) > 1 else None


@dataclass(frozen=True)
class Score:
    """One rule on all combinations; figures are NaN where it answered nowhere.

    A combination without a suggestion has no gap and is in no mean; it is not within
    2 % or 5 % either.
    """

    name: str
    kind: str
    verdicts: Mapping[Combination, Verdict] = field(default_factory=dict)
    missing: str = ""  # why it could not be run

    @property
    def gaps(self) -> list[float]:
        """The gap of each combination that has one."""
        return [v.gap for v in self.verdicts.values() if v.gap is not None]

    def within(self, limit: float) -> int:
        """How many combinations have at most that gap."""
        return sum(gap <= limit for gap in self.gaps)

    def quantile(self, share: float) -> float:
        """Quantile of the gaps: linear between two of them, as numpy has it."""
        return float(np.quantile(self.gaps, share)) if self.gaps else math.nan

    @property
    def mean(self) -> float:
        """Mean gap."""
        return statistics.fmean(self.gaps) if self.gaps else math.nan

    @property
    def distance(self) -> float:
        """Median over the combinations of the mean |decades| from the best grid LR."""
        found = [v.offsets for v in self.verdicts.values() if v.offsets]
        means = [statistics.fmean(map(abs, offsets)) for offsets in found]
        return statistics.median(means) if means else math.nan

    @property
    def spreads(self) -> list[float]:
        """The spread of each combination that has one."""
        return [v.spread for v in self.verdicts.values() if v.spread is not None]

    @property
    def refusals(self) -> dict[str, int]:
        """Reason to how many seeds of all combinations had none for it."""
        found: dict[str, int] = {}
        for verdict in self.verdicts.values():
            for answer in verdict.answers:
                if answer.lr is None:
                    found[answer.reason] = found.get(answer.reason, 0) + 1
        return found

    @property
    def asked(self) -> int:
        """How many suggestions were asked for."""
        return sum(len(verdict.answers) for verdict in self.verdicts.values())


def truths(plan: Plan, store: Store) -> dict[Combination, Truth]:
    """The truth about each combination."""
    return {
        combination: Truth.of({
            lr: [store[job.key] for job in plan.fits(combination, lr)]
            for lr in plan.lrs
        })
        for combination in plan.combinations
    }  # fmt: skip


def score(
    rule: Rule,
    answers: Mapping[Place, Answer],
    known: Mapping[Combination, Truth],
    plan: Plan,
    store: Store,
) -> Score:
    """What a rule's answers were worth."""
    verdicts = {}
    for combination in plan.combinations:
        mine = [answers[combination, seed] for seed in range(plan.seeds)]
        losses = [
            store[plan.fit(combination, seed, answer.lr).key]["loss"]
            for seed, answer in enumerate(mine)
            if answer.lr is not None
        ]
        verdicts[combination] = Verdict(known[combination], mine, losses)
    return Score(rule.name, rule.kind, verdicts)
