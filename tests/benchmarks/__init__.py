"""How fast, beside a bare loop and other LR finders: `python -m tests.benchmarks`."""

import os

# No progress bar costs a rival anything. It is read when tqdm is imported.
os.environ.setdefault("TQDM_DISABLE", "1")
