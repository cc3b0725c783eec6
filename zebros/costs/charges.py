"""What a pricing function yields, and the registry of pricing functions by resource type."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from zebros.cloudformation import System
from zebros.costs.usage import HOURS, Usage


@dataclass(frozen=True, slots=True)
class Charge:
    """A quantity a month of an item of the price table, which a resource causes."""

    item: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Design:
    """A resolved system and the load that it is priced for."""

    system: System
    usage: Usage

    def properties(self, name: str) -> dict[str, Any]:
        """The properties of a resource; empty when there is none of this name."""
        found = self.system.resources.get(name)
        return found.properties if found else {}

    def scaled(self, low: Decimal, high: Decimal) -> Decimal:
        """The average between a minimum and a maximum that automatic scaling chooses.

        The minimum all the time, and a stated part of the range in business hours.
        """
        busy = self.usage.busy_hours / HOURS
        return low + (high - low) * self.usage["scaling_use"] * busy


type PricingFunction = Callable[[str, dict[str, Any], Design], Iterator[Charge]]

PRICED: dict[str, PricingFunction] = {}
"""The pricing function of each resource type: (logical id, properties, design) -> charges."""


def prices(kind: str) -> Callable[[PricingFunction], PricingFunction]:
    """Register the pricing function of a resource type."""

    def register(function: PricingFunction) -> PricingFunction:
        PRICED[kind] = function
        return function

    return register


def amount(value: Any) -> Decimal:
    """A number of a template, which may be written as text. Raises ValueError for others."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError(f"{value!r} is not a number")
    return Decimal(str(value))


def referred(value: Any) -> str:
    """The logical id to which a property refers; a text is returned as it is."""
    match value:
        case {"Ref": str(name)}:
            return name
        case {"Fn::GetAtt": [str(name), *_]}:
            return name
        case {"Fn::Sub": str(text)} | str(text):
            return text
    return ""


def names(value: Any, name: str) -> bool:
    """Whether a property refers to a resource: by Ref, GetAtt or within a text."""
    found = referred(value)
    return found == name or f"${{{name}}}" in found or f"${{{name}." in found
