"""What a range-test curve shows: its three regions, and a sentence for people."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .axis import lr_text
from .suggestion import REASONS, Suggestions

Array = NDArray[np.float64]
Span = tuple[float, float]

#: Until so much of its whole fall is made, the loss counts as flat.
FLAT = 0.1

#: A rise from the lowest point of less than this part of the fall is no divergence.
RISE = 0.02

#: Which rule a sentence names: the first of these that has a suggestion; `valley` only
#: where the loss falls. It is often found in the flat part, since the moving average
#: goes down a little even there. The last two may lie at the very edge.
PREFERRED = ("valley", "minimum", "slide", "steepest")

#: What to do where there is no suggestion. `{lr}` is the last LR.
_NEXT = {
    "too_few": "Too few points to read a learning rate from: raise num_iter, or let it"
    " run to the end.",
    "never_fell": "The loss never fell: the model may be trained already, or the range"
    " too high: lower start_lr.",
    "still_falling": "Still falling at end_lr ({lr}): raise end_lr.",
    "flat": "Flat: the model may be trained already, or the range too low: raise"
    " end_lr.",
    "noise": "The noise is larger than the fall: more steps (num_iter) or a larger"
    " batch.",
    "diverged_at_once": "Diverged at once: lower start_lr.",
}


class Sweep(Protocol):
    """As much of a `Curve`, or of the repeats of one, as is read here."""

    def suggestions(self, beta: float = ...) -> Suggestions:
        """Each rule's LR, or why there is none."""

    def trace(self, measure: str = ..., beta: float = ...) -> tuple[Array, ...]:
        """LR, value and smoothed value of each step, of one measure."""


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


def sentence(curve: Sweep, beta: float = 0.98) -> str:
    """What the curve shows, and why the suggestion is where it is; or the next move.

    Every LR in it is one that `regions()` or `curve.suggestions()` gave.

    Parameters
    ----------
    curve
        A curve, or several repeats of one.
    beta
        Smoothing of the curve that is shown.

    Returns
    -------
    str
        One or two short sentences; `""` for a curve without points.
    """
    lrs, losses, smooth = curve.trace("loss", beta)
    if not len(lrs):
        return ""
    suggestions = curve.suggestions(beta)
    if suggestions.kind:
        if not math.isfinite(losses[0]):
            return "The first loss is not a number: look at the model and its data."
        return _NEXT[suggestions.kind].format(lr=lr_text(float(lrs[-1])))
    found = regions(lrs, smooth)
    return " ".join(filter(None, [_shape(found), _why(suggestions, found)]))


def ranked(suggestions: Suggestions, found: Regions) -> list[str]:
    """The rules that have an LR, the one to look at first in front.

    >>> ranked(Suggestions(steepest=0.1, valley=1e-6), Regions(just_right=(1e-3, 1.0)))
    ['steepest', 'valley']
    """
    start, end = found.just_right or (0.0, math.inf)
    rules = [rule for rule in PREFERRED if suggestions.get(rule) is not None]
    if "valley" in rules and not start <= (suggestions["valley"] or 0.0) <= end:
        rules = [*rules[1:], "valley"]
    return rules


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


def _why(suggestions: Suggestions, found: Regions) -> str:
    """One suggestion, and where its rule looks."""
    for rule in ranked(suggestions, found):
        text = lr_text(suggestions[rule] or 0.0)
        return f"{rule} suggests {text}, {REASONS[rule].split(': ')[0]}."
    return ""
