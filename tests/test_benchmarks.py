"""The harness of the benchmarks; what it measures is nobody's promise here."""

import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from benchmarks import memory, overhead
from benchmarks.__main__ import BENCHMARKS, HEADLESS, main, run
from benchmarks.clock import Laps, interleaved, one_thread
from benchmarks.figure import Absent, Figure
from benchmarks.loops import Trial, bare, ours, recording
from benchmarks.machine import machine
from benchmarks.profile import place
from benchmarks.rivals import RIVALS, Rival
from benchmarks.subjects import CNN, MLP, TRANSFORMER
from benchmarks.table import Result, cells, markdown, number, text

import lr_widget

ROOT = Path(__file__).parents[1]


def test_a_benchmark_that_fails_is_a_row_and_keeps_back_no_other(monkeypatch):
    def fail(short):
        raise ZeroDivisionError("of no importance")

    monkeypatch.setattr(memory, "measure", fail)
    (row,) = run("memory", short=True).rows
    assert isinstance(row, Absent)
    assert "failed: ZeroDivisionError: of no importance" in row.reason


# The whole ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """What a short run without browser and GPU has written."""
    folder = tmp_path_factory.mktemp("benchmarks")
    files = ["--json", str(folder / "x.json"), "--markdown", str(folder / "x.md")]
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", *HEADLESS, "--short", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((folder / "x.json").read_text("utf-8"))
    return done.stdout, record, (folder / "x.md").read_text("utf-8")


@pytest.mark.browser
def test_a_short_run_in_the_browser_measures_what_watching_costs(tmp_path):
    path = tmp_path / "x.json"
    command = [sys.executable, "-m", "tests.benchmarks", "watching", "--short"]
    done = subprocess.run([*command, "--json", str(path)], cwd=ROOT, timeout=240)
    assert done.returncode == 0
    (found,) = json.loads(path.read_text("utf-8"))["benchmarks"]
    assert not found["absent"]
    units = {figure["unit"] for figure in found["figures"]}
    assert {"x bare", "us a step", "messages/s", "kB a frame", "ms"} <= units


def test_a_short_run_measures_every_benchmark_and_every_figure_is_a_number(short):
    _, record, _ = short
    assert [found["name"] for found in record["benchmarks"]] == list(HEADLESS)
    for found in record["benchmarks"]:
        assert found["title"], found["name"]
        assert found["figures"], found["name"]
        for figure in found["figures"]:
            assert math.isfinite(figure["value"]), figure
            assert figure["subject"]
            assert figure["who"]
            assert figure["unit"]
            assert (figure["met"] is None) == (figure["target"] is None)


def test_a_short_run_names_every_rival_with_a_figure_or_a_reason(short):
    printed, record, page = short
    rows = {found["name"]: found for found in record["benchmarks"]}
    for name in "overhead", "memory":
        figures = {figure["who"] for figure in rows[name]["figures"]}
        reasons = {row["who"]: row["reason"] for row in rows[name]["absent"]}
        for rival in RIVALS:
            assert rival.who in figures or reasons[rival.who], rival
            if rival.version is None:
                assert reasons[rival.who] == "not installed"
    assert all(rival.who in printed and rival.who in page for rival in RIVALS)


def test_a_short_run_judges_ours_against_the_targets_of_the_issue(short):
    _, record, _ = short
    targets = [
        (found["name"], figure["unit"], figure["target"])
        for found in record["benchmarks"]
        for figure in found["figures"]
        if figure["target"] is not None and figure["who"] == "lr_widget"
    ]
    assert targets == [
        ("overhead", "x bare", 1.05),
        ("overhead", "x bare", 1.01),
        ("memory", "x state", 1.01),
        ("memory", "MiB written", 0.0),
        ("memory", "x memcpy", 2.0),
        ("imports", "s", 0.3),
    ]


def test_a_short_run_describes_the_machine(short):
    printed, record, page = short
    assert record["short"] is True
    said = {"run": "short: the figures mean nothing"}
    assert record["machine"] == machine() | {"date": record["machine"]["date"]} | said
    assert record["machine"]["cores"] >= 1
    assert record["machine"]["packages"]["torch"] == torch.__version__
    assert record["machine"]["lr_widget"] == lr_widget.__version__
    assert set(record["machine"]["rivals"]) == {rival.package for rival in RIVALS}
    for words in record["machine"]["processor"], record["machine"]["Python"]:
        assert words in printed
        assert words in page


def test_a_sweep_of_ours_writes_no_byte_to_a_file(short):
    _, record, _ = short
    rows = next(r["figures"] for r in record["benchmarks"] if r["name"] == "memory")
    assert [row["value"] for row in rows if row["unit"] == "MiB written"] == [0.0]


def test_a_benchmark_that_is_not_there_is_said_to_be_absent():
    result = run("nothing", short=True)
    assert [row.reason for row in result.rows] == [
        "tests/benchmarks/nothing.py is not in this checkout"
    ]
    assert "not in this checkout" in text({}, [result])


def test_a_benchmark_that_cannot_measure_here_is_absent_with_its_reason(monkeypatch):
    monkeypatch.setattr(memory, "meminfo", lambda _name: 2**30)
    result = run("memory", short=False)
    assert result.record()["figures"] == []
    assert [row["reason"] for row in result.record()["absent"]] == [
        "needs 8 GiB of free memory, and 1.0 GiB are"
    ]


def test_a_name_that_is_no_benchmark_is_refused_with_those_that_are(capsys):
    with pytest.raises(SystemExit):
        main(["nothing"])
    said = capsys.readouterr().err
    assert all(name in said for name in BENCHMARKS)


# The rivals ---------------------------------------------------------------------------


def test_a_rival_that_is_not_installed_is_a_row_that_says_so(monkeypatch):
    other = Rival("no-such-finder", "no_such_finder", ours)
    monkeypatch.setattr(overhead, "RIVALS", (other,))
    entrants, absent = overhead.entrants(overhead.Race(MLP, 6, 1, 1.05))
    assert list(entrants) == [overhead.BARE, overhead.LEAST, overhead.OURS]
    (row,) = absent
    assert (row.who, row.reason) == ("no-such-finder", "not installed")


@pytest.mark.parametrize(
    ("sweep", "reason"),
    [
        (lambda setup, num_iter: bare(setup, num_iter + 1), "made 7 steps for 6"),
        (lambda setup, num_iter: lambda: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_rival_that_does_not_run_as_asked_is_a_row_that_says_why(
    monkeypatch, sweep, reason
):
    monkeypatch.setattr(overhead, "RIVALS", (Rival("torch", "torch", sweep),))
    entrants, absent = overhead.entrants(overhead.Race(MLP, 6, 1, 1.05))
    assert len(entrants) == 3
    assert [(row.who, reason in row.reason) for row in absent] == [
        (f"torch {torch.__version__}", True)
    ]


# What is timed ------------------------------------------------------------------------


@pytest.mark.parametrize("sweep", [bare, recording, ours])
def test_every_loop_makes_the_steps_asked_for_across_epochs(sweep):
    for num_iter in 6, 130:
        assert Trial.of(sweep, MLP.setup(num_iter), num_iter).steps == num_iter


def test_ours_makes_the_steps_of_the_bare_loop_on_the_same_batches():
    losses = recording(MLP.setup(20), 20)()
    assert [point.loss for point in ours(MLP.setup(20), 20)()] == pytest.approx(losses)


def test_the_subjects_are_as_large_as_the_tables_say():
    assert MLP.parameters == 2772
    assert CNN.parameters == 25_674
    assert 4.6e6 < TRANSFORMER.parameters < 5e6
    assert memory.parameters(memory.FULL) == "201M"


def test_each_setup_of_a_subject_is_the_same():
    one, other = CNN.setup(3), CNN.setup(3)
    for mine, its in zip(one.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(mine, its)
        assert mine is not its
    assert [
        x is y for (x, _), (y, _) in zip(one.loader, other.loader, strict=True)
    ] == [True] * 3


# The clock ----------------------------------------------------------------------------


class Clock:
    """A clock that goes on when it is told to, and a variant that tells it."""

    def __init__(self):
        self.time, self.order = 0.0, []

    def variant(self, name, *durations):
        left = list(durations)

        def prepare():
            self.time += 1000  # not timed

            def run():
                self.order.append(name)
                self.time += left.pop(0)

            return run

        return prepare


def test_the_clock_times_runs_and_not_what_prepares_them():
    clock = Clock()
    variants = {"a": clock.variant("a", 1, 5, 3), "b": clock.variant("b", 2, 2, 2)}
    (laps,) = interleaved(variants, 3, clocks=[lambda: clock.time])
    assert laps.seconds == {"a": [1, 5, 3], "b": [2, 2, 2]}


def test_two_clocks_time_the_same_runs():
    clock = Clock()
    clocks = [lambda: clock.time, lambda: clock.time / 2]
    one, other = interleaved({"a": clock.variant("a", 4, 6)}, 2, clocks=clocks)
    assert (one.seconds, other.seconds) == ({"a": [4, 6]}, {"a": [2, 3]})


def test_every_repetition_runs_every_variant_once_in_an_order_of_its_own():
    clock = Clock()
    variants = {name: clock.variant(name, *range(20)) for name in "abc"}
    interleaved(variants, 20, clocks=[lambda: clock.time])
    turns = ["".join(clock.order[i : i + 3]) for i in range(0, 60, 3)]
    assert {"".join(sorted(turn)) for turn in turns} == {"abc"}
    assert len(set(turns)) > 1


def test_a_ratio_is_the_median_of_those_within_each_repetition():
    laps = Laps({"bare": [1.0, 10.0, 2.0], "ours": [1.5, 11.0, 2.4]})
    assert laps.median("ours") == 2.4
    assert laps.ratios("ours", "bare") == pytest.approx([1.1, 1.2, 1.5])
    assert laps.ratio("ours", "bare") == pytest.approx(1.2)
    assert laps.spread("ours", "bare") == pytest.approx((1.15, 1.35))


def test_the_number_of_threads_is_put_back():
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


# The table ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "target", "at_least", "met", "words"),
    [
        (1.04, 1.05, False, True, "met"),
        (1.05, 1.05, False, True, "met"),
        (1.25, 1.05, False, False, "MISSED by 0.2"),
        (0.99, 0.98, True, True, "met"),
        (0.9, 0.98, True, False, "MISSED by 0.08"),
        (math.nan, 1.05, False, False, "MISSED by nan"),
        (9.0, None, False, None, ""),
    ],
)
def test_the_table_says_whether_a_target_is_met(value, target, at_least, met, words):
    figure = Figure("tiny MLP", "lr_widget", value, "x bare", target, at_least)
    assert figure.met is met
    assert cells(figure)[4] == words


def test_text_and_page_show_every_row_and_count_the_targets():
    rows = [
        Figure("tiny MLP", "lr_widget", 1.2, "x bare", 1.05, note="a | b"),
        Figure("tiny MLP", "bare loop", 0.5, "ms/step"),
        Absent("not installed", subject="tiny MLP", who="fastai"),
    ]
    result = Result("overhead", "Overhead", "How.", 1.0, rows)
    printed, page = text({"cores": 2}, [result]), markdown({"cores": 2}, [result])
    for words in "1.2 x bare", "<= 1.05", "MISSED by 0.15", "fastai", "not installed":
        assert words in printed
        assert words in page
    assert "0 of 1 targets met, 1 missed; 1 absent." in printed
    lines = [line for line in page.splitlines() if line.startswith("| tiny MLP")]
    assert [line.replace("\\|", "").count("|") for line in lines] == [7, 7, 7]


def test_numbers_have_as_many_digits_as_matter():
    numbers = 0, 1.05, 0.0123, 47.11, 2304.4, math.inf
    assert [*map(number, numbers)] == ["0", "1.05", "0.0123", "47.1", "2,304", "inf"]


def test_the_profile_tells_rooms_files_of_torch_and_the_loop_apart():
    class Frame:
        def __init__(self, path):
            self.f_code = compile("", path, "exec")

    torch_home, home = Path(torch.__file__).parent, Path(lr_widget.__file__).parent
    assert place(Frame(str(home / "task.py"))) == "lr_widget/task.py"
    assert place(Frame(str(torch_home / "optim" / "adam.py"))) == "torch/optim/adam.py"
    assert place(Frame(bare.__code__.co_filename)) == "the loop itself"
    assert place(Frame("elsewhere.py")) == place(None) == "all else"


def test_every_benchmark_here_has_a_title_and_says_how_it_measures():
    for name in HEADLESS:
        assert importlib.util.find_spec(f"benchmarks.{name}") is not None
        module = importlib.import_module(f"benchmarks.{name}")
        assert module.TITLE
        assert len(module.__doc__) > 200
