"""The notebooks run, and what they compare is compared fairly."""

import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
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
        }
    )
)
"""


def read(name="one_cycle"):
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


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


def test_a_pick_by_hand_is_kept():
    notebook = read()
    pick = notebook.cells.index(cell_with(notebook, "if finder.lr is None"))
    by_hand = new_code_cell("finder.lr = 0.1")
    show = new_code_cell("print(finder.lr)")
    notebook.cells[pick:] = [by_hand, notebook.cells[pick], show]
    NotebookClient(notebook, timeout=120).execute()
    assert printed(show) == "0.1\n"


# Fine-tuning --------------------------------------------------------------------------

TUNED = """
import json

convolutions = [f"0.{i}.{kind}" for i in (0, 3, 7) for kind in ("weight", "bias")]
print(
    json.dumps(
        {
            "curves": {name: len(curve) for name, curve in finder.curves.items()},
            "convolutions": [name for name in convolutions if name in before],
            "frozen_moved": moved(before, after_frozen),
            "all_moved": moved(after_frozen, model.state_dict()),
            "weights": sorted(before),
            "picks": [frozen_lr, free_lr],
            "at_once": len(at_once.history.epochs),
            "results": results.to_dict("records"),
        }
    )
)
"""


@pytest.fixture(scope="module")
def tuned():
    notebook = read("fine_tune")
    notebook.cells.append(new_code_cell(TUNED))
    NotebookClient(notebook, timeout=300).execute()
    return json.loads(printed(notebook.cells[-1]))


def test_fine_tuning_finds_twice_and_compares_the_two_curves(tuned):
    assert [*tuned["curves"]] == ["frozen", "unfrozen"]
    assert min(tuned["curves"].values()) >= 50
    assert all(1e-6 < lr < 1 for lr in tuned["picks"])


def test_the_frozen_fit_moves_no_convolution_and_the_other_moves_all(tuned):
    assert len(tuned["convolutions"]) == 6
    assert not {*tuned["convolutions"]} & {*tuned["frozen_moved"]}
    assert {"1.weight", "1.bias"} <= {*tuned["frozen_moved"]}
    assert sorted(tuned["all_moved"]) == tuned["weights"]


def test_fine_tuning_is_compared_with_training_from_scratch_on_the_same(tuned):
    rows = tuned["results"]
    methods = {row["method"] for row in rows}
    assert {"from scratch", "head only", "fine_tune, in one call"} < methods
    found = {(row["method"], row["examples"], row["seed"]) for row in rows}
    assert len(found) == len(rows) == len(methods) * 3 * 5
    assert all(0 < row["accuracy"] <= 1 for row in rows)
    assert tuned["at_once"] == 13
