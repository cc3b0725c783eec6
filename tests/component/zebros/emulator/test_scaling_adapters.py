"""Adapters of the scaling controller against the local platform: functions and the cache."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from kernel.domain.ids import new_id
from scaling.adapters.cache import CacheReplicas
from scaling.adapters.functions import FunctionConcurrency, FunctionMemory
from scaling.adapters.ranges import DAY, ProvisionedConcurrency
from scaling.events import Setting
from scaling.model.changing import SettingBusy, SettingChanged
from scaling.model.inventory import Resource
from scaling.service.ports import SettingAdapter
from tests.component.scaling.adapter_contract import AdapterContract
from tests.component.zebros.emulator.conftest import Emulator

FUNCTION = """
Transform: AWS::Serverless-2016-10-31
Resources:
  {name}:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      AutoPublishAlias: live
      MemorySize: 256
      InlineCode: |
        import os
        def handler(event, context):
            return os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
Outputs:
  Name: {{Value: !Ref {name}}}
"""


class OfFunction(AdapterContract):
    """A function of its own with the alias `live` for each test."""

    functions: Any
    name: str

    @pytest.fixture(autouse=True)
    def function(self, platform: Emulator) -> None:
        own = f"F{new_id()}"
        self.functions = platform.client("lambda")
        self.name = platform.deploy(own, FUNCTION.format(name=own))["Name"]

    def versions(self) -> int:
        found = self.functions.list_versions_by_function(FunctionName=self.name)
        return len(found["Versions"]) - 1  # without $LATEST


class TestFunctionMemory(OfFunction):
    """The memory of the version that the alias leads to."""

    before, after, other = 256, 384, 320

    def given(self) -> tuple[SettingAdapter, Resource]:
        resource = Resource("CustomersApi", self.name, {Setting.MEMORY: self.before})
        return FunctionMemory(self.functions), resource

    def set_by_others(self, value: int) -> None:
        self.functions.update_function_configuration(FunctionName=self.name, MemorySize=value)
        self.publish()

    def publish(self) -> str:
        version = str(self.functions.publish_version(FunctionName=self.name)["Version"])
        self.functions.update_alias(FunctionName=self.name, Name="live", FunctionVersion=version)
        return version

    def writes(self) -> int:
        return self.versions()

    def live(self) -> str:
        answer = self.functions.invoke(FunctionName=self.name, Qualifier="live")
        return str(answer["Payload"].read().decode().strip('"'))

    def test_a_resource_without_the_setting_has_none(self) -> None:
        """Every function has memory."""

    def test_requests_get_the_new_memory(self) -> None:
        adapter, resource = self.given()
        assert self.live() == "256"
        adapter.apply(resource, self.before, self.after)
        assert self.live() == "384"

    def test_a_change_that_stopped_before_its_version_is_finished(self) -> None:
        adapter, resource = self.given()
        self.functions.update_function_configuration(FunctionName=self.name, MemorySize=self.after)
        assert self.read(adapter, resource).value == self.before, "requests have the old one"
        adapter.apply(resource, self.before, self.after)
        assert self.read(adapter, resource).value == self.after

    def test_a_change_that_stopped_before_the_alias_publishes_no_second_version(self) -> None:
        adapter, resource = self.given()
        self.functions.update_function_configuration(FunctionName=self.name, MemorySize=self.after)
        self.functions.publish_version(FunctionName=self.name)
        made = self.versions()
        adapter.apply(resource, self.before, self.after)
        assert self.read(adapter, resource).value == self.after
        assert self.versions() == made

    def test_code_that_is_not_live_does_not_become_live(self) -> None:
        adapter, resource = self.given()
        self.functions.update_function_code(FunctionName=self.name, ZipFile=_zip())
        with pytest.raises(SettingChanged, match="latest code of CustomersApi is not live"):
            adapter.apply(resource, self.before, self.after)
        assert self.live() == "256"

    def test_during_a_gradual_deployment_nothing_is_changed(self) -> None:
        adapter, resource = self.given()
        self.functions.update_function_configuration(FunctionName=self.name, MemorySize=self.other)
        new = self.functions.publish_version(FunctionName=self.name)["Version"]
        self.functions.update_alias(
            FunctionName=self.name,
            Name="live",
            RoutingConfig={"AdditionalVersionWeights": {new: 0.1}},
        )
        with pytest.raises(SettingBusy, match="deployment moves the alias"):
            adapter.apply(resource, self.before, self.after)


def _zip() -> bytes:
    import io
    import zipfile

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("index.py", "def handler(event, context):\n    return 'new'\n")
    return file.getvalue()


class TestFunctionConcurrency(OfFunction):
    """Reserved concurrent executions."""

    def given(self) -> tuple[SettingAdapter, Resource]:
        self.set_by_others(self.before)
        resource = Resource("CustomersApi", self.name, {Setting.CONCURRENCY: self.before})
        return FunctionConcurrency(self.functions), resource

    def set_by_others(self, value: int) -> None:
        self.functions.put_function_concurrency(
            FunctionName=self.name, ReservedConcurrentExecutions=value
        )

    def writes(self) -> int:
        found = self.functions.get_function_concurrency(FunctionName=self.name)
        return int(found["ReservedConcurrentExecutions"])

    def test_a_resource_without_the_setting_has_none(self) -> None:
        adapter, resource = self.given()
        self.functions.delete_function_concurrency(FunctionName=self.name)
        assert adapter.setting(resource) is None


class TestProvisionedConcurrency(OfFunction):
    """The range of an alias by day: in moto, which has Application Auto Scaling."""

    scaling: Any
    night = False

    @pytest.fixture(autouse=True)
    def account(self) -> Iterator[None]:
        with mock_aws():
            self.scaling = boto3.client("application-autoscaling")
            yield

    def given(self) -> tuple[SettingAdapter, Resource]:
        self.functions.put_provisioned_concurrency_config(
            FunctionName=self.name, Qualifier="live", ProvisionedConcurrentExecutions=2
        )
        self.register(self.before)
        self.schedule(DAY, 2, self.before)
        self.schedule("business-hours-end", 0, 1)
        resource = Resource("CustomersApi", self.name, {Setting.PROVISIONED: self.before})
        return ProvisionedConcurrency(self.scaling, self.functions), resource

    def place(self) -> dict[str, str]:
        return {
            "ServiceNamespace": "lambda",
            "ResourceId": f"function:{self.name}:live",
            "ScalableDimension": "lambda:function:ProvisionedConcurrency",
        }

    def register(self, value: int) -> None:
        self.scaling.register_scalable_target(**self.place(), MinCapacity=0, MaxCapacity=value)

    def schedule(self, name: str, low: int, high: int) -> None:
        self.scaling.put_scheduled_action(
            **self.place(),
            ScheduledActionName=name,
            Schedule="cron(30 6 ? * MON-FRI *)",
            Timezone="Europe/Berlin",
            ScalableTargetAction={"MinCapacity": low, "MaxCapacity": high},
        )

    def set_by_others(self, value: int) -> None:
        self.register(value)
        self.schedule(DAY, 2, value)

    def writes(self) -> int:
        return sum(self.maxima())

    def maxima(self) -> list[int]:
        found = self.scaling.describe_scalable_targets(ServiceNamespace="lambda")
        return [one["MaxCapacity"] for one in found["ScalableTargets"]]

    def test_the_next_morning_has_the_new_range_and_the_night_its_own(self) -> None:
        adapter, resource = self.given()
        adapter.apply(resource, self.before, self.after)
        found = self.scaling.describe_scheduled_actions(ServiceNamespace="lambda")
        assert {
            one["ScheduledActionName"]: (one["ScalableTargetAction"], one["Timezone"])
            for one in found["ScheduledActions"]
        } == {
            DAY: ({"MinCapacity": 2, "MaxCapacity": self.after}, "Europe/Berlin"),
            "business-hours-end": ({"MinCapacity": 0, "MaxCapacity": 1}, "Europe/Berlin"),
        }
        assert self.maxima() == [self.after]

    def test_by_night_the_range_of_the_night_stays(self) -> None:
        adapter, resource = self.given()
        self.register(1)
        adapter.apply(resource, self.before, self.after)
        assert self.maxima() == [1]
        assert self.read(adapter, resource).value == self.after

    def test_the_wanted_environments_are_read(self) -> None:
        adapter, resource = self.given()
        assert self.read(adapter, resource).in_use == 2


class TestCacheReplicas(AdapterContract):
    """Replicas of each of three shards."""

    before, after, other = 1, 3, 2
    caches: Any
    name: str

    @pytest.fixture(autouse=True)
    def cache(self, platform: Emulator) -> None:
        self.caches, self.name = platform.client("elasticache"), f"c{new_id()}".lower()

    def given(self) -> tuple[SettingAdapter, Resource]:
        self.caches.create_replication_group(
            ReplicationGroupId=self.name,
            ReplicationGroupDescription="cache",
            Engine="valkey",
            NumNodeGroups=3,
            ReplicasPerNodeGroup=self.before,
        )
        return CacheReplicas(self.caches), Resource(
            "Cache", self.name, {Setting.REPLICAS: self.before}
        )

    def set_by_others(self, value: int) -> None:
        self.caches.increase_replica_count(
            ReplicationGroupId=self.name, NewReplicaCount=value, ApplyImmediately=True
        )

    def writes(self) -> int:
        events = self.caches.describe_events(
            SourceIdentifier=self.name, SourceType="replication-group"
        )
        return len(events["Events"])
