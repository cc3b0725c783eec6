"""Numbers and demands in messages."""

import re


def count_of(number: int, singular: str, plural: str) -> str:
    """`1 row`, `0 rows`, `1,234 rows`."""
    return f"{number:,} {singular if number == 1 else plural}"


def as_demand(message: str) -> str:
    """pydantic's `Input should be a valid integer, …` as `must be a valid integer`."""
    message = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    demand = re.sub(r"\b(Input|String|Tuple|List|Dictionary|Value) should ", "must ", message)
    demand = demand.replace("Field required", "is required")
    return re.sub(r", unable to parse \w+ as an? \w+", "", demand)
