"""The classical rules that read a learning rate off a range-test curve.

Each rule is a pure function `(lrs, losses) -> lr`, `losses` being smoothed. They
follow fastai (`fastai/callback/schedule.py`, version 2.8) so that a number can be
compared with what people already know; `classics` trims the curve as fastai does. None
of them ever says no: whether there is anything to suggest, `fall` decides.
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: fastai leaves out the last five points, where a sweep usually blows up.
SKIP_END = 5

#: A curve shorter than this, after trimming, has no shape to read.
MIN_POINTS = 5


def minimum(lrs: Array, losses: Array) -> float | None:
    """A tenth of the LR at which the loss is lowest (fastai `minimum`)."""
    return float(lrs[np.argmin(losses)]) / 10


def steepest(lrs: Array, losses: Array) -> float | None:
    """The LR at which the loss falls fastest per unit of log LR (fastai `steep`)."""
    with np.errstate(over="ignore"):  # a diverged loss may be 1e300
        slopes = np.diff(losses) / np.diff(np.log(lrs))
    return float(lrs[np.argmin(slopes)])


def valley(lrs: Array, losses: Array) -> float | None:
    """The middle of the longest descent (fastai `valley`, its default).

    The descent is the longest strictly decreasing subsequence, taken as if it were
    contiguous; the answer lies half-way along it (one third and a half of a third,
    each rounded down).
    """
    tails: list[float] = []
    lengths = np.empty(len(losses), dtype=int)
    for i, rise in enumerate(-losses):
        at = bisect_left(tails, rise)
        tails[at : at + 1] = [rise]
        lengths[i] = at + 1
    end = int(np.argmax(lengths))
    length = int(lengths[end])
    if length == 1:
        return None
    third = length / 3
    return float(lrs[max(0, end - length + int(third) + int(third / 2))])


def slide(
    lrs: Array, losses: Array, *, lr_diff: int = 15, thresh: float = 0.005
) -> float | None:
    """The LR left of the last stretch of even slope (fastai `slide`, after ESRI).

    Two marks `lr_diff` points apart walk left from the end until the slopes (loss per
    step) under them differ by no more than `thresh`. `thresh` is absolute: this rule
    depends on the scale of the loss.
    """
    slopes = np.gradient(losses)
    left = len(losses) - 1 - lr_diff
    if left < 0:
        return None
    found = left
    while left >= 0 and abs(slopes[left + lr_diff] - slopes[left]) > thresh:
        found = left
        left -= 1
    return float(lrs[found])


RULES = {
    "minimum": minimum,
    "steepest": steepest,
    "valley": valley,
    "slide": slide,
}

#: Rule to where it looks, and after the colon why one would trust it.
GROUNDS = {
    "minimum": "a tenth of the LR where the moving average is lowest: before it rises",
    "steepest": "where the loss falls fastest: a step gains most, but noise moves it",
    "valley": "the middle of the longest descent: far from flat and from the edge",
    "slide": "left of the last even slope: high, and yet before the loss turns",
}


def classics(
    lrs: Array, smooth: Array, num_iter: int | None = None
) -> dict[str, float | None]:
    """Every rule's LR for the curve of `smooth` losses against `lrs`.

    As in fastai the first tenth of the `num_iter` planned steps (default: of the steps
    made) and the last five are left out, and so is all from the first NaN on.

    Parameters
    ----------
    lrs, smooth
        LR and smoothed loss of each step made; fastai's is a moving average, beta 0.98.
    num_iter
        Steps that were planned.

    Returns
    -------
    dict of str to (float or None)
        By rule; all None where fewer than five points are left.
    """
    kept = slice((num_iter or len(lrs)) // 10, -SKIP_END)
    lrs, smooth = lrs[kept], smooth[kept]
    finite = np.isfinite(smooth)
    if not finite.all():
        lrs, smooth = lrs[: np.argmin(finite)], smooth[: np.argmin(finite)]
    if len(lrs) < MIN_POINTS:
        return dict.fromkeys(RULES)
    return {name: rule(lrs, smooth) for name, rule in RULES.items()}
