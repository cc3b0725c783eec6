"""How patches replace functions and methods of the emulator, in all modules that import them.

The emulator's modules import each other's functions by name; if only the defining module were
changed, the others would still call the old function. `replace` finds them all.
"""

import importlib
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

_PACKAGE = "ministack."
undo: list[Callable[[], object]] = []
"""Functions that undo the patches, in the order of the patches; for tests."""


def module(name: str) -> Any:
    """A module of the emulator, such as `module("services.sqs")`.

    Typed as Any, because the emulator has no types.
    """
    return importlib.import_module(_PACKAGE + name)


def replace(owner: Any, name: str, new: Any) -> Any:
    """Replace `owner.name`, also in modules that imported it by name; returns the old value.

    Raises AttributeError when that name does not exist: the pinned emulator has changed, and the
    patch must be reviewed.
    """
    old = getattr(owner, name)
    importers = [other for key, other in sys.modules.items() if key.startswith(_PACKAGE)]
    for holder in [owner, *(one for one in importers if vars(one).get(name) is old)]:
        setattr(holder, name, new)
        undo.append(partial(setattr, holder, name, old))
    return old


def settle_after(
    kind: str,
    settle: Callable[[str, dict[str, Any]], None],
    known: Callable[[dict[str, Any]], dict[str, Any]] = lambda props: props,
) -> None:
    """Call `settle` with name and properties of a resource after each create and update.

    `known` gives those of the properties that the emulator itself gets.
    """
    handlers = module("services.cloudformation.provisioners")._RESOURCE_HANDLERS
    original = handlers[kind]

    def create(logical_id: str, props: dict[str, Any], stack: str) -> Any:
        result = original["create"](logical_id, known(props), stack)
        settle(result[0], props)
        return result

    def update(
        name: str, old: dict[str, Any], new: dict[str, Any], stack: str, logical_id: str
    ) -> Any:
        more = (logical_id,) if original.get("update_with_logical_id") else ()
        result = original["update"](name, known(old), known(new), stack, *more)
        settle(result[0], new)
        return result

    fixed = {"create": create, "update": update, "update_with_logical_id": True}
    register(handlers, kind, {**original, **fixed})


def register(registry: dict[Any, Any], key: Any, value: Any) -> None:
    """Put `value` under `key` into one of the emulator's tables of handlers."""
    old = registry.get(key)
    registry[key] = value
    undo.append(lambda: registry.pop(key) if old is None else registry.update({key: old}))
