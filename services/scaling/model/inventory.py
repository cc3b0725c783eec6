"""The resources that the controller may change, with what is deployed: a text of the template.

One resource is `CustomersApi <its physical name> memory=256 concurrency=15 executions=15`: its
logical id, its name in AWS, its deployed settings (0: it does not have this one), and what the
cost of a setting depends on. A semicolon follows each.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from scaling.events import Setting
from scaling.model.readings import Target

_NUMBERS = frozenset({"executions", "cpu", "ram", "indexes", "shards"})
"""Those of `more` that are numbers."""
_SETTINGS = {setting.value: setting for setting in Setting}


class InventoryError(ValueError):
    """The text is wrong; the message names the resource and says what would be right."""


class Resource(NamedTuple):
    """One resource."""

    name: str
    """Its logical id."""
    id: str
    """Its name in AWS; of a service of workers `cluster/service`."""
    deployed: Mapping[Setting, int]
    more: Mapping[str, str] = MappingProxyType({})
    """What its metrics and its cost depend on, such as the queue of a service of workers."""

    def number(self, name: str, default: int = 0) -> int:
        """One of `more` as a number."""
        return int(self.more.get(name) or default)


class Inventory(NamedTuple):
    """All resources, by logical id."""

    resources: Mapping[str, Resource]
    tables: Mapping[str, Resource] = MappingProxyType({})
    """All tables, also those whose capacity the controller does not change."""

    def targets(self) -> Iterator[Target]:
        """Every setting that is deployed, in the order of the text."""
        for one in self.resources.values():
            yield from (Target(setting, one.name) for setting in one.deployed)

    def resource(self, target: Target) -> Resource | None:
        """The resource of a target; None when it does not have the setting any more."""
        found = self.resources.get(target.resource)
        return found if found and target.setting in found.deployed else None


def parse_inventory(text: str) -> Inventory:
    """Parse the text. Raises InventoryError."""
    parsed = [_resource(line.split()) for line in text.split(";") if line.strip()]
    return Inventory(
        {one.name: one for one in parsed if one.deployed},
        {one.name: one for one in parsed if "indexes" in one.more},
    )


def _resource(words: list[str]) -> Resource:
    if len(words) < 2 or "=" in words[0] + words[1]:
        raise InventoryError(f"{' '.join(words)[:80]!r}: must begin with a logical id and a name")
    name, physical, *given = words
    deployed: dict[Setting, int] = {}
    more: dict[str, str] = {}
    for word in given:
        key, equals, value = word.partition("=")
        if not equals:
            raise InventoryError(f"{name}: {word[:80]!r} must be a name, =, and its value")
        if (key in _SETTINGS or key in _NUMBERS) and not value.isdecimal():
            raise InventoryError(f"{name}: {key[:40]} must be a whole number, not {value[:40]!r}")
        if key not in _SETTINGS:
            more[key] = value
        elif int(value):
            deployed[_SETTINGS[key]] = int(value)
    return Resource(name, physical, deployed, more)
