"""A system in memory for the controller: settings, alarms, metrics and a clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from kernel.storage.table import Table
from scaling.events import Setting
from scaling.model.changing import SettingChanged
from scaling.model.inventory import Inventory, Resource, parse_inventory
from scaling.model.policy_file import policy_of, prices
from scaling.model.readings import Current
from scaling.model.series import Series
from scaling.model.tuning import parse_curves
from scaling.repository.actions import ActionRepository
from scaling.repository.lease import LeaseRepository
from scaling.service.controller import Controller, Mode
from scaling.service.observer import Observer
from scaling.service.steps import Step

START = datetime(2026, 3, 4, 12, tzinfo=UTC)
MINUTE, TENANT, SYSTEM = timedelta(minutes=1), "operator", "zebros"
FUNCTION = "CustomersApi customers-fn memory=256 concurrency=15 executions=15"
WORKER = "StandardWorkerService cluster/service worker_tasks=10 cpu=512 ram=1024 queue=tasks"
TABLE = "CustomersTable zebros-customers table_capacity=100 indexes=2"
CACHE = "Cache cache-1 cache_replicas=1 shards=1 node=cache.t4g.small"
AUTHORIZER = "Authorizer authorizer-fn concurrency=15 executions=15"
"""Without its memory, so that a slow API changes one setting."""
TUNABLE_AUTHORIZER = AUTHORIZER.replace(" concurrency", " memory=256 concurrency")


class Crash(Exception):
    """The process ends here."""


@dataclass
class MemorySetting:
    """An adapter in memory."""

    kind: Setting
    values: dict[str, int]
    in_use: dict[str, int] = field(default_factory=dict)
    made: list[tuple[str, int, int]] = field(default_factory=list)

    def setting(self, resource: Resource) -> Current | None:
        if resource.id not in self.values:
            return None
        value, deployed = self.values[resource.id], resource.deployed[self.kind]
        return Current(value, deployed, in_use=self.in_use.get(resource.id))

    def apply(self, resource: Resource, before: int, after: int) -> None:
        value = self.values[resource.id]
        if value not in (before, after):
            raise SettingChanged(f"{resource.name} has {value} instead of {before}.")
        if value != after:
            self.values[resource.id] = after
            self.made.append((resource.name, before, after))


@dataclass
class World:
    """What the controller sees and changes."""

    table: Table
    text: str = f"{FUNCTION}; {AUTHORIZER}; {WORKER}; {TABLE}; {CACHE};"
    mode: Mode = Mode.APPLY
    phase: str = "growth"
    budget: float = 100_000
    curves: str = ""
    """What power tuning has measured."""
    now: datetime = START
    alarms: set[str] = field(default_factory=set)
    metrics: dict[str, Any] = field(default_factory=dict)
    """By the metric's name: its value, or a function of the time."""
    read: list[str] = field(default_factory=list)
    adapters: dict[Setting, MemorySetting] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind in Setting:
            values = {
                one.id: one.deployed[kind]
                for one in self.inventory.resources.values()
                if kind in one.deployed
            }
            self.adapters[kind] = MemorySetting(kind, values)

    @property
    def inventory(self) -> Inventory:
        return parse_inventory(self.text)

    @property
    def actions(self) -> ActionRepository:
        return ActionRepository(self.table, lambda: self.now)

    def raised(self) -> frozenset[str]:
        return frozenset(self.alarms)

    def fetch(
        self, wanted: Mapping[str, Sequence[Series]], period: int, start: datetime, end: datetime
    ) -> dict[str, list[dict[datetime, float]]]:
        assert start < end
        self.read += wanted
        moments = []
        while start < end:
            moments.append(start)
            start += timedelta(seconds=period)
        return {
            name: [self._values(one, moments) for one in several]
            for name, several in wanted.items()
        }

    def _values(self, series: Series, moments: list[datetime]) -> dict[datetime, float]:
        given = self.metrics.get(series.name)
        if given is None:
            return {}
        found = {at: given(at) if callable(given) else given for at in moments}
        return {at: value for at, value in found.items() if value is not None}

    @property
    def observer(self) -> Observer:
        policy = policy_of(self.phase, self.budget)
        curves = parse_curves(self.curves)
        return Observer(policy, self.inventory, self.adapters, self, self, prices(), curves)  # type: ignore[arg-type]

    @property
    def controller(self) -> Controller:
        return Controller(
            policy_of(self.phase, self.budget),
            self.inventory,
            self.adapters,  # type: ignore[arg-type]
            self.observer,
            self.actions,
            LeaseRepository(self.table, TENANT),
            tenant=TENANT,
            system=SYSTEM,
            mode=self.mode,
            now=lambda: self.now,
        )

    def run(self, message: Any, holder: str = "one", looks: int = 20) -> list[str]:
        """What the state machine does with a message; the names of its steps."""
        step, rounds, requests, done = self.controller.begin(holder, message), 0, 0, ["begin"]
        while step.next != "done" and looks:
            step, rounds, requests = self._step(step, holder, rounds, requests)
            if step.next == "wait":
                self.now += timedelta(seconds=step.seconds)
                step, looks = Step("verify"), looks - 1
            done.append(step.next)
        return done

    def _step(self, step: Step, holder: str, rounds: int, requests: int) -> tuple[Step, int, int]:
        match step.next:
            case "verify":
                return self.controller.verify(holder), rounds, requests
            case "decide":
                found = self.controller.decide(holder, rounds)
                return found, found.rounds, found.requests
            case "apply":
                return self.controller.apply(holder), rounds, requests
            case "end":
                return self.controller.end(holder, requests), rounds, requests
        raise AssertionError(step)

    def value(self, kind: Setting, name: str) -> int:
        """A setting now."""
        return self.adapters[kind].values[self.inventory.resources[name].id]

    def changes(self) -> list[tuple[str, int, int]]:
        """Everything that was changed."""
        return [one for adapter in self.adapters.values() for one in adapter.made]


def alarm(name: str, value: str = "ALARM", **more: Any) -> dict[str, Any]:
    """The event of a metric alarm, as EventBridge delivers it."""
    return {
        "version": "0",
        "id": "c4c1c1c9-6542-e61b-6ef0-8c4d36933a92",
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": "123456789012",
        "time": "2026-03-04T12:00:00Z",
        "region": "us-east-1",
        "resources": [f"arn:aws:cloudwatch:us-east-1:123456789012:alarm:{SYSTEM}-{name}"],
        "detail": {
            "alarmName": f"{SYSTEM}-{name}",
            "configuration": {
                "description": "people wait for pages (docs/alarms.md)",
                "metrics": [
                    {
                        "id": "0f7a5a7a-1f1b-4d5a-8a3e-8c4d36933a92",
                        "metricStat": {
                            "metric": {
                                "dimensions": {"ApiName": SYSTEM, "Stage": "v1"},
                                "name": "Latency",
                                "namespace": "AWS/ApiGateway",
                            },
                            "period": 300,
                            "stat": "p95",
                        },
                        "returnData": True,
                    }
                ],
            },
            "previousState": {
                "reason": "Threshold Crossed: 1 out of the last 3 datapoints",
                "reasonData": "{}",
                "timestamp": "2026-03-04T11:45:00.000+0000",
                "value": "OK",
            },
            "state": {
                "reason": "Threshold Crossed: 3 out of the last 3 datapoints",
                "reasonData": "{}",
                "timestamp": "2026-03-04T12:00:00.000+0000",
                "value": value,
            },
            **more,
        },
    }


def composite(name: str) -> dict[str, Any]:
    """The event of a composite alarm."""
    return alarm(
        name,
        configuration={
            "alarmRule": f'ALARM("{SYSTEM}-ApiLatency") OR ALARM("{SYSTEM}-ApiErrors")',
            "actionsSuppressor": "",
            "actionsSuppressorWaitPeriod": 0,
        },
    )


SCHEDULE = {
    "version": "0",
    "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "123456789012",
    "time": "2026-03-04T12:00:00Z",
    "region": "us-east-1",
    "resources": ["arn:aws:events:us-east-1:123456789012:rule/schedule"],
    "detail": {},
}
