"""Archived records in lists: who asks for them finds them, and no other list pays for them.

An archived record has the index keys that it had, in partitions of their own:
  TENANT#<t>#OWNER#<owner>            active records
  TENANT#<t>#ARCHIVED#OWNER#<owner>   archived ones
So each list is one Query of a partition, and a list of both merges two.
"""

from collections.abc import Sequence
from enum import StrEnum

from kernel.storage.table import Item

INDEX_KEYS = 3
"""Grows when stored records get other index keys; `zebros upgrade` then writes them again.

1: as in the first release. 2: archived records, and folded names, have other keys.
3: accounts and people have search entries.
"""


class Archived(StrEnum):
    """Which records a list has."""

    EXCLUDE = "exclude"
    """Active ones."""
    ONLY = "only"
    """Archived ones."""
    INCLUDE = "include"
    """Both."""

    def partitions(self, tenant_id: str, partition: str) -> list[str]:
        """The index partitions of a list."""
        active, archived = f"TENANT#{tenant_id}#{partition}", _archived(tenant_id, partition)
        match self:
            case Archived.EXCLUDE:
                return [active]
            case Archived.ONLY:
                return [archived]
            case Archived.INCLUDE:
                return [active, archived]

    def shows(self, *, archived: bool) -> bool:
        """Whether a list has a record that is archived, or active."""
        return self is Archived.INCLUDE or (self is Archived.ONLY) == archived


def archived_keys(tenant_id: str, keys: Item) -> Item:
    """The index keys of an archived record, from those it has while it is active."""
    tenant = f"TENANT#{tenant_id}#"
    return {
        name: _archived(tenant_id, value.removeprefix(tenant)) if name.endswith("pk") else value
        for name, value in keys.items()
    }


def merged(
    found: Sequence[Sequence[Item]], index: str, limit: int, *, newest_first: bool
) -> list[Item]:
    """The first items of several partitions, in the order of their sort keys."""
    items = [item for page in found for item in page]
    items.sort(key=lambda item: str(item[f"{index}sk"]).encode(), reverse=newest_first)
    return items[:limit]


def key_in(partition: str, index: str, item: Item) -> Item:
    """The place after an item of another partition: DynamoDB continues after keys that are none."""
    names = ("pk", "sk", f"{index}pk", f"{index}sk")
    return {**{name: item[name] for name in names}, f"{index}pk": partition}


def _archived(tenant_id: str, partition: str) -> str:
    return f"TENANT#{tenant_id}#ARCHIVED#{partition}"
