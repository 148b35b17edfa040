"""Feed: a loader that knows where in which pass it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .chance import chance, set_chance
from .task import Task


class Feed:
    """A task's loader, and from where its batches are drawn a second time.

    Gone through, it gives what the loader gives. Meanwhile `place` is the random state
    that the pass began at, and how many batches it has given; between passes it is
    None.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._began: dict[str, Any] | None = None
        self._drawn = 0

    def __iter__(self) -> Iterator[Any]:
        # Costs a copy of the random state, some kB, in each pass.
        began = self._began = chance(self._task)
        self._drawn = 0
        try:
            for batch in self._task.loader:
                self._drawn += 1
                yield batch
        finally:
            if self._began is began:  # not so where another pass has begun
                self._began = None

    @property
    def place(self) -> dict[str, Any] | None:
        """Where it is, as plain data."""
        if self._began is None:
            return None
        return {"began": self._began, "drawn": self._drawn}

    def rewind(self, source: Iterator[Any], place: dict[str, Any]) -> None:
        """Begin a pass where that one began, and draw what it had given.

        Parameters
        ----------
        source
            Goes through this feed.
        place
            What `place` was.

        Raises
        ------
        ValueError
            If the loader has become shorter.
        """
        set_chance(self._task, place["began"])
        for _ in range(place["drawn"]):
            next(source)
        if self._drawn != place["drawn"]:
            raise ValueError(
                f"loader gave fewer than the {place['drawn']} batches that its pass had"
                " given when the checkpoint was written: pass the same data, or another"
                " checkpoint path"
            )
