"""The finder's widget on a page, read and driven the way a person does."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Locator, expect

from .notebook import TIMEOUT, NotebookPage
from .ruler import Ruler

#: Places on the page, shape (n, 2).
Places = NDArray[np.float64]

# Points of the longest line that the page draws.
DRAWN = """Math.max(0, ...[...document.querySelectorAll('.lr-widget path.line')].map(
  path => ((path.getAttribute('d') ?? '').match(/[ML]/g) ?? []).length))"""

# Where on the page each line that is seen goes, the widest and the filled ones apart.
LINES = """paths => {
  const seen = paths.filter(path =>
    path.getClientRects().length && path.getAttribute('d'));
  const width = path => parseFloat(path.style.strokeWidth);
  const filled = path => {
    const {fill, fillOpacity} = getComputedStyle(path);
    return fill !== 'none' && Number(fillOpacity) > 0;
  };
  const places = path => {
    const at = path.getScreenCTM();
    return path.getAttribute('d').match(/[-\\d.e]+,[-\\d.e]+/g).map(pair => {
      const [x, y] = pair.split(',').map(Number);
      return [at.a * x + at.e, at.d * y + at.f];
    });
  };
  const bold = seen.reduce((a, b) => width(b) > width(a) ? b : a);
  return [places(bold), seen.filter(filled).map(places)];
}"""


class FinderWidget:
    """The first LRFinder shown on a page."""

    def __init__(self, page: NotebookPage, name: str = "finder") -> None:
        self.page = page
        self.name = name
        self.root = page.page.locator(".lr-widget").first
        self.root.wait_for()
        self.plot = self.root.locator("rect.lr-widget-picker")
        expect(self.plot).to_have_attribute("width", re.compile(r"\d\d\d"))

    def press(self, name: str) -> None:
        """Press a button."""
        self.button(name).click()

    def button(self, name: str) -> Locator:
        """A button by its label."""
        # Its icon counts as a character of the name.
        return self.root.get_by_role("button", name=re.compile(rf"\b{name}$"))

    def field(self, label: str) -> Locator:
        """An input by its label."""
        return self.root.get_by_label(label, exact=True)

    def expect_status(self, text: str | re.Pattern[str]) -> None:
        """Wait until the status line says so."""
        status = self.root.locator(".lr-widget-message").first
        expect(status).to_contain_text(text, timeout=TIMEOUT)

    def wait_for_points(self, count: int) -> None:
        """Wait until the sweep has made so many steps; cells may be running."""
        self.page.wait_for_kernel(f"len({self.name}.curve) >= {count}")

    def value(self, expression: str) -> object:
        """An attribute of the finder in the kernel, busy or not."""
        return self.page.kernel_eval(f"{self.name}.{expression}", subshell=True)

    def curve_states(self) -> int:
        """How many different states of the smoothed curve the page has drawn."""
        return len(self.page.page.evaluate("[...(window.curveStates ?? [])]"))

    def watch_curve(self) -> None:
        """Begin to note each state of the smoothed curve that the page draws."""
        self.page.page.evaluate(
            """() => {
              window.curveStates = new Set();
              const look = () => {
                const paths = document.querySelectorAll('.lr-widget path.line');
                const paint = [...paths].map(path => path.getAttribute('d')).join();
                if (paint.includes('L')) window.curveStates.add(paint);
                requestAnimationFrame(look);
              };
              look();
            }"""
        )

    def drawn_points(self) -> int:
        """Points in the longest line drawn in the first chart."""
        return self.page.page.evaluate(DRAWN)

    def wait_until_drawn(self, points: int) -> None:
        """Wait until the first chart shows at least so many points."""
        self.page.page.wait_for_function(f"points => {DRAWN} >= points", arg=points)

    def tick_scale(self) -> tuple[float, float, float]:
        """Where the axis puts 1e-6, 1e0 and how many px a decade is: from its ticks."""
        ticks = self.root.locator(".bqplot.figure").first.evaluate(
            """figure => [...figure.querySelectorAll('.axis .tick')].map(tick => {
                 const line = tick.querySelector('line').getBoundingClientRect();
                 return [tick.textContent, line.x + line.width / 2];
               })"""
        )
        at = {text: x for text, x in ticks}
        left, right = at["1e-6"], at["1e+0"]
        return left, right, (right - left) / 6

    def lr_at(self, x: float) -> float:
        """The learning rate at a place on the page, read off the axis as people do."""
        left, _, decade = self.tick_scale()
        return 10 ** (-6 + (x - left) / decade)

    def place(self, across: float, down: float = 0.5) -> tuple[int, int]:
        """A part of the plot's width and height, as a place on the page."""
        self.plot.scroll_into_view_if_needed()
        box = self.plot.bounding_box()
        assert box is not None
        x, y = box["x"] + across * box["width"], box["y"] + down * box["height"]
        return round(x), round(y)

    def click_plot(self, across: float, down: float = 0.5) -> int:
        """Click at a part of the plot's width and height; where across the page."""
        x, y = self.place(across, down)
        self.page.page.mouse.click(x, y)
        return x

    def ruler(self, axis: Literal["x", "y"], *, log: bool | None = None) -> Ruler:
        """An axis of the first chart, read off its ticks; x is logarithmic."""
        figure = self.root.locator(".bqplot.figure").first
        return Ruler(figure, axis, axis == "x" if log is None else log)

    def until(self, check: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Wait until a check passes: what the kernel says is painted frames later."""
        deadline = time.monotonic() + 10
        while True:
            try:
                return check(*args, **kwargs)
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
            self.page.page.evaluate("() => new Promise(requestAnimationFrame)")

    def middle(self, part: Locator) -> tuple[float, float]:
        """The middle of a part of the widget, as a place on the page."""
        box = part.bounding_box()
        assert box is not None
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def lines(self) -> tuple[Places, list[Places]]:
        """Where on the page the bold line goes, and the outline of each area."""
        paths = self.root.locator(".bqplot.figure").first.locator("path.line")
        bold, areas = paths.evaluate_all(LINES)
        return np.array(bold), [np.array(area) for area in areas]

    def dot(self, name: str) -> Locator:
        """The dot of a suggestion on the curve."""
        return self.root.locator(f"circle.lr-widget-suggestion[data-name='{name}']")

    def reading(self) -> list[str]:
        """The lines of text beside the pointer."""
        hover = self.root.locator(".lr-widget-hover")
        expect(hover).to_be_visible()
        return hover.locator("tspan").all_text_contents()

    def sweep(self) -> None:
        """Press Run, and wait until the page shows all that is read off the sweep."""
        entries = self.root.locator(".lr-widget-curves .lr-widget-entry")
        count = entries.count()
        self.press("Run")
        expect(entries).to_have_count(count + 1, timeout=TIMEOUT)
        expect(entries.last).to_contain_text(" steps", timeout=TIMEOUT)
        self.expect_status(re.compile("range test (done|diverged)"))
        if any(lr is not None for lr in self.value("curve.suggestions()").values()):
            self.root.locator(".lr-widget-suggestions li").first.wait_for()
