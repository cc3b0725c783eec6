"""Ceilings of AWS's own scaling (Application Auto Scaling): tasks, tables, provisioned concurrency.

A call of RegisterScalableTarget with the maximum alone leaves the minimum and the policies as they
are. It has no condition, so the maximum is read just before.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from scaling.events import Setting
from scaling.model.changing import SettingChanged
from scaling.model.inventory import Resource
from scaling.model.readings import Current
from scaling.model.series import ALIAS

DAY = "business-hours-start"
"""The scheduled action that sets the range of the day (infra/modules/provisioned.yaml)."""


class Range(NamedTuple):
    """One scalable target."""

    namespace: str
    resource_id: str
    dimension: str


class Ranges:
    """The maxima of scalable targets that belong together."""

    def __init__(self, scaling: Any) -> None:
        self._scaling = scaling

    def values(self, ranges: Sequence[Range]) -> list[int]:
        """The maximum of each; those that do not exist are left out."""
        found = {}
        for namespace, dimension in dict.fromkeys((one.namespace, one.dimension) for one in ranges):
            ids = [one.resource_id for one in ranges if one.dimension == dimension]
            answer = self._scaling.describe_scalable_targets(
                ServiceNamespace=namespace, ResourceIds=ids, ScalableDimension=dimension
            )
            for target in answer["ScalableTargets"]:
                found[target["ResourceId"], dimension] = target["MaxCapacity"]
        keys = [(one.resource_id, one.dimension) for one in ranges]
        return [found[key] for key in keys if key in found]

    def set_maximum(
        self, ranges: Sequence[Range], resource: Resource, before: int, after: int
    ) -> None:
        """Set every maximum that is not set yet. Raises SettingChanged."""
        values = self.values(ranges)
        other = [value for value in values if value not in (before, after)]
        if other or len(values) != len(ranges):
            raise SettingChanged(
                f"{resource.name} has a maximum of {other[0] if other else 'nothing'} instead of"
                f" {before}: somebody else has changed it, and it stays as it is."
            )
        for one, value in zip(ranges, values, strict=True):
            if value != after:
                self._scaling.register_scalable_target(
                    ServiceNamespace=one.namespace,
                    ResourceId=one.resource_id,
                    ScalableDimension=one.dimension,
                    MaxCapacity=after,
                )


class WorkerTasks:
    """The most tasks of a service of workers."""

    def __init__(self, scaling: Any, containers: Any) -> None:
        self._ranges, self._containers = Ranges(scaling), containers

    def setting(self, resource: Resource) -> Current | None:
        """The maximum now, and the tasks that are wanted at this moment."""
        values = self._ranges.values(self._of(resource))
        if not values:
            return None
        cluster, _, service = resource.id.partition("/")
        found = self._containers.describe_services(cluster=cluster, services=[service])["services"]
        in_use = found[0]["desiredCount"] if found else None
        return Current(values[0], resource.deployed[Setting.TASKS], in_use=in_use)

    def apply(self, resource: Resource, before: int, after: int) -> None:
        """Set the maximum. Raises SettingChanged."""
        self._ranges.set_maximum(self._of(resource), resource, before, after)

    def _of(self, resource: Resource) -> list[Range]:
        return [Range("ecs", f"service/{resource.id}", "ecs:service:DesiredCount")]


class TableCapacity:
    """The most read and write units of a table and of each of its indexes."""

    def __init__(self, scaling: Any) -> None:
        self._ranges = Ranges(scaling)

    def setting(self, resource: Resource) -> Current | None:
        """The smallest maximum now. What is provisioned of it, a metric says."""
        values = self._ranges.values(self._of(resource))
        return Current(min(values), resource.deployed[Setting.CAPACITY]) if values else None

    def apply(self, resource: Resource, before: int, after: int) -> None:
        """Set every maximum; after a crash those that are left. Raises SettingChanged."""
        self._ranges.set_maximum(self._of(resource), resource, before, after)

    def _of(self, resource: Resource) -> list[Range]:
        table = f"table/{resource.id}"
        numbers = range(1, resource.number("indexes") + 1)
        places = [("table", table), *(("index", f"{table}/index/gsi{n}") for n in numbers)]
        kinds = ("ReadCapacityUnits", "WriteCapacityUnits")
        return [
            Range("dynamodb", name, f"dynamodb:{kind}:{one}")
            for kind, name in places
            for one in kinds
        ]


class ProvisionedConcurrency:
    """The most environments of an alias by day, which a scheduled action sets every morning."""

    def __init__(self, scaling: Any, functions: Any) -> None:
        self._scaling, self._functions, self._ranges = scaling, functions, Ranges(scaling)

    def setting(self, resource: Resource) -> Current | None:
        """The maximum of the day, and the environments that are wanted at this moment."""
        day = self._day(resource)
        if day is None:
            return None
        in_use = None
        with suppress(self._functions.exceptions.ProvisionedConcurrencyConfigNotFoundException):
            found = self._functions.get_provisioned_concurrency_config(
                FunctionName=resource.id, Qualifier=ALIAS
            )
            in_use = found["RequestedProvisionedConcurrentExecutions"]
        value = day["ScalableTargetAction"]["MaxCapacity"]
        return Current(value, resource.deployed[Setting.PROVISIONED], in_use=in_use)

    def apply(self, resource: Resource, before: int, after: int) -> None:
        """Set the maximum of the day, and now, unless it is night. Raises SettingChanged."""
        day = self._day(resource)
        value = day["ScalableTargetAction"]["MaxCapacity"] if day else None
        if day is None or value not in (before, after):
            raise SettingChanged(
                f"{resource.name} has a maximum of {value or 'nothing'} by day instead of"
                f" {before}: somebody else has changed it, and it stays as it is."
            )
        ranges = self._of(resource)
        if self._ranges.values(ranges) in ([before], [after]):
            self._ranges.set_maximum(ranges, resource, before, after)
        if value != after:
            self._scaling.put_scheduled_action(
                ServiceNamespace="lambda",
                ScheduledActionName=day["ScheduledActionName"],
                ResourceId=ranges[0].resource_id,
                ScalableDimension=ranges[0].dimension,
                **{name: day[name] for name in ("Schedule", "Timezone") if name in day},
                ScalableTargetAction={**day["ScalableTargetAction"], "MaxCapacity": after},
            )

    def _day(self, resource: Resource) -> dict[str, Any] | None:
        (one,) = self._of(resource)
        found = self._scaling.describe_scheduled_actions(
            ServiceNamespace=one.namespace,
            ResourceId=one.resource_id,
            ScalableDimension=one.dimension,
        )["ScheduledActions"]
        return next((each for each in found if each["ScheduledActionName"] == DAY), None)

    def _of(self, resource: Resource) -> list[Range]:
        alias = f"function:{resource.id}:{ALIAS}"
        return [Range("lambda", alias, "lambda:function:ProvisionedConcurrency")]
