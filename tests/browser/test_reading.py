"""What there is to read on the chart: the crosshair, regions, suggestions, sentence."""

import base64
import re

import numpy as np
import pytest
from playwright.sync_api import expect

from lr_widget.axis import lr_text
from lr_widget.classics import GROUNDS

from . import in_lab, in_notebook
from .digits import SETUP
from .widget import FinderWidget

pytestmark = pytest.mark.browser

REGIONS = "__import__('lr_widget').reading.regions(*finder.curve.line())._asdict()"

#: What each rule goes by, the default first; the digits have a cliff near it.
RULES = {"fall": "held back by the cliff: 95 % of the fall is made nearer to it"}
RULES |= GROUNDS


@pytest.fixture
def swept(open_notebook):
    """A page with a finder after its sweep."""
    page = open_notebook([SETUP, "finder"])
    page.run_all()
    finder = FinderWidget(page)
    finder.sweep()
    finder.plot.scroll_into_view_if_needed()
    return page, finder


def bold_line(finder, measure="loss", beta=None):
    """LRs, values and smoothed values of a measure, as far as the bold line goes."""
    lrs, smooth = finder.value(f"curve.line({measure!r}, {beta!r})")
    tested, values, _ = finder.value(
        f"curve.trace({measure!r}, {beta!r})._asdict()"
    ).values()
    assert list(lrs) == list(tested[: len(lrs)])
    return lrs, values[: len(lrs)], smooth


def slope_at(lrs, smooth, at):
    """The rise per decade over a tenth of a decade to each side of a point."""
    away = np.log10(lrs) - np.log10(lrs[at])
    near = np.flatnonzero(np.abs(away) <= 0.1)
    left, right = min(near[0], max(at - 1, 0)), max(near[-1], at + 1)
    return (smooth[right] - smooth[left]) / (away[right] - away[left])


def number(text):
    """A number as it is written for people."""
    return float(text.replace("\N{MINUS SIGN}", "-"))


def expect_reading(finder, x, measure, lrs, values, smooth):
    """Compare what is written at a place on the page with the curve's numbers."""
    head, words = finder.reading()
    lr = finder.ruler("x").value(x)
    at = int(np.argmin(np.abs(np.log(lrs / lr))))
    said = re.fullmatch(
        rf"{measure} (\S+?)(?: \(raw (\S+)\))?(?:, (\S+) per decade)?", words
    )
    assert said, words
    assert number(head.removeprefix("lr ")) == pytest.approx(lr, rel=0.03)
    assert number(said[1]) == pytest.approx(smooth[at], rel=5.1e-3)
    # The raw value is left out where it reads the same.
    assert number(said[2] or said[1]) == pytest.approx(values[at], rel=5.1e-3)
    slope = slope_at(lrs, smooth, at)
    assert number(said[3]) == pytest.approx(slope, rel=0.051, abs=1e-6)


def expect_suggestions(finder, measure="loss", beta=None, y_log=False):
    """Compare the dots on the chart and the legend with the kernel's numbers."""
    found = finder.value(f"curve.suggestions({beta!r})")
    lrs, _, smooth = bold_line(finder, measure, beta)
    across, down = finder.ruler("x"), finder.ruler("y", log=y_log)
    heights = np.log(smooth) if y_log else smooth
    assert set(found) == set(RULES)
    for name, lr in found.items():
        height = np.interp(np.log(lr), np.log(lrs), heights)
        x, y = finder.middle(finder.dot(name))
        assert abs(x - across.place(lr)) <= 1, name
        assert abs(y - down.place(np.exp(height) if y_log else height)) <= 1, name
        button = finder.root.get_by_role("button", name=f"{name} {lr_text(lr)}")
        assert button.count() == 1, (name, lr)


def expect_curve(finder, measure="loss", beta=None):
    """Compare the bold line with the kernel's smoothed numbers."""
    lrs, _, smooth = bold_line(finder, measure, beta)
    places, _ = finder.lines()
    across, down = finder.ruler("x"), finder.ruler("y")
    wanted = [
        (across.place(lr), down.place(y)) for lr, y in zip(lrs, smooth, strict=True)
    ]
    assert places.shape == (len(lrs), 2)
    assert np.abs(places - wanted).max() <= 1


def test_the_crosshair_reads_the_curve_and_sends_nothing(swept):
    page, finder = swept
    sent = []
    network = page.context.new_cdp_session(page.page)
    network.on("Network.webSocketFrameSent", lambda frame: sent.append(frame))
    network.send("Network.enable")
    _, top = finder.place(0, 0.25)
    numbers = bold_line(finder)
    for across in (0.02, 0.35, 0.6, 0.72, 0.8, 0.86):
        x, _ = finder.place(across)
        page.page.mouse.move(x, top)
        finder.until(expect_reading, finder, x, "loss", *numbers)
        line = finder.root.locator(".lr-widget-crosshair")
        assert abs(finder.middle(line)[0] - x) <= 1
    page.page.mouse.move(5, 5)
    expect(finder.root.locator(".lr-widget-hover")).to_be_hidden()
    # The click proves that frames are seen: its own is the first one.
    finder.click_plot(0.5)
    expect(finder.root.locator(".lr-widget-pick text")).to_be_visible()
    data = base64.b64decode(sent[0]["response"]["payloadData"])
    assert b'"action":"pick"' in data.replace(b" ", b"")
    assert page.console_errors == []


@in_lab
def test_regions_are_named_where_the_curve_has_them_and_can_be_switched_off(swept):
    page, finder = swept
    ruler = finder.ruler("x")
    for field, edges in page.kernel_eval(REGIONS).items():
        name = field.replace("_", " ")
        band = finder.root.locator(f"rect[data-region='{name}']")
        box = band.bounding_box()
        assert abs(box["x"] - ruler.place(edges[0])) <= 1
        assert abs(box["x"] + box["width"] - ruler.place(edges[1])) <= 1
    names = finder.root.locator(".lr-widget-regions text:visible")
    # "diverging" is left out where it is wider than its region.
    assert names.all_text_contents()[:2] == ["too small", "just right"]
    finder.root.get_by_role("checkbox", name="regions").uncheck()
    expect(finder.root.locator("rect.lr-widget-region")).to_have_count(0)
    expect(names).to_have_count(0)
    finder.root.get_by_role("checkbox", name="regions").check()
    expect(finder.root.locator("rect.lr-widget-region")).to_have_count(3)
    assert page.console_errors == []


@in_lab
def test_suggestions_are_where_their_numbers_are_and_say_why(swept):
    page, finder = swept
    finder.until(expect_suggestions, finder)
    for name, reason in RULES.items():
        page.page.mouse.move(*finder.middle(finder.dot(name)))
        finder.until(expect_reason, finder, reason)
        button = finder.root.get_by_role("button", name=re.compile(f"^{name} "))
        expect(button.locator("xpath=..")).to_contain_text(reason.split(": ")[0])

    lrs, _, smooth = bold_line(finder)
    across, down = finder.ruler("x"), finder.ruler("y")
    tenth = finder.value("curve.suggestions()")["minimum"]
    x, y = finder.middle(finder.root.locator(".lr-widget-origin"))
    assert abs(x - across.place(10 * tenth)) <= 1
    lowest = np.interp(np.log(10 * tenth), np.log(lrs), smooth)
    assert abs(y - down.place(lowest)) <= 1
    join = finder.root.locator(".lr-widget-join").bounding_box()
    left, _ = finder.middle(finder.dot("minimum"))
    assert abs(join["x"] - left) <= 1
    assert abs(join["x"] + join["width"] - x) <= 1
    expect(finder.root.locator(".lr-widget-tenth text")).to_have_text("÷10")
    assert page.console_errors == []


def expect_reason(finder, reason):
    assert reason in " ".join(finder.reading())


@in_lab
def test_a_moving_average_draws_curve_and_suggestions_anew_after_the_run(swept):
    page, finder = swept
    before = finder.value("curve.losses.tolist()")
    finder.until(expect_curve, finder)
    slider = finder.root.get_by_role("slider", name="smoothing")
    expect(slider).to_be_hidden()
    choice = finder.root.get_by_role("combobox", name="smoothing")
    choice.select_option("moving average")
    page.wait_for_kernel("finder.options.beta == 0.98")
    finder.until(expect_curve, finder, beta=0.98)
    # By hand, to the middle: 0.9 lies half-way between 0 and 0.99.
    box = slider.bounding_box()
    slider.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    beta = page.wait_for_kernel("finder.options.beta != 0.98 and finder.options.beta")
    assert beta == pytest.approx(0.9, abs=0.01)
    finder.until(expect_curve, finder, beta=beta)
    finder.until(expect_suggestions, finder, beta=beta)
    assert finder.value("curve.suggestions(0.98)") != finder.value(
        f"curve.suggestions({beta})"
    )
    slider.press("Home")
    page.wait_for_kernel("finder.options.beta == 0")
    finder.until(expect_curve, finder, beta=0)
    choice.select_option("centred kernel")
    page.wait_for_kernel("finder.options.beta is None")
    finder.until(expect_curve, finder)
    finder.until(expect_suggestions, finder)
    assert finder.value("curve.losses.tolist()") == before
    assert page.console_errors == []


@in_lab
def test_the_y_axis_is_linear_or_log_and_shows_loss_or_metrics(swept):
    page, finder = swept
    finder.root.get_by_role("checkbox", name="log y").check()
    finder.until(expect_suggestions, finder, y_log=True)
    finder.root.get_by_role("checkbox", name="log y").uncheck()
    finder.until(expect_suggestions, finder)
    choice = finder.root.get_by_role("combobox", name="y axis")
    for measure in ("accuracy", "valid_loss", "valid_accuracy"):
        choice.select_option(measure)
        label = finder.root.locator(".bqplot text.axislabel", has_text=measure)
        expect(label.first).to_be_visible()
        finder.until(expect_curve, finder, measure)
        finder.until(expect_suggestions, finder, measure)
        x, y = finder.place(0.71, 0.3)
        page.page.mouse.move(x, y)
        finder.until(expect_reading, finder, x, measure, *bold_line(finder, measure))
        if measure.endswith("accuracy"):  # a loss explodes, and is cut off at the top
            plot, ys = finder.plot.bounding_box(), finder.lines()[0][:, 1]
            assert plot["y"] <= ys.min()
            assert ys.max() <= plot["y"] + plot["height"]
    assert page.console_errors == []


SENTENCES = {
    "make()": r"^The loss .* falls until \S+, and diverges above\. fall suggests ",
    "make(end_lr=1e-2)": r"^Still falling at the last learning rate tested \(1e-2\): ",
    "make(end_lr=1e-4)": r"^Flat: the range is too low, or the model is frozen or ",
    "trained()": r"^The loss rises before a fall is sure: the range starts too high, ",
}

TRAINED = """
def trained():
    finder = make()
    finder.fit_one_cycle(20, max_lr=0.1).wait()
    return finder
"""


@in_notebook  # test_suggesting.py has sentences in JupyterLab
def test_a_sentence_under_the_chart_says_what_the_curve_shows_to_all(open_notebook):
    shown = [f"f = {made}; f.range_test().wait(); f" for made in SENTENCES]
    page = open_notebook([SETUP + TRAINED, *shown])
    page.run_all()
    for index, sentence in enumerate(SENTENCES.values(), start=1):
        output = page.output(index)
        words = output.get_by_role("status").filter(has_text=re.compile(sentence))
        expect(words).to_have_count(1)
        expect(words).to_be_visible()
        expect(words).to_have_attribute("aria-live", "polite")
        plot = output.locator("rect.lr-widget-picker").bounding_box()
        assert words.bounding_box()["y"] > plot["y"] + plot["height"]
        dots = output.locator("circle.lr-widget-suggestion")
        doubted = output.locator("circle.lr-widget-doubtful")
        suggests = "suggests" in sentence
        expect(dots.first).to_be_visible()
        expect(doubted).to_have_count(0 if suggests else dots.count())
        main = output.locator("circle.lr-widget-main")
        expect(main).to_have_count(1 if suggests else 0)
    assert page.console_errors == []
