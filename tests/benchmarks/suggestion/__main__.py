"""`python -m tests.benchmarks.suggestion`: train the truth, and judge every rule by it.

Whole, it takes about twenty minutes of CPU time, and what it has measured it keeps:
the next run takes seconds. `--short` takes seconds too, and its figures mean nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from .page import page
from .plan import LONG, SHORT, Plan
from .record import record
from .store import Store
from .suite import run

#: Under the checkout, where git ignores it.
CACHE = Path(__file__).parents[3] / ".test" / "suggestion"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 0, whatever was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.suggestion")
    parser.add_argument("--short", action="store_true", help="try the suite out")
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR")
    parser.add_argument("--processes", type=int, default=2, metavar="N")
    parser.add_argument("--markdown", type=Path, metavar="PATH", help="write a page")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write a record")
    asked = parser.parse_args(arguments)
    store = Store(asked.cache)
    plans = [SHORT] if asked.short else [Plan(), LONG]
    findings = [run(plan, store, asked.processes) for plan in plans]
    trained = sum(found.trained for found in findings)
    print(f"{trained} measured now, the rest was in the cache", file=sys.stderr)
    written = page(findings, short=asked.short)
    print(written)
    if asked.markdown is not None:
        asked.markdown.write_text(written, "utf-8")
    if asked.json is not None:
        records = [record(found) for found in findings]
        asked.json.write_text(json.dumps(records, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
