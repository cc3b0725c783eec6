"""How a patch takes hold of the emulator: one function or method exchanged, everywhere it is known.

The emulator's modules import one another's functions by name, so that changing the attribute of
the defining module alone would leave the others calling the old one. `replace` finds them all.
"""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_PACKAGE = "ministack."
_undo: list[Callable[[], None]] = []


def module(name: str) -> Any:
    """A module of the emulator, such as `module("services.sqs")`.

    Typed as Any: the emulator ships no types, and what we touch of it is private anyway.
    """
    return importlib.import_module(_PACKAGE + name)


def replace(owner: Any, name: str, new: Any) -> Any:
    """Put `new` where `owner.name` was, also in modules that imported it by name; the old value.

    Raises AttributeError when there is nothing of that name: the pinned emulator has changed, and
    the patch must be read again before it may be trusted.
    """
    old = getattr(owner, name)
    holders = [owner]
    for key, other in list(sys.modules.items()):
        if key.startswith(_PACKAGE) and other is not owner and vars(other).get(name) is old:
            holders.append(other)
    for holder in holders:
        setattr(holder, name, new)

    def undo() -> None:
        for holder in holders:
            setattr(holder, name, old)

    _undo.append(undo)
    return old


def register(registry: dict[Any, Any], key: Any, value: Any) -> Any:
    """Put `value` under `key` of a table of handlers of the emulator; the old value or None."""
    absent = key not in registry
    old = registry.get(key)
    registry[key] = value

    def undo() -> None:
        if absent:
            registry.pop(key, None)
        else:
            registry[key] = old

    _undo.append(undo)
    return old


@contextmanager
def applied(*patches: Callable[[], None]) -> Iterator[None]:
    """The patches in force inside the block, and the emulator as shipped again after it (tests)."""
    mark = len(_undo)
    try:
        for patch in patches:
            patch()
        yield
    finally:
        while len(_undo) > mark:
            _undo.pop()()
