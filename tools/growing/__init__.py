"""The generated parts of docs/growing.md: sizes, costs, moves and quotas of each stage."""
