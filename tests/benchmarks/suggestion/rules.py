"""Rules: where the suggestions come from that are judged."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lr_widget import Curve, Point
from lr_widget.divergence import Divergence
from lr_widget.fall import fall

from .finders import FINDERS, Finder
from .jobs import Job
from .plan import Combination, Plan
from .store import Store


class Answer(NamedTuple):
    """A learning rate, or why there is none."""

    lr: float | None
    reason: str = ""


def judged(lr: float | None, reason: str) -> Answer:
    """An answer that can be trained with: finite and above 0."""
    if lr is None:
        return Answer(None, reason or "none")
    if not (math.isfinite(lr) and lr > 0):
        return Answer(None, f"gave {lr!r}")
    return Answer(float(lr))


def swept(found: dict[str, list[float]]) -> Curve:
    """The part of a sweep up to where the widget would have stopped it."""
    divergence, curve = Divergence(), Curve(num_iter=len(found["lrs"]))
    for step, (lr, loss) in enumerate(zip(found["lrs"], found["losses"], strict=True)):
        curve.append(Point(step, lr, loss))
        if divergence.update(loss):
            break
    return curve


def by_fall(curve: Curve, train_steps: int | None = None) -> Answer:
    """The rule that the widget suggests by."""
    found = fall(
        np.asarray(curve.lrs), np.asarray(curve.losses), curve.num_iter, train_steps
    )
    return judged(found.lr, found.reason)


@dataclass(frozen=True)
class Rule:
    """A row of the table: a name, what must be measured first, and how it answers."""

    name: str
    kind: str  # "ours", "classical", "rival", "constant"
    needs: Callable[[Plan, Combination, int], list[Job]]
    read: Callable[[Plan, Combination, int, Store], Answer]
    missing: str = ""

    def answers(self, plan: Plan, store: Store, seeds: int) -> dict[Place, Answer]:
        """Its answer for each combination and seed."""
        return {
            (combination, seed): self.read(plan, combination, seed, store)
            for combination in plan.combinations
            for seed in range(seeds)
        }


Place = tuple[Combination, int]


def on_sweep(name: str, kind: str, read: Callable[[Curve], Answer]) -> Rule:
    """A rule that reads our sweeps."""
    return Rule(
        name,
        kind,
        lambda plan, combination, seed: [plan.sweep(combination, seed)],
        lambda plan, combination, seed, store: read(
            swept(store[plan.sweep(combination, seed).key])
        ),
    )


def classical(name: str) -> Rule:
    """One of the four rules after fastai, on a moving average of our sweeps."""
    return on_sweep(
        name,
        "classical",
        lambda curve: judged(curve.suggestions(0.98)[name], "the curve is too short"),
    )


def another(finder: Finder) -> Rule:
    """A finder of another package, with its own sweep."""

    def job(plan: Plan, combination: Combination, seed: int) -> Job:
        return Job(finder.name, *combination, seed, plan.sweep_steps)

    def read(plan: Plan, combination: Combination, seed: int, store: Store) -> Answer:
        return judged(*(store[job(plan, combination, seed).key][k] for k in KEYS))

    return Rule(
        finder.name,
        "rival",
        lambda *where: [job(*where)],
        read,
        finder.missing,
    )


KEYS = ("lr", "reason")

#: What many people start from: an LR for each optimizer.
USUAL = {"sgd": 1e-1, "adam": 1e-3, "adamw": 1e-3}


def constant() -> Rule:
    """The usual LR of the optimizer, without any sweep."""
    return Rule(
        "constant .1 / .001",
        "constant",
        lambda *_where: [],
        lambda plan, combination, _seed, _store: Answer(
            min(plan.lrs, key=lambda lr: abs(math.log(lr / USUAL[combination[1]])))
        ),
    )


#: As the table names the rule that is judged, and as it knows how long the fit is.
FALL, BUDGETED = "fall", "fall, steps known"


def rules(plan: Plan) -> list[Rule]:
    """Every row, ours first."""
    ours = [on_sweep(FALL, "ours", by_fall)]
    if plan.steps > 300:
        ours.append(
            on_sweep(BUDGETED, "ours", lambda curve: by_fall(curve, plan.steps))
        )
    classics = [classical(name) for name in ("minimum", "steepest", "valley", "slide")]
    rivals = [another(finder) for finder in FINDERS.values()]
    return [*ours, *classics, *rivals, constant()]
