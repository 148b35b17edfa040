"""Living in the page: themes, motion, widths, views, reloads, zoom and downloads."""

import csv
import io
import struct
import xml.etree.ElementTree as ET

import pytest
from playwright.sync_api import expect

from . import in_lab
from .digits import SETUP
from .widget import FinderWidget

pytestmark = pytest.mark.browser

THEMES = ("JupyterLab Dark", "JupyterLab Dark High Contrast", "JupyterLab Light")

# https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio, of texts and of things against what
# is behind them in the page. What is disabled is exempt there; here is the faint line
# of the raw losses too: the smoothed one over it tells the same, and is not.
CONTRASTS = """root => {
  const pen = document.createElement('canvas').getContext('2d',
    {willReadFrequently: true});
  const pixel = (...colors) => {
    pen.clearRect(0, 0, 1, 1);
    for (const color of colors) { pen.fillStyle = color; pen.fillRect(0, 0, 1, 1); }
    return [...pen.getImageData(0, 0, 1, 1).data];
  };
  const light = ([...channels]) => {
    const [r, g, b] = channels.slice(0, 3).map(c => c / 255).map(
      c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = node => {
    const behind = [];
    for (let at = node; at; at = at.parentElement) {
      behind.unshift(getComputedStyle(at).backgroundColor);
    }
    return behind;
  };
  const ratio = (node, color, behind) => {
    const a = light(pixel(...behind, color)), b = light(pixel(...behind));
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  const seen = node => node.checkVisibility({visibilityProperty: true})
    && node.getClientRects().length > 0;
  const off = node => node.closest(':disabled, [aria-disabled=true]');
  const texts = [], things = [];
  for (const node of root.querySelectorAll('*')) {
    const style = getComputedStyle(node), svg = node instanceof SVGElement;
    const own = [...node.childNodes].some(
      child => child.nodeType === 3 && child.data.trim());
    if (!seen(node) || off(node)) continue;
    const name = `${node.tagName} ${node.getAttribute('class') ?? ''} `
      + node.textContent.slice(0, 20);
    if (node.tagName === 'INPUT' && node.type === 'text') {
      texts.push([`field ${node.value}`, ratio(node, style.color, ground(node))]);
    } else if (own && node.tagName !== 'OPTION') {
      const color = svg ? style.fill : style.color;
      texts.push([name, ratio(node, color, ground(svg ? root : node))]);
    }
    const line = node.matches('path.line, .lr-widget-pick .lr-widget-line');
    if (line && Number(style.opacity) === 1 && parseFloat(style.strokeWidth) > 1) {
      things.push([name + style.stroke, ratio(node, style.stroke, ground(root))]);
    }
    if (node.matches('.lr-widget-suggestion')) {
      const both = [style.fill, style.stroke].map(c => ratio(node, c, ground(root)));
      things.push([name + style.fill, Math.max(...both)]);
    }
    if (node.matches('.lr-widget-swatch, .lr-widget-spot')) {
      const behind = ground(node.parentElement);
      things.push([name, ratio(node, style.backgroundColor, behind)]);
    }
  }
  return {texts, things};
}"""

# Texts of ticks that lie on each other, and what sticks out of the widget, but for the
# table of epochs, which scrolls in a box of its own.
MISFITS = """root => {
  const box = root.getBoundingClientRect();
  const seen = node => node.checkVisibility({visibilityProperty: true})
    && node.getBoundingClientRect().width > 0;
  const misfits = [];
  if (root.scrollWidth > root.clientWidth) misfits.push(['scrolls', root.scrollWidth]);
  for (const node of root.querySelectorAll('*')) {
    const shown = node instanceof HTMLElement || node.tagName === 'text';
    const scrolls = node.closest('.lr-widget-box table');  // the box is there for that
    if (!shown || !seen(node) || scrolls) continue;
    const {left, right} = node.getBoundingClientRect();
    if (left < box.left - 1 || right > box.right + 1) {
      misfits.push([node.tagName, node.textContent.slice(0, 20), left, right]);
    }
  }
  const ticks = [...root.querySelectorAll('.axis .tick text')].filter(seen)
    .map(node => [node.textContent, node.getBoundingClientRect()]);
  if (ticks.length < 5) misfits.push(['few ticks', ticks.length]);
  ticks.forEach(([text, p], i) => ticks.slice(i + 1).forEach(([other, q]) => {
    if (p.left < q.right && q.left < p.right && p.top < q.bottom && q.top < p.bottom) {
      misfits.push([text, other]);
    }
  }));
  return misfits;
}"""

MOVING = """root => [...root.querySelectorAll('*')].map(node => getComputedStyle(node))
  .filter(style => style.animationName !== 'none'
    || style.transitionDuration.split(', ').some(time => parseFloat(time) > 0))
  .length"""

# What a person reads in a view; the front end's own names of clip paths aside.
SHOWN = """root => ({
  options: [...root.querySelectorAll('.lr-widget-options :is(input, select)')].map(
    node => node.type === 'checkbox' ? node.checked : node.value),
  legend: [...root.querySelectorAll('.lr-widget-entry')].map(node => [
    node.textContent, node.className,
    node.querySelector('[aria-pressed]').getAttribute('aria-pressed')]),
  pick: root.querySelector('.lr-widget-pick text')?.textContent,
  words: [...root.querySelectorAll('.lr-widget-message')].map(node => node.textContent),
  lines: [...root.querySelectorAll('path.line')].map(
    node => (node.getAttribute('d') ?? '').length > 30
      && node.getBoundingClientRect().width > 0),
})"""


@pytest.fixture
def finished(open_notebook):
    """A page with a finder after two sweeps and a pick, with room for it."""
    page = open_notebook([SETUP, "finder"])
    if page.frontend == "lab":
        page.command("application:toggle-left-area")
    page.run_all()
    finder = FinderWidget(page)
    finder.sweep()
    finder.sweep()
    page.add_cell_and_run("finder.lr = 0.0123")
    expect(finder.root.locator(".lr-widget-pick text")).to_have_text("lr 1.23e-2")
    finder.press("Fit")
    finder.expect_status("fit done")
    expect(finder.root.get_by_role("row")).to_have_count(4)
    return page, finder


def test_in_every_theme_switched_live_all_can_be_read(finished):
    page, finder = finished
    root = finder.root.element_handle()
    papers = set()
    for theme in THEMES:
        page.change_theme(theme)
        found = root.evaluate(CONTRASTS)
        assert len(found["texts"]) > 30
        assert len(found["things"]) > 8
        assert [text for text in found["texts"] if text[1] < 4.5] == [], theme
        assert [thing for thing in found["things"] if thing[1] < 3] == [], theme
        papers.add(
            root.evaluate("""() => getComputedStyle(document.body)
              .getPropertyValue('--jp-layout-color0')""")
        )
    assert len(papers) > 1, "the themes differ"
    assert root.evaluate("root => root.isConnected"), "it was not drawn anew"
    assert page.console_errors == []


@in_lab
def test_nothing_moves_by_itself_where_people_want_reduced_motion(finished):
    page, finder = finished
    root = finder.root.element_handle()
    assert root.evaluate(MOVING) > 0, "else this test proves nothing"
    page.page.emulate_media(reduced_motion="reduce")
    assert root.evaluate(MOVING) == 0
    finder.press("Run")
    page.wait_for_kernel("len(finder.curves) == 3 and len(finder.curve) > 10")
    running = "root => root.getAnimations({subtree: true}).length"
    assert root.evaluate(running) == 0
    page.page.mouse.move(*finder.place(0.5))
    assert root.evaluate(running) == 0
    assert root.evaluate(MOVING) == 0


def test_from_a_phone_to_a_projector_everything_fits_and_is_reached(finished):
    page, finder = finished
    root = finder.root.element_handle()
    widths = set()
    for viewport in (1900, 800, 320):
        page.page.set_viewport_size({"width": viewport, "height": 900})
        expect_settled(page, root)
        widths.add(round(root.bounding_box()["width"]))
        assert root.evaluate(MISFITS) == [], viewport
        for button in finder.root.get_by_role("button", disabled=False).all():
            if button.get_attribute("aria-disabled") != "true":
                button.click(trial=True)
    assert len(widths) == 3
    page.add_cell_and_run("finder.layout.width = '190px'")
    page.reload()  # bqplot looks at its width when it begins, and with the window
    root = page.page.locator(".lr-widget").first.element_handle()
    expect_settled(page, root)
    assert root.bounding_box()["width"] <= 190
    assert root.evaluate(MISFITS) == []
    assert page.console_errors == []


def expect_settled(page, root):
    """Wait until the charts have the width of the widget, as it was laid out."""
    # Those below in a notebook are drawn anew once they are seen.
    for figure in root.query_selector_all(".bqplot.figure")[::-1]:
        figure.scroll_into_view_if_needed()
        page.page.wait_for_function(
            """figure => {
              const ground = figure.querySelector('.plotarea_background');
              const wide = ground ? Number(ground.getAttribute('width')) : 0;
              const root = figure.closest('.lr-widget');
              return wide > 0 && [88, 132].some(
                margins => Math.abs(wide + margins - figure.clientWidth) < 3)
                && figure.clientWidth <= root.clientWidth;
            }""",
            arg=figure,
        )
    page.page.wait_for_function(
        """root => {
          const figure = root.querySelector('.bqplot.figure');
          const plot = root.querySelector('rect.lr-widget-picker');
          if (!plot) return false;
          const marks = figure.querySelectorAll('.axis[text-anchor=middle] .tick');
          const [first, last] = [marks[0], marks[marks.length - 1]].map(
            mark => mark.getBoundingClientRect());
          const wide = Number(plot.getAttribute('width'));
          const ticks = last.x + last.width / 2 - first.x - first.width / 2;
          return Math.abs(wide + 88 - figure.clientWidth) < 3
            && Math.abs(ticks - wide) < 6 && figure.clientWidth <= root.clientWidth
            && root.getBoundingClientRect().right <= innerWidth;
        }""",
        arg=root,
    )


@in_lab
def test_two_views_of_one_finder_stay_identical(finished):
    page, finder = finished
    page.add_cell_and_run("finder")
    second = page.page.locator(".lr-widget").nth(1)
    expect(second.locator(".lr-widget-pick text")).to_have_text("lr 1.23e-2")

    def expect_alike():
        page.page.wait_for_function(
            f"""() => {{
              const shown = [...document.querySelectorAll('.lr-widget')].map({SHOWN});
              const [first, second] = shown.map(each => JSON.stringify(each));
              return shown.length === 2 && first === second;
            }}"""
        )

    expect_alike()
    second.get_by_label("log y").check()
    page.wait_for_kernel("finder.options.y_log")
    expect(finder.field("log y")).to_be_checked()
    expect_alike()
    finder.field("regions").uncheck()
    expect(second.get_by_label("regions")).not_to_be_checked()
    second.get_by_label("y axis").select_option("accuracy")
    expect(finder.root.locator(".axislabel").nth(1)).to_have_text("accuracy")
    expect_alike()
    finder.root.get_by_label("y axis").select_option("loss")
    take = second.get_by_role("button", name="valley")
    take.click()
    expect(finder.root.get_by_role("button", name="valley")).to_have_attribute(
        "aria-pressed", "true"
    )
    expect_alike()
    second.get_by_role("button", name="hide sweep 1").click()
    expect(finder.root.locator(".lr-widget-hidden")).to_have_count(1)
    expect_alike()
    assert page.console_errors == []


def test_after_a_reload_and_a_closed_tab_all_is_as_it_was(finished, open_notebook):
    page, finder = finished
    finder.field("regions").uncheck()
    finder.field("log y").check()
    page.wait_for_kernel("finder.options.y_log and not finder.options.regions")
    finder.wait_until_drawn(finder.value("curve.__len__()"))
    before = finder.root.evaluate(SHOWN)
    assert before["lines"].count(True) >= 3

    def expect_as_before():
        widget = FinderWidget(page)
        page.page.wait_for_function(
            f"before => JSON.stringify(({SHOWN})"
            "(document.querySelector('.lr-widget'))) === JSON.stringify(before)",
            arg=before,
        )
        return widget

    page.reload()
    expect_as_before()
    page.close_tab_and_reopen()
    finder = expect_as_before()
    finder.click_plot(0.4)
    page.wait_for_kernel("finder.lr != 0.0123", timeout=5)
    finder.sweep()
    assert page.console_errors == []


@in_lab
def test_zoom_by_wheel_and_drag_and_the_way_back(finished):
    page, finder = finished
    ticks = finder.root.locator(".axis[text-anchor=middle]").first.locator(".tick text")
    whole = ticks.all_text_contents()
    span = "(finder._board.chart.x_scale.min, finder._board.chart.x_scale.max)"
    low, high = page.kernel_eval(span)
    back = finder.button("Whole curve")
    expect(back).to_have_attribute("aria-disabled", "true")

    page.page.mouse.move(*finder.place(0.6))
    page.page.mouse.wheel(0, -240)
    assert page.kernel_eval(span) == (low, high), "zoom is off: the page scrolls"
    finder.field("zoom").check()
    page.wait_for_kernel("finder.options.zoom")
    page.page.mouse.move(*finder.place(0.6))
    page.page.mouse.wheel(0, -240)
    zoomed = f"{span}[1] / {span}[0]"
    page.wait_for_kernel(f"{zoomed} < 0.5 * {high / low}")
    expect(back).to_have_attribute("aria-disabled", "false")
    expect(ticks).not_to_have_text(whole)

    page.page.mouse.wheel(0, 1)  # a last, small one, so that no view is on its way
    page.wait_for_kernel("finder.options.zoomed")
    seen = page.kernel_eval(span)
    pick = page.kernel_eval("finder.lr")
    page.page.mouse.move(*finder.place(0.2, 0.7))
    page.page.mouse.down()
    page.page.mouse.move(*finder.place(0.5, 0.7), steps=4)
    page.page.mouse.up()
    page.wait_for_kernel(f"{span}[0] < {seen[0]!r} / 3")
    assert page.kernel_eval("finder.lr") == pick, "a drag pans, it does not pick"

    back.click()
    page.wait_for_kernel(f"{span} == {(low, high)!r}")
    expect(ticks).to_have_text(whole)
    finder.field("zoom").uncheck()
    page.wait_for_kernel("not finder.options.zoom")
    expect(finder.root.locator(".lr-widget-pick text")).to_have_text("lr 1.23e-2")
    expect(finder.root.locator(".lr-widget-suggestion:visible")).to_have_count(
        page.kernel_eval("len(finder.curve.suggestions())")
    )
    x = finder.click_plot(0.4)
    page.wait_for_kernel(f"abs(finder.lr / {finder.lr_at(x)!r} - 1) < 0.1")
    assert page.console_errors == []


@in_lab
def test_the_menu_downloads_a_png_an_svg_and_a_csv(finished):
    page, finder = finished
    files = {}
    for kind in ("PNG", "SVG", "CSV"):
        finder.button("Download").click()
        with page.page.expect_download() as download:
            finder.root.get_by_role("menuitem", name=kind).click()
        assert download.value.suggested_filename == f"lr_widget.{kind.lower()}"
        files[kind] = download.value.path().read_bytes()

    assert files["PNG"][:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", files["PNG"][16:24]) == (1440, 800)
    drawn = ET.fromstring(files["SVG"])
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
    assert "lr 1.23e-2" in "".join(drawn.itertext())
    rows = list(csv.DictReader(io.StringIO(files["CSV"].decode())))
    assert len(rows) == page.kernel_eval("sum(map(len, finder.curves.values()))")
    assert {row["curve"] for row in rows} == {"sweep 1", "sweep 2"}
    assert float(rows[-1]["loss"]) == page.kernel_eval("float(finder.curve.losses[-1])")
    assert page.console_errors == []
