"""The suite of LR suggestions; what it finds is nobody's promise here."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from benchmarks import rivals
from benchmarks.suggestion import finders, training
from benchmarks.suggestion.beside import compared
from benchmarks.suggestion.finders import FINDERS, Finder, suggested
from benchmarks.suggestion.jobs import Job, done
from benchmarks.suggestion.judge import Score, Truth, Verdict, gap
from benchmarks.suggestion.page import row, rules_table
from benchmarks.suggestion.plan import LONG, SHORT, Plan
from benchmarks.suggestion.rules import Answer, another, judged, rules, swept
from benchmarks.suggestion.store import Store, bare
from benchmarks.suggestion.suite import Alarms, Findings
from benchmarks.suggestion.targets import targets
from benchmarks.suggestion.tasks import (
    OPTIMIZERS,
    SUBJECTS,
    digits,
    noisy_digits,
    turned_digits,
)
from benchmarks.suggestion.training import fit

ROOT = Path(__file__).parents[1]

# The whole ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """What two short runs with one cache have written: said, record and page."""
    folder = tmp_path_factory.mktemp("suggestion")
    files = ["--json", str(folder / "x.json"), "--markdown", str(folder / "x.md")]
    command = [sys.executable, "-m", "tests.benchmarks.suggestion", "--short", *files]
    command += ["--cache", str(folder / "cache"), "--processes", "1"]
    runs = []
    for _ in range(2):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        (record,) = json.loads((folder / "x.json").read_text("utf-8"))
        runs.append((done.stdout, record, (folder / "x.md").read_text("utf-8")))
    return runs


def test_a_short_run_has_a_row_for_every_rule_with_figures_or_a_reason(short):
    printed, record, page = short[0]
    names = [rule.name for rule in rules(SHORT)]
    assert [found["name"] for found in record["rules"][:-1]] == names
    assert names[0] == "fall"
    assert {"minimum", "steepest", "valley", "slide", *FINDERS} < set(names)
    for found in record["rules"]:
        assert found["name"] in printed
        assert found["name"] in page
        answered = [c for c in found["combinations"].values() if c["gap"] is not None]
        assert answered or found["missing"] or found["refusals"], found["name"]
        assert all(0 <= combination["gap"] <= 1 for combination in answered)


def test_a_second_run_trains_nothing_and_says_the_same(short):
    (_, first, page), (_, second, again) = short
    trained = first.pop("trained"), second.pop("trained")
    assert trained[0] > len(SHORT.lrs) * len(SHORT.combinations)
    assert trained[1] == 0
    assert first == second
    assert page == again


def test_a_short_run_judges_every_target_and_says_that_it_means_nothing(short):
    printed, record, page = short[0]
    assert len(record["targets"]) == 7
    missed = sum(not target["met"] for target in record["targets"])
    assert page.count("**MISSED**") == missed
    assert missed >= 1  # two sweeps are not a hundred
    assert "the figures mean nothing" in printed


def test_the_suite_is_as_large_as_the_issue_asks():
    plan = Plan()
    assert (len(plan.tasks), len(plan.combinations), plan.seeds) == (11, 33, 3)
    assert len(plan.lrs) == 16
    assert (plan.lrs[0], plan.lrs[-1]) == pytest.approx((1e-5, 10))
    assert len({*plan.truth()}) == 33 * 16 * 3
    assert len({*plan.sweeps()}) >= 100
    assert plan.steps == 300
    assert (LONG.steps, len(LONG.combinations)) == (1000, 12)


# The gap ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "share"),
    [
        (0.5, 0.0),
        (0.55, 0.1),
        (0.4, 0.0),  # better than the best of the grid
        (1.0, 1.0),
        (7.0, 1.0),
        (math.inf, 1.0),
        (math.nan, 1.0),
        (-math.inf, 1.0),
    ],
)
def test_a_gap_is_a_share_of_what_the_best_lr_gains_and_1_where_it_blew_up(loss, share):
    assert gap(loss, best=0.5, init=1.0) == pytest.approx(share)


#: Three LRs, two seeds; the highest blows up with one of them.
TRUTH = Truth.of({
    0.01: [{"init": 1.0, "loss": 0.6}, {"init": 1.2, "loss": 0.4}],
    0.1: [{"init": 1.0, "loss": 0.2}, {"init": 1.2, "loss": 0.0}],
    1.0: [{"init": 1.0, "loss": 0.0}, {"init": 1.2, "loss": math.inf}],
})  # fmt: skip


def test_the_truth_is_the_mean_over_the_seeds_and_infinite_where_one_seed_is():
    assert TRUTH.init == pytest.approx(1.1)
    assert TRUTH.losses == {0.01: 0.5, 0.1: pytest.approx(0.1), 1.0: math.inf}
    assert TRUTH.best_lr == 0.1
    assert TRUTH.gap(0.2) == pytest.approx(0.1)


def test_the_lrs_near_the_best_one_end_where_the_gap_is_larger():
    losses = {1e-3: 0.1, 1e-2: 0.5, 0.1: 0.11, 1.0: 0.1, 10.0: 0.12, 100.0: 0.13}
    truth = Truth(1.1, losses)
    assert truth.near(0.02) == (1e-3, 1e-3)
    assert Truth(1.1, {**losses, 1.0: 0.09}).near(0.03) == (0.1, 10.0)


def test_a_rules_gap_is_the_mean_of_those_seeds_that_had_a_suggestion():
    answers = [Answer(0.1), Answer(None, "flat"), Answer(10.0)]
    verdict = Verdict(TRUTH, answers, [0.1, math.inf])
    assert verdict.gap == pytest.approx(0.5)
    assert verdict.offsets == pytest.approx([0.0, 2.0])
    assert verdict.spread == pytest.approx(2.0)
    assert Verdict(TRUTH, [Answer(None, "flat")] * 3, []).gap is None


def score(*losses, reasons=(), name="fall", kind="ours"):
    """A rule with one combination for each loss, and one refused for each reason."""
    verdicts = {
        (f"task {i}", "sgd"): Verdict(TRUTH, [Answer(0.2)], [loss])
        for i, loss in enumerate(losses)
    }
    for i, reason in enumerate(reasons):
        verdicts[f"refused {i}", "sgd"] = Verdict(TRUTH, [Answer(None, reason)], [])
    return Score(name, kind, verdicts)


def test_what_is_refused_is_counted_apart_and_is_within_nothing():
    found = score(0.1, 0.12, 0.6, reasons=["flat", "flat", "noise"])
    assert found.gaps == pytest.approx([0.0, 0.02, 0.5])
    assert found.mean == pytest.approx(0.52 / 3)
    assert (found.within(0.0201), found.within(0.05)) == (2, 2)
    assert found.quantile(1.0) == pytest.approx(0.5)
    assert found.quantile(0.9) == pytest.approx(0.02 + 0.8 * 0.48)
    assert found.distance == pytest.approx(math.log10(2))
    assert found.refusals == {"flat": 2, "noise": 1}
    cells = row(found)
    assert "2 of 6" in cells
    assert cells[-1] == "3 of 6 (2 flat; 1 noise)"


def test_a_rule_that_answers_nowhere_has_no_figures():
    found = score(reasons=["noise"])
    assert math.isnan(found.mean)
    assert math.isnan(found.quantile(0.5))
    assert row(found)[1] == "nan"


# The targets --------------------------------------------------------------------------


def findings(*scores, sweeps=100, refusals=()):
    """Findings with these scores, of as many combinations as the first has."""
    tasks = tuple(task for task, _ in scores[0].verdicts)
    plan = Plan(tasks=tasks, optimizers=("sgd",))
    alarms = Alarms(sweeps, dict.fromkeys(refusals, 1))
    return Findings(plan, {}, scores, alarms, 0, {})


def test_targets_are_met_by_a_rule_that_meets_them():
    classic = score(0.102, 0.12, name="minimum", kind="classical")
    worse = score(0.6, 0.6, name="slide", kind="classical")
    found = targets(findings(score(0.1, 0.11), classic, worse))
    assert [target.met for target in found] == [True] * 7


def test_every_target_can_be_missed():
    classic = score(0.1, 0.2, name="minimum", kind="classical")
    ours = score(0.2, 0.2, reasons=["flat"])
    found = targets(findings(ours, classic, refusals=["x"]))
    assert [target.met for target in found] == [False] * 7
    # Equal is not better, and 99 sweeps are not 100.
    found = targets(findings(score(0.1), score(0.1, kind="classical"), sweeps=99))
    assert [target.met for target in found] == [True] * 3 + [False] * 4


def test_beside_another_rule_what_seeds_move_is_equal():
    cells = compared({("a", "sgd"): 0.002, ("b", "sgd"): 0.5, ("c", "sgd"): -0.1})
    assert cells[:3] == ["1", "1", "1"]
    mean, low, high = (float(x) for x in re.findall(r"[+-][.\d]+", cells[3]))
    assert mean == pytest.approx((-0.002 - 0.5 + 0.1) / 3)
    assert -0.5 < low < mean < 0 < high < 0.1
    assert cells[4] == "0.500 better: b / sgd"


# What is trained ----------------------------------------------------------------------


@pytest.mark.parametrize("name", SUBJECTS)
def test_each_setup_of_a_seed_is_the_same_and_of_another_seed_another(name):
    setups = [SUBJECTS[name].setup("sgd", seed) for seed in (0, 0, 1)]
    weights = [next(setup.model.parameters()) for setup in setups]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    (one, _), (same, _), (other, _) = (next(iter(setup.loader)) for setup in setups)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert len(one) == SUBJECTS[name].batch_size


@pytest.mark.parametrize("name", SUBJECTS)
def test_every_task_can_be_learnt_and_its_training_repeats_bit_for_bit(name):
    found = fit(name, "adam", 0, 0.01, 40)
    assert found["loss"] < 0.95 * found["init"]
    assert found == fit(name, "adam", 0, 0.01, 40)


def test_training_samples_are_not_validation_samples():
    for split in digits(), turned_digits():
        rows = {tuple(image.tolist()) for image in split.train[0]}
        shared = sum(tuple(image.tolist()) in rows for image in split.valid[0])
        assert shared == 0


def test_a_third_of_the_noisy_labels_are_wrong_and_none_of_those_that_judge():
    wrong = noisy_digits().train[1] != digits().train[1]
    assert 0.3 < wrong.float().mean() < 0.4
    assert torch.equal(noisy_digits().valid[1], digits().valid[1])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_training_that_blows_up_has_no_finite_loss_and_a_gap_of_1(optimizer):
    found = fit("diabetes", optimizer, 0, 1e20, 30)
    assert gap(found["loss"], 0.5, found["init"]) == 1.0


# What is suggested --------------------------------------------------------------------


def test_a_sweep_is_cut_where_the_widget_would_have_stopped_it():
    lrs = [10 ** (-7 + 0.08 * i) for i in range(60)]
    losses = [1.0 - 0.01 * i for i in range(30)] + [math.nan] + [0.5] * 29
    curve = swept({"lrs": lrs, "losses": losses})
    assert (len(curve), curve.num_iter) == (31, 60)
    assert curve.lrs.tolist() == lrs[:31]


@pytest.mark.parametrize("lr", [math.nan, math.inf, 0.0, -1.0])
def test_an_lr_that_nothing_can_be_trained_with_is_no_suggestion(lr):
    assert judged(lr, "").lr is None
    assert judged(lr, "").reason


def test_a_finder_that_fails_gives_no_suggestion_but_its_reason(monkeypatch):
    def fail(setup, steps, folder):
        raise RuntimeError("too few points")

    monkeypatch.setitem(FINDERS, "x", Finder("x", "lightning", fail))
    assert suggested("x", "moons", "sgd", 0, 20) == {
        "lr": None,
        "reason": "RuntimeError: too few points",
    }


def test_a_finder_that_is_not_installed_is_a_row_that_says_so(monkeypatch):
    absent = rivals.Rival("no-such-finder", "no_such_finder", None)
    monkeypatch.setattr(finders, "RIVALS", (absent,))
    rule = another(Finder("x", "no-such-finder", None))
    assert rule.missing == "not installed"
    found = Score("x", "rival", missing=rule.missing)
    (line,) = rules_table(findings(score(), found))[3:]
    assert "| x | not installed |" in line


# The store ----------------------------------------------------------------------------


def test_what_was_measured_is_kept_at_once_and_a_broken_line_costs_only_itself(
    tmp_path,
):
    jobs = [Job("fit", "moons", "sgd", seed, 2, 0.1) for seed in range(3)]
    assert done(jobs[:2], Store(tmp_path)) == 2
    file = tmp_path / "measured.jsonl"
    whole = file.read_text("utf-8")
    file.write_text(whole[:-20], "utf-8")
    store = Store(tmp_path)
    assert [job.key in store for job in jobs] == [True, False, False]
    assert done(jobs, store) == 2
    again = Store(tmp_path)
    assert [job.key in again for job in jobs] == [True] * 3
    assert again[jobs[2].key]["loss"] == training.fit("moons", "sgd", 2, 0.1, 2)["loss"]


def test_two_processes_measure_what_one_does(tmp_path):
    jobs = [Job("fit", "moons", "adam", seed, 3, 0.1) for seed in range(4)]
    alone, both = Store(tmp_path / "alone"), Store(tmp_path / "both")
    assert done(jobs, alone, processes=1) == done(jobs, both, processes=2) == 4
    for job in jobs:
        assert both[job.key]["loss"] == alone[job.key]["loss"]


def test_the_store_forgets_what_other_code_or_another_lr_measured():
    job = Job("fit", "moons", "sgd", 0, 2, 0.1)
    assert job.key != Job("fit", "moons", "sgd", 0, 2, 0.2).key
    assert job.key.split()[-1] != Job("sweep", "moons", "sgd", 0, 2).key.split()[-1]
    assert bare("x = 1  # one\n") == bare('"""Says."""\nx = (1)') != bare("x = 2")
