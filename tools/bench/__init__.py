"""Performance ratios against references (docs/budgets.md); `python -m tools.bench` prints them."""
