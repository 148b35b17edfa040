"""The suite: measure what is missing, and judge every rule."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .jobs import Job, done
from .judge import Score, Truth, score, truths
from .plan import Combination, Plan
from .rules import FALL, Answer, Place, Rule, rules
from .store import Store

#: Shown beside the rules: what the seeds alone make of the best LR there is.
REFERENCE = Rule("best LR of the grid", "reference", lambda *_: [], lambda *_: NONE)
NONE = Answer(None, "not a rule")


@dataclass(frozen=True)
class Alarms:
    """How often the rule that is judged refused a good sweep."""

    sweeps: int
    refusals: Mapping[str, int]  # by task, optimizer and reason

    @property
    def count(self) -> int:
        """All refusals."""
        return sum(self.refusals.values())


@dataclass(frozen=True)
class Findings:
    """All that one plan came to."""

    plan: Plan
    truth: Mapping[Combination, Truth]
    scores: Sequence[Score]
    alarms: Alarms
    trained: int  # how much had to be measured now
    seconds: Mapping[str, float]  # CPU, by kind of job, whenever it was measured

    def score(self, name: str) -> Score:
        """That of one rule."""
        return next(score for score in self.scores if score.name == name)


def run(plan: Plan, store: Store, processes: int) -> Findings:
    """Measure what the store has not, and judge."""
    entered = rules(plan)
    present = [rule for rule in entered if not rule.missing]
    jobs = needed(plan, present)
    trained = measure("truth, sweeps and finders", jobs, store, processes)
    known = truths(plan, store)
    answers = {rule.name: rule.answers(plan, store, plan.seeds) for rule in present}
    answers[REFERENCE.name] = at_best(plan, known)
    asked = suggestions(plan, answers)
    trained += measure("suggestions", asked, store, processes)
    scores = [
        Score(rule.name, rule.kind, missing=rule.missing)
        if rule.missing
        else score(rule, answers[rule.name], known, plan, store)
        for rule in [*entered, REFERENCE]
    ]
    judged = next(rule for rule in present if rule.name == FALL)
    found = alarms(judged.answers(plan, store, plan.sweep_seeds))
    spent = cost([*jobs, *asked], store)
    return Findings(plan, known, scores, found, trained, spent)


def needed(plan: Plan, present: Sequence[Rule]) -> list[Job]:
    """The truth, our sweeps, and what each rule reads."""
    return [
        *plan.truth(),
        *plan.sweeps(),
        *(
            job
            for rule in present
            for combination in plan.combinations
            for seed in range(plan.seeds)
            for job in rule.needs(plan, combination, seed)
        ),
    ]


def at_best(plan: Plan, known: Mapping[Combination, Truth]) -> dict[Place, Answer]:
    """The best LR of the grid, as if a rule had suggested it."""
    return {
        (combination, seed): Answer(known[combination].best_lr)
        for combination in plan.combinations
        for seed in range(plan.seeds)
    }


def measure(what: str, jobs: Sequence[Job], store: Store, processes: int) -> int:
    """Have the store hold the jobs; how many it had not."""
    print(f"{what} ...", file=sys.stderr, flush=True)
    return done(jobs, store, processes)


def suggestions(plan: Plan, answers: Mapping[str, Mapping[Place, Answer]]) -> list[Job]:
    """A fit for each suggestion, with the seed whose sweep it was read from."""
    return [
        plan.fit(combination, seed, answer.lr)
        for found in answers.values()
        for (combination, seed), answer in found.items()
        if answer.lr is not None
    ]


def alarms(answers: Mapping[Place, Answer]) -> Alarms:
    """The refusals: every task of the suite can be learnt, so each is a false alarm."""
    refusals: dict[str, int] = {}
    for ((task, optimizer), _seed), answer in answers.items():
        if answer.lr is None:
            name = f"{task} / {optimizer}: {answer.reason}"
            refusals[name] = refusals.get(name, 0) + 1
    return Alarms(len(answers), refusals)


def cost(jobs: Sequence[Job], store: Store) -> dict[str, float]:
    """CPU seconds of fits, of our sweeps, and of other packages' finders."""
    spent = {"fits": 0.0, "sweeps": 0.0, "finders": 0.0}
    for job in dict.fromkeys(jobs):
        kind = {"fit": "fits", "sweep": "sweeps"}.get(job.kind, "finders")
        spent[kind] += store[job.key]["seconds"]
    return spent
