"""Session: what a finder has found, as it lies in a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .archive import Archive, number
from .curve import Curve
from .curves import Curves

_FILE = Archive("finder", "finder.save")


@dataclass(frozen=True)
class Session:
    """Curves, history, pick and settings; no model, and no code.

    `settings` are the finder's and `options` those of its chart, by name: numbers,
    words, yes and no, or None.
    """

    curves: Curves
    history: Curve
    lr: float | None
    settings: Mapping[str, Any]
    options: Mapping[str, Any]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a JSON file, every float exactly; one that is there is replaced."""
        record = {"lr": self.lr, "settings": self.settings, "options": self.options}
        sweeps, history = self.curves.record(), self.history.record()
        _FILE.write(path, {**record, "sweeps": sweeps, "history": history})

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
        lr = record["lr"]
        return cls(
            Curves.of(record["sweeps"]),
            Curve.of(record["history"]),
            None if lr is None else number(lr),
            _plain(record["settings"]),
            _plain(record["options"]),
        )


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in settings.items():
        if not isinstance(value, (str, bool, int, float, type(None))):
            raise TypeError(f"{name} is a {type(value).__name__}")
    return dict(settings)
