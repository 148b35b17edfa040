"""What a range-test curve shows: its three regions, and a sentence for people."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .axis import lr_text
from .suggestion import Suggestion

Array = NDArray[np.float64]
Span = tuple[float, float]

#: Until so much of its whole fall is made, the loss counts as flat.
FLAT = 0.1

#: A rise from the lowest point of less than this part of the fall is no divergence.
RISE = 0.02


class Sweep(Protocol):
    """As much of a `Curve`, or of the repeats of one, as is read here."""

    @property
    def suggestion(self) -> Suggestion:
        """Where to train, or why there is no telling."""

    def line(self, measure: str = ..., beta: float | None = ...) -> tuple[Array, Array]:
        """LRs and smoothed values of a measure, as they are drawn."""


class Regions(NamedTuple):
    """The regions of a range test, each `(start_lr, end_lr)`, or None where it is not.

    They touch: the end of one is the start of the next.
    """

    too_small: Span | None = None
    just_right: Span | None = None
    diverging: Span | None = None


def regions(lrs: Array, smooth: Array) -> Regions:
    """Where the learning rate is too small, just right, and where the loss diverges.

    >>> lrs = np.array([1e-4, 1e-3, 1e-2, 1e-1, 1.0])
    >>> regions(lrs, np.array([2.0, 2.0, 1.0, 0.5, 3.0]))
    Regions(too_small=(0.0001, 0.001), just_right=(0.001, 0.1), diverging=(0.1, 1.0))

    Too small, until the loss has made a tenth of its whole fall for good; just right,
    until the lowest point, which anybody can see on the curve; diverging, from there
    on, if the loss then rises by 2 % of its fall, or is no number any more. Edges are
    LRs that were tested. The start of the fall is the median of the first tenth.

    Parameters
    ----------
    lrs, smooth
        LR of each step, ascending, and the loss as it is drawn.

    Returns
    -------
    Regions
        All None if the loss does not fall.
    """
    finite = np.isfinite(smooth)
    size = len(smooth) if finite.all() else int(np.argmin(finite))
    if size < 2:
        return Regions()
    shown = smooth[:size]
    with np.errstate(all="ignore"):  # a diverged loss may be 1e300
        fallen = np.median(shown[: max(1, size // 10)]) - shown
    fallen = fallen[: _blown(fallen)]
    low = len(fallen) - 1 - int(np.argmax(fallen[::-1]))  # the last of equals
    fall = fallen[low]
    if not 0 < fall < np.inf:
        return Regions()
    flat = np.flatnonzero(fallen[:low] < FLAT * fall)
    start = int(flat[-1]) if len(flat) else 0
    rises = len(fallen) < len(smooth) or fallen[low:].min() <= (1 - RISE) * fall
    end = low if rises else len(fallen) - 1
    last = len(smooth) - 1
    edges = [float(lrs[at]) for at in (0, start, end, last)]
    too_small, just_right, diverging = pairwise(edges)
    return Regions(
        too_small if start > 0 else None,
        just_right if end > start else None,
        diverging if last > end else None,
    )


def _blown(fallen: Array) -> int:
    """How many points there are before the loss, having fallen, leaps above its start.

    What comes after belongs to the divergence, even if the loss comes down again.
    """
    fall = fallen.max()
    fell = np.maximum.accumulate(fallen) > FLAT * fall
    leaps = np.flatnonzero(fell & (fallen < -0.5 * fall))
    return int(leaps[0]) if fall > 0 and len(leaps) else len(fallen)


def sentence(curve: Sweep, beta: float | None = None) -> str:
    """What the curve shows, and why the suggestion is where it is; or the next move.

    Every LR in it is one that `regions()` or `curve.suggestion` gave.

    Parameters
    ----------
    curve
        A curve, or several repeats of one.
    beta
        Smoothing of the curve that is shown, as of `Curve.smooth`.

    Returns
    -------
    str
        A few short sentences; `""` for a curve without points.
    """
    lrs, smooth = curve.line("loss", beta)
    found = curve.suggestion
    if found.reason:
        return found.sentence if len(lrs) or found.reason != "too_few" else ""
    return " ".join(filter(None, [_shape(regions(lrs, smooth)), found.sentence]))


def _shape(found: Regions) -> str:
    """What the curve shows, from left to right."""
    if found.just_right is None:
        return ""
    start, end = map(lr_text, found.just_right)
    falls = f"is flat below {start}, falls" if found.too_small else "falls"
    if found.diverging is None:
        return (
            f"The loss {falls.replace(',', ' and')} until {end}, the last one tested."
        )
    between = ", and" if found.too_small else " and"
    return f"The loss {falls} until {end}{between} diverges above."
