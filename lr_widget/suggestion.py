"""Suggestion: a learning rate, how sure it is, and why; or why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

import numpy as np

from .axis import lr_text

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do where there is no suggestion, ready to be done.

    `text` is what a button says; `arguments` are those of `range_test` that differ from
    the sweep's.

    >>> Remedy("Raise end_lr to 100", {"end_lr": 100.0}).arguments
    {'end_lr': 100.0}
    """

    text: str
    arguments: Mapping[str, float | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Where to train, how sure that is, and why; or an honest no.

    Attributes
    ----------
    lr : float or None
        The learning rate, for `max_lr` of a one-cycle fit. None: see `reason`.
    band : (float, float) or None
        Where to look: from the LR at which half of the fall is made to that of the
        lowest loss. In tests it held the best LR of a 300-step fit in 67 to 82 of 100
        cases. Not each LR in it is good: the upper third is the dangerous part.
    repeat_interval : (float, float) or None
        Where the suggestion of another sweep would lie, in 7 to 8 of 10 cases. It says
        nothing of where the best LR is.
    reason : str
        Why there is none, a key of `REASONS`; `""` where there is one.
    flags : tuple of str
        `"weak"`: the fall is less than twice what it takes to be told from noise.
        `"guarded"`: moved down, to stay a factor 10 below the LR at which half of the
        fall is lost again. `"budget"`: moved down, since the fit will be long.
        `"partly"`: of several sweeps some had none.
    remedy : Remedy or None
        What to do about the reason.
    sentence : str
        All this for a person.
    """

    lr: float | None
    band: Span | None = None
    repeat_interval: Span | None = None
    reason: str = ""
    flags: tuple[str, ...] = ()
    remedy: Remedy | None = None
    sentence: str = ""


#: Why there may be no suggestion, in a few words.
REASONS = {
    "too_few": "too few points",
    "diverged_at_once": "the loss diverged at once",
    "constant": "the loss does not change",
    "flat": "the curve is flat",
    "noise": "the noise is larger than the fall",
    "only_rises": "the loss rises before a fall is sure",
    "starts_too_high": "the sweep starts too high",
    "still_falling": "the loss is still falling at the end",
}


def shared(suggestions: Sequence[Suggestion]) -> Suggestion:
    """The suggestion of several sweeps of one setting: the mean of theirs, in log LR.

    So are the band's ends. The repeat interval is the mean of theirs as well, narrowed
    by the square root of their number, as for any mean. Where more than half of the
    sweeps have none, neither have they together; the reason is the most frequent one.
    There must be one sweep at least.

    >>> shared([Suggestion(1e-3), Suggestion(1e-1)]).lr
    0.01
    """
    given = [found for found in suggestions if found.lr is not None]
    if not given or 2 * len(given) < len(suggestions):
        none = [found for found in suggestions if found.lr is None]
        reasons = [found.reason for found in none]
        return none[reasons.index(max(reasons, key=reasons.count))]
    if len(suggestions) == 1:
        return given[0]
    lr = _middle([found.lr for found in given if found.lr is not None])
    spans = [found.repeat_interval for found in given if found.repeat_interval]
    narrow = 1 / np.sqrt(len(given))
    flags = {flag for found in given for flag in found.flags}
    flags |= {"partly"} if len(given) < len(suggestions) else set()
    mean = replace(
        given[0],
        lr=lr,
        band=_spanned([found.band for found in given if found.band]),
        repeat_interval=None,
        flags=tuple(sorted(flags)),
    )
    if spans:
        low, high = (np.log(_middle([span[i] for span in spans]) / lr) for i in (0, 1))
        span = float(lr * np.exp(narrow * low)), float(lr * np.exp(narrow * high))
        mean = replace(mean, repeat_interval=span)
    words = f"{len(given)} of {len(suggestions)} sweeps" if "partly" in flags else ""
    words = words or f"{len(given)} sweeps"
    words = f"fall suggests {lr_text(lr)}, the mean of {words}"
    if mean.band is not None:
        low, high = map(lr_text, mean.band)
        words += f"; look between {low} and {high}"
    return replace(mean, sentence=f"{words}.")


def _middle(lrs: Sequence[float]) -> float:
    """The mean in log LR."""
    return float(10 ** fmean(np.log10(lr) for lr in lrs))


def _spanned(spans: Sequence[Span]) -> Span | None:
    if not spans:
        return None
    return _middle([low for low, _ in spans]), _middle([high for _, high in spans])
