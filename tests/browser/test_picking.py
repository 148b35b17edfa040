"""Every way to pick a learning rate: they meet in one place and show one number."""

from contextlib import contextmanager

import numpy as np
import pytest
from playwright.sync_api import expect

from lr_widget.axis import lr_text

from . import in_lab
from .digits import SETUP
from .widget import FinderWidget

pytestmark = pytest.mark.browser

# Every change of the pick is noted: one gesture shall be one.
WATCHED = """
picks = []
finder.observe(lambda change: picks.append(change.new), "lr")
finder
"""


@pytest.fixture
def swept(open_notebook):
    """Open a page with a finder after its sweep; keywords go to the browser context."""

    def open_(**context):
        page = open_notebook([SETUP, WATCHED], **context)
        page.run_all()
        finder = FinderWidget(page)
        finder.sweep()
        return page, finder

    return open_


def new_pick(page, known=()):
    """The pick that comes after those known, once no other can be on its way."""
    page.wait_for_kernel(f"len(picks) > {len(known)}")
    page.wait_for_idle()
    picks = page.kernel_eval("picks")
    assert picks[:-1] == list(known), "a gesture is one pick"
    return picks[-1]


def expect_everywhere(finder, lr):
    """One number: in the kernel, on the label, in the field, for a screen reader."""
    assert finder.value("lr") == lr
    text = lr_text(lr)
    label = finder.root.locator(".lr-widget-pick text")
    expect(label).to_have_text(f"lr {text}")
    expect(finder.field("lr")).to_have_value(text)
    finder.until(expect_spoken, finder, lr)
    line = finder.root.locator(".lr-widget-pick .lr-widget-line")
    assert abs(finder.middle(line)[0] - finder.ruler("x").place(lr)) <= 1


def expect_spoken(finder, lr):
    assert float(finder.plot.get_attribute("aria-valuenow")) == lr
    spoken = finder.plot.get_attribute("aria-valuetext")
    assert spoken.startswith(f"learning rate {lr_text(lr)}")


def px_off(finder, lr, x):
    """How far on the screen a learning rate is from where it was picked."""
    return abs(finder.ruler("x").place(lr) - x)


def drag(page, start, end, steps=8):
    """Press at a place, move to another; the button stays down."""
    mouse = page.page.mouse
    mouse.move(*start)
    mouse.down()
    mouse.move(*end, steps=steps)


def test_a_click_a_drag_of_the_line_and_a_scrub_are_one_pick_each(swept):
    page, finder = swept()
    x = finder.click_plot(0.3)
    clicked = new_pick(page)
    assert px_off(finder, clicked, x) <= 1
    expect_everywhere(finder, clicked)

    # The line moves with the hand, and the pick only when it lets go.
    start, end = finder.place(0.3, 0.7), finder.place(0.55, 0.7)
    drag(page, start, end)
    draft = finder.root.locator(".lr-widget-draft text")
    expect(draft).to_be_visible()
    assert page.kernel_eval("picks") == [clicked]
    page.page.mouse.up()
    dragged = new_pick(page, [clicked])
    assert px_off(finder, dragged, end[0]) <= 1
    expect_everywhere(finder, dragged)
    expect(draft).to_be_hidden()

    # Escape in the middle of a drag: as if it had not been.
    drag(page, end, finder.place(0.8, 0.7))
    expect(draft).to_be_visible()
    page.page.keyboard.press("Escape")
    expect(draft).to_be_hidden()
    page.page.mouse.move(*finder.place(0.2, 0.7))
    page.page.mouse.up()
    expect_everywhere(finder, dragged)

    # A press anywhere else scrubs.
    end = finder.place(0.65, 0.4)
    drag(page, finder.place(0.1, 0.3), end)
    page.page.mouse.up()
    scrubbed = new_pick(page, [clicked, dragged])
    assert px_off(finder, scrubbed, end[0]) <= 1
    expect_everywhere(finder, scrubbed)
    assert page.console_errors == []


class Fingers:
    """Fingers and pens on a page's screen, which Playwright has no words for."""

    def __init__(self, page):
        self._send = page.context.new_cdp_session(page.page).send

    def touch(self, *places):
        """Put a finger down, move it from place to place, and lift it."""
        for i, (x, y) in enumerate(places):
            points = [{"x": x, "y": y}]
            kind = "touchMove" if i else "touchStart"
            self._send(
                "Input.dispatchTouchEvent", {"type": kind, "touchPoints": points}
            )
        self._send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    def pen(self, *places):
        """Put a pen down, move it from place to place, and lift it."""
        pen = {"button": "left", "buttons": 1, "clickCount": 1, "pointerType": "pen"}
        for i, (x, y) in enumerate(places):
            kind = "mouseMoved" if i else "mousePressed"
            self._send(
                "Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, **pen}
            )
        up = {**pen, "type": "mouseReleased", "x": x, "y": y, "buttons": 0}
        self._send("Input.dispatchMouseEvent", up)


def way(start, end, steps=10):
    """Places in even steps from one to another."""
    return list(
        zip(
            *(np.linspace(a, b, steps) for a, b in zip(start, end, strict=True)),
            strict=True,
        )
    )


def test_a_finger_taps_drags_and_still_scrolls_the_page(swept):
    page, finder = swept(has_touch=True, viewport={"width": 640, "height": 720})
    fingers = Fingers(page)
    scroller = page.page.locator(".jp-NotebookPanel .jp-WindowedPanel-outer")
    where = "scroller => scroller.scrollTop"

    x, y = finder.place(0.3)
    page.page.touchscreen.tap(x, y)
    tapped = new_pick(page)
    assert px_off(finder, tapped, x) <= 1
    expect_everywhere(finder, tapped)

    # Sideways, in a hand's slanted way: a drag, under which the page stays.
    before = scroller.evaluate(where)
    places = way((x, y), finder.place(0.6, 0.65))
    fingers.touch(*places)
    dragged = new_pick(page, [tapped])
    assert px_off(finder, dragged, places[-1][0]) <= 1
    expect_everywhere(finder, dragged)
    assert scroller.evaluate(where) == before

    # Downwards: the page scrolls as it does anywhere, and nothing is picked.
    fingers.touch(*way(finder.place(0.3, 0.1), finder.place(0.3, 0.9)))
    page.page.wait_for_function(
        "top => document.querySelector("
        "'.jp-NotebookPanel .jp-WindowedPanel-outer').scrollTop < top - 20",
        arg=before,
    )
    expect_everywhere(finder, dragged)
    assert page.kernel_eval("picks") == [tapped, dragged]

    # The dot of a suggestion is within a finger's reach.
    finder.plot.scroll_into_view_if_needed()
    x, y = finder.middle(finder.dot("steepest"))
    page.page.touchscreen.tap(x + 9, y - 9)
    assert new_pick(page, [tapped, dragged]) == finder.value(
        "curve.suggestions()['steepest']"
    )
    assert page.console_errors == []


@in_lab
def test_a_pen_picks_and_drags(swept):
    page, finder = swept()
    fingers = Fingers(page)
    x, y = finder.place(0.4)
    fingers.pen((x, y))
    tapped = new_pick(page)
    assert px_off(finder, tapped, x) <= 1
    places = way((x, y), finder.place(0.6, 0.3))
    fingers.pen(*places)
    dragged = new_pick(page, [tapped])
    assert px_off(finder, dragged, places[-1][0]) <= 1
    expect_everywhere(finder, dragged)
    assert page.console_errors == []


def test_keys_move_by_steps_tenths_decades_and_ends(swept):
    page, finder = swept()
    tested = finder.value("curve.lrs.tolist()")
    page.add_cell_and_run(f"finder.lr = {tested[40]!r}")
    finder.plot.scroll_into_view_if_needed()
    finder.plot.focus()
    decade = 10**0.1
    for key, lr in [
        ("ArrowRight", tested[41]),
        ("ArrowUp", tested[42]),
        ("ArrowLeft", tested[41]),
        ("ArrowDown", tested[40]),
        ("Shift+ArrowRight", tested[40] * decade),
        ("Shift+ArrowLeft", tested[40]),
        ("PageUp", tested[40] * 10),
        ("PageDown", tested[40]),
        ("Home", 1e-7),
        ("End", 10.0),
        ("PageUp", 10.0),
    ]:
        finder.plot.press(key)
        finder.until(expect_draft, finder, lr)
    # Nothing is picked yet; Escape restores.
    assert page.kernel_eval("picks") == [tested[40]]
    finder.plot.press("Escape")
    expect_everywhere(finder, tested[40])
    finder.plot.press("ArrowRight")
    finder.plot.press("ArrowRight")
    finder.plot.press("Enter")
    # A tested LR is taken over digit by digit.
    assert new_pick(page, [tested[40]]) == tested[42]
    expect_everywhere(finder, tested[42])
    assert page.console_errors == []


def expect_draft(finder, lr):
    """What the keys point at, on the label and for a screen reader."""
    now = float(finder.plot.get_attribute("aria-valuenow"))
    assert now == pytest.approx(lr, rel=1e-9)
    text = finder.root.locator(".lr-widget-draft text").text_content()
    assert text.startswith(f"lr {lr_text(lr)} ")


@in_lab
def test_snap_gives_exactly_the_nearest_tested_lr(swept):
    page, finder = swept()
    finder.root.get_by_role("checkbox", name="snap").check()
    page.wait_for_kernel("finder.options.snap")
    tested = np.array(finder.value("curve.lrs.tolist()"))
    known = []
    for across in (0.21, 0.503, 0.77):
        x = finder.click_plot(across, 0.2)
        lr = new_pick(page, known)
        near = tested[np.argmin(np.abs(np.log(tested / finder.ruler("x").value(x))))]
        assert lr == near
        expect_everywhere(finder, lr)
        known.append(lr)
    finder.root.get_by_role("checkbox", name="snap").uncheck()
    page.wait_for_kernel("not finder.options.snap")
    finder.click_plot(0.34, 0.2)
    assert new_pick(page, known) not in tested
    assert page.console_errors == []


@in_lab
def test_a_suggestion_is_taken_exactly_by_its_dot_and_in_the_legend(swept):
    page, finder = swept()
    suggested = finder.value("curve.suggestions()")
    known = []
    for name in ("slide", "valley", "minimum", "steepest"):
        finder.plot.scroll_into_view_if_needed()
        x, y = finder.middle(finder.dot(name))
        page.page.mouse.click(x + 3, y - 3)
        assert new_pick(page, known) == suggested[name]
        expect_everywhere(finder, suggested[name])
        known.append(suggested[name])
    for name in ("slide", "minimum"):
        button = finder.root.get_by_role(
            "button", name=f"{name} {lr_text(suggested[name])}"
        )
        expect(button).to_have_attribute(
            "aria-pressed", str(name == "steepest").lower()
        )
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        assert new_pick(page, known) == suggested[name]
        expect_everywhere(finder, suggested[name])
        known.append(suggested[name])
    assert page.console_errors == []


@in_lab
def test_typing_and_code_meet_the_hand_in_one_number(swept):
    page, finder = swept()
    finder.field("lr").fill("0.0123")
    finder.field("lr").press("Enter")
    assert new_pick(page) == 0.0123
    expect_everywhere(finder, 0.0123)
    page.add_cell_and_run("finder.lr = 3.3e-3")
    assert new_pick(page, [0.0123]) == 3.3e-3
    expect_everywhere(finder, 3.3e-3)
    finder.click_plot(0.5)
    clicked = new_pick(page, [0.0123, 3.3e-3])
    expect_everywhere(finder, clicked)
    # Between a hand and a screen reader there is no rounding.
    page.add_cell_and_run("finder.lr = 0.1 + 0.2")
    assert new_pick(page, [0.0123, 3.3e-3, clicked]) == 0.1 + 0.2
    expect_everywhere(finder, 0.1 + 0.2)
    assert page.console_errors == []


def styled(page, style):
    """Style the output that the widget is in, as a page around it may."""
    page.page.evaluate(
        """style => {
          const output = document.querySelector('.lr-widget')
            .closest('.jp-Cell-outputArea');
          output.style.cssText = style;
        }""",
        style,
    )


def expect_precise(page, finder, known):
    """Pick at several places, and compare each number with the axis there."""
    for across in (0.07, 0.452, 0.93):
        x = finder.click_plot(across, 0.15)
        lr = new_pick(page, known)
        assert px_off(finder, lr, x) <= 1, across
        expect_everywhere(finder, lr)
        known.append(lr)


@contextmanager
def plot_of_another_width(finder):
    """Wait until the plot has another width, in its own pixels, than before."""
    width = finder.plot.get_attribute("width")
    yield
    # Out of sight it is not drawn anew.
    finder.root.locator(".bqplot.figure").first.scroll_into_view_if_needed()
    expect(finder.plot).not_to_have_attribute("width", width)


@in_lab
@pytest.mark.parametrize("scale", [1, 2])
def test_a_pick_is_right_to_a_pixel_whatever_the_size_and_the_scale(swept, scale):
    page, finder = swept(device_scale_factor=scale)
    known = []
    expect_precise(page, finder, known)
    with plot_of_another_width(finder):
        page.page.set_viewport_size({"width": 900, "height": 700})
    expect_precise(page, finder, known)
    styled(page, "transform: scale(0.7); transform-origin: top left")
    expect_precise(page, finder, known)
    with plot_of_another_width(finder):
        styled(page, "zoom: 0.8")
    expect_precise(page, finder, known)
    with plot_of_another_width(finder):
        styled(page, "")
    # Into a part of the curve, by the wheel, about what is under the hand.
    finder.root.get_by_role("checkbox", name="zoom").check()
    page.wait_for_kernel("finder.options.zoom")
    held = finder.place(0.6, 0.4)
    lr = finder.ruler("x").value(held[0])
    page.page.mouse.move(*held)
    page.page.mouse.wheel(0, -800)
    page.wait_for_kernel("finder.options.zoomed")
    finder.until(expect_ends, finder)
    assert px_off(finder, lr, held[0]) <= 1
    finder.root.get_by_role("checkbox", name="zoom").uncheck()
    page.wait_for_kernel("not finder.options.zoom")
    expect_precise(page, finder, known)
    assert page.console_errors == []


def expect_ends(finder):
    """The browser has the axis that the kernel says, and it is a part of the curve."""
    low, high = finder.page.kernel_eval(
        "(finder._board.chart.x_scale.min, finder._board.chart.x_scale.max)"
    )
    box = finder.plot.bounding_box()
    assert high / low < 1e6
    assert px_off(finder, low, box["x"]) <= 3
    assert px_off(finder, high, box["x"] + box["width"]) <= 3


@in_lab
def test_what_is_written_at_the_line_is_legible_wherever_it_is(swept):
    page, finder = swept()
    label = finder.root.locator(".lr-widget-pick text")
    for width in (900, 480):
        with plot_of_another_width(finder):
            page.page.set_viewport_size({"width": width, "height": 960})
        for lr in (1e-7, 1.01e-7, 3.16e-5, 1e-1, 3.16, 9.99, 10.0):
            page.kernel.exec(f"finder.lr = {lr!r}")
            expect_everywhere(finder, lr)
            words, plot = label.bounding_box(), finder.plot.bounding_box()
            assert plot["x"] <= words["x"]
            assert words["x"] + words["width"] <= plot["x"] + plot["width"]
            assert plot["y"] <= words["y"]
            assert words["y"] + words["height"] <= plot["y"] + plot["height"]
            # No other word of the chart lies on it.
            others = finder.root.locator(
                ".lr-widget-overlay text:visible", has_text="e"
            ).evaluate_all(
                """texts => texts.filter(t => !t.closest('.lr-widget-pick')).map(t => {
                  const {x, y, right, bottom} = t.getBoundingClientRect();
                  return [x, y, right, bottom];
                })"""
            )
            for left, top, right, bottom in others:
                across = left < words["x"] + words["width"] and words["x"] < right
                down = top < words["y"] + words["height"] and words["y"] < bottom
                assert not (across and down), lr
    assert page.console_errors == []
