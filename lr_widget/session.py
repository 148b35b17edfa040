"""Session: what a finder has found, as it lies in a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from traitlets import TraitError

from .archive import Archive, number
from .curve import Curve
from .curves import Curves
from .cycle import Cycle
from .options import MAX_BETA

_FILE = Archive("finder", "finder.save")

_SWITCHES = ("y_log", "regions", "snap")


@dataclass(frozen=True)
class Session:
    """Curves, history, pick and settings; no model, and no code.

    `sweep` is start_lr, end_lr and num_iter; `options` has some of those of the chart.
    """

    curves: Curves
    history: Curve
    lr: float | None
    sweep: tuple[float, float, int]
    cycle: Cycle
    options: Mapping[str, Any]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a JSON file, every float exactly; one that is there is replaced."""
        record = {
            "lr": self.lr,
            "sweep": self.sweep,
            "cycle": self.cycle.arguments(),
            "options": self.options,
            "history": self.history.record(),
            **self.curves.record(),
        }
        _FILE.write(path, record)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Session:
        """What is in a file that `save` wrote.

        Raises
        ------
        OSError
            If there is no file, or it cannot be read.
        ValueError
            If it is another kind of file, damaged, or a newer version's.
        """
        return _FILE.read(path, cls._of)

    @classmethod
    def _of(cls, record: Mapping[str, Any]) -> Session:
        return cls(
            Curves.of(record),
            Curve.of(record["history"]),
            None if record["lr"] is None else _positive(record["lr"]),
            _sweep(*record["sweep"]),
            _cycle(record["cycle"]),
            _options(record["options"]),
        )


def _positive(value: Any) -> float:
    found = number(value)
    if not 0 < found < float("inf"):
        raise ValueError(f"{found} where a positive number is due")
    return found


def _sweep(start_lr: Any, end_lr: Any, num_iter: Any) -> tuple[float, float, int]:
    start, end, steps = _positive(start_lr), _positive(end_lr), int(num_iter)
    if not (start < end and steps >= 2):
        raise ValueError(f"a sweep from {start} to {end} in {steps} steps")
    return start, end, steps


def _cycle(settings: Mapping[str, Any]) -> Cycle:
    cycle = Cycle()
    try:
        cycle.take(settings)
    except TraitError as why:
        raise ValueError(str(why)) from None
    return cycle


def _options(settings: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {name: bool(settings[name]) for name in _SWITCHES}
    found["levels"] = bool(settings.get("levels", False))  # files of before have none
    found["measure"], beta = str(settings["measure"]), settings["beta"]
    found["beta"] = None if beta is None else number(beta)
    if beta is not None and not 0 <= found["beta"] <= MAX_BETA:
        raise ValueError(f"a beta of {beta}")
    return found
