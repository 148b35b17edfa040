"""Figure: one measured number; Absent: why there is none."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured number, and what it was to be."""

    subject: str  # "tiny MLP, 1,000 steps"
    who: str  # "lr_widget", "fastai 2.8.12", "bare loop"
    value: float
    unit: str  # "x bare", "ms", "MiB", "messages/s", ...
    target: float | None = None  # at most this, unless at_least
    at_least: bool = False
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none. NaN meets nothing."""
        if self.target is None:
            return None
        if self.at_least:
            return self.value >= self.target
        return self.value <= self.target


class Absent(Exception):
    """Why something cannot be measured here.

    Raised by a benchmark's `measure`, it stands for the whole benchmark. In the list
    that `measure` gives, it stands for one row: that of `subject` and `who`.
    """

    def __init__(self, reason: str, *, subject: str = "", who: str = "") -> None:
        super().__init__(reason)
        self.reason, self.subject, self.who = reason, subject, who
