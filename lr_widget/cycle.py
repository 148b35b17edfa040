"""Cycle: how the next one-cycle fit will be, as set in the widget or in code."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple

from traitlets import Bool, Float, HasTraits, Int, Unicode, validate


class Kind(NamedTuple):
    """A schedule that there is, and its own `pct_start`."""

    variant: str
    three_phase: bool
    pct_start: float


#: What the widget calls the schedules.
SCHEDULES = {
    "torch": Kind("torch", False, 0.3),
    "fastai": Kind("fastai", False, 0.25),
    "three-phase": Kind("torch", True, 0.3),
}


class Cycle(HasTraits):
    """Settings of a fit, each an argument of `fit_one_cycle`; all may be set.

    >>> cycle = Cycle()
    >>> cycle.epochs, cycle.pct_start = 5, 0.2
    >>> cycle.arguments()["pct_start"]
    0.2

    Attributes
    ----------
    epochs : int
        How often to go through the loader, at least 1.
    pct_start : float or None
        Share of the steps in which the LR rises; None is that of the `variant`.
    variant : str
        `"torch"` or `"fastai"`.
    three_phase : bool
        Whether the LR falls as fast as it rises, and then further; torch's only.
    cycle_momentum : bool
        Whether to move the momentum against the LR.
    """

    epochs = Int(3)
    pct_start = Float(None, allow_none=True)
    variant = Unicode("torch")
    three_phase = Bool(False)
    cycle_momentum = Bool(True)

    def arguments(self) -> dict[str, Any]:
        """All of them, by name."""
        return {name: getattr(self, name) for name in self.trait_names()}

    def take(self, given: Mapping[str, Any]) -> None:
        """Set those that are given; what is no setting of a cycle is left aside.

        Raises
        ------
        ValueError, TraitError
            If one cannot be; nothing has changed then.
        """
        with self.hold_trait_notifications():
            for name in self.trait_names():
                if name in given:
                    setattr(self, name, _plain(given[name]))

    @property
    def schedule(self) -> str:
        """Which one of `SCHEDULES` it is."""
        return "three-phase" if self.three_phase else self.variant

    @validate("epochs")
    def _validate_epochs(self, proposal: dict[str, Any]) -> int:
        epochs: int = proposal["value"]
        if epochs < 1:
            raise ValueError(f"epochs must be at least 1, not {epochs}: try 3")
        return epochs

    @validate("pct_start")
    def _validate_pct_start(self, proposal: dict[str, Any]) -> float | None:
        share: float | None = proposal["value"]
        if share is not None and not (math.isfinite(share) and 0 <= share <= 1):
            raise ValueError(
                f"pct_start must be a share from 0 to 1, not {share}: try 0.3"
            )
        return share

    @validate("variant")
    def _validate_variant(self, proposal: dict[str, Any]) -> str:
        variant: str = proposal["value"]
        if variant not in ("torch", "fastai"):
            raise ValueError(f"variant must be 'torch' or 'fastai', not {variant!r}")
        return variant


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's, which alone a trait takes."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return value
    return int(value) if isinstance(value, Integral) else float(value)
