"""Ratios against references in one run (docs/budgets.md); `python -m tools.bench` prints all."""
