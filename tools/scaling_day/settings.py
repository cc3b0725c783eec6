"""The settings of a simulated system, as the adapters of the controller read and change them."""

from collections.abc import Callable
from typing import NamedTuple

from scaling.events import Setting
from scaling.model.changing import SettingChanged
from scaling.model.inventory import Resource
from scaling.model.readings import Current
from zebros.simulation.system import Simulation


class _Value(NamedTuple):
    value: int
    change: Callable[[int], None]
    in_use: int | None = None


class SimulatedSetting:
    """The port SettingAdapter of the controller, for one kind of setting."""

    def __init__(self, kind: Setting, simulation: Simulation) -> None:
        self._kind, self._simulation = kind, simulation
        self._without_effect: dict[str, int] = {}
        """Replicas of caches, which the simulation does not have."""

    def setting(self, resource: Resource) -> Current | None:
        """The setting now; None when the resource does not have it."""
        found = self._value(resource)
        if found is None:
            return None
        return Current(found.value, resource.deployed[self._kind], in_use=found.in_use)

    def apply(self, resource: Resource, before: int, after: int) -> None:
        """Change it in the simulated system. Raises SettingChanged."""
        found = self._value(resource)
        if found is None or found.value not in (before, after):
            value = found.value if found else "nothing"
            raise SettingChanged(f"{resource.name} has {value} instead of {before}.")
        if found.value != after:
            found.change(after)

    def _value(self, resource: Resource) -> _Value | None:
        match self._kind:
            case Setting.TASKS:
                return self._tasks()
            case Setting.CAPACITY:
                return self._capacity(resource)
            case Setting.REPLICAS:
                return self._replicas(resource)
        return self._of_function(resource)

    def _of_function(self, resource: Resource) -> _Value | None:
        one = self._simulation.functions.get(resource.name)
        if one is None:
            return None
        match self._kind:
            case Setting.MEMORY:
                return _Value(one.size.memory, lambda value: one.resize(memory=value))
            case Setting.PROVISIONED if one.size.ready_most:
                change = lambda value: one.resize(ready_most=value)  # noqa: E731
                return _Value(one.size.ready_most, change, one.ready)
            case Setting.CONCURRENCY if one.size.has_share:
                return _Value(one.size.concurrency, lambda value: one.resize(concurrency=value))
        return None

    def _tasks(self) -> _Value | None:
        workers = self._simulation.workers
        return _Value(workers.size.most, workers.resize, workers.wanted) if workers else None

    def _capacity(self, resource: Resource) -> _Value | None:
        table = self._simulation.tables.get(resource.name)
        if table is None or table.size.range is None:
            return None
        return _Value(table.size.range[1], table.resize)

    def _replicas(self, resource: Resource) -> _Value:
        known, name = self._without_effect, resource.name
        value = known.get(name, resource.deployed[self._kind])
        return _Value(value, lambda after: known.__setitem__(name, after))
