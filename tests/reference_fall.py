"""The rule of 95 % of the fall, written from its definition: slow, and in its order.

Nothing here is imported from the package. What the definition leaves open is decided in
a comment.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np

H = 0.4  # decades: half width of the kernel
Q = 0.95  # of the fall
CLIP = 3  # standard deviations above the start
ZMIN = 4  # standard errors: we are sure that it fell
NMIN = 20  # points
EDGE = 1  # decade
GAMMA = 1 / 2
ALPHA = 1 / 3


class Answer(NamedTuple):
    lr: float | None
    reason: str = ""
    flags: frozenset = frozenset()
    band: tuple | None = None


def noise(losses):
    """Robust: what a single jump cannot raise.

    Beyond the definition: where most losses are exactly as the one before (in bfloat16,
    or a hinge), of the other differences alone.
    """
    steps = [abs(b - a) for a, b in pairwise(losses)]
    if len(steps) > 0 and np.median(steps) == 0:
        steps = [step for step in steps if step > 0]
    return 1.4826 * np.median(steps) / math.sqrt(2) if steps else 0.0


def rms(losses):
    """Not robust on purpose."""
    return math.sqrt(np.mean(np.diff(losses) ** 2) / 2)


def stop(losses):
    """The index of the loss that ends the sweep, or None."""
    ema, best = 0.0, math.inf
    for i, loss in enumerate(losses):
        if not math.isfinite(loss):
            return i
        ema = 0.9 * ema + 0.1 * loss
        smooth = ema / (1 - 0.9 ** (i + 1))
        best = min(best, smooth)  # from the first loss on
        if i < 10:
            continue
        start = np.mean(losses[:10])
        size = max(start - best, 4 * noise(losses[: i + 1]), 1e-6 * abs(start))
        if not smooth <= start + 3 * size:
            return i
    return None


def kept(losses):
    """The losses up to the stop, that one too where it is finite; was there a stop?"""
    end = stop(losses)
    if end is None:
        return list(losses), False
    if not math.isfinite(losses[end]):
        return list(losses[:end]), True
    return list(losses[: end + 1]), True


def kernel_average(x, y, h):
    """Mean of all y at each x, weighted by nearness."""
    smooth = []
    for at in x:
        weights = [math.exp(-0.5 * ((at - other) / h) ** 2) for other in x]
        smooth.append(np.dot(weights, y) / sum(weights))
    return smooth


def between(x, s, i, level):
    """Where the line from point i to the next one has this level."""
    return x[i] + (level - s[i]) / (s[i + 1] - s[i]) * (x[i + 1] - x[i])


def last_crossing(x, s, j, level):
    """Walk left from j while the curve is below the level."""
    i = j
    while i >= 0 and s[i] < level:
        i -= 1
    if i < 0:
        return x[0]
    if i == j:
        return x[j]
    return between(x, s, i, level)


def first_return(x, s, j, level):
    """Walk right from j until the curve is at the level again: the point, no line."""
    for i in range(j + 1, len(x)):
        if s[i] >= level:
            return x[i]
    return None


def reference(lrs, losses, num_iter=None, train_steps=None):
    planned = num_iter or len(losses)
    loss, stopped = kept(losses)
    n = len(loss)
    early = stopped and n <= planned / 2

    if n < NMIN:
        return Answer(None, "diverged_at_once" if early else "too_few")

    x = [math.log10(lr) for lr in lrs[:n]]
    d = (x[-1] - x[0]) / (n - 1)
    h = max(H, 1.5 * d)
    m = max(5, n // 5)

    s0 = np.mean(loss[:m])
    ceiling = s0 + CLIP * noise(loss[:m])
    y = [min(value, ceiling) for value in loss]
    s = kernel_average(x, y, h)
    j = s.index(min(s))  # the first of several
    fall = s0 - s[j]

    if max(loss) - min(loss) <= 1e-9 * max(abs(value) for value in loss):
        return Answer(None, "constant")

    se = rms(loss[: max(j + 1, m)])
    se *= math.sqrt(1 / m + 1 / min(n, 2 * math.sqrt(math.pi) * h / d))
    # A curve without any noise has a fall of some size, and no standard error.
    se = max(se, 1e-9 * abs(s0), np.finfo(float).tiny)
    z = fall / se
    if z < ZMIN:
        # The end is above the start where that is no noise either.
        if stopped or s[-1] - s0 > ZMIN * se:
            return Answer(None, "starts_too_high" if early else "only_rises")
        hidden = (max(fall, 0) + 2 * se) / abs(s0) if s0 else math.inf
        return Answer(None, "noise" if hidden > 0.2 else "flat")

    L = last_crossing(x, s, j, s0 - Q * fall)
    half = last_crossing(x, s, j, s0 - fall / 2)
    if L - x[0] < EDGE:
        return Answer(None, "starts_too_high")
    if not stopped and x[-1] - x[j] < h and x[-1] - L < EDGE:
        return Answer(None, "still_falling")

    flags = set()
    if z < 2 * ZMIN:
        flags.add("weak")
    moved = GAMMA * math.log10(1 / d / 12.4)
    L += moved
    E = first_return(x, s, j, s0 - fall / 2)
    if E is not None and E - EDGE < L:
        L = E - EDGE
        flags.add("guarded")
    if train_steps is not None and train_steps > 300:
        shorter = ALPHA * math.log10(train_steps / 300)
        L -= shorter
        moved -= shorter
        flags.add("budget")
    # The guard does not move the band; the band holds the suggestion all the same.
    low, high = min(half + moved, L), max(x[j] + moved, L)
    return Answer(10**L, "", frozenset(flags), (10**low, 10**high))
