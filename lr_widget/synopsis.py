"""A schedule in a sentence: from where to where, by way of its turns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .axis import loss_text, lr_text

Array = NDArray[np.float64]

#: Most turns that are told one by one.
_TURNS = 6


def synopsis(lrs: Array, momentums: Array, groups: int = 1) -> str:
    """What the chart of a schedule shows, for those who cannot see it, and its lines.

    >>> lrs, momentums = np.array([0.1, 1.0, 0.2]), np.array([0.9, 0.8, 0.9])
    >>> synopsis(lrs, np.empty(0))
    'Solid: lr 0.1 to 1 at step 2 of 3, then down to 0.2.'
    >>> synopsis(lrs, momentums).split("; ")[1]
    'dashed: momentum 0.9 to 0.8 and back.'

    Parameters
    ----------
    lrs, momentums
        Of the leading param group at each step, `(steps,)`; `momentums` empty where it
        is not cycled. Steps are counted from 1, as progress is.
    groups
        How many param groups there are.
    """
    words = f"Solid: lr {_path(lrs)}"
    if groups > 1:
        words += f", in the leading one of {groups} param groups (thin: the others)"
    if len(momentums):
        words += f"; dashed: momentum {_swing(momentums)}"
    return f"{words}."


def _path(lrs: Array) -> str:
    steps, stops = len(lrs), _stops(lrs)
    texts = [lr_text(lrs[at]) for at in stops]
    if len(stops) == 1:
        return (
            f"{texts[0]} at {f'each of {steps:,} steps' if steps > 1 else 'one step'}"
        )
    if len(stops) > _TURNS + 2:
        return f"{lr_text(lrs.min())} to {lr_text(lrs.max())} in {steps:,} steps"
    if len(stops) == 2:
        return f"{texts[0]} to {texts[1]} in {steps:,} steps"
    words = f"{texts[0]} to {texts[1]} at step {stops[1] + 1:,} of {steps:,}"
    for before, at, text in zip(stops[1:], stops[2:], texts[2:], strict=False):
        words += f", then {'up' if lrs[at] > lrs[before] else 'down'} to {text}"
        words += f" at step {at + 1:,}" if at < steps - 1 else ""
    return words


def _swing(momentums: Array) -> str:
    stops = _stops(momentums)
    texts = [loss_text(momentums[at]) for at in stops]
    if len(stops) > _TURNS + 2:
        return f"{loss_text(momentums.min())} to {loss_text(momentums.max())}"
    back = len(texts) == 3 and texts[0] == texts[2]
    return f"{texts[0]} to {texts[1]} and back" if back else " to ".join(texts)


def _stops(values: Array) -> list[int]:
    """The first place, those of the turns, and the last; one, where nothing moves."""
    moves = np.diff(values)
    moving = np.flatnonzero(moves)
    if not len(moving):
        return [0]
    ways = np.sign(moves[moving])
    turns = moving[np.flatnonzero(ways[1:] != ways[:-1])] + 1
    return [0, *turns.tolist(), len(values) - 1]
