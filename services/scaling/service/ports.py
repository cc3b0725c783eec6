"""What the controller needs of AWS."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from scaling.model.inventory import Resource
from scaling.model.readings import Current
from scaling.model.series import Series
from scaling.model.usage import DayOfUsage


class SettingAdapter(Protocol):
    """Reads and changes one kind of setting."""

    def setting(self, resource: Resource) -> Current | None:
        """The setting now, without its cost; None when the resource does not have it."""

    def apply(self, resource: Resource, before: int, after: int) -> None:
        """Change it; what is changed already stays.

        Raises SettingChanged when it is neither `before` nor `after`, SettingBusy when the resource
        cannot be changed at this moment. After a crash, the same call finishes what was begun.
        """


class Alarms(Protocol):
    """The alarms of the system."""

    def raised(self) -> frozenset[str]:
        """The names of those in the state ALARM, without the system's name."""


class Metrics(Protocol):
    """Values of metrics."""

    def fetch(
        self, wanted: Mapping[str, Sequence[Series]], period: int, start: datetime, end: datetime
    ) -> dict[str, list[dict[datetime, float]]]:
        """The values of each group of series by the start of their period."""


class UsageReader(Protocol):
    """The metered usage of tenants."""

    def days_of_usage(self, tenant_id: str, last: int) -> Sequence[DayOfUsage]:
        """The days with a value among the last ones up to today in UTC, oldest first.

        A day without a value is absent, never zero.
        """

    def metered_tenants(self) -> Sequence[str]:
        """The ids of all tenants with usage, sorted."""
