"""How figures are said."""


def counted(number: int, one: str, many: str) -> str:
    """`1 row`, `0 rows`, `1,234 rows`."""
    return f"{number:,} {one if number == 1 else many}"
