"""Made-up sweeps: one good curve to order, and a varied family of all sorts."""

from typing import NamedTuple

import numpy as np


class Sweep(NamedTuple):
    """What the rule is asked about."""

    lrs: np.ndarray
    losses: np.ndarray
    num_iter: int | None = None
    train_steps: int | None = None


def valley(x, middle, steep, depth, cliff, slope=4.0):
    """A loss over log10 LR: 1, falling by `depth` about `middle`, up at `cliff`."""
    fall = depth / (1 + np.exp(-steep * (x - middle)))
    return 1 - fall + np.exp(np.minimum(slope * (x - cliff), 60.0))


def good(noise=0.02, seed=0, num_iter=100):
    """A sweep that anybody would call good: 1e-7 to 10, a foot, a floor, a cliff."""
    x = np.linspace(-7, 1, num_iter)
    jitter = np.random.default_rng(seed).normal(0, noise, num_iter)
    return Sweep(10**x, 2.3 * (valley(x, -3, 3, 0.8, 0) + jitter))


def family(count, seed=0):
    """`count` sweeps of all sorts: the same ones for the same seed."""
    rng = np.random.default_rng(seed)
    return [_any(rng) for _ in range(count)]


def _any(rng):
    kind = rng.choice(
        ["whole", "short", "narrow", "late", "early", "rising", "nothing", "constant"],
        p=[0.4, 0.1, 0.1, 0.08, 0.08, 0.08, 0.12, 0.04],
    )
    n = int(rng.integers(5, 30) if kind == "short" else np.exp(rng.uniform(3, 6)))
    n = min(n, 400)
    low, decades = rng.uniform(-10, -2), rng.uniform(2, 11)
    x = np.linspace(low, low + decades, n)
    losses = _shape(rng, kind, x, low, decades)
    losses = losses + rng.choice([0, 1e-4, 0.01, 0.03, 0.1]) * _noise(rng, n)
    if rng.random() < 0.15:  # as losses in a short float are: often exactly as before
        losses = np.round(losses, rng.integers(1, 4))
    losses = losses * np.exp(rng.uniform(-2, 2)) + rng.choice([0, 0, 1, -1, -3])
    losses = losses * rng.choice([1, 1, 1, 1e-12, 1e12])
    torn = rng.choice(["", "nan", "inf", "-inf"], p=[0.7, 0.1, 0.1, 0.1])
    if torn:
        at = rng.choice([0, rng.integers(0, n), n * 3 // 4, n - 1])
        losses[at] = float(torn)
    num_iter = rng.choice([0, n, int(1.3 * n), 2 * n, 5 * n])
    train_steps = rng.choice([0, rng.integers(1, 400), rng.integers(301, 100_000)])
    return Sweep(10**x, losses, int(num_iter) or None, int(train_steps) or None)


def _shape(rng, kind, x, low, decades):
    """Losses without noise, of the order of 1."""
    n, steep, depth = len(x), rng.uniform(1.5, 6), rng.uniform(0.02, 1)
    middle = low + decades * rng.uniform(0.2, 0.7)
    cliff = middle + rng.uniform(0.7, 4)
    if kind == "narrow":  # the cliff is nearer than a decade to the floor
        middle, steep = low + decades * 0.6, rng.uniform(6, 12)
        return valley(x, middle, steep, depth, middle + rng.uniform(0.2, 0.8), 12)
    if kind == "late":
        return valley(x, x[-1] - rng.uniform(-0.5, 1.5), 3, depth, x[-1] + 9)
    if kind == "early":
        cliff = low + decades * rng.uniform(0.1, 0.5)
        return valley(x, low + rng.uniform(-1, 1), steep, depth, cliff)
    if kind == "rising":
        return 1 + np.linspace(0, rng.uniform(0.5, 5), n) ** 2
    if kind == "nothing":
        return np.full(n, rng.choice([0.0, 1.0])) + 1e-3 * _noise(rng, n)
    if kind == "constant":
        return np.full(n, rng.choice([0.0, 1.0, 2.3]))
    return valley(x, middle, steep, depth, cliff)


def _noise(rng, n):
    return rng.standard_t(3, n) if rng.random() < 0.2 else rng.standard_normal(n)
