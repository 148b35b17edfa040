"""The rule that is judged beside each of the others, combination by combination."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

import numpy as np

from .plan import Combination
from .rules import FALL
from .suite import Findings
from .table import table

#: Two gaps as close as this are equal.
NOISE = 0.003

BESIDE = """\
In how many combinations each rule is better than `fall`, worse, or equal: within 0.003,
by which the seeds alone move a gap. In brackets: the 90 % interval of the mean
difference, the tasks drawn anew. Where it holds 0, this suite does not tell the two
apart."""


def beside(findings: Findings) -> list[str]:
    """A row for each other rule: how often it is better, and where most."""
    fall = findings.score(FALL)
    rows = []
    for other in findings.scores:
        if other.missing or other.kind in {"ours", "reference"}:
            continue
        pairs = {
            combination: mine - theirs
            for combination, verdict in fall.verdicts.items()
            if (mine := verdict.gap) is not None
            and (theirs := other.verdicts[combination].gap) is not None
        }
        rows.append([other.name, *compared(pairs)])
    heads = "beside", "better", "worse", "equal", "mean gap less ours", "at its best"
    return table(heads, rows)


def compared(pairs: Mapping[Combination, float]) -> list[str]:
    """Cells about the combinations that both answer; a pair is our gap less theirs."""
    better = sum(more > NOISE for more in pairs.values())
    worse = sum(more < -NOISE for more in pairs.values())
    low, high = resampled(pairs)
    best = max(pairs, key=lambda combination: pairs[combination])
    return [
        *map(str, (better, worse, len(pairs) - better - worse)),
        f"{-statistics.fmean(pairs.values()):+.4f} [{low:+.4f}, {high:+.4f}]",
        f"{pairs[best]:.3f} better: {' / '.join(best)}" if pairs[best] > NOISE else "",
    ]


def resampled(
    pairs: Mapping[Combination, float], draws: int = 2000
) -> tuple[float, float]:
    """90 % interval of the mean, the tasks drawn anew: those of one are related."""
    by_task: dict[str, list[float]] = {}
    for (task, _), more in pairs.items():
        by_task.setdefault(task, []).append(-more)
    means = np.array([statistics.fmean(found) for found in by_task.values()])
    drawn = np.random.default_rng(0).integers(len(means), size=(draws, len(means)))
    low, high = np.quantile(means[drawn].mean(1), [0.05, 0.95])
    return float(low), float(high)
