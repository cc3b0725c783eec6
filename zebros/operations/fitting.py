"""Items in batches that fit into one invocation of a function."""

from collections.abc import Callable, Iterable, Iterator
from operator import add, gt


def fitting[T](
    items: Iterable[T], sizes: Callable[[T], tuple[int, ...]], limits: tuple[int, ...]
) -> Iterator[list[T]]:
    """Batches of which no sum of sizes exceeds its limit; an item that alone does is alone.

    `sizes` are those of an item, in the order of the limits.
    """
    batch: list[T] = []
    total: tuple[int, ...] = ()
    for item in items:
        more = sizes(item)
        after = tuple(map(add, total, more))
        if batch and any(map(gt, after, limits)):
            yield batch
            batch = []
        total = after if batch else more
        batch.append(item)
    if batch:
        yield batch
