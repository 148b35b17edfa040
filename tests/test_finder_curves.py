"""Several sweeps of one finder: ghosts, names, comparisons, metrics."""

import numpy as np
import pytest
import torch
from driving import LONG, press
from subjects import changes, fingerprint
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lr_widget import Curve, LRFinder, Repeats, compare


def error(output, target):
    return (output - target).abs().mean()


def made(size=64, batch_size=16, **kwargs):
    torch.manual_seed(0)
    x = torch.randn(size, 8)
    data = TensorDataset(x, x @ torch.randn(8, 1))
    model = nn.Linear(8, 1)
    return LRFinder(
        model,
        DataLoader(data, batch_size=batch_size, shuffle=True),
        nn.MSELoss(),
        torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
        num_iter=30,
        **kwargs,
    )


@pytest.fixture
def finder():
    finder = made()
    yield finder
    finder.close()


@pytest.fixture
def calm():
    """One whose batches are large, so that the loss is not noisy."""
    finder = made(2048, 512)
    yield finder
    finder.close()


def test_an_earlier_sweep_stays_beside_the_new_one_also_after_a_fit(finder):
    first = finder.range_test().wait(LONG) and finder.curve
    finder.fit_one_cycle(1, max_lr=1e-3).wait(LONG)
    assert finder.curve is first
    finder.range_test().wait(LONG)
    assert list(finder.curves) == ["sweep 1", "sweep 2"]
    assert finder.curves["sweep 1"] is first
    assert finder.curve is finder.curves["sweep 2"]
    assert len(finder._board.chart._ghosts["sweep 1"][1].x) == len(first)


def test_a_sweep_has_the_name_it_was_given(finder):
    finder.range_test(name="wd=0").wait(LONG)
    finder.range_test(name="wd=0").wait(LONG)
    assert list(finder.curves) == ["wd=0", "wd=0 (2)"]


def test_a_sweep_of_a_name_that_cannot_be_changes_nothing(finder):
    finder.range_test(num_iter=10).wait(LONG)
    with pytest.raises(ValueError, match="name must be a text"):
        finder.range_test(name="", end_lr=1.0, num_iter=20)
    assert list(finder.curves) == ["sweep 1"]
    assert (finder.end_lr, finder.num_iter) == (10.0, 10)
    assert finder._board.chart.x_scale.max == 10.0


def test_a_sweep_that_fails_at_its_first_step_leaves_the_one_before_in_front(gated):
    finder, gate = gated
    gate.let.release(100)
    finder.range_test(num_iter=20).wait(LONG)
    first = finder.curve
    gate.fault = ArithmeticError("in the loader")
    with pytest.raises(ArithmeticError):
        finder.range_test().wait(LONG)
    assert list(finder.curves) == ["sweep 1"]
    assert finder.curve is first
    assert len(finder._board.chart.raw.x) == 20


def test_removing_the_curve_that_grows_lets_the_run_go_on_unseen(gated):
    finder, gate = gated
    run = finder.range_test()
    gate.let.release(8)
    del finder.curves["sweep 1"]
    gate.open()
    assert run.wait(LONG).state in ("done", "diverged")
    assert list(finder.curves) == []
    assert len(finder.curve) == 0
    assert len(finder._board.chart.raw.x) == 0
    finder.range_test(num_iter=5).wait(LONG)
    assert list(finder.curves) == ["sweep 2"]


def test_the_curve_that_grows_may_be_renamed_or_hidden(gated):
    finder, gate = gated
    run = finder.range_test()
    gate.let.release(8)
    finder.curves.rename("sweep 1", "mine")
    finder.curves.hide("mine")
    gate.open()
    run.wait(LONG)
    assert len(finder.curves["mine"]) > 8
    assert finder.curves.hidden("mine")


def test_a_comparison_has_a_curve_for_each_variation_and_leaves_no_trace(finder):
    before = fingerprint(finder.task)
    grid = {f"wd={wd:g}": {"weight_decay": wd} for wd in (0, 0.1)}
    run = finder.compare(grid, num_iter=20, stop_div=False)
    assert run.wait(LONG).state == finder.state == "done"
    assert changes(before, fingerprint(finder.task)) == []
    assert list(finder.curves) == ["wd=0", "wd=0.1"]
    assert all(isinstance(curve, Curve) for curve in finder.curves.values())
    assert finder.curves.front == "wd=0.1"
    assert finder._panel._bar.value == finder._panel._bar.max == 40
    assert repr(finder) == "LRFinder(comparison done, step 40/40, lr=None)"


def test_a_comparison_in_the_widget_and_the_plain_generator_give_the_same_numbers():
    variations = {"plain": {}, "batch 8": {"batch_size": 8, "seeds": [5]}}
    finder, plain = made(), made()
    torch.manual_seed(1)
    finder.compare(variations, seeds=2, num_iter=20).wait(LONG)
    torch.manual_seed(1)
    losses = {}
    for name, repeat, point in compare(plain.task, variations, seeds=2, num_iter=20):
        losses.setdefault((name, repeat), []).append(point.loss)
    repeats = finder.curves["plain"]
    assert isinstance(repeats, Repeats)
    for repeat, curve in enumerate(repeats.curves):
        assert curve.losses.tolist() == losses["plain", repeat]
    assert finder.curves["batch 8"].losses.tolist() == losses["batch 8", 0]


def test_repeats_are_drawn_as_a_median_with_a_band(finder):
    finder.compare({"plain": {}, "wd": {"weight_decay": 0.1}}, seeds=3).wait(LONG)
    chart, front = finder._board.chart, finder.curves["wd"]
    assert finder.curve is front
    assert np.array_equal(chart.smooth.y, front.trace("loss").smooth)
    assert len(chart._band.x) == 2 * len(front.trace().lrs)
    assert len(chart._ghosts["plain"][0].x) > 0


def test_a_comparison_that_cannot_be_changes_nothing(finder):
    finder.range_test(num_iter=10).wait(LONG)
    for wrong in ({}, {"a": {"no_option": 1}}, {"a": {}, "b": {"batch_size": 0}}):
        with pytest.raises(ValueError, match="variations"):
            finder.compare(wrong)
    with pytest.raises(ValueError, match="name must be a text"):
        finder.compare({"a": {}, " ": {}}, end_lr=1.0)
    assert list(finder.curves) == ["sweep 1"]
    assert finder._board.chart.x_scale.max == 10.0
    assert finder.state in ("done", "diverged")
    assert finder.num_iter == 10


def test_a_comparison_is_refused_while_something_runs_and_refuses_what_comes(gated):
    finder, gate = gated
    finder.range_test()
    with pytest.raises(RuntimeError, match="the range test is running"):
        finder.compare({"a": {}})
    finder.stop()
    gate.open()
    finder._run.settle()


def test_stop_in_a_comparison_keeps_what_was_swept_and_restores(finder):
    before = fingerprint(finder.task)
    run = finder.compare({"a": {}, "b": {}, "c": {}}, num_iter=100_000)
    while finder._made < 5:
        run._ended.wait(0.01)
    finder.stop()
    assert run.wait(LONG).state == "stopped"
    assert changes(before, fingerprint(finder.task)) == []
    assert len(finder.curves["a"]) >= 5
    assert finder.curves.front == "a"
    assert list(finder.curves) == ["a"]


def test_metrics_are_measured_in_a_sweep_and_can_be_chosen_before_it():
    validation = [(torch.randn(16, 8), torch.randn(16, 1))]
    finder = made(metrics=[error], valid_loader=validation, valid_every=10)
    assert finder.options.measures == ["loss", "error", "valid_loss", "valid_error"]
    finder.options.measure = "valid_loss"
    press(finder._panel.run)
    finder._run.wait(LONG)
    curve = finder.curve
    assert set(curve.measures) == set(finder.options.measures)
    assert len(curve.trace("error").lrs) == len(curve)
    assert np.array_equal(
        finder._board.chart.smooth.y, curve.trace("valid_loss").values
    )
    assert len(curve.trace("valid_loss").lrs) in (3, 4)


@pytest.mark.parametrize(
    "wrong", [{"valid_every": 10}, {"valid_every": 0, "valid_loader": [1]}]
)
def test_a_validation_that_cannot_be_is_refused_at_once(wrong):
    with pytest.raises(ValueError, match="valid_every"):
        made(**wrong)


# Suggestions --------------------------------------------------------------------------


def test_repeats_are_one_curve_with_a_band_and_the_mean_suggestion(calm):
    before = fingerprint(calm.task)
    run = calm.range_test(repeats=3, num_iter=100).wait(LONG)
    assert run.state == "done"
    assert changes(before, fingerprint(calm.task)) == []
    front = calm.curve
    assert isinstance(front, Repeats)
    assert len(front) == 3
    orders = {tuple(curve.losses[:5].tolist()) for curve in front.curves}
    assert len(orders) == 3  # other batches
    each = [curve.suggestion.lr for curve in front.curves]
    assert front.suggestion.lr == pytest.approx(np.prod(each) ** (1 / 3))
    board = calm._board
    assert board.picker.suggestions[0]["lr"] == front.suggestion.lr
    assert len(board.chart._band.x) > 0
    assert "the mean of 3 sweeps" in board.message.value


@pytest.mark.parametrize("repeats", [0, 1.5, "three"])
def test_repeats_that_cannot_be_are_refused_by_name(finder, repeats):
    with pytest.raises(ValueError, match="repeats must be a whole number"):
        finder.range_test(repeats=repeats)
    assert len(finder.curves) == 0


def test_the_coming_fit_moves_the_suggestion_and_everything_that_shows_it(calm):
    calm.range_test(num_iter=100).wait(LONG)
    short = calm.curve.suggestion.lr
    calm.cycle.epochs = 300  # of 4 steps
    lr = calm.curve.suggestion.lr
    assert lr == pytest.approx(short * (300 / 1200) ** (1 / 3))
    assert calm._board.picker.suggestions[0]["lr"] == lr
    assert "1,200 steps" in calm._board.message.value
    calm.range_test(num_iter=100).wait(LONG)  # and that of the next sweep
    assert "budget" in calm.curve.suggestion.flags


def test_the_hint_goes_on_from_the_curve_in_front_also_where_none_was_run(calm):
    curve = calm.range_test(num_iter=100).wait(LONG) and calm.curve
    short = calm.range_test(num_iter=10).wait(LONG) and calm.curve
    new = made()

    def hinted():
        return new._panel._hint.value

    assert hinted().startswith("Press Run")
    name = new.curves.add(curve)
    assert hinted().startswith("Take a suggestion")
    new.curves.add(short)
    assert hinted().startswith("No lr is suggested")
    new.curves.bring(name)
    assert hinted().startswith("Take a suggestion")
    new.lr = 1e-2
    assert hinted().startswith("Picked: lr 1e-2")
    new.lr = None
    for name in list(new.curves):
        del new.curves[name]
    assert hinted().startswith("Press Run")
    new.close()


@pytest.mark.parametrize("lr", [None, 1e-2])
def test_the_hint_of_a_file_that_is_loaded_has_words_of_its_own(calm, lr, tmp_path):
    calm.range_test(num_iter=100).wait(LONG)
    calm.lr = lr
    calm.save(tmp_path / "finder.json")
    calm.load(tmp_path / "finder.json")
    assert calm._panel._hint.value.startswith("This is what was saved")


def test_the_fit_that_the_fields_say_from_the_start_is_known_to_the_first_sweep():
    batch = torch.randn(16, 8), torch.randn(16, 1)
    finder = LRFinder(nn.Linear(8, 1), [batch] * 400, nn.MSELoss(), num_iter=30)
    finder.range_test().wait(LONG)
    assert finder.curve.train_steps == 400 * finder.cycle.epochs
    finder.close()


def test_of_a_loader_without_a_length_nothing_is_known_of_the_fit(finder):
    batch = torch.randn(16, 8), torch.randn(16, 1)
    other = LRFinder(nn.Linear(8, 1), iter([batch] * 200), nn.MSELoss(), num_iter=30)
    other.cycle.epochs = 300
    other.range_test().wait(LONG)
    assert other.curve.train_steps is None
    other.close()


def test_the_remedy_button_sweeps_again_as_it_says(calm):
    calm.range_test(end_lr=1e-4, num_iter=100).wait(LONG)
    assert calm.curve.suggestion.lr is None
    assert calm.lr is None
    remedy = calm.curve.suggestion.remedy
    assert calm._board.remedy.description == remedy.text
    press(calm._board.remedy)
    calm._run.wait(LONG)
    assert calm.end_lr == remedy.arguments["end_lr"] == 10.0
    assert calm.curve.suggestion.lr is not None
    assert calm._board.remedies.children == ()
    assert list(calm.curves) == ["sweep 1", "sweep 2"]
