"""Targets: what the issue asks of the rule, and whether it was found."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from .judge import Score
from .rules import FALL
from .suite import Findings


class Target(NamedTuple):
    """What is asked, what was found, and whether that will do."""

    asked: str
    found: str
    met: bool


def targets(findings: Findings) -> list[Target]:
    """Each target, for the rule that the widget suggests by."""
    fall, combinations = findings.score(FALL), len(findings.plan.combinations)
    worst, within = max(fall.gaps, default=math.nan), fall.within(0.05)
    alarms = findings.alarms
    return [
        Target("mean gap <= 0.011", f"{fall.mean:.4f}", fall.mean <= 0.011),
        Target("worst gap <= 0.05", f"{worst:.4f}", worst <= 0.05),
        Target(
            "32 of 33 within 5 %",
            f"{within} of {combinations}",
            within >= 32 / 33 * combinations,
        ),
        better("mean", fall, findings, lambda score: score.mean),
        better("p90", fall, findings, lambda score: score.quantile(0.9)),
        better("worst", fall, findings, lambda score: score.quantile(1.0)),
        Target(
            "no false alarm in 100 sweeps",
            f"{alarms.count} in {alarms.sweeps}",
            alarms.count == 0 and alarms.sweeps >= 100,
        ),
    ]


def better(
    name: str, fall: Score, findings: Findings, read: Callable[[Score], float]
) -> Target:
    """Below every classical rule in one figure."""
    others = {s.name: read(s) for s in findings.scores if s.kind == "classical"}
    best = min(others, key=lambda other: others[other])
    return Target(
        f"{name} below every classical rule's",
        f"{read(fall):.4f}, {best} {others[best]:.4f}",
        read(fall) < others[best],
    )
