"""Imports: what `import lr_widget` takes once torch, bqplot and ipywidgets are there.

Each figure is the median over fresh interpreters, each of which imports the three and
then lr_widget, and times both with its own clock. What lr_widget adds is the second
time. A first interpreter, which writes the byte code and warms the disk's cache, is not
counted. In turn with them run interpreters that import the three alone, whose whole
time from start to end, set against that of the others, tells the same with more noise.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .clock import Laps, interleaved
from .figure import Figure

TITLE = "Import of lr_widget"

ROOT = Path(__file__).parents[2]
CLOCK = "from time import perf_counter as now; begun = now(); "
THREE = "import torch, bqplot, ipywidgets; three = now(); "
OURS = "import lr_widget; "
SAID = "print(three - begun, now() - three)"

TARGET = 0.3  # seconds


def measure(short: bool) -> list[Figure]:
    """Seconds of the three, and of ours after them."""
    repetitions = 1 if short else 15
    if not short:
        python(OURS)
    inner: dict[str, list[float]] = {"three": [], "ours": []}

    def ours() -> None:
        three, added = python(OURS)
        inner["three"].append(three)
        inner["ours"].append(added)

    (whole,) = interleaved(
        {"ours": lambda: ours, "three": lambda: lambda: python("")}, repetitions
    )
    laps, subject = Laps(inner), "import after torch, bqplot, ipywidgets"
    added, difference = laps.median("ours"), whole.median("ours")
    difference -= whole.median("three")
    note = f"median of {repetitions}; whole processes differ by {difference:.2f} s"
    return [
        Figure("import of these three", "bare", laps.median("three"), "s"),
        Figure(subject, "lr_widget", added, "s", TARGET, note=note),
    ]


def python(more: str) -> tuple[float, float]:
    """Seconds of the imports in a fresh interpreter: of the three, and of `more`."""
    done = subprocess.run(
        [sys.executable, "-c", CLOCK + THREE + more + SAID],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    three, added = map(float, done.stdout.split())
    return three, added
