"""Replicas of each shard of the cache (ElastiCache)."""

from typing import Any

from botocore.exceptions import ClientError

from scaling.events import Setting
from scaling.model.changing import SettingBusy, SettingChanged
from scaling.model.inventory import Resource
from scaling.model.readings import Current


class CacheReplicas:
    """Replicas of each shard."""

    def __init__(self, caches: Any) -> None:
        self._caches = caches

    def setting(self, resource: Resource) -> Current | None:
        """The fewest replicas of a shard now; None when the cache does not exist."""
        group = self._group(resource)
        if group is None:
            return None
        return Current(_replicas(group), resource.deployed[Setting.REPLICAS])

    def apply(self, resource: Resource, before: int, after: int) -> None:
        """Add or remove replicas; the cache is available meanwhile.

        Raises SettingChanged and SettingBusy.
        """
        group = self._group(resource)
        value = _replicas(group) if group else None
        if group is None or value not in (before, after):
            raise SettingChanged(
                f"{resource.name} has {value or 'no'} replicas instead of {before}: somebody else"
                " has changed it, and it stays as it is."
            )
        if value == after:
            return
        if group["Status"] != "available":
            raise SettingBusy(f"{resource.name} is being changed: {group['Status']}.")
        change = (
            self._caches.increase_replica_count
            if after > before
            else self._caches.decrease_replica_count
        )
        change(ReplicationGroupId=resource.id, NewReplicaCount=after, ApplyImmediately=True)

    def _group(self, resource: Resource) -> dict[str, Any] | None:
        try:
            found = self._caches.describe_replication_groups(ReplicationGroupId=resource.id)
        except ClientError as fault:
            if fault.response["Error"]["Code"] != "ReplicationGroupNotFoundFault":
                raise
            return None
        group: dict[str, Any] = found["ReplicationGroups"][0]
        return group


def _replicas(group: dict[str, Any]) -> int:
    return min(len(one["NodeGroupMembers"]) - 1 for one in group["NodeGroups"])
