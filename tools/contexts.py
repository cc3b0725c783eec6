"""The contexts of the system, and their parts by name: what the other tools walk over."""

import importlib
import importlib.util

from kernel.domain.events import REGISTRY, DomainEvent
from kernel.web.http import Api

CONTEXTS = ("customers", "opportunities", "activities", "reporting", "notifications")


def apis() -> list[Api]:
    """Every context's API with its routes."""
    return [importlib.import_module(f"{name}.handlers.api").handler for name in CONTEXTS]


def events() -> dict[str, type[DomainEvent]]:
    """Every event class by `<context>/<Event>.v<N>`, in that order."""
    for name in CONTEXTS:
        importlib.import_module(f"{name}.events")
    return dict(sorted(REGISTRY.items()))
