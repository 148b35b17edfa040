"""What is written over the curve in front: its suggestions and its regions.

Both are plain dictionaries, for the browser to draw; every number in them is the very
one that the curve gives.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .curves import Sweep
from .palette import MARKS
from .reading import Regions
from .suggestion import REASONS


def suggestions(sweep: Sweep, measure: str, beta: float) -> list[dict[str, Any]]:
    """Each suggested LR, the lowest first, at its place on the smoothed `measure`.

    `minimum` has an `origin`, the place of the minimum itself, of whose LR it returns
    a tenth.
    """
    found = {k: lr for k, lr in sweep.suggestions(beta).items() if lr is not None}
    return [
        {
            "name": name,
            "lr": lr,
            "y": _height(sweep, measure, beta, lr),
            "color": MARKS[name],
            "reason": REASONS[name],
            "origin": _origin(sweep, measure, beta, lr) if name == "minimum" else None,
        }
        for name, lr in sorted(found.items(), key=lambda item: item[1])
    ]


def regions(found: Regions) -> list[dict[str, Any]]:
    """The regions that a curve has, by the names that are written over them."""
    named = {
        "too small": found.too_small,
        "just right": found.just_right,
        "diverging": found.diverging,
    }
    return [
        {"name": name, "start": edges[0], "end": edges[1]}
        for name, edges in named.items()
        if edges is not None
    ]


def _origin(sweep: Sweep, measure: str, beta: float, tenth: float) -> dict[str, Any]:
    lr = 10 * tenth
    return {"lr": lr, "y": _height(sweep, measure, beta, lr)}


def _height(sweep: Sweep, measure: str, beta: float, lr: float) -> float | None:
    """The smoothed value at an LR, between the two steps beside it; None if none is."""
    if measure not in sweep.measures:
        return None
    lrs, _, smooth = sweep.trace(measure, beta)
    kept = np.isfinite(smooth)
    if not kept.any():
        return None
    return float(np.interp(np.log(lr), np.log(lrs[kept]), smooth[kept]))
