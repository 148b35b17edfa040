"""The tables: what was measured, as text, as markdown, and as a record for JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .figure import Absent, Figure

HEADS = ("what", "who", "measured", "target", "", "note")


@dataclass(frozen=True)
class Result:
    """One benchmark's rows, or one row that says why it has none."""

    name: str
    title: str
    about: str
    seconds: float
    rows: Sequence[Figure | Absent]

    def record(self) -> dict[str, Any]:
        """For JSON."""
        figures = [row for row in self.rows if isinstance(row, Figure)]
        absent = [row for row in self.rows if isinstance(row, Absent)]
        return {
            "name": self.name,
            "title": self.title,
            "seconds": round(self.seconds, 1),
            "figures": [{**asdict(row), "met": row.met} for row in figures],
            "absent": [
                {"subject": row.subject, "who": row.who, "reason": row.reason}
                for row in absent
            ],
        }


def text(machine: Mapping[str, Any], results: Sequence[Result]) -> str:
    """Tables for a terminal, the machine first."""
    lines = [f"{name}: {value}" for name, value in described(machine)]
    for result in results:
        table = [HEADS, *(cells(row) for row in result.rows)]
        widths = [max(len(line[i]) for line in table) for i in range(len(HEADS))]
        lines += ["", f"{result.title} ({result.name}, {result.seconds:.0f} s)"]
        for line in table:
            both = zip(line, widths, strict=True)
            lines.append("  " + "  ".join(c.ljust(w) for c, w in both).rstrip())
    return "\n".join([*lines, "", verdict(results)])


def markdown(machine: Mapping[str, Any], results: Sequence[Result]) -> str:
    """The same tables as a page of the documentation."""
    lines = ["# Benchmarks", "", "Written by `python -m tests.benchmarks --markdown`."]
    lines += ["", "| machine | |", "| --- | --- |"]
    lines += [f"| {name} | {escaped(value)} |" for name, value in described(machine)]
    for result in results:
        lines += ["", f"## {result.title}", "", result.about, ""]
        lines += ["| " + " | ".join(HEADS) + " |", "|" + " --- |" * len(HEADS)]
        for row in result.rows:
            lines.append("| " + " | ".join(map(escaped, cells(row))) + " |")
    return "\n".join([*lines, "", verdict(results), ""])


def escaped(cell: object) -> str:
    """A cell that does not end before its end."""
    return str(cell).replace("|", "\\|").replace("\n", " ")


def described(machine: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The machine's properties as words."""
    found = []
    for name, value in machine.items():
        if isinstance(value, Mapping):
            value = ", ".join(f"{k} {v}" for k, v in value.items())
        found.append((name, str(value)))
    return found


def cells(row: Figure | Absent) -> tuple[str, ...]:
    """A row of the table; a target that was missed says by how much."""
    if isinstance(row, Absent):
        return (row.subject, row.who, "-", "", "absent", row.reason)
    value = f"{number(row.value)} {row.unit}"
    return (row.subject, row.who, value, target(row), state(row), row.note)


def target(row: Figure) -> str:
    """The target, with its direction."""
    if row.target is None:
        return ""
    return f"{'>=' if row.at_least else '<='} {number(row.target)}"


def state(row: Figure) -> str:
    """Whether the target was met."""
    if row.met is None or row.target is None:
        return ""
    if row.met:
        return "met"
    return f"MISSED by {number(abs(row.value - row.target))}"


def number(value: float) -> str:
    """Four digits or so.

    >>> [number(value) for value in (0, 1.05, 0.0123, 47.11, 2304.4)]
    ['0', '1.05', '0.0123', '47.1', '2,304']
    """
    if not math.isfinite(value):
        return str(value)
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    if size >= 1:
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return f"{value:.3g}"


def verdict(results: Sequence[Result]) -> str:
    """How many targets were met, and what is absent, in a sentence."""
    rows = [row for result in results for row in result.rows]
    judged = [
        row.met for row in rows if isinstance(row, Figure) and row.met is not None
    ]
    absent = sum(isinstance(row, Absent) for row in rows)
    met, missed = judged.count(True), judged.count(False)
    return f"{met} of {len(judged)} targets met, {missed} missed; {absent} absent."
