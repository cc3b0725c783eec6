"""The work in progress: the request, event or task that a warning or an error is about (log.py).

An entry point of a process says once what it works on. Whatever logs a problem on the way, in this
thread, needs not know it. The description is made when such a line is written: a request that
succeeds does not pay for it.
"""

from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from typing import Any

type Description = Callable[[], Mapping[str, Any]]
"""The names of the work, as log fields; empty ones are left out."""


def _nothing() -> Mapping[str, Any]:
    return {}


_CURRENT: ContextVar[Description] = ContextVar("work", default=_nothing)


class working_on:  # noqa: N801 - a context manager, as those of contextlib
    """Whatever is logged in the block is about this work; a generator would be slower."""

    __slots__ = ("_description", "_token")

    def __init__(self, description: Description) -> None:
        self._description = description

    def __enter__(self) -> None:
        self._token: Token[Description] = _CURRENT.set(self._description)

    def __exit__(self, *_: object) -> None:
        _CURRENT.reset(self._token)


def carried[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """The function for other threads: what it logs is about the work of the thread that is here."""
    description = _CURRENT.get()

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with working_on(description):
            return function(*args, **kwargs)

    return call


def missing_names(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a line with these fields does not say about the current work.

    A field that the line has, as one value or as a list (`tenant`, `tenants`), is the line's own.
    """
    return {
        name: value
        for name, value in _CURRENT.get()().items()
        if value and not given.get(name) and not given.get(_other_number(name))
    }


def _other_number(name: str) -> str:
    return name.removesuffix("s") if name.endswith("s") else f"{name}s"
