"""Plan: what is trained and swept, and with how many seeds and steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .jobs import Job
from .tasks import OPTIMIZERS, SUBJECTS

#: Task and optimizer.
Combination = tuple[str, str]


@dataclass(frozen=True)
class Plan:
    """How large the suite is."""

    tasks: tuple[str, ...] = tuple(SUBJECTS)
    optimizers: tuple[str, ...] = tuple(OPTIMIZERS)
    lrs: tuple[float, ...] = tuple(10 ** (0.4 * i - 5) for i in range(16))
    seeds: int = 3
    steps: int = 300
    sweep_steps: int = 100
    sweep_seeds: int = 10  # for the refusals: the first `seeds` are trained as well

    @property
    def combinations(self) -> list[Combination]:
        """Every task with every optimizer."""
        return [(task, held) for task in self.tasks for held in self.optimizers]

    def fits(self, combination: Combination, lr: float) -> list[Job]:
        """The truth about one LR: a fit for each seed."""
        return [self.fit(combination, seed, lr) for seed in range(self.seeds)]

    def fit(self, combination: Combination, seed: int, lr: float) -> Job:
        """One fit."""
        return Job("fit", *combination, seed, self.steps, lr)

    def truth(self) -> Iterator[Job]:
        """Every fit of the grid; seed by seed, so that a look is soon had at all."""
        for seed in range(self.seeds):
            for combination in self.combinations:
                for lr in self.lrs:
                    yield self.fit(combination, seed, lr)

    def sweep(self, combination: Combination, seed: int) -> Job:
        """One sweep of ours."""
        return Job("sweep", *combination, seed, self.sweep_steps)

    def sweeps(self) -> Iterator[Job]:
        """Every sweep of ours."""
        for seed in range(self.sweep_seeds):
            for combination in self.combinations:
                yield self.sweep(combination, seed)


#: Seconds: it shows that the suite runs, and its figures mean nothing.
SHORT = Plan(
    tasks=("moons", "wine"),
    optimizers=("sgd",),
    lrs=(1e-3, 1e-1, 10.0),
    seeds=1,
    steps=20,
    sweep_steps=60,
    sweep_seeds=1,
)

#: The budget's influence: fewer tasks, one seed, more than three times the steps.
LONG = Plan(
    tasks=(
        *("digits_mlp", "breast_cancer", "diabetes"),
        *("moons", "char_mlp", "noisy_digits"),
    ),
    optimizers=("sgd", "adamw"),
    seeds=1,
    steps=1000,
    sweep_seeds=1,
)
