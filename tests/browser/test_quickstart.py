"""The main job in a real browser: run, watch, click, fit."""

import math
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .widget import FinderWidget

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "notebooks" / "quickstart.ipynb"


def test_run_watch_click_and_fit_by_hand(open_notebook):
    page = open_notebook(QUICKSTART)
    page.run_all()
    finder = FinderWidget(page)

    finder.watch_curve()
    finder.press("Run")
    finder.expect_status("running")
    finder.expect_status("diverged")
    assert finder.curve_states() >= 10
    assert finder.drawn_points() == finder.value("curve.__len__()")
    for rule in ("fall", "minimum", "steepest", "valley", "slide"):
        button = finder.root.get_by_role("button", name=rule)
        expect(button).to_be_visible()

    x = finder.click_plot(0.55)
    lr = page.wait_for_kernel("finder.lr")
    decade = finder.tick_scale()[2]
    assert abs(math.log10(lr) - math.log10(finder.lr_at(x))) <= 1 / decade
    expect(finder.field("lr")).not_to_have_value("")
    label = finder.root.locator(".lr-widget-pick text")
    expect(label).to_have_text(f"lr {finder.field('lr').input_value()}")

    finder.press("Fit")
    finder.expect_status("fit done")
    assert max(finder.value("history.lrs.tolist()")) == pytest.approx(lr, rel=1e-2)
    assert finder.value("history.lrs.max()") <= lr
    table = finder.root.get_by_role("table")
    expect(table.locator("tbody tr")).to_have_count(3)
    expect(table.get_by_role("columnheader")).to_contain_text(["epoch", "accuracy"])
    assert page.console_errors == []


def test_going_on_in_code_after_the_fit(open_notebook):
    page = open_notebook(QUICKSTART)
    page.run_all()
    finder = FinderWidget(page)
    finder.press("Run")
    finder.expect_status("diverged")
    finder.field("lr").fill("2e-3")
    finder.field("lr").press("Enter")
    assert page.wait_for_kernel("finder.lr") == 2e-3
    finder.field("epochs").fill("4")
    finder.field("epochs").press("Enter")
    finder.press("Fit")
    finder.expect_status("fit done")
    cell = page.add_cell_and_run(
        "print(finder.lr, len(finder.history.epochs), "
        "round(finder.history.epochs[-1].metrics['accuracy'], 4) >= 0.97)"
    )
    page.wait_for_output(cell, "0.002 4 True")
    assert page.console_errors == []
