"""The widget while other things happen: busy cells, reloads, errors, second views."""

import math
import re

import pytest
from playwright.sync_api import expect

from . import in_lab
from .widget import FinderWidget

pytestmark = pytest.mark.browser

SETUP = """
import threading, torch
from torch import nn
from lr_widget import LRFinder

class Slow:
    '''Batches at a steady pace, so that a sweep lasts as long as a test needs.'''
    def __init__(self, seconds):
        self.seconds = seconds
        self.go = threading.Event()
    def __len__(self):
        return 10
    def __iter__(self):
        for _ in range(10):
            self.go.wait(self.seconds)
            yield torch.randn(16, 8), torch.randn(16, 1)

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
before = [p.clone() for p in model.parameters()]
loader = Slow(0.02)
finder = LRFinder(model, loader, nn.MSELoss(), num_iter=2000)
"""

SAME = "all(torch.equal(p, q) for p, q in zip(model.parameters(), before))"


@pytest.fixture
def running(open_notebook):
    """A page with a finder whose sweep is running."""
    page = open_notebook([SETUP, "finder"])
    page.run_all()
    finder = FinderWidget(page)
    finder.press("Run")
    finder.wait_for_points(30)
    return page, finder


def sleep_in_a_cell(page):
    """Keep a cell running; what is returned ends it, unless it was over before."""
    page.add_cell_and_run(
        "asleep = threading.Event(); woken = asleep.wait()", wait=False
    )
    page.wait_for_kernel("'asleep' in globals()")

    def wake():
        assert not page.kernel_eval("'woken' in globals()", subshell=True)
        page.kernel_eval("asleep.set()", subshell=True)
        page.wait_for_kernel("'woken' in globals()")

    return wake


def test_another_cell_answers_while_the_sweep_runs(running):
    page, finder = running
    cell = page.add_cell_and_run("1 + 1")
    page.wait_for_output(cell, "2")
    assert finder.value("state") == "running"


def test_stop_and_a_click_are_handled_while_another_cell_sleeps(running):
    page, finder = running
    wake = sleep_in_a_cell(page)

    x = finder.click_plot(0.4)
    lr = page.wait_for_kernel("finder.lr")
    assert abs(math.log10(lr / finder.lr_at(x))) <= 1 / finder.tick_scale()[2]

    finder.press("Pause")
    page.wait_for_kernel("finder.state == 'paused'")
    finder.press("Resume")
    page.wait_for_kernel("finder.state == 'running'")
    finder.press("Stop")
    page.wait_for_kernel("finder.state == 'stopped'")
    finder.expect_status("stopped")
    assert page.kernel_eval(SAME, subshell=True)
    wake()
    assert page.console_errors == []


def test_clicks_are_handled_after_python_has_set_the_pick_from_a_cell(running):
    page, finder = running
    page.add_cell_and_run("finder.lr = 1e-5")
    expect(finder.root.locator(".lr-widget-pick text")).to_have_text("lr 1e-5")
    wake = sleep_in_a_cell(page)
    finder.click_plot(0.7)
    page.wait_for_kernel("finder.lr != 1e-5")
    finder.field("lr").fill("3e-4")
    finder.field("lr").press("Enter")
    page.wait_for_kernel("finder.lr == 3e-4")
    expect(finder.root.locator(".lr-widget-pick text")).to_have_text("lr 3e-4")
    wake()


def test_after_a_reload_in_mid_run_the_curve_is_back_and_goes_on(running):
    page, finder = running
    finder.click_plot(0.3)
    lr = page.wait_for_kernel("finder.lr")
    page.reload()
    finder = FinderWidget(page)
    made = finder.value("curve.__len__()")
    finder.wait_until_drawn(made)
    drawn = finder.drawn_points()
    finder.wait_for_points(drawn + 20)
    finder.wait_until_drawn(drawn + 1)
    assert finder.value("lr") == lr
    finder.click_plot(0.6)
    page.wait_for_kernel(f"finder.lr != {lr!r}", timeout=5)
    finder.press("Stop")
    finder.expect_status("stopped")
    assert page.kernel_eval(SAME)
    assert page.console_errors == []


def test_a_second_view_and_a_second_page_show_the_same(running, open_notebook):
    page, finder = running
    finder.click_plot(0.5)
    lr = page.wait_for_kernel("finder.lr")
    page.add_cell_and_run("finder")
    second = page.page.locator(".lr-widget").nth(1)
    text = finder.root.locator(".lr-widget-pick text").text_content()
    expect(second.locator(".lr-widget-pick text")).to_have_text(text)
    finder.press("Stop")
    finder.expect_status("stopped")
    expect(second.locator(".lr-widget-message").first).to_contain_text("stopped")
    assert finder.value("lr") == lr
    schedule = second.locator(".bqplot.figure").nth(1)  # came when it was out of view
    schedule.scroll_into_view_if_needed()
    ground = schedule.locator(".plotarea_background")
    expect(ground).to_have_attribute("width", re.compile(r"^\d{3}"))
    assert page.console_errors == []


@in_lab
def test_an_error_in_the_model_is_shown_as_text(open_notebook):
    page = open_notebook(
        [
            SETUP,
            "def step(model, batch):\n"
            "    raise ArithmeticError('<img src=x onerror=alert(1)> is no loss')\n"
            "finder = LRFinder(model, loader, step=step)\nfinder",
        ]
    )
    page.run_all()
    finder = FinderWidget(page)
    finder.press("Run")
    finder.expect_status("failed")
    alert = finder.root.get_by_role("alert")
    expect(alert).to_contain_text("<img src=x onerror=alert(1)> is no loss")
    assert finder.root.locator("img").count() == 0
    cell = page.add_cell_and_run("finder._run.wait()")
    page.wait_for_output(cell, "ArithmeticError")
    assert page.kernel_eval(SAME)


@in_lab
def test_await_and_an_interrupted_wait(open_notebook):
    page = open_notebook([SETUP, "finder"])
    page.run_all()
    FinderWidget(page)
    cell = page.add_cell_and_run("print((await finder.range_test(num_iter=20)).state)")
    page.wait_for_output(cell, re.compile("done|diverged"))
    cell = page.add_cell_and_run("finder.range_test(num_iter=2000).wait()", wait=False)
    page.wait_for_kernel("len(finder.curve) > 5 and finder.state == 'running'")
    page.command("notebook:interrupt-kernel")
    page.wait_for_output(cell, "KeyboardInterrupt")
    assert page.wait_for_kernel("finder.state") == "stopped"
    assert page.kernel_eval(SAME)


def test_a_typed_value_that_makes_no_sense_is_answered_beside_the_field(open_notebook):
    page = open_notebook([SETUP, "finder"])
    page.run_all()
    finder = FinderWidget(page)
    for label in ("lr", "epochs"):
        finder.field(label).fill("many")
        finder.field(label).press("Enter")
        expect(finder.root.get_by_text("'many' is no")).to_be_visible()
        expect(finder.field(label)).to_have_attribute("aria-invalid", "true")
        finder.field(label).fill("2")
        finder.field(label).press("Enter")
        expect(finder.root.get_by_text("'many' is no")).not_to_be_visible()
    assert page.wait_for_kernel("finder.lr") == 2.0
    assert page.console_errors == []


def test_hovering_reads_the_curve_and_sends_nothing(running):
    page, finder = running
    finder.press("Stop")
    finder.expect_status("stopped")
    frames = []
    page.page.on("websocket", lambda socket: frames.append(socket))
    box = finder.plot.bounding_box()
    page.page.mouse.move(box["x"] + 20, box["y"] + 40)
    hover = finder.root.locator(".lr-widget-hover text")
    expect(hover).to_contain_text("loss")
    page.page.mouse.move(box["x"] + 5, box["y"] + 90)
    expect(hover).to_contain_text("lr ")
    assert finder.value("lr") is None
    page.page.mouse.move(0, 0)
    expect(finder.root.locator(".lr-widget-hover")).to_be_hidden()
