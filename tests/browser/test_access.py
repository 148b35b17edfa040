"""The finder without a mouse, and without eyes."""

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from . import in_lab
from .digits import SETUP
from .widget import FinderWidget

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[2] / "js/node_modules/axe-core/axe.min.js"

THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}


@pytest.fixture
def opened(open_notebook):
    """A page with a finder, before its sweep."""
    page = open_notebook([SETUP, "finder"])
    page.run_all()
    return page, FinderWidget(page)


def tab_to(page, target, limit=40):
    """Press Tab until something has the focus; how often it took."""
    for times in range(1, limit + 1):
        page.page.keyboard.press("Tab")
        if target.evaluate("node => node === document.activeElement"):
            return times
    focus = page.page.evaluate("document.activeElement.outerHTML.slice(0, 300)")
    raise AssertionError(f"not reached by {limit} times Tab; the focus is on {focus}")


def test_keyboard_alone_leads_from_page_load_to_a_fitted_model(open_notebook):
    page = open_notebook([SETUP, "finder"])
    keys = page.page.keyboard
    # The notebook has the focus, in command mode: run both cells, and stay.
    expect(page.cell(0)).to_be_focused()
    keys.press("Shift+Enter")
    expect(page.cell(1)).to_be_focused()
    keys.press("Control+Enter")
    finder = FinderWidget(page)
    page.wait_for_idle()
    # From a cell Tab leads over its toolbar into its output.
    expect(page.cell(1)).to_be_focused()
    assert tab_to(page, finder.button("Run")) <= 3
    keys.press("Enter")
    finder.expect_status(re.compile("range test (done|diverged)"))

    tab_to(page, finder.plot)
    keys.press("ArrowRight")
    begin = float(finder.plot.get_attribute("aria-valuenow"))
    keys.press("PageDown")
    keys.press("Shift+ArrowRight")
    keys.press("ArrowRight")
    assert finder.value("lr") is None
    aimed = float(finder.plot.get_attribute("aria-valuenow"))
    assert begin / 10 < aimed < begin
    keys.press("Enter")
    assert page.wait_for_kernel("finder.lr") == aimed

    tab_to(page, finder.field("epochs"))
    keys.press("Control+A")
    keys.type("2")
    keys.press("Enter")
    tab_to(page, finder.button("Fit"))
    keys.press("Space")
    finder.expect_status("fit done")
    assert finder.value("history.lrs.max()") == pytest.approx(aimed, rel=1e-2)
    assert page.kernel_eval("len(finder.history.epochs)") == 2
    assert page.console_errors == []


@in_lab
def test_the_picker_is_a_slider_that_says_learning_rate_and_loss(opened):
    page, finder = opened
    slider = finder.root.get_by_role("slider", name="learning rate")
    expect(slider).to_have_attribute("aria-valuetext", "no learning rate picked")
    finder.sweep()
    lrs, _, smooth = finder.value("curve.trace()._asdict()").values()
    for at in (60, 80):
        page.kernel.exec(f"finder.lr = float(finder.curve.lrs[{at}])")
        finder.until(expect_said, slider, lrs[at], smooth[at])
    slider.focus()
    slider.press("ArrowLeft")
    finder.until(expect_said, slider, lrs[79], smooth[79])
    expect(slider).to_have_attribute("aria-valuemin", "0.0000001")
    expect(slider).to_have_attribute("aria-valuemax", "10")
    finder.root.get_by_role("combobox", name="y axis").select_option("accuracy")
    expect(slider).to_have_attribute("aria-valuetext", re.compile("accuracy 0"))
    assert page.console_errors == []


def expect_said(slider, lr, loss):
    """A sentence such as `learning rate 3.2e-3, loss 1.84`."""
    text = slider.get_attribute("aria-valuetext")
    said = re.fullmatch(r"learning rate (\S+), loss (\S+)", text)
    assert said, text
    assert np.allclose([float(said[1]), float(said[2])], [lr, loss], rtol=5.1e-3)


LOOK = """node => {
  const style = getComputedStyle(node);
  return ['outlineStyle', 'outlineWidth', 'outlineColor', 'stroke', 'strokeWidth',
    'boxShadow', 'borderColor', 'borderWidth'].map(name => style[name]).join();
}"""

FOCUS = "document.activeElement"


def test_whatever_has_the_focus_shows_it(opened):
    page, finder = opened
    finder.sweep()
    page.kernel.exec("finder.lr = 0.1")
    expect(finder.button("Fit")).to_be_enabled()
    finder.button("Run").focus()
    seen = 0
    while page.page.evaluate(f"!!{FOCUS}.closest('.lr-widget')"):
        node = page.page.evaluate_handle(FOCUS).as_element()
        name = node.evaluate("node => node.outerHTML.slice(0, 120)")
        focused = page.page.evaluate(f"({LOOK})({FOCUS})")
        page.page.keyboard.press("Tab")
        seen += 1
        assert node.evaluate(LOOK) != focused, f"nothing shows the focus of {name}"
    assert seen >= 15
    assert page.console_errors == []


def test_shortcuts_of_the_notebook_do_not_fire_in_the_chart(opened):
    page, finder = opened
    finder.sweep()
    page.page.keyboard.press("Escape")
    cells = page.page.locator(".jp-NotebookPanel .jp-Notebook .jp-Cell")
    expect(cells).to_have_count(2)
    choice = finder.root.get_by_role("combobox", name="smoothing")
    choice.select_option("moving average")
    places = [
        finder.plot,
        finder.root.get_by_role("slider", name="smoothing"),
        finder.root.get_by_role("combobox", name="smoothing"),
        finder.root.get_by_role("combobox", name="y axis"),
        finder.root.get_by_role("checkbox", name="regions"),
        finder.root.get_by_role("button", name="Download"),
        finder.root.get_by_role("button", name=re.compile("^valley ")),
        finder.field("lr"),
    ]
    for place in places:
        place.focus()
        for key in ("a", "b", "x", "d", "d", "m"):
            page.page.keyboard.press(key)
        expect(place).to_be_focused()
        expect(cells).to_have_count(2)
    # Where nothing hinders them they do fire: the test sees it.
    page.cell(1).focus()
    page.page.keyboard.press("b")
    expect(cells).to_have_count(3)
    assert page.console_errors == []


HEARD = """() => {
  window.heard = [];
  window.progress = 0;
  for (const node of document.querySelectorAll('.lr-widget [role=status]')) {
    new MutationObserver(() => window.heard.push(node.textContent))
      .observe(node, {childList: true, characterData: true, subtree: true});
  }
  new MutationObserver(() => { window.progress += 1; }).observe(
    document.querySelector('.lr-widget'),
    {childList: true, characterData: true, subtree: true});
}"""


# So that the sweep takes seconds on any machine, and progress is shown often.
SLOWED = """
import time
finder.task.model.register_forward_hook(lambda *_: time.sleep(0.003))
"""


@in_lab
def test_a_screen_reader_hears_states_and_not_every_step(open_notebook):
    page = open_notebook([SETUP + "finder = make(num_iter=1000)" + SLOWED, "finder"])
    page.run_all()
    finder = FinderWidget(page)
    page.page.evaluate(HEARD)
    finder.sweep()
    heard = page.page.evaluate("window.heard.filter(Boolean)")
    assert heard[0] == "range test running"
    assert heard.count("range test running") == 1
    assert sum("range test" in words for words in heard) == 2
    assert not any(re.search(r"\bstep \d", words) for words in heard)
    # The end, the sentence about the curve, the next move; all the rest is for the eye.
    assert len(heard) <= 6
    assert page.page.evaluate("window.progress") > 3 * len(heard)
    assert finder.root.locator("[aria-live=assertive]").count() == 0
    assert page.console_errors == []


def serious(page):
    """What axe-core finds inside the widget that hinders people."""
    found = page.page.evaluate("axe.run('.lr-widget', {resultTypes: ['violations']})")
    return [
        (rule["id"], node["html"][:200], node["failureSummary"])
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious(opened, theme):
    page, finder = opened
    page.change_theme(THEMES[theme])
    page.page.add_script_tag(path=AXE)
    assert serious(page) == []
    finder.sweep()
    assert serious(page) == []
    finder.plot.focus()
    finder.plot.press("ArrowRight")
    finder.plot.press("Enter")
    page.wait_for_kernel("finder.lr")
    finder.press("Fit")
    finder.expect_status("fit done")
    assert serious(page) == []
    assert page.console_errors == []
