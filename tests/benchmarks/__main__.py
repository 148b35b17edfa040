"""`python -m tests.benchmarks`: run them all, or some, and print the table.

Run it on a machine that does nothing else. Whole, it takes about half an hour with all
rivals installed, half of it for `memory`. `--short` takes seconds, and its figures mean
nothing: it shows that the harness runs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from .figure import Absent
from .machine import machine
from .table import Result, markdown, text

#: Those that need neither a browser nor a GPU, then those that do.
HEADLESS = ("overhead", "memory", "imports", "profile")
BENCHMARKS = (*HEADLESS, "watching", "cuda")


def run(name: str, *, short: bool) -> Result:
    """One benchmark's result; what it cannot measure here is part of it."""
    begun = time.perf_counter()
    title, about = name, ""
    try:
        if find_spec(f"{__package__}.{name}") is None:
            raise Absent(f"tests/benchmarks/{name}.py is not in this checkout")
        module = import_module(f"{__package__}.{name}")
        title, about = module.TITLE, (module.__doc__ or "").strip()
        rows = module.measure(short)
    except Absent as absent:
        rows = [absent]
    except Exception as error:  # the others have taken half an hour: they are kept
        rows = [Absent(f"failed: {type(error).__name__}: {error}")]
    return Result(name, title, about, time.perf_counter() - begun, rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 0, whatever was measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--short", action="store_true", help="try the harness out")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write a record")
    parser.add_argument("--markdown", type=Path, metavar="PATH", help="write a page")
    asked = parser.parse_args(arguments)
    if unknown := [name for name in asked.names if name not in BENCHMARKS]:
        parser.error(f"no benchmark named {unknown[0]}: there are {BENCHMARKS}")
    results = []
    for name in asked.names or BENCHMARKS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        results.append(run(name, short=asked.short))
    described = machine()
    if asked.short:
        described["run"] = "short: the figures mean nothing"
    print(text(described, results))
    if asked.json is not None:
        record = {
            "machine": described,
            "short": asked.short,
            "benchmarks": [result.record() for result in results],
        }
        asked.json.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    if asked.markdown is not None:
        asked.markdown.write_text(markdown(described, results), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
