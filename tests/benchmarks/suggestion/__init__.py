"""Which LR suggestion deserves trust: `python -m tests.benchmarks.suggestion`."""
