"""Curves: the sweeps of a finder by name, the one in front, and those hidden."""

from __future__ import annotations

import threading
from collections.abc import Callable, ItemsView, Iterator, Mapping, ValuesView
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from .curve import Curve
from .repeats import Repeats

Sweep = Curve | Repeats

#: Of sweeps that got no name of their own so many are drawn, and so many kept; beyond
#: these the oldest goes.
SHOWN, KEPT = 6, 50


def points(sweep: Sweep) -> int:
    """How many learning rates of a sweep have been tested."""
    return len(sweep.trace("loss", 0.0).lrs)


def checked_name(name: object) -> str:
    """The name, if a curve can be called so.

    Raises
    ------
    ValueError
        If it is no text, or blank.
    """
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"name must be a text, not {name!r}: try 'first try'")
    return name


def _check_sweep(sweep: object) -> None:
    """Refuse what has no place on a log axis: it would fail each frame from then on."""
    if not isinstance(sweep, Sweep):
        raise ValueError(
            f"sweep must be a Curve or Repeats, not {sweep!r}: try Curve.load(path)"
        )
    lrs = sweep.trace("loss", 0.0).lrs
    if len(lrs) and not (0 < lrs[0] and lrs[-1] < np.inf and (np.diff(lrs) >= 0).all()):
        raise ValueError(
            "sweep must have positive learning rates that rise, as those of a range"
            " test: a fit is shown by fit_one_cycle"
        )


def _nothing() -> None:
    """Do nothing: what curves call that nobody follows."""


class Curves(Mapping[str, Sweep]):
    """The sweeps of a finder by name, oldest first; the one in front is drawn bold.

    >>> curves = Curves()
    >>> curves.add(Curve(), "wd=0"), curves.add(Curve())
    ('wd=0', 'sweep 1')
    >>> curves.rename("sweep 1", "wd=1e-4")
    >>> list(curves), curves.front
    (['wd=0', 'wd=1e-4'], 'wd=1e-4')
    >>> curves.hide("wd=0")
    >>> list(curves.visible())
    ['wd=1e-4']

    May be used from any thread.

    Parameters
    ----------
    changed
        Called after each change, under no lock.
    """

    def __init__(self, changed: Callable[[], object] = _nothing) -> None:
        self._changed = changed
        self._lock = threading.RLock()
        self._sweeps: dict[str, Sweep] = {}
        self._hidden: set[str] = set()
        # A curve keeps its place among the colours, whatever becomes of the others.
        self._places: dict[str, int] = {}
        self._front: str | None = None
        self._numbered: set[str] = set()
        self._made = 0

    def __getitem__(self, name: str) -> Sweep:
        with self._lock:
            return self._sweeps[self._known(name)]

    def __iter__(self) -> Iterator[str]:
        with self._lock:
            return iter(list(self._sweeps))

    def __len__(self) -> int:
        return len(self._sweeps)

    def items(self) -> ItemsView[str, Sweep]:
        """Names and curves as they are now, whatever another thread removes."""
        with self._lock:
            return self._sweeps.copy().items()

    def values(self) -> ValuesView[Sweep]:
        """The curves as they are now."""
        with self._lock:
            return self._sweeps.copy().values()

    def held(self) -> AbstractContextManager[object]:
        """To be entered by who asks more than once: nobody changes them meanwhile.

        Who holds a lock that `changed` takes enters it first.
        """
        return self._lock

    def __delitem__(self, name: str) -> None:
        """Remove a curve; if it was in front, the newest of the others comes there."""
        with self._lock:
            self._remove(self._known(name))
            if self._front == name:
                self._front = next(reversed(self._sweeps), None)
                self._hidden.discard(self._front or "")
        self._changed()

    def __repr__(self) -> str:
        return f"<Curves {', '.join(map(repr, self)) or 'none'}>"

    @property
    def front(self) -> str | None:
        """Name of the curve that is drawn bold, with its suggestions."""
        return self._front

    def add(self, sweep: Sweep, name: str | None = None) -> str:
        """Add a sweep, in front; the name that it got.

        Without a name it is `sweep 1`, `sweep 2` and so on, and when there are many of
        these the older ones are hidden (`SHOWN`), then removed (`KEPT`). A name that is
        taken gets a number.

        Raises
        ------
        ValueError
            If `name` is no text, or blank, or `sweep` is none.
        """
        _check_sweep(sweep)
        with self._lock:
            if name is None:
                self._tidy()
                self._made += 1
                name = self._free(f"sweep {self._made}")
                self._numbered.add(name)
            else:
                name = self._free(checked_name(name))
            self._sweeps[name] = sweep
            taken = set(self._places.values())
            self._places[name] = next(
                i for i in range(len(taken) + 1) if i not in taken
            )
            self._front = name
        self._changed()
        return name

    def bring(self, name: str) -> None:
        """Put a curve in front; a hidden one is shown."""
        with self._lock:
            self._front = self._known(name)
            self._hidden.discard(name)
        self._changed()

    def hide(self, name: str) -> None:
        """Leave a curve out of the chart; it is kept."""
        with self._lock:
            self._hidden.add(self._known(name))
        self._changed()

    def show(self, name: str) -> None:
        """Draw a hidden curve again."""
        with self._lock:
            self._hidden.discard(self._known(name))
        self._changed()

    def rename(self, name: str, to: str) -> None:
        """Give a curve another name; its place and colour stay.

        Raises
        ------
        ValueError
            If `to` is empty, or another curve's name.
        """
        to = checked_name(to).strip()
        with self._lock:
            self._known(name)
            if to != name and to in self._sweeps:
                raise ValueError(f"to must be a new name, not {to!r}: try '{name} b'")
            again = {name: to}
            self._sweeps = {again.get(k, k): v for k, v in self._sweeps.items()}
            self._places = {again.get(k, k): v for k, v in self._places.items()}
            self._hidden = {again.get(k, k) for k in self._hidden}
            self._numbered.discard(name)
            self._front = again.get(self._front or "", self._front)
        self._changed()

    def hidden(self, name: str) -> bool:
        """Whether a curve is left out of the chart."""
        return name in self._hidden

    def name(self, sweep: Sweep) -> str | None:
        """The name of this very sweep; None if it is not here."""
        with self._lock:
            return next((k for k, v in self._sweeps.items() if v is sweep), None)

    def place(self, name: str) -> int:
        """Which colour is a curve's, counted from 0."""
        with self._lock:
            return self._places[self._known(name)]

    def visible(self) -> dict[str, Sweep]:
        """The curves that are drawn, by name."""
        with self._lock:
            return {k: v for k, v in self._sweeps.items() if k not in self._hidden}

    def record(self) -> dict[str, Any]:
        """All of them as plain lists and numbers, for a file."""
        with self._lock:
            curves = [
                {
                    "name": name,
                    "hidden": name in self._hidden,
                    "numbered": name in self._numbered,
                    **sweep.record(),
                }
                for name, sweep in self._sweeps.items()
            ]
            return {"made": self._made, "front": self._front, "curves": curves}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Curves:
        """The curves that a record is of; nobody hears of changes in them.

        Raises
        ------
        LookupError, TypeError, ValueError, AttributeError
            If it is none.
        """
        made = cls(lambda: None)
        for entry in record["curves"]:
            sweep = (Repeats if "repeats" in entry else Curve).of(entry)
            name = checked_name(entry["name"])
            if made.add(sweep, name) != name:
                raise ValueError(f"two curves named {name!r}")
            made._hidden.update([name] if entry["hidden"] else [])
            made._numbered.update([name] if entry["numbered"] else [])
        front = record["front"]
        made._front = None if front is None else made._known(str(front))
        made._made = int(record["made"])
        return made

    def become(self, other: Curves) -> None:
        """Have the curves of another one, and none else."""
        with self._lock, other._lock:
            self._sweeps, self._places = dict(other._sweeps), dict(other._places)
            self._hidden, self._numbered = set(other._hidden), set(other._numbered)
            self._front, self._made = other._front, other._made
        self._changed()

    def to_frame(self) -> Any:
        """All points as a pandas DataFrame, the curve's name in the first column."""
        import pandas as pd

        frames = {name: sweep.to_frame() for name, sweep in self.items()}
        if not frames:
            return Curve().to_frame()
        table = pd.concat(frames, names=["curve"])
        return table.reset_index("curve").reset_index(drop=True)

    def _remove(self, name: str) -> None:
        del self._sweeps[name], self._places[name]
        self._hidden.discard(name)
        self._numbered.discard(name)

    def _tidy(self) -> None:
        """Make room for one more numbered sweep."""
        numbered = [name for name in self._sweeps if name in self._numbered]
        for name in numbered[: max(0, len(numbered) - KEPT + 1)]:
            self._remove(name)
        drawn = [k for k in self._sweeps if k in self._numbered - self._hidden]
        self._hidden.update(drawn[: max(0, len(drawn) - SHOWN + 1)])

    def _known(self, name: str) -> str:
        if name not in self._sweeps:
            names = ", ".join(map(repr, self._sweeps)) or "none yet"
            raise KeyError(f"no curve is named {name!r}: there are {names}")
        return name

    def _free(self, name: str) -> str:
        wanted, number = name, 1
        while name in self._sweeps:
            number += 1
            name = f"{wanted} ({number})"
        return name
