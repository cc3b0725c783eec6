"""What every adapter of a setting must do; a test class for each adapter inherits it."""

from abc import ABC, abstractmethod

import pytest

from scaling.model.changing import SettingChanged
from scaling.model.inventory import Resource
from scaling.model.readings import Current
from scaling.service.ports import SettingAdapter


class AdapterContract(ABC):
    """The suite; `given` makes the resource with the deployed value."""

    before, after, other = 4, 6, 5

    @abstractmethod
    def given(self) -> tuple[SettingAdapter, Resource]:
        """The adapter and a resource whose setting is `before`, which is deployed."""

    @abstractmethod
    def set_by_others(self, value: int) -> None:
        """Change the setting as a person or a deployment does."""

    @abstractmethod
    def writes(self) -> int:
        """How often AWS was asked to change something, or what shows it."""

    def read(self, adapter: SettingAdapter, resource: Resource) -> Current:
        current = adapter.setting(resource)
        assert current is not None
        return current

    def test_a_setting_is_read_with_what_is_deployed(self) -> None:
        adapter, resource = self.given()
        found = self.read(adapter, resource)
        assert (found.value, found.deployed) == (self.before, self.before)

    def test_a_change_is_read_back_and_what_is_deployed_stays(self) -> None:
        adapter, resource = self.given()
        adapter.apply(resource, self.before, self.after)
        found = self.read(adapter, resource)
        assert (found.value, found.deployed) == (self.after, self.before)

    def test_the_same_change_again_changes_nothing(self) -> None:
        adapter, resource = self.given()
        adapter.apply(resource, self.before, self.after)
        made = self.writes()
        adapter.apply(resource, self.before, self.after)
        assert self.read(adapter, resource).value == self.after
        assert self.writes() == made

    def test_a_change_is_taken_back(self) -> None:
        adapter, resource = self.given()
        adapter.apply(resource, self.before, self.after)
        adapter.apply(resource, self.after, self.before)
        assert self.read(adapter, resource).value == self.before

    def test_what_somebody_else_has_changed_stays(self) -> None:
        adapter, resource = self.given()
        self.set_by_others(self.other)
        made = self.writes()
        with pytest.raises(SettingChanged, match=f"{resource.name} .*{self.before}"):
            adapter.apply(resource, self.before, self.after)
        assert self.read(adapter, resource).value == self.other
        assert self.writes() == made

    def test_a_resource_without_the_setting_has_none(self) -> None:
        adapter, resource = self.given()
        missing = resource._replace(id=self.missing(resource))
        assert adapter.setting(missing) is None

    def missing(self, resource: Resource) -> str:
        """The name of a resource that does not have the setting."""
        return f"{resource.id}-missing"
