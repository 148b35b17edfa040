"""The rule `fall`: the LR at which a loss has made 95 % of its fall, or none."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .bold import Bold
from .divergence import Divergence
from .suggestion import Suggestion
from .verdict import broken, refused, suggested

Array = NDArray[np.float64]

#: The part of the fall that is made at the suggestion.
Q = 0.95

#: So many standard errors deep a fall must be: then it is sure that the loss fell.
ZMIN = 4.0

#: Fewer losses than this do not tell a fall from noise.
NMIN = 20

#: Decades that must lie before the fall, and between suggestion and cliff.
EDGE = 1.0

#: A sweep with more steps per decade than 100 over 8 finds its fall at a lower LR: so
#: many decades for each decade of steps are put back.
GAMMA, USUAL = 0.5, 12.4

#: The best LR of a fit goes down by so many decades for each decade of steps beyond
#: those the rule was found with.
ALPHA, BUDGET = 1 / 3, 300

#: A fall of less than this part of the start level, as far as the noise lets one see,
#: is flat; more may be hidden in the noise.
HIDDEN = 0.2

#: Refits that the repeat interval is drawn from, how far residuals are moved, in steps,
#: and by how much their spread falls short of that of real sweeps.
REFITS, REACH, WIDER = 60, 5, 1.25

#: Standard deviations to each side that hold 80 % of the differences of two sweeps:
#: this one varies as well as the next.
EIGHTY = 1.2816 * math.sqrt(2)


def fall(
    lrs: Array,
    losses: Array,
    num_iter: int | None = None,
    train_steps: int | None = None,
) -> Suggestion:
    """The LR at which the smooth loss has made 95 % of its whole fall; or why not.

    >>> lrs = np.geomspace(1e-7, 10, 100)
    >>> losses = 1 + 1 / (1 + (lrs / 1e-3) ** 2) + (lrs > 1) * lrs
    >>> found = fall(lrs, losses)
    >>> f"{found.lr:.1e}", f"{found.band[0]:.1e}", f"{found.band[1]:.1e}"
    ('8.1e-03', '9.9e-04', '5.5e-02')

    Walk down the smoothed curve, and stop where it has made 95 % of its whole drop. If
    the cliff is nearer than a factor of 10, step back to a factor of 10. There is no
    division by 10, and no constant for an optimizer.

    The smooth is a Gaussian kernel average over log LR: centred, so it does not lag.
    Losses beyond 3 standard deviations above the start are cut there. The fall is
    compared with its standard error; what could be noise is refused. The rule and its
    constants were found by experiment with fits of 300 steps, on small models, with a
    cycle of `pct_start` 0.3: `tests/benchmarks/suggestion.md` has its figures, and what
    it is not good at.

    Parameters
    ----------
    lrs, losses
        LR, equally spaced in log LR, and raw loss of each step of one sweep, all of
        them: the rule itself stops reading where the loss diverges (`Divergence`).
    num_iter
        Steps that were planned; default: as many as there are.
    train_steps
        Optimizer steps of the fit that the LR is for. Beyond 300 the best LR goes down,
        by a third of a decade for each decade of steps: measured up to 1,000.

    Returns
    -------
    Suggestion
        With `lr` None where the curve supports none. That of a sweep of many more than
        100 steps is moved up for its length, and may lie above the last LR.

    Raises
    ------
    ValueError
        If `lrs` do not rise, or are not as many as the losses. Nothing is raised for
        any losses.
    """
    lrs, losses = np.asarray(lrs, float), np.asarray(losses, float)
    if lrs.shape != losses.shape or lrs.ndim != 1:
        raise ValueError(
            f"lrs and losses must be as many, one each for a step, not of shape"
            f" {lrs.shape} and {losses.shape}"
        )
    if len(lrs) and not (lrs[0] > 0 and (np.diff(lrs) > 0).all()):
        raise ValueError("lrs must be positive and rise: pass those of one range test")
    return Fall(lrs, losses, num_iter).suggestion(train_steps)


class Level(NamedTuple):
    """A part of the fall by name, the loss there, and the LR where it is reached."""

    name: str
    loss: float
    lr: float | None


class Fall:
    """The fall of one sweep: what the rule reads off its losses.

    Parameters
    ----------
    lrs, losses, num_iter
        As of `fall`.
    stop
        Where the loss diverges, if that is known; -1 if it does not.

    Attributes
    ----------
    reason : str
        Why there is no suggestion, or `""`.
    start, low : float
        The levels of 0 and of 100 % of the fall; NaN where there was nothing to read.
    """

    def __init__(
        self,
        lrs: Array,
        losses: Array,
        num_iter: int | None = None,
        stop: int | None = None,
    ) -> None:
        if stop is None:
            found = Divergence().first(losses)
            stop = -1 if found is None else found
        self.stopped = stop >= 0
        self.planned, self.made = num_iter or len(losses), len(losses)
        if self.stopped:  # the loss that stops it counts, if it is a number
            kept = stop + bool(np.isfinite(losses[stop]))
            lrs, losses = lrs[:kept], losses[:kept]
            self.made = stop + 1
        self.size = len(losses)
        self.tested = (float(lrs[0]), float(lrs[-1])) if self.size else (1e-7, 10.0)
        self.start = self.low = math.nan
        self.flags: tuple[str, ...] = ()
        self.walk: _Walk | None = None
        self.log_lr, self.spread, self.faster = math.nan, 0.0, 0.0
        self.log_band = (math.nan, math.nan)
        with np.errstate(all="ignore"):
            self.reason = self._read(lrs, losses)

    @property
    def early(self) -> bool:
        """Whether it diverged in the first half."""
        return self.stopped and self.size <= self.planned / 2

    def suggestion(self, train_steps: int | None = None) -> Suggestion:
        """What the rule suggests for a fit of so many steps."""
        if self.made and not self.size:
            return broken()
        if self.reason:
            return refused(
                self.reason,
                tested=self.tested,
                made=self.made,
                planned=self.planned,
                stopped=self.stopped,
                at_least=10**self.log_lr,
            )
        down = ALPHA * math.log10(max(train_steps or 0, BUDGET) / BUDGET)
        lr, low, high = (10 ** (at - down) for at in (self.log_lr, *self.log_band))
        apart = 10 ** (EIGHTY * self.spread)
        return suggested(
            lr,
            (min(low, lr), max(high, lr)),
            (lr / apart, lr * apart),
            self.flags,
            cliff=math.inf if self.walk is None else 10**self.walk.cliff,
            higher=10**self.faster,
            steps=self.planned,
            lower=1 - 10**-down,
            train_steps=train_steps,
        )

    def levels(self) -> list[Level]:
        """Those of 0, 50 and 95 % of the fall; none, if there is no fall."""
        if self.walk is None:
            return []
        depth = self.start - self.low
        half, made = 10**self.walk.half, 10**self.walk.log_lr
        return [
            Level("0 %", self.start, None),
            Level("50 %", self.start - depth / 2, half),
            Level("95 %", self.start - Q * depth, made),
        ]

    def _read(self, lrs: Array, losses: Array) -> str:
        """Take everything off the losses; a reason, if there is no suggestion."""
        if self.size < NMIN:
            return "diverged_at_once" if self.early else "too_few"
        if np.ptp(losses) <= 1e-9 * np.abs(losses).max():
            return "constant"
        bold = Bold.of(lrs, losses)
        x, smooth, start = bold.x, bold.averages, bold.start
        j = int(np.argmin(smooth))
        depth, error = start - float(smooth[j]), _error(bold, j)
        self.start, self.low = start / bold.unit, float(smooth[j]) / bold.unit
        if not depth >= ZMIN * error:
            return self._no_fall(depth, error, start, float(smooth[-1]))
        self.walk = made = _walk(x, smooth, start)
        self.log_lr = made.log_lr
        if made.log_lr - x[0] < EDGE:
            return "starts_too_high"
        near_end = x[-1] - x[j] < bold.width and x[-1] - made.log_lr < EDGE
        if near_end and not self.stopped:
            return "still_falling"
        faster = GAMMA * math.log10((self.size - 1) / (x[-1] - x[0]) / USUAL)
        self.faster = faster
        self.log_lr = _guarded(made, faster)
        self.log_band = made.half + faster, float(x[j]) + faster
        self.spread = WIDER * float(np.std(_refits(bold, faster)))
        weak, guarded = depth < 2 * ZMIN * error, self.log_lr < made.log_lr + faster
        self.flags = ("weak",) * weak + ("guarded",) * guarded
        return ""

    def _no_fall(self, depth: float, error: float, start: float, end: float) -> str:
        """Why there is no fall that is sure."""
        if self.stopped or end - start > ZMIN * error:
            return "starts_too_high" if self.early else "only_rises"
        hidden = max(depth, 0.0) + 2 * error
        return "noise" if hidden > HIDDEN * abs(start) else "flat"


def _error(bold: Bold, j: int) -> float:
    """The standard error of the fall from the start level to place j."""
    # Not robust, on purpose: rare large jumps make a mean uncertain too.
    steps = np.diff(bold.y[: max(j + 1, bold.first)])
    rms = math.sqrt(np.mean(steps**2) / 2)
    found = rms * math.sqrt(1 / bold.first + 1 / bold.window)
    return max(found, 1e-9 * abs(bold.start), 1e-300)


class _Walk(NamedTuple):
    """Places in log10 LR: 95 % and half of the fall, and the cliff (infinity: none)."""

    log_lr: float
    half: float
    cliff: float


def _walk(x: Array, smooth: Array, start: float) -> _Walk:
    """Walk down the smooth, to its lowest place and beyond."""
    j = int(np.argmin(smooth))
    depth = start - float(smooth[j])
    half = start - depth / 2
    lost = np.flatnonzero(smooth[j:] >= half)
    cliff = float(x[j + lost[0]]) if len(lost) else math.inf
    made, halved = (
        _crossing(x, smooth[: j + 1], level) for level in (start - Q * depth, half)
    )
    return _Walk(made, halved, cliff)


def _crossing(x: Array, down: Array, level: float) -> float:
    """Where the smooth goes below a level for good; the first place, if it is there."""
    above = np.flatnonzero(down >= level)
    if not len(above) or above[-1] == len(down) - 1:
        return float(x[0])
    i = int(above[-1])
    part = (down[i] - level) / (down[i] - down[i + 1])
    return float(x[i] + part * (x[i + 1] - x[i]))


def _guarded(made: _Walk, faster: float) -> float:
    """The suggestion in log10 LR, a factor 10 below the cliff at least."""
    return min(made.log_lr + faster, made.cliff - EDGE)


def _refits(bold: Bold, faster: float) -> list[float]:
    """What the rule would say of sweeps like this one: a local residual bootstrap.

    Each loss is drawn anew: the smooth, and a residual of a neighbour.
    """
    n, smooth = len(bold.x), bold.averages
    moves = np.random.default_rng(0).integers(-REACH, REACH + 1, (n, REFITS))
    near = np.clip(np.arange(n)[:, None] + moves, 0, n - 1)
    drawn = smooth[:, None] + (bold.cut - smooth)[near]
    starts = drawn[: bold.first].mean(axis=0).tolist()
    again = np.ascontiguousarray(bold.kernel(drawn).T)
    walks = (_walk(bold.x, s, start) for s, start in zip(again, starts, strict=True))
    return [_guarded(made, faster) for made in walks]
