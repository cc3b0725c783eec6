"""Numbers in messages."""


def count_of(number: int, singular: str, plural: str) -> str:
    """`1 row`, `0 rows`, `1,234 rows`."""
    return f"{number:,} {singular if number == 1 else plural}"
