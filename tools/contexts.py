"""Discovers the APIs and the events of every context, for the other tools."""

import importlib
import pkgutil

from kernel.domain.events import REGISTRY, DomainEvent
from kernel.runtime.contexts import contexts
from kernel.web.api import Api


def apis() -> list[Api]:
    """Every context's API with its routes."""
    return [importlib.import_module(f"{name}.handlers.api").handler for name in contexts()]


def events() -> dict[str, type[DomainEvent]]:
    """Every event class by `<context>/<Event>.v<N>`, sorted."""
    for name in contexts():
        module = importlib.import_module(f"{name}.events")
        for submodule in pkgutil.iter_modules(getattr(module, "__path__", ())):
            importlib.import_module(f"{name}.events.{submodule.name}")
    return dict(sorted(REGISTRY.items()))
