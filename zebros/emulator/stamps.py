"""When and where the change that is being applied was written, if not now and here."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

type Stamp = tuple[float, str]
"""Time of writing and region: the order of the writes to an item."""

NAME = "_stamp"
"""The key of the stamp in a stream record."""
_given: ContextVar[Stamp | None] = ContextVar("stamp", default=None)


def given() -> Stamp | None:
    """The stamp of the change that is being applied; None outside of `applying`."""
    return _given.get()


@contextmanager
def applying(stamp: Stamp | None) -> Iterator[None]:
    """Changes in the block have this stamp."""
    token = _given.set(stamp)
    try:
        yield
    finally:
        _given.reset(token)
