"""How a patch takes hold of the emulator: one function or method exchanged, everywhere it is known.

The emulator's modules import one another's functions by name, so that changing the attribute of
the defining module alone would leave the others calling the old one. `replace` finds them all.
"""

import importlib
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

_PACKAGE = "ministack."
undo: list[Callable[[], object]] = []
"""What takes the patches back, the last one last; a test calls it."""


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
    importers = [other for key, other in sys.modules.items() if key.startswith(_PACKAGE)]
    for holder in [owner, *(one for one in importers if vars(one).get(name) is old)]:
        setattr(holder, name, new)
        undo.append(partial(setattr, holder, name, old))
    return old


def register(registry: dict[Any, Any], key: Any, value: Any) -> None:
    """Put `value` under `key` of a table of handlers of the emulator."""
    old = registry.get(key)
    registry[key] = value
    undo.append(lambda: registry.pop(key) if old is None else registry.update({key: old}))
