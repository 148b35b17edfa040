"""From the pick to a trained model, and through the second round, by hand."""

import re

import pytest
from playwright.sync_api import expect

from . import in_lab
from .digits import SETUP
from .widget import FinderWidget

pytestmark = pytest.mark.browser

# All that a fit may change, exactly, as text.
STATE = """
import random, time
import numpy as np

def state():
    task = finder.task
    parts = [*task.model.state_dict().values(), torch.get_rng_state()]
    parts += [v for held in task.optimizer.state.values() for v in held.values()]
    flags = [p.requires_grad for p in task.model.parameters()]
    groups = [{k: v for k, v in g.items() if k != "params"}
              for g in task.optimizer.param_groups]
    drawn = random.getstate(), np.random.get_state()[1].tolist()
    return repr([[p.tolist() for p in parts], flags, groups, drawn])

def slow(seconds):
    finder.task.model.register_forward_hook(lambda *_: time.sleep(seconds))
"""

# A model in two parts, of which one can be frozen.
TWO = """
def make_two():
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(64, 64), nn.ReLU())
    model = nn.Sequential(body, nn.Linear(64, 10))
    optimizer = torch.optim.SGD(
        [{"params": part.parameters()} for part in model], lr=0.1, momentum=0.9
    )
    return LRFinder(model, loader, nn.CrossEntropyLoss(), optimizer,
                    valid_loader=valid_loader, metrics=[accuracy])

finder = make_two()
"""


class Fitting:
    """What there is of a fit in a widget on a page."""

    def __init__(self, finder: FinderWidget) -> None:
        self.finder, self.page = finder, finder.page
        figures = finder.root.locator(".bqplot.figure")
        self.schedule, self.losses = figures.nth(1), figures.nth(2)
        self.table = finder.root.get_by_role("table")

    def expect_plan(self, **cycle):
        """Words and lines are those of the schedule that `cycle` describes."""
        given = ", ".join(f"{name}={value!r}" for name, value in cycle.items())
        lrs, steps = self.page.kernel_eval(
            "(lambda lrs: (lrs.tolist(), len(lrs)))(__import__('lr_widget')"
            f".one_cycle_schedule(max_lr=finder.lr, {given}).lrs)",
            subshell=True,
        )
        peak = 1 + max(range(steps), key=lambda step: lrs[step])
        words = re.compile(rf"at step {peak} of {steps}, then down")
        expect(self.finder.root).to_contain_text(words)
        self.finder.until(self._expect_peak, (peak - 1) / (steps - 1))

    def _expect_peak(self, share):
        """The LR that is drawn has its peak at that share of the way."""
        place = self.schedule.evaluate(
            """figure => Math.max(...[...figure.querySelectorAll('path.line')].map(
              path => {
                const dash = getComputedStyle(path).strokeDasharray;
                const width = parseFloat(getComputedStyle(path).strokeWidth);
                if (dash !== 'none' || width !== 2 || !path.getTotalLength()) return -1;
                const marks = path.getAttribute('d').match(/[-\\d.]+,[-\\d.]+/g)
                  .map(pair => pair.split(',').map(Number));
                const [first, last] = [marks[0][0], marks.at(-1)[0]];
                const top = marks.reduce((a, b) => b[1] < a[1] ? b : a);
                return (top[0] - first) / (last - first);
              }))"""
        )
        assert place == pytest.approx(share, abs=0.01)

    def rows(self):
        """The texts of the table, without its head."""
        rows = self.table.get_by_role("row").all()[1:]
        return [row.get_by_role("cell").all_text_contents() for row in rows]

    def type(self, label, text):
        """Type into a field, and Enter."""
        self.finder.field(label).fill(text)
        self.finder.field(label).press("Enter")

    def made(self):
        """How much of the schedule is drawn as made, in px of path."""
        return self.schedule.evaluate(
            """figure => Math.max(0, ...[...figure.querySelectorAll('path.line')]
              .filter(path => parseFloat(getComputedStyle(path).strokeWidth) === 3)
              .map(path => path.getTotalLength()))"""
        )


def test_pick_plan_fit_stop_undo_and_fit_again_by_hand(open_notebook):
    page = open_notebook([SETUP + STATE, "finder"])
    page.run_all()
    finder = FinderWidget(page)
    finder.sweep()
    fit = Fitting(finder)
    expect(fit.schedule).to_have_count(0)

    finder.click_plot(0.72)
    page.wait_for_kernel("finder.lr")
    fit.expect_plan(total_steps=63)
    fit.type("epochs", "5")
    fit.expect_plan(total_steps=105)
    fit.type("pct_start", "0.6")
    fit.expect_plan(total_steps=105, pct_start=0.6)
    finder.field("schedule").select_option("fastai")
    fit.expect_plan(total_steps=105, pct_start=0.6, variant="fastai")
    fit.type("pct_start", "1.5")
    expect(finder.root.get_by_text("'1.5' is no share from 0 to 1")).to_be_visible()
    fit.type("pct_start", "")
    fit.expect_plan(total_steps=105, variant="fastai")

    page.kernel.exec("before = state(); slow(0.02)", subshell=True)
    finder.press("Fit")
    finder.expect_status("fit running")
    expect(fit.table.get_by_role("row")).to_have_count(3)
    finder.press("Stop")
    finder.expect_status("fit stopped")
    made = finder.value("history.__len__()")
    assert 42 <= made < 105
    assert len(fit.rows()) == made // 21
    assert page.kernel_eval("state() == before") is False

    finder.press("Undo")
    expect(finder.root).to_contain_text("The fit is undone")
    assert page.kernel_eval("state() == before") is True
    expect(fit.table).to_have_count(0)
    fit.expect_plan(total_steps=105, variant="fastai")

    fit.type("epochs", "2")
    finder.press("Fit")
    finder.expect_status("fit done")
    expect(fit.table.get_by_role("row")).to_have_count(3)
    frame = page.kernel_eval("finder.history.epochs_to_frame().values.tolist()")
    shown = [[float(text) for text in row[:4]] for row in fit.rows()]
    for row, (epoch, *measured, _seconds) in zip(shown, frame, strict=True):
        assert row == pytest.approx([epoch, *measured], abs=1e-6)
    assert len(finder.value("history.lrs.tolist()")) == 42
    expect(finder.root).to_contain_text("Undo takes this fit back")
    assert page.console_errors == []


@in_lab
def test_lr_and_momentum_are_drawn_while_they_are_used(open_notebook):
    page = open_notebook([SETUP + STATE + "finder.lr = 0.1\nslow(0.03)", "finder"])
    page.run_all()
    finder = FinderWidget(page)
    fit = Fitting(finder)
    assert fit.made() == 0
    finder.press("Fit")
    page.wait_for_kernel("len(finder.history) >= 5")
    finder.until(lambda: fit.made() > 5 or pytest.fail("nothing is drawn"))
    early = fit.made()
    page.wait_for_kernel("len(finder.history) >= 30")
    finder.until(_assert_longer, fit, early)
    finder.press("Pause")
    finder.expect_status("fit paused")
    finder.press("Resume")
    finder.expect_status("fit done")
    assert page.console_errors == []


def _assert_longer(fit, early):
    assert fit.made() > early


@in_lab
def test_a_reload_during_the_fit_loses_nothing(open_notebook):
    page = open_notebook([SETUP + STATE + "finder.lr = 0.1\nslow(0.03)", "finder"])
    page.run_all()
    finder = FinderWidget(page)
    fit = Fitting(finder)
    fit.type("epochs", "6")
    finder.press("Fit")
    expect(fit.table.get_by_role("row")).to_have_count(2)
    page.reload()
    finder = FinderWidget(page)
    fit = Fitting(finder)
    finder.expect_status("fit running")
    expect(fit.table.get_by_role("row").nth(3)).to_be_visible()
    assert fit.rows()[0][0] == "1"
    fit.expect_plan(total_steps=126)
    early = fit.made()
    finder.until(_assert_longer, fit, early)
    finder.press("Stop")
    finder.expect_status("fit stopped")
    assert len(fit.rows()) == len(finder.value("history.epochs_to_frame().values"))
    finder.press("Undo")
    expect(fit.table).to_have_count(0)
    assert page.console_errors == []


def test_freeze_find_fit_unfreeze_find_again_and_fit_by_hand(open_notebook):
    page = open_notebook([SETUP + STATE + TWO, "finder"])
    page.run_all()
    finder = FinderWidget(page)
    fit = Fitting(finder)
    body = "finder.task.model[0][0].weight.detach().clone()"
    page.kernel.exec(f"body = {body}", subshell=True)
    moved = f"bool((body != {body}).any())"

    finder.press("Freeze")
    expect(finder.root).to_contain_text("1 of 2 param groups frozen")
    finder.sweep()
    finder.click_plot(0.72)
    finder.press("Fit")
    finder.expect_status("fit done")
    assert page.kernel_eval(moved) is False

    finder.press("Unfreeze")
    expect(finder.root).not_to_contain_text("param groups frozen")
    finder.sweep()
    finder.click_plot(0.6)
    finder.press("Fit")
    finder.expect_status("fit done")
    assert page.kernel_eval(moved) is True
    assert len(fit.rows()) == 3
    assert page.kernel_eval("list(finder.curves)") == ["sweep 1", "sweep 2"]
    assert page.console_errors == []
