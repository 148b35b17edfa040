"""The numbers on an axis: its range, its round ticks, and how they are written."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Context, Decimal
from itertools import pairwise
from statistics import median

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: No axis goes further: beyond it a difference is no number any more.
_LARGEST = 1e300


def y_range(losses: Array, smooth: Array) -> tuple[float, float] | None:
    """Lowest and highest loss to show; None before there is a finite one.

    All of them, unless some lie far above the start: a sweep ends in an explosion, and
    that must not press the rest of the curve flat.
    """
    losses, smooth = _finite(losses), _finite(smooth)
    if not len(losses):
        return None
    lowest = min(losses.min(), smooth.min(initial=np.inf))
    first = losses[:50].tolist()
    start = median(first[:10])
    spread = 4 * median([abs(b - a) for a, b in pairwise(first)] or [0.0])
    top = start + max(start - lowest, spread, 1e-3 * abs(start), 1e-9)
    highest = min(losses.max(), top)
    margin = 0.06 * (highest - lowest) or 0.1 * abs(lowest) or 0.1
    return float(lowest - margin), float(highest + margin)


def full_range(values: Array, smooth: Array) -> tuple[float, float] | None:
    """Lowest and highest value, with a margin; None before there is a finite one."""
    both = _finite(np.concatenate([values, smooth]))
    if not len(both):
        return None
    lowest, highest = float(both.min()), float(both.max())
    margin = 0.06 * (highest - lowest) or 0.1 * abs(lowest) or 0.1
    return lowest - margin, highest + margin


def _finite(values: Array) -> Array:
    return values[np.isfinite(values)].clip(-_LARGEST, _LARGEST)


def ticks(low: float, high: float, most: int = 8) -> Array:
    """Four to eight round numbers between two losses; with `most=5` two to five.

    >>> ticks(-0.1, 2.6).tolist(), ticks(-0.1, 2.6, most=5).tolist()
    ([0.0, 0.5, 1.0, 1.5, 2.0, 2.5], [0.0, 1.0, 2.0])
    """
    decade = 10.0 ** math.floor(math.log10(high - low))
    steps = (decade * part for part in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0))
    step = next(step for step in steps if (high - low) / step < most)
    # Through text, since 3 * 0.1 is not 0.3 and ticks are read; `+ 0` since nor is -0.
    whole = range(math.ceil(low / step), math.floor(high / step) + 1)
    return np.array([float(f"{i * step:.6g}") + 0.0 for i in whole])


def step_ticks(last: int) -> Array:
    """Round whole numbers from 0 to the last step, nine at most.

    >>> step_ticks(299).tolist(), step_ticks(1).tolist()
    ([0.0, 50.0, 100.0, 150.0, 200.0, 250.0], [0.0, 1.0])
    """
    marked = ticks(0.0, max(last, 1))
    return np.array([tick for tick in marked if tick == round(tick)])


def log_ticks(low: float, high: float) -> Array:
    """Two to nine round numbers between two positive ones, for a log axis.

    >>> log_ticks(0.08, 6.0).tolist(), log_ticks(1e-7, 10.0).tolist()[:3]
    ([0.1, 0.2, 0.5, 1.0, 2.0, 5.0], [1e-07, 1e-06, 1e-05])

    1, 2 and 5 of each decade while they are nine at most, then decades, then every
    so many of them. Where less than three fall within, the ticks are as on a linear
    axis; the ends themselves where even those are too coarse.
    """
    first, last = math.floor(math.log10(low)), math.floor(math.log10(high))
    for mantissas, stride in [("125", 1), *(("1", n) for n in range(1, 100))]:
        exponents = range(-(-first // stride) * stride, last + 1, stride)
        found = [float(f"{m}e{e}") for e in exponents for m in mantissas]
        found = [tick for tick in found if low <= tick <= high]
        if len(found) <= 9:
            break
    if len(found) < 3 and high - low > 1e-300:
        even = np.unique(ticks(low, high))
        found = even[(even >= low) & (even <= high)].tolist()
    return np.array(found if len(found) > 1 else [low, high])


def lr_text(lr: float) -> str:
    """A learning rate as people write it, to three digits; the browser's form too.

    >>> lr_text(0.00316228), lr_text(0.5), lr_text(10.0), lr_text(1e-7)
    ('3.16e-3', '0.5', '10', '1e-7')
    """
    if 0.1 <= lr < 1e3:
        return f"{float(f'{lr:.3g}'):g}"
    mantissa, exponent = f"{lr:.2e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def loss_text(loss: float) -> str:
    """A loss to three digits, as the browser writes it.

    >>> loss_text(2.302585), loss_text(0.0), loss_text(1234.5), loss_text(3.2e-5)
    ('2.3', '0', '1230', '3.2e-5')
    """
    if not math.isfinite(loss):
        return "NaN" if math.isnan(loss) else "Infinity" if loss > 0 else "-Infinity"
    # Ties away from zero, as JavaScript's toPrecision rounds them.
    three = float(Context(prec=3, rounding=ROUND_HALF_UP).plus(Decimal(loss)))
    if loss == 0 or 1e-3 <= abs(loss) < 1e5:
        return f"{three + 0.0:g}"
    mantissa, exponent = f"{Decimal(repr(three)).normalize():e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def percent_text(percent: int) -> str:
    r"""A percentage as it stands in a sentence: no line ends before its sign.

    >>> percent_text(95)
    '95\xa0%'
    """
    return f"{percent}\N{NO-BREAK SPACE}%"


def decades(start_lr: float, end_lr: float) -> Array:
    """The powers of ten between two learning rates.

    >>> decades(2e-7, 10.0).tolist()[:2]
    [1e-06, 1e-05]
    """
    first, last = math.ceil(math.log10(start_lr)), math.floor(math.log10(end_lr))
    # Through text: 10.0 ** -5 is not 1e-5 on every machine.
    return np.array([float(f"1e{i}") for i in range(first, last + 1)])
