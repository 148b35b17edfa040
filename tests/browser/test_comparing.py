"""Comparing: earlier sweeps stay, and variations are swept into one chart."""

import re

import pytest
from playwright.sync_api import expect

from . import in_lab
from .digits import SETUP
from .widget import FinderWidget

pytestmark = pytest.mark.browser

NOTE = "before = [p.detach().clone() for p in finder.task.model.parameters()]"

SAME = "all(torch.equal(p, q) for p, q in zip(finder.task.model.parameters(), before))"

GRID = """{
    "wd=0": {}, "wd=0.1": {"weight_decay": .1},
    "batch 16": {"batch_size": 16}, "fixed": {"fixed_batch": True},
}"""


class Legend:
    """The curves in the legend of a finder, and the lines that are drawn."""

    def __init__(self, finder: FinderWidget) -> None:
        self.finder = finder
        self.list = finder.root.locator(".lr-widget-curves")

    def entry(self, name):
        """The row of a curve."""
        name = self.finder.page.page.get_by_role("button", name=name, exact=True)
        return self.list.get_by_role("listitem").filter(has=name)

    def press(self, action, name):
        """One of the buttons of a curve: hide, rename or remove."""
        self.list.get_by_role("button", name=f"{action} {name}", exact=True).click()

    def expect(self, *names, front):
        """Both the legend and `finder.curves` have these curves, this one in front."""
        expect(self.list.locator(".lr-widget-name")).to_have_text(list(names))
        pressed = self.list.locator(".lr-widget-name[aria-pressed=true]")
        expect(pressed).to_have_text([front])
        page = self.finder.page
        assert page.kernel_eval("list(finder.curves)", subshell=True) == [*names]
        assert self.finder.value("curves.front") == front

    def expect_lines(self, *widths):
        """So many lines are seen: the front one is the widest; no raw line counts."""
        self.finder.page.page.wait_for_function(
            """([chart, widths]) => {
              const seen = [...chart.querySelectorAll('path.line')].filter(path => {
                const {strokeWidth, opacity} = getComputedStyle(path);
                const drawn = (path.getAttribute('d') ?? '').includes('L');
                const faint = Number(opacity) < 1 || parseFloat(strokeWidth) === 0;
                return drawn && !faint && path.getBoundingClientRect().width;
              });
              const found = seen.map(path => parseFloat(
                getComputedStyle(path).strokeWidth)).sort();
              return JSON.stringify(found) === JSON.stringify(widths);
            }""",
            arg=[self.chart(), list(widths)],
        )

    def chart(self):
        """The chart of the sweeps, as an element."""
        return self.finder.root.locator(".bqplot.figure").first.element_handle()

    def bands(self):
        """How many areas between repeats are seen."""
        return self.chart().evaluate(
            """chart => [...chart.querySelectorAll('path.line')].filter(path => {
                 const {fill, fillOpacity} = getComputedStyle(path);
                 return fill !== 'none' && Number(fillOpacity) > 0
                   && path.getBoundingClientRect().width > 100;
               }).length"""
        )

    def colors(self):
        """The colours of the lines that are seen."""
        return self.chart().evaluate(
            """chart => [...chart.querySelectorAll('path.line')]
                 .filter(path => path.getBoundingClientRect().width > 100)
                 .map(path => getComputedStyle(path).stroke)"""
        )


@pytest.fixture
def twice(open_notebook):
    """A page with a finder that was run twice."""
    page = open_notebook([SETUP, "finder"])
    page.run_all()
    finder = FinderWidget(page)
    finder.sweep()
    finder.sweep()
    return page, finder, Legend(finder)


FRONT, GHOST = 2.5, 1.5


def test_an_earlier_sweep_stays_as_a_ghost_that_the_legend_keeps_in_order(twice):
    page, finder, legend = twice
    legend.expect("sweep 1", "sweep 2", front="sweep 2")
    legend.expect_lines(GHOST, FRONT)
    expect(legend.entry("sweep 1")).to_contain_text("steps, lowest loss")
    assert len(set(legend.colors())) == 2

    legend.press("hide", "sweep 1")
    legend.expect_lines(FRONT)
    assert finder.value("curves.hidden('sweep 1')")
    legend.press("hide", "sweep 1")
    legend.expect_lines(GHOST, FRONT)
    assert not finder.value("curves.hidden('sweep 1')")

    legend.press("rename", "sweep 1")
    legend.list.get_by_label("new name of sweep 1").fill("before")
    page.page.keyboard.press("Enter")
    legend.expect("before", "sweep 2", front="sweep 2")

    color = legend.entry("before").locator(".lr-widget-swatch")
    color = color.evaluate("swatch => swatch.style.backgroundColor")
    legend.entry("before").get_by_role("button", name="before", exact=True).click()
    legend.expect("before", "sweep 2", front="before")
    legend.expect_lines(GHOST, FRONT)
    assert color in legend.colors(), "a curve keeps its colour"

    legend.press("remove", "sweep 2")
    expect(legend.list).to_be_hidden()  # a single curve needs no name
    legend.expect_lines(FRONT)
    assert finder.value("curves.front") == "before"
    assert page.console_errors == []


@in_lab
def test_in_code_the_curves_are_hidden_named_removed_and_brought_as_by_hand(twice):
    page, _, legend = twice
    page.add_cell_and_run("finder.curves.hide('sweep 1')")
    legend.expect_lines(FRONT)
    expect(legend.entry("sweep 1")).to_have_class(re.compile("lr-widget-hidden"))
    page.add_cell_and_run("finder.curves.show('sweep 1')")
    legend.expect_lines(GHOST, FRONT)
    page.add_cell_and_run("finder.curves.rename('sweep 1', 'a < b & c')")
    legend.expect("a < b & c", "sweep 2", front="sweep 2")
    page.add_cell_and_run("finder.curves.bring('a < b & c')")
    legend.expect("a < b & c", "sweep 2", front="a < b & c")
    page.add_cell_and_run("del finder.curves['a < b & c']")
    legend.expect_lines(FRONT)
    expect(legend.list).to_be_hidden()
    assert page.console_errors == []


@in_lab
def test_after_a_fit_the_finder_is_run_again_beside_its_first_sweep(open_notebook):
    page = open_notebook([SETUP, "finder"])
    page.run_all()
    finder = FinderWidget(page)
    legend = Legend(finder)
    finder.sweep()
    page.add_cell_and_run(f"{NOTE}\nfinder.lr = 0.05")
    finder.press("Fit")
    finder.expect_status("fit done")
    assert not page.kernel_eval(SAME)
    page.add_cell_and_run(NOTE)
    finder.sweep()
    legend.expect("sweep 1", "sweep 2", front="sweep 2")
    legend.expect_lines(GHOST, FRONT)
    first, second = (
        finder.value(f"curves['sweep {n}'].losses[0].item()") for n in (1, 2)
    )
    assert second < first / 2, "the model was trained in between"
    assert page.kernel_eval(SAME), "and the sweep has left it so"
    assert finder.value("lr") == 0.05
    assert page.console_errors == []


def test_a_comparison_draws_a_line_for_each_variation_and_a_band_for_repeats(
    open_notebook,
):
    page = open_notebook([SETUP, "finder"])
    page.run_all()
    finder = FinderWidget(page)
    legend = Legend(finder)
    page.add_cell_and_run(NOTE)
    page.add_cell_and_run(f"finder.compare({GRID}, seeds=2, num_iter=60).wait()")
    finder.expect_status("comparison done")
    legend.expect("wd=0", "wd=0.1", "batch 16", "fixed", front="fixed")
    legend.expect_lines(GHOST, GHOST, GHOST, FRONT)
    assert legend.bands() == 4
    assert finder.value("curves['wd=0'].__len__()") == 2
    assert page.kernel_eval(SAME)

    legend.press("hide", "batch 16")
    legend.expect_lines(GHOST, GHOST, FRONT)
    assert legend.bands() == 3
    assert page.console_errors == []


@in_lab
def test_stop_in_mid_comparison_leaves_what_was_drawn_and_no_trace(open_notebook):
    page = open_notebook([SETUP, "finder"])
    page.run_all()
    finder = FinderWidget(page)
    legend = Legend(finder)
    page.add_cell_and_run(NOTE)
    page.add_cell_and_run(
        'run = finder.compare({"wd=0": {}, "wd=1": {"weight_decay": 1.0}},'
        " num_iter=600, stop_div=False)"
    )
    finder.expect_status("comparison running")
    page.wait_for_kernel("len(finder.curves['wd=1']) > 20")
    finder.press("Stop")
    finder.expect_status("comparison stopped")
    legend.expect("wd=0", "wd=1", front="wd=1")
    legend.expect_lines(GHOST, FRONT)
    assert 20 < finder.value("curves['wd=1'].__len__()") < 600
    assert page.kernel_eval(SAME)
    assert page.console_errors == []
