"""The suggestion by hand: where, how sure and why; or an honest no, and its remedy."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from lr_widget.axis import lr_text

from . import in_lab
from .conftest import PAGES
from .digits import SETUP
from .notebook import NotebookPage
from .widget import FinderWidget

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def desk(chromium, jupyter):
    """One page for all of this file: to open it costs more than any of its tests."""
    page = NotebookPage(chromium, jupyter, jupyter.add_notebook([SETUP, "finder"]))
    page.open()
    page.run_cell(0)
    yield page
    page.close()


@pytest.fixture
def shown(desk, request):
    """Show a finder that code makes, in the place of the one before."""
    request.node.stash[PAGES] = [desk]
    desk.console_errors.clear()

    def show(code):
        desk.kernel.exec(f"finder.close()\n{code}")
        desk.run_cell(1)
        finder = FinderWidget(desk)
        finder.plot.scroll_into_view_if_needed()
        return finder

    yield show
    assert desk.console_errors == []


def words(finder):
    """The sentence under the chart."""
    return finder.root.locator(".lr-widget-message").nth(1)


def main_label(finder):
    """What is written beside the dot of the suggestion."""
    return finder.root.locator(".lr-widget-markers text.lr-widget-main")


def entry(finder, name="fall"):
    """A suggestion's row in the legend."""
    named = finder.page.page.get_by_role("button", name=re.compile(f"^{name} "))
    rows = finder.root.locator(".lr-widget-suggestions li")
    return rows.filter(has=named)


def expect_one_number(finder):
    """What suggests says the same everywhere; that number."""
    lr = finder.value("curve.suggestion.lr")
    text = lr_text(lr)
    expect(main_label(finder)).to_have_text(f"fall {text}")
    expect(entry(finder).get_by_role("button")).to_have_text(f"fall {text}")
    expect(words(finder)).to_contain_text(f"fall suggests {text}")
    finder.until(expect_at, finder, lr)
    return lr


def expect_at(finder, lr):
    """The dot of the suggestion, and its line down to the axis, are at an LR."""
    place = finder.ruler("x").place(lr)
    x, _ = finder.middle(finder.dot("fall"))
    assert abs(x - place) <= 1
    drops = finder.root.locator("line.lr-widget-drop").all()
    assert any(abs(finder.middle(drop)[0] - place) <= 1 for drop in drops)


def expect_stretch(finder, band):
    """Where to look is drawn from one LR to another, on the ground and on the axis."""
    ruler = finder.ruler("x")
    for part in ("rect.lr-widget-light", "path.lr-widget-strip"):
        box = finder.root.locator(part).bounding_box()
        assert abs(box["x"] - ruler.place(band[0])) <= 1, part
        assert abs(box["x"] + box["width"] - ruler.place(band[1])) <= 1, part


def expect_refusal(finder, reason, says):
    """An honest no: a sentence, no main dot, and what the others say is in doubt."""
    expect(words(finder)).to_have_text(says)
    assert finder.value("curve.suggestion.reason") == reason
    assert finder.value("curve.suggestion.lr") is None
    assert finder.value("lr") is None
    expect(finder.dot("fall")).to_have_count(0)
    expect(entry(finder)).to_have_count(0)
    expect(finder.root.locator("rect.lr-widget-light")).to_be_hidden()


def expect_doubt(finder, why):
    """Each classical rule is hollow and grey, on the chart and in the legend."""
    dots = finder.root.locator("circle.lr-widget-suggestion")
    rows = finder.root.locator(".lr-widget-suggestions li")
    given = finder.value("curve.suggestions()")
    expect(rows).to_have_count(sum(lr is not None for lr in given.values()))
    for name in dots.evaluate_all("dots => dots.map(dot => dot.dataset.name)"):
        style = "dot => [getComputedStyle(dot).fill, getComputedStyle(dot).stroke]"
        assert finder.dot(name).evaluate(style) == [
            "rgb(255, 255, 255)",
            "rgb(128, 128, 128)",
        ]
        expect(entry(finder, name)).to_contain_text(f"not to be trusted: {why}")
    finder.page.page.mouse.move(*finder.middle(dots.first))
    finder.until(expect_read, finder, f"not to be trusted: {why}")
    finder.page.page.mouse.move(5, 5)


def expect_read(finder, text):
    assert text in " ".join(finder.reading())


def press_remedy(finder, text):
    """Press the button, and wait for the sweep that it runs."""
    known = finder.value("curves.__len__()")
    finder.button(text).click()
    finder.page.wait_for_kernel(f"len(finder.curves) == {known + 1}")
    finder.expect_status(re.compile("range test (done|diverged)"))
    finder.page.wait_for_kernel("finder.state in ('done', 'diverged')")


GOOD = "finder = make(); finder.range_test().wait()"


@in_lab
def test_a_good_curve_suggests_one_number_and_says_where_to_look(shown):
    finder = shown("finder = make()")
    finder.sweep()
    lr = expect_one_number(finder)
    sentence = (
        r"^The loss .* falls until \S+, and diverges above\. fall suggests \S+,"
        r" (?:where 95|held back by the cliff) .*; look between {} and {}\.$"
    )
    band = finder.value("curve.suggestion.band")
    low, high = map(re.escape, map(lr_text, band))
    expect(words(finder)).to_have_text(re.compile(sentence.format(low, high)))
    finder.until(expect_stretch, finder, band)
    expect(finder.root.locator(".lr-widget-suggestions li")).to_have_count(5)
    expect(finder.root.locator(".lr-widget-doubtful")).to_have_count(0)

    # Taken by its dot or in the legend, it is the very float.
    finder.page.page.mouse.click(*finder.middle(finder.dot("fall")))
    assert finder.page.wait_for_kernel("finder.lr") == lr
    expect(finder.field("lr")).to_have_value(lr_text(lr))
    finder.page.kernel.exec("finder.lr = 1.0")
    button = entry(finder).get_by_role("button")
    expect(button).to_have_attribute("aria-pressed", "false")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    assert finder.value("lr") == lr


@in_lab
def test_the_levels_of_the_fall_are_three_lines_where_the_rule_has_them(shown):
    finder = shown(GOOD)
    lines = finder.root.locator("line.lr-widget-level")
    expect(lines).to_have_count(0)
    switch = finder.root.get_by_role("checkbox", name="fall levels")
    switch.check()
    finder.until(expect_levels, finder, lines)
    switch.uncheck()
    expect(lines).to_have_count(0)


def expect_levels(finder, lines):
    """A line across for each level, and one down from where the curve comes to it."""
    levels = finder.value("curve.levels")
    assert [level.name for level in levels] == ["0 %", "50 %", "95 %"]
    names = finder.root.locator(".lr-widget-levels text")
    assert names.all_text_contents() == ["0 %", "50 %", "95 %"]
    boxes = [line.bounding_box() for line in lines.all()]
    heights = [box["y"] for box in boxes if box["width"] > box["height"]]
    places = [box["x"] for box in boxes if box["width"] < box["height"]]
    losses = [finder.ruler("y").place(level.loss) for level in levels]
    lrs = [finder.ruler("x").place(level.lr) for level in levels if level.lr]
    assert np.allclose(heights, losses, rtol=0, atol=1)
    assert np.allclose(places, lrs, rtol=0, atol=1)


@in_lab
def test_a_moving_average_is_for_the_eye_and_the_way_back_is_the_rules_smooth(shown):
    finder = shown(GOOD)
    lr = expect_one_number(finder)
    choice = finder.root.get_by_role("combobox", name="smoothing")
    slider = finder.root.get_by_role("slider", name="smoothing")
    finder.until(expect_bold, finder, None)
    expect(slider).to_be_hidden()
    choice.select_option("moving average")
    expect(slider).to_be_visible()
    finder.until(expect_bold, finder, 0.98)
    assert expect_one_number(finder) == lr, "the rule reads its own smooth"
    choice.select_option("centred kernel")
    expect(slider).to_be_hidden()
    finder.until(expect_bold, finder, None)
    assert expect_one_number(finder) == lr


def expect_bold(finder, beta):
    """The bold line is `curve.smooth(beta)`, as far as that is a number."""
    lrs, smooth = finder.value(f"curve.trace('loss', {beta})[::2]")
    assert np.array_equal(smooth, finder.value(f"curve.smooth({beta})"), equal_nan=True)
    kept = np.isfinite(smooth)
    across, down = finder.ruler("x"), finder.ruler("y")
    xs = [across.place(lr) for lr in lrs[kept]]
    ys = [down.place(loss) for loss in smooth[kept]]
    places, _ = finder.lines()
    assert places.shape == (len(xs), 2)
    assert np.abs(places - np.transpose([xs, ys])).max() <= 1


@in_lab
def test_a_long_fit_moves_marker_label_legend_and_sentence_together(shown):
    finder = shown(GOOD)
    lr = expect_one_number(finder)
    steps = finder.page.kernel_eval("40 * len(loader)")
    finder.field("epochs").fill("40")
    finder.field("epochs").press("Enter")
    finder.page.wait_for_kernel("finder.cycle.epochs == 40")
    lower = (steps / 300) ** (-1 / 3)
    assert expect_one_number(finder) == pytest.approx(lr * lower)
    expect(words(finder)).to_contain_text(
        f"{steps} steps: {round(100 * (1 - lower))} % lower than for 300"
    )
    band = finder.value("curve.suggestion.band")
    finder.until(expect_stretch, finder, band)
    finder.field("epochs").fill("1")
    finder.field("epochs").press("Enter")
    expect(words(finder)).not_to_contain_text("steps:")
    assert expect_one_number(finder) == lr


def test_still_falling_is_a_no_and_its_remedy_sweeps_on_and_goes_away(shown):
    finder = shown("finder = make(end_lr=1e-2)")
    finder.sweep()
    says = re.compile(
        r"^Still falling at the last learning rate tested \(1e-2\): the one to pick is"
        r" at least \S+\.$"
    )
    expect_refusal(finder, "still_falling", says)
    expect_doubt(finder, "the loss is still falling at the end")
    press_remedy(finder, "Raise end_lr to 10")
    assert finder.value("curve.lrs.max()") > 0.1
    assert finder.page.kernel_eval("(finder.start_lr, finder.end_lr)") == (1e-7, 10.0)
    assert expect_one_number(finder) > 1e-2
    expect(finder.root.locator(".lr-widget-doubtful")).to_have_count(0)
    expect(finder.button("Raise end_lr to 10")).to_have_count(0)


@in_lab
def test_a_flat_curve_is_a_no_that_raises_end_lr(shown):
    finder = shown("finder = make(end_lr=1e-4); finder.range_test().wait()")
    says = "Flat: the range is too low, or the model is frozen or trained already."
    expect_refusal(finder, "flat", says)
    expect_doubt(finder, "the curve is flat")
    expect(finder.button("Raise end_lr to 10")).to_be_enabled()


@in_lab
def test_a_range_that_starts_too_high_is_a_no_that_starts_lower(shown):
    code = "finder = make(start_lr=0.1, end_lr=100.0); finder.range_test().wait()"
    finder = shown(code)
    expect_refusal(finder, "starts_too_high", re.compile("the range starts too high.$"))
    expect_doubt(finder, "the sweep starts too high")
    press_remedy(finder, "Start two decades lower")
    assert finder.value("curve.lrs[0].item()") == 0.1 / 100
    expect_one_number(finder)
    expect(finder.button("Start two decades lower")).to_have_count(0)


# Cross-entropy grows no faster than the weights: it does not leave its range so soon.
SQUARES = """
def squares(output, target):
    return (output - nn.functional.one_hot(target, 10)).square().mean()

finder = make(loss_fn=squares, start_lr=10.0, end_lr=1e6)
"""


@in_lab
def test_a_curve_that_diverges_at_once_is_a_no_that_starts_lower(shown):
    finder = shown(SQUARES)
    finder.sweep()
    says = "Diverged at once: the range starts too high."
    expect_refusal(finder, "diverged_at_once", says)
    assert finder.value("curve.losses.size") < 20
    press_remedy(finder, "Start two decades lower")
    assert finder.value("curve.lrs[0].item()") == 10.0 / 100
    expect_one_number(finder)
    expect(finder.button("Start two decades lower")).to_have_count(0)


@in_lab
def test_repeats_draw_their_band_and_suggest_the_mean_of_their_suggestions(shown):
    finder = shown("finder = make(); finder.range_test(repeats=3).wait()")
    lr = expect_one_number(finder)
    each = finder.page.kernel_eval(
        "[curve.suggestion.lr for curve in finder.curve.curves]"
    )
    assert len(each) == 3
    assert lr == pytest.approx(10 ** np.mean(np.log10(each)))
    expect(words(finder)).to_contain_text("the mean of 3 sweeps")
    finder.until(expect_stretch, finder, finder.value("curve.suggestion.band"))
    finder.until(expect_area, finder)


def expect_area(finder):
    """An area is drawn from the lowest repeat to the highest."""
    lrs, low, high = finder.value("curve.band()")
    kept = np.isfinite(low) & np.isfinite(high)
    across, down = finder.ruler("x"), finder.ruler("y")
    lower = list(zip(lrs[kept], low[kept], strict=True))
    upper = list(zip(lrs[kept], high[kept], strict=True))
    wanted = [(across.place(x), down.place(y)) for x, y in [*lower, *upper[::-1]]]
    _, [area] = finder.lines()
    assert area.shape == (len(wanted), 2)
    assert np.abs(area - wanted).max() <= 1
