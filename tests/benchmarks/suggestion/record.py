"""Record: the findings as plain lists and numbers, for a JSON file."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from .judge import Score, Truth
from .suite import Findings
from .targets import targets


def record(findings: Findings) -> dict[str, Any]:
    """All that one plan came to."""
    return {
        "plan": asdict(findings.plan),
        "trained": findings.trained,
        "seconds": dict(findings.seconds),
        "alarms": asdict(findings.alarms),
        "targets": [target._asdict() for target in targets(findings)],
        "truth": {" / ".join(c): truth(found) for c, found in findings.truth.items()},
        "rules": [rule(score) for score in findings.scores],
    }


def truth(found: Truth) -> dict[str, Any]:
    """The grid of one combination."""
    grid = [[lr, loss] for lr, loss in found.losses.items()]
    return {"init": found.init, "best_lr": found.best_lr, "grid": grid}


def rule(score: Score) -> dict[str, Any]:
    """One rule's figures, and what they were made of."""
    combinations = {
        " / ".join(c): {
            "gap": verdict.gap,
            "lrs": [answer.lr for answer in verdict.answers],
            "reasons": [answer.reason for answer in verdict.answers],
            "losses": list(verdict.losses),
        }
        for c, verdict in score.verdicts.items()
    }
    return {
        "name": score.name,
        "kind": score.kind,
        "missing": score.missing,
        "median": score.quantile(0.5),
        "mean": score.mean,
        "p90": score.quantile(0.9),
        "worst": score.quantile(1.0),
        "within_2": score.within(0.02),
        "within_5": score.within(0.05),
        "distance": score.distance,
        "refusals": score.refusals,
        "combinations": combinations,
    }
