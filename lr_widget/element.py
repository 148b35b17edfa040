"""The elements of a static picture, as SVG text with short numbers."""

from __future__ import annotations

import re
from html import escape

import numpy as np
from numpy.typing import NDArray

from .placement import Box

Array = NDArray[np.float64]

#: Of the text, in pixels.
SIZE = 12

#: What XML 1.0 cannot hold, even escaped.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def safe(words: str) -> str:
    """Words as they stand in XML, in an attribute too.

    >>> safe('a < "b"')
    'a &lt; &quot;b&quot;'
    """
    return escape(_NO_XML.sub("\ufffd", words))


def line(
    x: float,
    y: float,
    to_x: float,
    to_y: float,
    color: str,
    width: float = 1.0,
    opacity: float = 1.0,
) -> str:
    """A straight line."""
    faint = f' stroke-opacity="{opacity:g}"' if opacity < 1 else ""
    return (
        f'<path d="M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}" fill="none"'
        f' stroke="{safe(color)}" stroke-width="{width:g}"{faint}/>'
    )


def rect(box: Box, style: str = "") -> str:
    """A rectangle; `style` are further attributes."""
    return (
        f'<rect x="{box.left:.1f}" y="{box.top:.1f}"'
        f' width="{box.right - box.left:.1f}" height="{box.bottom - box.top:.1f}"'
        f"{style}/>"
    )


def dot(x: float, y: float, color: str, hollow: bool = False) -> str:
    """A dot with a white rim; or a white one with a rim in its colour."""
    if hollow:
        return (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#ffffff"'
            f' stroke="{safe(color)}" stroke-width="1.5"/>'
        )
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{safe(color)}"'
        ' stroke="#ffffff" stroke-width="1.5"/>'
    )


def text(
    x: float, y: float, words: str, color: str, anchor: str = "start", more: str = ""
) -> str:
    """A text on the base line y; `more` are further attributes."""
    place = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return (
        f'<text x="{x:.1f}" y="{y:.1f}"{place} fill="{safe(color)}"{more}>'
        f"{safe(words)}</text>"
    )


def bold(x: float, y: float, words: str, color: str) -> str:
    """A bold text around x."""
    return text(x, y, words, color, "middle", ' font-weight="600"')


def halo(x: float, y: float, words: str, color: str) -> str:
    """A text on a white rim, legible over a line.

    Drawn twice, since not every program knows `paint-order`.
    """
    rim = ' stroke="#ffffff" stroke-width="4" stroke-linejoin="round"'
    return text(x, y, words, "#ffffff", more=rim) + text(x, y, words, color)


def path(x: Array, y: Array) -> str:
    """Path data through points, broken where one is not finite.

    >>> path(np.array([0.0, 1, 2, 3]), np.array([5.0, 6, np.nan, 7]))
    'M0.0 5.0 1.0 6.0M3.0 7.0h0'
    """
    there = np.isfinite(x) & np.isfinite(y)
    pieces = []
    for run in np.split(np.arange(len(x)), np.flatnonzero(~there)):
        kept = [f"{x[i]:.1f} {y[i]:.1f}" for i in run if there[i]]
        # A point alone is drawn by its round ends.
        pieces.append("M" + " ".join(kept) + ("h0" if len(kept) == 1 else ""))
    return "".join(piece for piece in pieces if piece != "M")
