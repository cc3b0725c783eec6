"""Tenants in the registry of a test's cloud, written by what `zebros tenants` uses."""

from typing import Any

from zebros.operations.tenants import Plan, Registry

TABLE = "table"


def registry(cloud: Any) -> Registry:
    """The registry in the table of a test's cloud."""
    return Registry(cloud, TABLE)


def register(cloud: Any, *names: str, plan: Plan = Plan.STANDARD) -> None:
    """Add tenants."""
    for name in names:
        registry(cloud).add(name, plan)
