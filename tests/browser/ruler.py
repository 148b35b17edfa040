"""Ruler: an axis of the chart as people read it, by the ticks that are drawn."""

from __future__ import annotations

import math
from typing import Literal

from playwright.sync_api import Locator

# The text of each tick and where its value lies; a tick of the x axis points down.
# d3 draws it half a pixel beside, unless the screen has finer ones.
TICKS = """(figure, across) =>
  [...figure.querySelectorAll('.axis .tick')].flatMap(tick => {
    const line = tick.querySelector('line');
    if (line.hasAttribute('y2') !== across) return [];
    const box = line.getBoundingClientRect();
    const at = across ? box.x + box.width / 2 : box.y + box.height / 2;
    const beside = devicePixelRatio > 1 ? 0 : line.getScreenCTM().a / 2;
    return [[tick.textContent, at - beside]];
  })"""


class Ruler:
    """Turns values of an axis into places on the page, in px, and back."""

    def __init__(self, figure: Locator, axis: Literal["x", "y"], log: bool) -> None:
        ticks = figure.evaluate(TICKS, axis == "x")
        read = sorted((float(text), at) for text, at in ticks if text)
        (low, start), (high, end) = read[0], read[-1]
        self.log = log
        self._low, self._start = self._even(low), start
        self._px = (end - start) / (self._even(high) - self._low)

    def place(self, value: float) -> float:
        """Where on the page a value is."""
        return self._start + (self._even(value) - self._low) * self._px

    def value(self, place: float) -> float:
        """The value at a place on the page."""
        even = self._low + (place - self._start) / self._px
        return 10**even if self.log else even

    def _even(self, value: float) -> float:
        """A number of which the axis has as much room for each step."""
        return math.log10(value) if self.log else value
