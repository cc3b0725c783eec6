"""Functions, provisioned concurrency and container services, on hand-made resources."""

from decimal import Decimal
from typing import Any

import pytest

from tests.unit.zebros.costs.design import charged, one, rule, usage
from zebros.costs.compute import spot_share

FUNCTION = "AWS::Lambda::Function"
TARGET = "AWS::ApplicationAutoScaling::ScalableTarget"


def called(calls: str = "requests", factor: float = 0.1, cpu: int = 100, wait: int = 50) -> Any:
    """A load in which every function is called so often and takes so long."""
    return usage(
        rules={"functions": rule(calls=calls, factor=factor, cpu_ms=cpu, wait_ms=wait)},
    )


def test_a_function_is_charged_for_calls_and_gb_seconds() -> None:
    # infracost, lambda_function_test.golden: 100,000 calls of 350 ms with 128 MB and 512 MB.
    slow = called(cpu=0, wait=350)
    assert one(FUNCTION, slow, MemorySize=128) == {
        "lambda.requests": 100_000,
        "lambda.duration": 4_375,
    }
    assert one(FUNCTION, slow, MemorySize=512)["lambda.duration"] == 17_500


def test_a_function_without_a_size_has_128_mb() -> None:
    assert one(FUNCTION, called(cpu=0, wait=350))["lambda.duration"] == 4_375


def test_less_memory_is_less_cpu_up_to_one_core() -> None:
    seconds = 100_000 * Decimal("0.150")
    assert one(FUNCTION, called(), MemorySize=1769)["lambda.duration"] == seconds * 1769 / 1024
    assert one(FUNCTION, called(), MemorySize=3538)["lambda.duration"] == seconds * 3538 / 1024
    # A tenth of the memory: ten times the CPU time, and the same time of waiting.
    small = one(FUNCTION, called(), MemorySize="176.9")["lambda.duration"]
    assert small == 100_000 * Decimal("1.050") * Decimal("176.9") / 1024


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ("requests", 1_000_000),
        ("writes", 200_000),
        ("events", 400_000),
        ("reports", 1_000),
        ("sessions", 2_000),
        ("once", 1),
    ],
)
def test_a_function_s_calls_follow_from_the_load(calls: str, expected: int) -> None:
    assert one(FUNCTION, called(calls, factor=2))["lambda.requests"] == 2 * expected


def alias(**properties: Any) -> dict[str, tuple[str, dict[str, Any]]]:
    """A function of 1 GB with an alias of four provisioned environments."""
    config = {"ProvisionedConcurrencyConfig": {"ProvisionedConcurrentExecutions": 4}}
    return {
        "Api": (FUNCTION, {"MemorySize": 1024}),
        "Other": (FUNCTION, {}),
        "Live": ("AWS::Lambda::Alias", {"FunctionName": {"Ref": "Api"}, **(properties or config)}),
    }


def target(low: int, high: int, *actions: tuple[int, int], name: str = "Api") -> Any:
    scheduled = [{"ScalableTargetAction": {"MinCapacity": a, "MaxCapacity": b}} for a, b in actions]
    return TARGET, {
        "ScalableDimension": "lambda:function:ProvisionedConcurrency",
        "ResourceId": {"Fn::Sub": f"function:${{{name}}}:live"},
        "MinCapacity": low,
        "MaxCapacity": high,
        "ScheduledActions": scheduled,
    }


def test_provisioned_concurrency_is_charged_all_the_time() -> None:
    found = charged("Live", called(), **alias())
    assert found == {"lambda.provisioned_concurrency": 4 * 730 * 3600}


def test_provisioned_concurrency_follows_its_scalable_target() -> None:
    # Two by day and night, and in the busy half of the month half of what is above two.
    found = charged("Live", called(), **alias(), Target=target(2, 10))
    assert found["lambda.provisioned_concurrency"] == (2 + 8 * Decimal("0.25")) * 730 * 3600
    other = charged("Live", called(), **alias(), Target=target(1, 3, name="Other"))
    assert other["lambda.provisioned_concurrency"] == 4 * 730 * 3600


def test_provisioned_concurrency_of_business_hours_is_not_charged_at_night() -> None:
    found = charged("Live", called(), **alias(), Target=target(0, 10, (4, 8), (0, 0)))
    # 0 in the quiet half; 4 and half of the four above it in the busy half.
    assert found["lambda.provisioned_concurrency"] == 6 * 365 * 3600


def test_a_scheduled_action_may_change_only_one_bound() -> None:
    one_bound = target(2, 4)
    one_bound[1]["ScheduledActions"] = [{"ScalableTargetAction": {"MaxCapacity": 8}}]
    found = charged("Live", called(), **alias(), Target=one_bound)
    assert found["lambda.provisioned_concurrency"] == (2 * 365 + 5 * 365) * 3600
    one_bound[1]["ScheduledActions"] = [{"ScalableTargetAction": {"MinCapacity": 0}}]
    found = charged("Live", called(), **alias(), Target=one_bound)
    assert found["lambda.provisioned_concurrency"] == 2 * 365 * 3600


def test_calls_of_a_function_with_provisioned_concurrency_have_their_own_rate() -> None:
    assert set(charged("Api", called(), **alias())) == {
        "lambda.requests",
        "lambda.provisioned_duration",
    }
    assert "lambda.duration" in charged("Other", called(), **alias())


def test_an_alias_without_provisioned_concurrency_is_free() -> None:
    plain = alias(Name="live")
    assert charged("Live", called(), **plain) == {}
    assert "lambda.duration" in charged("Api", called(), **plain)


def test_a_version_can_have_provisioned_concurrency_too() -> None:
    found = charged(
        "Version",
        called(),
        Api=(FUNCTION, {"MemorySize": 512}),
        Version=(
            "AWS::Lambda::Version",
            {
                "FunctionName": {"Fn::GetAtt": ["Api", "Arn"]},
                "ProvisionedConcurrencyConfig": {"ProvisionedConcurrentExecutions": 2},
            },
        ),
    )
    assert found["lambda.provisioned_concurrency"] == 730 * 3600


def service(**properties: Any) -> dict[str, tuple[str, dict[str, Any]]]:
    return {
        "Task": ("AWS::ECS::TaskDefinition", {"Cpu": "512", "Memory": 3072}),
        "Worker": ("AWS::ECS::Service", {"TaskDefinition": {"Ref": "Task"}, **properties}),
    }


def test_a_service_is_charged_for_vcpus_and_gb_of_its_tasks() -> None:
    found = charged("Worker", **service(DesiredCount=2))
    assert found == {"fargate.cpu": 730, "fargate.memory": 2 * 3 * 730}


def test_a_service_has_one_task_unless_it_says_otherwise() -> None:
    assert charged("Worker", **service())["fargate.cpu"] == 365


def test_tasks_scale_between_minimum_and_maximum_in_business_hours() -> None:
    scalable: Any = (
        TARGET,
        {
            "ServiceNamespace": "ecs",
            "ResourceId": {"Fn::Sub": "service/${Cluster}/${Worker.Name}"},
            "MinCapacity": 2,
            "MaxCapacity": 10,
        },
    )
    found = charged("Worker", **service(DesiredCount=1), Target=scalable)
    assert found["fargate.cpu"] == (2 + 8 * Decimal("0.25")) / 2 * 730
    scalable[1]["ServiceNamespace"] = "lambda"
    assert charged("Worker", **service(DesiredCount=1), Target=scalable)["fargate.cpu"] == 365


def strategy(*providers: tuple[str, int, int]) -> dict[str, Any]:
    return {
        "CapacityProviderStrategy": [
            {"CapacityProvider": name, "Weight": weight, "Base": base}
            for name, weight, base in providers
        ]
    }


@pytest.mark.parametrize(
    ("providers", "running", "share"),
    [
        ((), 4, "0"),
        ((("FARGATE", 1, 0),), 4, "0"),
        ((("FARGATE_SPOT", 1, 0),), 4, "1"),
        ((("FARGATE_SPOT", 3, 0), ("FARGATE", 1, 0)), 4, "0.75"),
        ((("FARGATE_SPOT", 1, 0), ("FARGATE", 0, 1)), 4, "0.75"),
        ((("FARGATE_SPOT", 1, 2), ("FARGATE", 1, 0)), 4, "0.75"),
        ((("FARGATE_SPOT", 1, 0), ("FARGATE", 0, 6)), 4, "0"),
        ((("FARGATE_SPOT", 1, 0),), 0, "0"),
        ((("FARGATE", 1, 2),), 4, "0"),
    ],
)
def test_tasks_are_placed_on_spot_by_base_and_weight(
    providers: tuple[tuple[str, int, int], ...], running: int, share: str
) -> None:
    assert spot_share(strategy(*providers), Decimal(running)) == Decimal(share)


def test_a_provider_without_weight_and_base_gets_no_tasks() -> None:
    providers = [{"CapacityProvider": "FARGATE_SPOT", "Weight": 1}, {"CapacityProvider": "FARGATE"}]
    assert spot_share({"CapacityProviderStrategy": providers}, Decimal(4)) == 1
    providers = [{"CapacityProvider": "FARGATE_SPOT"}, {"CapacityProvider": "FARGATE", "Weight": 1}]
    assert spot_share({"CapacityProviderStrategy": providers}, Decimal(4)) == 0


def test_tasks_on_spot_have_their_own_price() -> None:
    mixed = strategy(("FARGATE_SPOT", 3, 0), ("FARGATE", 1, 0))
    assert charged("Worker", **service(DesiredCount=4, **mixed)) == {
        "fargate.cpu": 365,
        "fargate.memory": 3 * 730,
        "fargate.spot_cpu": 3 * 365,
        "fargate.spot_memory": 3 * 3 * 730,
    }


def test_each_task_with_a_public_address_pays_for_it() -> None:
    network = {"NetworkConfiguration": {"AwsvpcConfiguration": {"AssignPublicIp": "ENABLED"}}}
    found = charged("Worker", **service(DesiredCount=3, **network))
    assert found["network.public_addresses"] == 3 * 730
    network["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] = "DISABLED"
    assert "network.public_addresses" not in charged("Worker", **service(**network))


@pytest.mark.parametrize(
    ("value", "expected"), [("enabled", 7), ("enhanced", 7), ("disabled", None)]
)
def test_container_insights_are_metrics(value: str, expected: int | None) -> None:
    load = usage(container_metrics=7)
    settings = [{"Name": "containerInsights", "Value": value}]
    found = one("AWS::ECS::Cluster", load, ClusterSettings=settings)
    assert found.get("cloudwatch.metrics") == expected
    assert one("AWS::ECS::Cluster", load) == {}


def test_a_repository_stores_images() -> None:
    assert one("AWS::ECR::Repository", usage(image_gb=3)) == {"ecr.storage": 3}
