"""Poster: the chart as a still picture, in SVG and in pixels."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from . import picture
from .axis import lr_text
from .curves import Sweep
from .line import thin
from .palette import LOOK, PICK, curve_style
from .repeats import Repeats

Range = tuple[float, float]


@dataclass(frozen=True)
class Poster:
    """What a chart shows, to be drawn by whoever has the time.

    `sweeps` are those that are drawn, each with its place among the colours, the one in
    front last; `marks` are the suggestions as `annotation` gives them, `look` the
    band to look in; `words` say what is to be seen.
    """

    sweeps: Sequence[tuple[str, Sweep, int]]
    measure: str
    beta: float | None
    y_log: bool
    x_range: Range
    y_range: Range
    lr: float | None
    marks: Sequence[dict[str, Any]]
    look: Range | None
    words: str

    def svg(self) -> str:
        """The picture as SVG."""
        strokes, bands = self._lines()
        marks = [
            picture.Mark(
                mark["name"], mark["lr"], mark["y"], mark["color"], bool(mark["doubt"])
            )
            for mark in self.marks
            if mark["y"] is not None
        ]
        return picture.svg(
            strokes,
            x_range=self.x_range,
            y_range=self.y_range,
            y_log=self.y_log,
            y_label=self.measure,
            lr=self.lr,
            marks=marks,
            bands=bands,
            look=self.look,
            words=self.words,
        )

    def png(self) -> bytes | None:
        """The same in 720 by 400 pixels; None where matplotlib is not installed."""
        if find_spec("matplotlib") is None:
            return None
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7.2, 4.0), layout="constrained")
        ax = figure.subplots()
        strokes, bands = self._lines()
        for band in bands:
            ax.fill_between(band.x, band.low, band.high, color=band.color, alpha=0.18)
        for line in strokes:
            look: dict[str, Any] = {
                "color": line.color,
                "lw": line.width,
                "alpha": line.opacity,
            }
            ax.plot(line.x, line.y, label=line.name or "_", **look)
        if self.look is not None:
            ax.axvspan(*self.look, color=LOOK, alpha=0.1, lw=0, label="look here")
        for mark in self.marks:
            if mark["y"] is not None:
                label = f"{mark['name']} {lr_text(mark['lr'])}"
                shown = {"color": mark["color"]}
                if mark["doubt"]:
                    shown = {"color": "gray", "fillstyle": "none"}
                ax.plot(mark["lr"], mark["y"], "o", label=label, **shown)
        if self.lr is not None:
            ax.axvline(self.lr, color=PICK, label=f"lr {lr_text(self.lr)}")
        ax.set(xscale="log", yscale="log" if self.y_log else "linear")
        ax.set(xlim=self.x_range, ylim=self.y_range)
        ax.set(xlabel="learning rate", ylabel=self.measure)
        if ax.get_legend_handles_labels()[0]:
            ax.legend()
        pixels = io.BytesIO()
        figure.savefig(pixels, format="png", dpi=100)
        return pixels.getvalue()

    def _lines(self) -> tuple[list[picture.Stroke], list[picture.Band]]:
        strokes, bands = [], []
        for name, sweep, place in self.sweeps:
            if self.measure not in sweep.measures:
                continue
            color, _ = curve_style(place)
            front = name == self.sweeps[-1][0]
            lrs, values, _ = sweep.trace(self.measure, 0.0)
            places, smooth = sweep.line(self.measure, self.beta)
            if isinstance(sweep, Repeats):
                band = sweep.band(self.measure, self.beta)
                bands.append(picture.Band(*band, color, name))
            elif front:
                strokes.append(picture.Stroke(*thin(lrs, values), color, 1.0, 0.5))
            width = 2.5 if front else 1.5
            strokes.append(
                picture.Stroke(*thin(places, smooth), color, width, 1.0, name)
            )
        return strokes, bands
