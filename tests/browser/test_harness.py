"""The browser tests' own tools, proved with a plain button and a plain figure."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

BUTTON = """
import ipywidgets
clicks = []
button = ipywidgets.Button(description="press")
button.on_click(lambda _: clicks.append("click"))
button
"""

FIGURE = """
from bqplot import pyplot
figure = pyplot.figure()
pyplot.plot([1, 2, 3])
figure
"""


def button(page):
    return page.cell(0).get_by_role("button", name="press")


def test_a_click_in_the_browser_reaches_python(open_notebook):
    page = open_notebook([BUTTON])
    page.run_all()
    button(page).click()
    assert page.wait_for_kernel("clicks") == ["click"]
    assert page.console_errors == []


def test_kernel_eval_answers_while_a_cell_runs_without_hiding_its_end(open_notebook):
    page = open_notebook(["import threading; go = threading.Event()", "go.wait(60)"])
    page.run_cell(0)
    page.run_cell(1, wait=False)
    assert page.kernel_eval("go.is_set()", subshell=True) is False
    page.kernel.exec("go.set()", subshell=True)
    page.wait_for_idle()
    assert page.output_text(1) == "True"
    assert page.kernel_eval("go.is_set()") is True


def test_kernel_eval_raises_what_the_kernel_raised(open_notebook):
    page = open_notebook([""])
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        page.kernel_eval("1 / 0")
    with pytest.raises(RuntimeError, match="ValueError: no"):
        page.kernel.exec("raise ValueError('no')")


def test_a_new_cell_shows_its_output(open_notebook):
    page = open_notebook(["x = 6"])
    page.run_all()
    index = page.add_cell_and_run("print(x * 7)")
    page.wait_for_output(index, "42")
    assert page.output_text(-1) == "42"


def test_reload_restores_a_widget_and_its_kernel(open_notebook):
    page = open_notebook([BUTTON, FIGURE])
    page.run_all()
    kernel_id = page.kernel_id
    page.reload()
    expect(page.cell(1).locator(".bqplot.figure")).to_be_visible()
    button(page).click()
    assert page.wait_for_kernel("clicks") == ["click"]
    assert page.kernel_id == kernel_id
    assert page.console_errors == []


def test_a_second_page_shares_the_kernel(open_notebook):
    first = open_notebook(["x = 1"])
    first.run_all()
    second = open_notebook(first)
    assert second.kernel_id == first.kernel_id
    assert second.kernel_eval("x") == 1


def test_console_errors_are_caught(open_notebook):
    page = open_notebook([""])
    page.page.evaluate("console.error('logged')")
    page.page.evaluate("setTimeout(() => { throw new Error('thrown') })")
    page.page.wait_for_function("true")
    logged, thrown = page.console_errors
    assert re.match("logged", logged)
    assert re.match("thrown", thrown)
