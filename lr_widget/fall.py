"""Whether raw losses fell at all, and what to say where that is not so sure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Fewer raw losses than this do not tell a fall from noise.
MIN_LOSSES = 20

#: Blurs in decades with which a fall is looked for, a factor of 2.5 in LR and of 1.25;
#: and how many standard errors it must have: the narrow one has more places to err in.
BLURS = {0.4: 4.5, 0.1: 7.0}


def refusal(lrs: Array, losses: Array, num_iter: int | None = None) -> str:
    """Why raw losses support no learning rate: a kind of refusal, or `""`.

    >>> lrs = np.geomspace(1e-7, 1e-4, 100)
    >>> refusal(lrs, 2.3 - 1e4 * lrs)
    'still_falling'

    The fall from the mean of the first fifth to the lowest blurred loss is compared
    with its standard error.

    Parameters
    ----------
    lrs, losses
        LR and raw loss of each step made.
    num_iter
        Steps that were planned; default: as many.

    Returns
    -------
    str
        A key of `suggestion.KINDS` other than `"too_few"`, or `""`.
    """
    with np.errstate(all="ignore"):  # a diverged loss may be 1e300
        return _refusal(lrs, losses, num_iter or len(losses))


def _refusal(lrs: Array, losses: Array, planned: int) -> str:
    made = len(losses)
    finite = np.isfinite(losses)
    size = made if finite.all() else int(np.argmin(finite))
    lrs, losses = lrs[:size], losses[:size]
    if size < 2 or not (lrs[0] > 0 and np.all(np.diff(lrs) > 0)):
        return "diverged_at_once" if size < 2 and size < made else ""
    first = max(5, size // 5)
    level, noise = float(losses[:first].mean()), _noise(losses[:first])
    top = level + np.ptp(losses[:-1]) + 4 * noise + 1e-9 * abs(level)
    blown = size < made or losses[-1] > top
    early = bool(blown) and size < planned / 2
    if size < MIN_LOSSES:
        return "diverged_at_once" if early else ""
    # An explosion counts no more than "worse than the start".
    clipped = np.minimum(losses, level + 3 * noise)
    falls = [_fall(np.log10(lrs), losses, clipped, level, blur) for blur in BLURS]
    fall = next((found for found in falls if found.sure), falls[0])
    if not fall.sure:
        if blown or fall.rise > 4 * fall.error:
            return "diverged_at_once" if early else "never_fell"
        hidden = max(fall.depth, 0.0) + 2 * fall.error
        return "noise" if hidden > 0.2 * abs(level) else "flat"
    if fall.at_end and not blown and made == planned:
        return "still_falling"
    if level - fall.depth > losses[0]:
        # What comes down from an explosion at the first steps has not learned.
        return "never_fell" if fall.low < first else "diverged_at_once"
    return ""


@dataclass(frozen=True)
class _Fall:
    """The fall of raw losses as one blur shows it, and the rise from start to end.

    `low`: the step of the lowest point. `sure`: too deep to be noise, of which `error`
    is the part. `at_end`: the lowest point, and where most of the fall was made, lie so
    near the end that it may well go on.
    """

    depth: float
    error: float
    rise: float
    low: int
    sure: bool
    at_end: bool


def _noise(losses: Array) -> float:
    """Robust standard deviation of a loss, the trend left out."""
    steps = np.abs(np.diff(losses))
    return float(1.4826 / math.sqrt(2) * np.median(steps)) if len(steps) else 0.0


def _fall(x: Array, losses: Array, clipped: Array, level: float, blur: float) -> _Fall:
    """The fall from `level` to the lowest of the blurred, clipped losses."""
    blurred, counts = _blurred(x, clipped, blur)
    low = int(np.argmin(blurred))
    depth = float(level - blurred[low])
    first = max(5, len(x) // 5)
    # Not robust, on purpose: rare large jumps make a mean uncertain too.
    spread = np.sqrt(np.mean(np.diff(losses[: max(low + 1, first)]) ** 2) / 2)
    error = float(spread * np.sqrt(1 / first + 1 / counts[low])) + 1e-9 * abs(level)
    above = np.flatnonzero(blurred[: low + 1] > level - 0.95 * depth)
    bottom = x[above[-1]] if len(above) else x[0]
    return _Fall(
        depth,
        error,
        rise=float(blurred[-1] - level),
        low=low,
        sure=depth > BLURS[blur] * error,
        at_end=bool(x[-1] - x[low] < max(BLURS) and x[-1] - bottom < 1),
    )


def _blurred(x: Array, losses: Array, blur: float) -> tuple[Array, Array]:
    """Mean loss around each x, without lag, and of how many losses.

    A moving window of standard deviation `blur`, at least a step to each side; its cost
    grows with the number of steps alone.
    """
    half = max(np.sqrt(3) * blur, 1.01 * (x[-1] - x[0]) / (len(x) - 1))
    start = np.searchsorted(x, x - half)
    stop = np.searchsorted(x, x + half, side="right")
    total = np.concatenate([[0.0], np.cumsum(losses - losses[0])])
    counts = (stop - start).astype(float)
    return losses[0] + (total[stop] - total[start]) / counts, counts
