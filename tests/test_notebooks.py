"""The notebooks that compare: they run, and what they compare is compared fairly."""

import json
import math
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
ONE_CYCLE, FINE_TUNE = NOTEBOOKS / "one_cycle.ipynb", NOTEBOOKS / "fine_tune.ipynb"
METHODS = {
    "one-cycle, picked",
    "one-cycle, tuned",
    "step decay, tuned",
    "constant, tuned",
    "one-cycle AdamW, picked",
    "Adam, tuned constant",
    "Adam 3e-4",
}
FACTS = """
import json

print(
    json.dumps(
        {
            "lr": finder.lr,
            "range": [finder.start_lr, finder.end_lr],
            "rows": [train.tolist(), valid.tolist(), test.tolist()],
            "seeds": [*SEEDS],
            "tuning_seeds": [*TUNING_SEEDS],
            "budgets": BUDGETS,
            "targets": TARGETS,
            "costs": costs,
            "results": results.to_dict("records"),
            "ends": ends.to_dict("records"),
            "reached": reached.to_dict("records"),
            "rules": rules.to_dict("records"),
        }
    )
)
"""


FINE_TUNE_FACTS = """
import json

print(
    json.dumps(
        {
            "curves": {name: list(each.lrs) for name, each in finder.curves.items()},
            "picks": [frozen_lr, free_lr],
            "frozen now": finder.task.frozen,
            "moved frozen": moved(before, after_frozen),
            "moved unfrozen": moved(after_frozen, model.state_dict()),
            "weights": [name for name, _ in model.named_parameters()],
            "norms": [
                f"{name}."
                for name, module in model.named_modules()
                if isinstance(module, nn.BatchNorm2d)
            ],
            "fit": by_slice.to_dict("records"),
            "fit again": finder.history.epochs_to_frame().to_dict("records"),
            "at once": at_once.history.epochs_to_frame().to_dict("records"),
            "rows": [*map(list, (old_train, old_valid, pool, held_out))],
            "sizes": SIZES,
            "rules": RULES,
            "seeds": [*SEEDS],
            "results": results.to_dict("records"),
        },
        default=int,
    )
)
"""


def read(path=ONE_CYCLE):
    return nbformat.read(path, as_version=4)


def cell_with(notebook, text):
    (found,) = (c for c in notebook.cells if c.cell_type == "code" and text in c.source)
    return found


def printed(cell):
    return "".join(out.text for out in cell.outputs if out.output_type == "stream")


def kinds(cell):
    return {kind for out in cell.outputs for kind in out.get("data", ())}


@pytest.fixture(scope="module")
def executed():
    notebook = read()
    notebook.cells.append(new_code_cell(FACTS))
    NotebookClient(notebook, timeout=300).execute()
    return notebook


@pytest.fixture(scope="module")
def facts(executed):
    return json.loads(printed(executed.cells[-1]))


def test_the_notebook_shows_the_widget_two_figures_and_its_tables(executed):
    widget = cell_with(executed, "\nfinder = LRFinder(")
    assert "image/svg+xml" in kinds(widget)
    assert "lr=" in widget.outputs[-1].data["text/plain"]
    shown = [kinds(cell) for cell in executed.cells if cell.cell_type == "code"]
    assert sum("image/png" in each for each in shown) == 1 + 2
    assert sum("text/html" in each for each in shown) == 5
    assert not any(
        out.get("name") == "stderr"
        for cell in executed.cells
        for out in cell.get("outputs", ())
    )


def test_the_scripted_pick_is_within_the_range_of_the_test(facts):
    low, high = facts["range"]
    assert low < facts["lr"] < high


def test_what_is_reported_on_has_had_no_part_in_training_or_tuning(facts):
    parts = [set(rows) for rows in facts["rows"]]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 1797
    assert len(facts["seeds"]) >= 5
    assert not set(facts["seeds"]) & set(facts["tuning_seeds"])


def test_every_method_has_every_seed_at_every_budget(facts):
    assert {(row["method"], row["seed"], row["budget"]) for row in facts["ends"]} == {
        (method, seed, budget)
        for method in METHODS
        for seed in facts["seeds"]
        for budget in facts["budgets"]
    }
    assert len(facts["ends"]) == len(METHODS) * len(facts["seeds"]) * len(
        facts["budgets"]
    )
    shares = [row["accuracy"] for row in facts["results"] + facts["ends"]]
    assert all(0 < share <= 1 for share in shares)


def test_a_fit_counts_as_arrived_where_its_accuracy_is_that_high(facts):
    """Counted again, from the raw records and one by one."""
    targets = {f"{target:.0%}": target for target in facts["targets"]}
    one_fit = {"constant, tuned", "Adam, tuned constant", "Adam 3e-4"}
    for row in facts["reached"]:
        looks = facts["results"] if row["method"] in one_fit else facts["ends"]
        name = row["method"].replace("constant, at budgets only", "constant, tuned")
        steps = [
            look.get("step", look["budget"])
            for look in looks
            if (look["method"], look["seed"]) == (name, row["seed"])
            and look["accuracy"] >= targets[row["accuracy"]]
        ]
        assert row["steps"] == min(steps, default=float("inf"))


def test_the_cost_of_tuning_is_that_of_all_its_runs(facts):
    costs = {name: cost[2:] for name, cost in facts["costs"].items()}
    runs, steps = costs.pop("one-cycle, picked")
    assert runs == 1
    assert steps <= 200
    assert all(runs > 1 and steps == 200 * runs for runs, steps in costs.values())


def test_every_rule_is_tried_at_the_range_test_of_every_seed(facts):
    """With the same fits; where `fall` has none its rivals are counted apart."""
    found = facts["rules"]
    names = {"fall", "minimum", "steepest", "valley", "slide"}
    assert sorted((r["optimizer"], r["rule"], r["seed"]) for r in found) == sorted(
        (optimizer, rule, seed)
        for optimizer in ("SGD", "AdamW")
        for rule in names
        for seed in facts["seeds"]
    )
    none = {
        (r["optimizer"], r["seed"])
        for r in found
        if r["rule"] == "fall" and math.isnan(r["lr"])
    }
    for row in found:
        assert row["refused"] == ((row["optimizer"], row["seed"]) in none)
        assert math.isnan(row["accuracy"]) == math.isnan(row["lr"])
        assert math.isnan(row["lr"]) or row["lr"] > 0


def test_a_pick_by_hand_is_kept():
    notebook = read()
    pick = notebook.cells.index(cell_with(notebook, "if finder.lr is None"))
    by_hand = new_code_cell("finder.lr = 0.1")
    show = new_code_cell("print(finder.lr)")
    notebook.cells[pick:] = [by_hand, notebook.cells[pick], show]
    NotebookClient(notebook, timeout=120).execute()
    assert printed(show) == "0.1\n"


@pytest.fixture(scope="module")
def fine_tuned():
    notebook = read(FINE_TUNE)
    notebook.cells.append(new_code_cell(FINE_TUNE_FACTS))
    NotebookClient(notebook, timeout=300).execute()
    return notebook


@pytest.fixture(scope="module")
def tuning(fine_tuned):
    return json.loads(printed(fine_tuned.cells[-1]))


def test_the_two_range_tests_of_fine_tuning_stand_in_one_chart(fine_tuned, tuning):
    assert list(tuning["curves"]) == ["frozen", "unfrozen"]
    assert all(len(lrs) >= 10 for lrs in tuning["curves"].values())
    for lr, lrs in zip(tuning["picks"], tuning["curves"].values(), strict=True):
        assert lrs[0] < lr < lrs[-1]
    chart = cell_with(fine_tuned, 'range_test(name="unfrozen")')
    assert {"image/svg+xml", "image/png"} <= kinds(chart)
    picture = "".join(chart.outputs[-1].data["image/svg+xml"])
    assert all(f">{name}<" in picture for name in tuning["curves"])
    assert "image/png" in kinds(cell_with(fine_tuned, "plt.subplots"))
    assert not any(
        out.get("name") == "stderr"
        for cell in fine_tuned.cells
        for out in cell.get("outputs", ())
    )


def test_the_frozen_body_of_the_notebook_moves_only_once_it_is_unfrozen(tuning):
    norms = tuple(tuning["norms"])
    body = {
        name
        for name in tuning["weights"]
        if name.startswith("0.") and not name.startswith(norms)
    }
    head = {name for name in tuning["weights"] if name.startswith("1.")}
    assert body
    assert not body & set(tuning["moved frozen"])
    assert head <= set(tuning["moved frozen"])
    assert body | head <= set(tuning["moved unfrozen"])
    assert tuning["frozen now"] == []


def test_the_tables_of_the_notebook_on_fine_tuning_are_complete(tuning):
    epochs = [len(tuning[fit]) for fit in ("fit", "fit again", "at once")]
    assert epochs == [10, 10, 3 + 10]
    methods = {row["method"] for row in tuning["results"]}
    assert len(methods) == 6
    assert tuning["rules"][0] == "fall"
    assert sorted(
        (row["rule"], row["method"], row["examples"], row["seed"])
        for row in tuning["results"]
    ) == sorted(
        (rule, method, size, seed)
        for rule in tuning["rules"]
        for method in methods
        for size in tuning["sizes"]
        for seed in tuning["seeds"]
    )
    for table in ("results", "fit", "fit again", "at once"):
        assert all(0 < row["accuracy"] <= 1 for row in tuning[table])


def test_what_fine_tuning_is_reported_on_has_trained_nothing(tuning):
    parts = [set(rows) for rows in tuning["rows"]]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 1797
