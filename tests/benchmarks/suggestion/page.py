"""The page: what was asked, the tables, and where the rule is weak, as it comes out."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Iterable, Sequence
from importlib import metadata

import torch

from .beside import BESIDE, beside
from .finders import FINDERS
from .judge import Score, Verdict
from .plan import Combination
from .rules import BUDGETED, FALL
from .suite import Findings
from .table import table
from .targets import targets
from .tasks import SUBJECTS

HEADS = (
    *("rule", "gap: median", "mean", "p90", "worst", "within 2 %", "within 5 %"),
    *("distance", "spread", "no suggestion"),
)

ABOUT = """\
Which rule deserves trust? Each one reads a learning rate off a sweep of {sweep} steps.
Then the task is trained with it, for {steps} steps of torch's one cycle (`pct_start`
0.3). The final validation loss is compared with the best of {lrs} LRs, from
{low:.0e} to {high:.0e}, that were all trained too, with {seeds}.

- **gap** = (loss - best) / (initial loss - best), from 0 to 1, the mean over the seeds.
  0 is as good as the best LR of the grid. 1 is: learnt nothing, or blew up. `best` is
  the lowest mean of the grid, so it is slightly optimistic, for all rules alike.
- **distance**: decades between the suggestion and the best LR of the grid, the median
  of all combinations.
- **spread**: decades between the highest and the lowest suggestion of the seeds, the
  median and the largest of all combinations.
- **no suggestion**: how often, of all sweeps. Such a sweep has no gap, and is in no
  mean. A combination without any suggestion is not within 2 % or 5 % either. Every task
  here can be learnt, so a refusal is a false alarm.

`fall` is what the widget suggests by. `minimum`, `steepest`, `valley` and `slide` read
the same sweeps of ours, as the widget's classical rules do. The rest are other
packages' own finders, with their own sweeps, stop rules and defaults. `constant` is an
LR without any sweep: 0.1 for SGD, 0.001 for Adam and AdamW. The last row is the best LR
of the grid itself: what is left is the noise of the seeds."""

LIMITS = """\
- The tasks are small, the budget is {steps} steps, the schedule is one cycle. Nothing
  is said about large models or long trainings.
- A sweep shows the training loss of some hundred steps. It cannot show overfitting.
  Where the best LR is low because a small set overfits (diabetes, breast cancer with
  Adam), `fall` is too high, and so are most rules. More steps make that worse.
- Where the bottom of a curve is wide and uneven (Friedman's function with SGD: momentum
  lets the loss rise and fall again before it diverges), it stops at the left end: too
  low, where a fit that warms up stands the right end.
- Neither the band nor the repeat interval is judged here, only the one LR.
- A rule is judged by the final validation loss alone. A higher LR may be worth its risk
  where the training is long, and a lower one where a set is small and overfits."""

TARGETS = """\
For `fall`, at 300 steps. They were set by an earlier suite of the same description, on
which the constants of `fall` had been found: there it had a mean gap of 0.009, a worst
of 0.029, and 33 of 33 within 5 %. The tasks here were built anew from that description,
and nothing was adjusted to the rule since. So this is nearer to a test on unknown
tasks, without being one."""


def page(all_findings: Sequence[Findings], *, short: bool) -> str:
    """The whole page, as markdown."""
    first, *others = all_findings
    lines = [
        "# LR suggestions, judged by training",
        "",
        "Written by `python -m tests.benchmarks.suggestion --markdown`.",
    ]
    if short:
        lines += ["", "**A short run: the figures mean nothing.**"]
    lines += ["", about(first), "", "## Rules", "", *rules_table(first)]
    lines += ["", "## Targets", "", TARGETS, "", *verdicts(first)]
    lines += ["", "## What `fall` is not good at", "", *weak_spots(first)]
    lines += LIMITS.format(steps=first.plan.steps).splitlines()
    lines += ["", "## `fall` beside each of the others", "", BESIDE]
    lines += ["", *beside(first)]
    lines += ["", "## Combinations", "", *combinations(first)]
    for findings in others:
        lines += ["", f"## With {findings.plan.steps:,} steps", "", longer(findings)]
        lines += ["", *rules_table(findings), "", *combinations(findings)]
    lines += ["", "## What was run", "", *cost(all_findings)]
    return "\n".join([*lines, ""])


# Rules --------------------------------------------------------------------------------


def rules_table(findings: Findings) -> list[str]:
    """A row for each rule, those that could not be run with the reason."""
    return table(HEADS, [row(score) for score in findings.scores])


def row(score: Score) -> list[str]:
    """One rule's figures."""
    name = f"**`{score.name}`**" if score.kind == "ours" else score.name
    if score.missing:
        return [name, score.missing, *[""] * (len(HEADS) - 2)]
    count, spreads = len(score.verdicts), score.spreads
    refused = sum(score.refusals.values())
    reasons = "; ".join(f"{n} {reason}" for reason, n in score.refusals.items())
    quantiles = [score.quantile(0.5), score.mean, score.quantile(0.9)]
    return [
        name,
        *(f"{value:.4f}" for value in [*quantiles, score.quantile(1.0)]),
        *(f"{score.within(limit)} of {count}" for limit in (0.02, 0.05)),
        f"{score.distance:.2f}",
        f"{statistics.median(spreads):.2f} / {max(spreads):.2f}" if spreads else "",
        f"{refused} of {score.asked}" + (f" ({reasons})" if reasons else ""),
    ]


def verdicts(findings: Findings) -> list[str]:
    """The targets, and those that were missed said so."""
    rows = [
        [target.asked, target.found, "met" if target.met else "**MISSED**"]
        for target in targets(findings)
    ]
    return table(("target", "found", ""), rows)


# Where it is weak ---------------------------------------------------------------------


def weak_spots(findings: Findings) -> list[str]:
    """What the figures themselves say, as a list."""
    fall = findings.score(FALL)
    known = {c: v for c, v in fall.verdicts.items() if v.gap is not None}
    worst = sorted(known, key=lambda c: -(known[c].gap or 0.0))[:5]
    lines = ["- Its largest gaps: " + "; ".join(spot(c, known[c]) for c in worst) + "."]
    for optimizer in findings.plan.optimizers:
        mine = [v for (_, held), v in known.items() if held == optimizer]
        if not mine:
            continue
        gaps = [v.gap or 0.0 for v in mine]
        offset = statistics.median(statistics.fmean(v.offsets) for v in mine)
        lines.append(
            f"- With {optimizer}: mean gap {statistics.fmean(gaps):.4f}, worst"
            f" {max(gaps):.4f}; its suggestion lies {side(offset)} the best LR of the"
            " grid (median)."
        )
    alarms = findings.alarms
    if alarms.count:
        said = "; ".join(f"{n} x {name}" for name, n in alarms.refusals.items())
        lines.append(f"- It refused {alarms.count} of {alarms.sweeps} sweeps: {said}.")
    return lines


def spot(combination: Combination, verdict: Verdict) -> str:
    """One combination: its gap, and on which side of the best LR it was left."""
    offset = statistics.fmean(verdict.offsets)
    return f"{' / '.join(combination)} {verdict.gap:.3f} ({side(offset)} the best LR)"


def side(offset: float) -> str:
    """Decades as words: which side, and how far."""
    return f"{abs(offset):.2f} decades {'above' if offset > 0 else 'below'}"


# Combinations -------------------------------------------------------------------------


def combinations(findings: Findings) -> list[str]:
    """The gap of each rule on each combination, the truth first."""
    shown = [score for score in findings.scores if not score.missing]
    heads = ["task", "optimizer", "initial loss", "best loss", "best LR", "gap <= 2 %"]
    rows = []
    for combination in findings.plan.combinations:
        truth = findings.truth[combination]
        low, high = truth.near()
        gaps = [score.verdicts[combination].gap for score in shown]
        rows.append([
            *combination,
            f"{truth.init:.3f}",
            f"{truth.best:.4f}",
            f"{truth.best_lr:.1e}",
            f"{low:.1e} to {high:.1e}",
            *("none" if gap is None else f"{gap:.3f}" for gap in gaps),
        ])  # fmt: skip
    return table([*heads, *(score.name for score in shown)], rows)


def longer(findings: Findings) -> str:
    """What the second table is."""
    return (
        f"{len(findings.plan.tasks)} of the tasks with"
        f" {' and '.join(findings.plan.optimizers)}, {plural(findings.plan.seeds)}:"
        f" indicative, no more. `{BUDGETED}` is told how long the training will be, and"
        " suggests less for it. The classical rules and the finders cannot be told."
    )


# The rest -----------------------------------------------------------------------------


def about(findings: Findings) -> str:
    """What is asked, and how."""
    plan = findings.plan
    named = "".join(f"\n- {SUBJECTS[task].about}" for task in plan.tasks)
    said = ABOUT.format(
        sweep=plan.sweep_steps,
        steps=plan.steps,
        lrs=len(plan.lrs),
        low=min(plan.lrs),
        high=max(plan.lrs),
        seeds=plural(plan.seeds) + (" each" if plan.seeds > 1 else ""),
    )
    tasks = (
        f"The {len(plan.tasks)} tasks are of what scikit-learn and Python ship:\n"
        f"{named}\n\nEach is trained with {', '.join(plan.optimizers)}, which makes"
        f" {len(plan.combinations)} combinations.\nSGD has momentum 0.9, AdamW a"
        " weight decay of 0.01."
    )
    return f"{said}\n\n{tasks}"


def cost(all_findings: Sequence[Findings]) -> list[str]:
    """Versions, and what it took."""
    lines = [
        f"- Python {platform.python_version()}, torch {torch.__version__}, scikit-learn"
        f" {metadata.version('scikit-learn')}.",
        "- " + ", ".join(dict.fromkeys(versions())) + ".",
    ]
    for findings in all_findings:
        spent = ", ".join(f"{s / 60:.1f} {k}" for k, s in findings.seconds.items())
        total = sum(findings.seconds.values()) / 60
        steps = findings.plan.steps
        lines.append(f"- {steps:,} steps: {total:.1f} CPU minutes ({spent}).")
    return lines


def versions() -> Iterable[str]:
    """Each package whose finder is in the table, with its version or its absence."""
    for finder in FINDERS.values():
        yield f"{finder.package} {finder.version or finder.missing}"


def plural(seeds: int) -> str:
    """One seed, three seeds."""
    return "one seed" if seeds == 1 else f"{seeds} seeds"
