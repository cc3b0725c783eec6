"""Adapters of Application Auto Scaling against moto: tasks of workers and capacity of tables."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from scaling.adapters.ranges import TableCapacity, WorkerTasks
from scaling.events import Setting
from scaling.model.inventory import Resource
from scaling.service.ports import SettingAdapter
from tests.component.conftest import create_table, outside
from tests.component.scaling.adapter_contract import AdapterContract
from tests.component.scaling.world import MemorySetting


class Counting:
    """A client that counts what changes something."""

    def __init__(self, client: Any) -> None:
        self.client, self.count = client, 0

    def __getattr__(self, name: str) -> Any:
        self.count += name.startswith(("register", "put", "update"))
        return getattr(self.client, name)


class OnMoto(AdapterContract):
    """With moto's Application Auto Scaling."""

    scaling: Counting

    @pytest.fixture(autouse=True)
    def account(self) -> Iterator[None]:
        with mock_aws():
            self.scaling = Counting(outside("application-autoscaling"))
            yield

    def writes(self) -> int:
        return self.scaling.count

    def register(self, namespace: str, name: str, dimension: str, value: int) -> None:
        outside("application-autoscaling").register_scalable_target(
            ServiceNamespace=namespace,
            ResourceId=name,
            ScalableDimension=dimension,
            MinCapacity=1,
            MaxCapacity=value,
        )


class TestWorkerTasks(OnMoto):
    """The most tasks of a service."""

    def given(self) -> tuple[SettingAdapter, Resource]:
        containers = boto3.client("ecs")
        containers.create_cluster(clusterName="cluster")
        containers.register_task_definition(
            family="task", containerDefinitions=[{"name": "x", "image": "x", "memory": 1}]
        )
        containers.create_service(
            cluster="cluster", serviceName="service", taskDefinition="task", desiredCount=2
        )
        self.set_by_others(self.before)
        resource = Resource("Service", "cluster/service", {Setting.TASKS: self.before})
        return WorkerTasks(self.scaling, containers), resource

    def set_by_others(self, value: int) -> None:
        self.register("ecs", "service/cluster/service", "ecs:service:DesiredCount", value)

    def test_the_wanted_tasks_are_read(self) -> None:
        adapter, resource = self.given()
        assert self.read(adapter, resource).in_use == 2


class TestTableCapacity(OnMoto):
    """The most units of a table and of its three indexes."""

    before, after, other = 100, 150, 120

    def given(self) -> tuple[SettingAdapter, Resource]:
        create_table(outside("dynamodb"), "orders")
        self.set_by_others(self.before)
        resource = Resource(
            "OrdersTable", "orders", {Setting.CAPACITY: self.before}, {"indexes": "3"}
        )
        return TableCapacity(self.scaling), resource

    def set_by_others(self, value: int) -> None:
        for name in self.places():
            self.set_range(name, value)

    def places(self) -> list[str]:
        return ["table/orders", *(f"table/orders/index/gsi{n}" for n in (1, 2, 3))]

    def set_range(self, name: str, value: int, kinds: tuple[str, ...] = ("Read", "Write")) -> None:
        part = "index" if "/index/" in name else "table"
        for kind in kinds:
            dimension = f"dynamodb:{part}:{kind}CapacityUnits"
            self.register("dynamodb", name, dimension, value)

    def maxima(self) -> list[int]:
        found = outside("application-autoscaling").describe_scalable_targets(
            ServiceNamespace="dynamodb"
        )
        return [one["MaxCapacity"] for one in found["ScalableTargets"]]

    def test_table_and_indexes_change_together(self) -> None:
        adapter, resource = self.given()
        adapter.apply(resource, self.before, self.after)
        assert self.maxima() == [self.after] * 8
        assert self.writes() == 8

    def test_a_change_that_stopped_half_way_is_finished(self) -> None:
        adapter, resource = self.given()
        self.set_range("table/orders", self.after)
        self.set_range("table/orders/index/gsi1", self.after, ("Read",))
        assert self.read(adapter, resource).value == self.before
        adapter.apply(resource, self.before, self.after)
        assert self.maxima() == [self.after] * 8
        assert self.writes() == 5


class TestMemorySetting(AdapterContract):
    """The adapter in memory, with which the controller is tested, behaves like the others."""

    def given(self) -> tuple[SettingAdapter, Resource]:
        self.made = MemorySetting(Setting.MEMORY, {"customers-fn": self.before})
        return self.made, Resource("CustomersApi", "customers-fn", {Setting.MEMORY: self.before})

    def set_by_others(self, value: int) -> None:
        self.made.values["customers-fn"] = value

    def writes(self) -> int:
        return len(self.made.made)
