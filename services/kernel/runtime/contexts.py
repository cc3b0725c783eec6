"""Discovers the bounded contexts: every package beside the kernel that has a `context.py`."""

from functools import cache
from importlib import import_module
from pathlib import Path

from kernel.domain.manifest import Context, RecordType

_SERVICES = Path(__file__).resolve().parents[2]


@cache
def contexts() -> dict[str, Context]:
    """The manifest of every context by name, in alphabetical order.

    A deployed function contains all manifests, but only the code of its own context.
    """
    names = sorted(path.parent.name for path in _SERVICES.glob("*/context.py*"))
    return {name: import_module(f"{name}.context").CONTEXT for name in dict.fromkeys(names)}


@cache
def record_types() -> dict[str, RecordType]:
    """Every record type by name."""
    return {one.name: one for context in contexts().values() for one in context.record_types}
