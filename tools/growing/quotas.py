"""AWS's quotas that a stage needs, and which of them are above their defaults."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil

from scaling.model.policy import Setting
from scaling.model.policy_file import policy_of
from tools.growing.systems import KEYCLOAK, system
from zebros.cloudformation import System
from zebros.costs import Usage
from zebros.phases import PHASES
from zebros.simulation.work import load_work

UNRESERVED = 100
"""Lambda keeps at least so many executions for functions without a share of their own."""


@dataclass(frozen=True, slots=True)
class Quota:
    """A quota of an account in a region."""

    service: str
    name: str
    """As in the console of Service Quotas."""
    default: int
    needs: Callable[[System, str, float], float]
    """What a system needs at most: of the system, its phase, and requests a second."""
    note: str = ""


def _executions(of: System, phase: str, _rate: float) -> float:
    """With all that the controller may add."""
    limits = policy_of(phase, budget=0).limits[Setting.CONCURRENCY]
    shares = (
        int(one["ReservedConcurrentExecutions"])
        for one in of.of_type("AWS::Lambda::Function").values()
        if "ReservedConcurrentExecutions" in one
    )
    return UNRESERVED + sum(max(one, limits.ceiling(one)) for one in shares)


def _processors(of: System, spot: bool) -> float:
    """vCPU of all Fargate tasks at their maximum, of which Spot has its weight's part."""
    total = 0.0
    targets = {
        name.removesuffix("ScalableTarget"): one
        for name, one in of.of_type("AWS::ApplicationAutoScaling::ScalableTarget").items()
        if one["ServiceNamespace"] == "ecs"
    }
    for name, target in targets.items():
        service = of.resources[f"{name}Service"].properties
        cpu = int(of.resources[f"{name}Task"].properties["Cpu"]) / 1024
        weights = {
            one["CapacityProvider"]: one["Weight"]
            for one in service.get("CapacityProviderStrategy", [])
        } or {"FARGATE": 1}
        share = weights.get("FARGATE_SPOT" if spot else "FARGATE", 0) / sum(weights.values())
        total += target["MaxCapacity"] * cpu * share
    return total


def _writes(of: System, _phase: str, _rate: float) -> float:
    total = 0
    for one in of.of_type("AWS::DynamoDB::GlobalTable").values():
        if one["BillingMode"] == "PROVISIONED":
            write = one["WriteProvisionedThroughputSettings"]["WriteCapacityAutoScalingSettings"]
            total += int(write["MaxCapacity"]) * (1 + len(one.get("GlobalSecondaryIndexes", [])))
    return total


def _events(_of: System, phase: str, rate: float) -> float:
    usage = Usage.load(phase)
    return rate * float(usage["write_share"] * usage["events_per_write"])


QUOTAS = (
    Quota(
        "Lambda", "Concurrent executions", 1_000, _executions,
        "L-B99A9384; a new account has 10. Without `ReserveConcurrency=yes` no shares are set",
    ),
    Quota("API Gateway", "Throttle rate", 10_000, lambda _of, _phase, rate: rate),
    Quota(
        "Fargate", "Fargate On-Demand vCPU resource count", 6,
        lambda of, _phase, _rate: _processors(of, spot=False),
        "L-3032A538; older accounts have more",
    ),
    Quota(
        "Fargate", "Fargate Spot vCPU resource count", 6,
        lambda of, _phase, _rate: _processors(of, spot=True),
        "L-36FBB829; older accounts have more",
    ),
    Quota(
        "EventBridge", "PutEvents throttle limit in transactions per second", 400, _events,
        "10,000 in us-east-1, 400 in the smallest regions",
    ),
    Quota("DynamoDB", "Account-level write throughput (provisioned)", 80_000, _writes),
    Quota(
        "EC2", "EC2-VPC Elastic IPs", 5,
        lambda of, _phase, _rate: len(of.of_type("AWS::EC2::EIP")), "one for each NAT gateway",
    ),
)  # fmt: skip


def rate_of(users: int, phase: str) -> float:
    """Requests a second in the busiest hour of so many users, as the simulation has them."""
    usage = Usage.load(phase).with_users(users)
    return float(usage.requests / (usage.busy_hours * 3600)) * load_work()["peak"]


def table(users: Mapping[str, int]) -> Iterator[str]:
    """The table: what each phase, with a Keycloak of its own, needs with so many users."""
    yield f"| quota (per region) | default | {' | '.join(PHASES)} | |"
    yield "| --- | --- |" + " --- |" * (len(PHASES) + 1)
    for one in QUOTAS:
        needs = [_need(one, phase, users[phase]) for phase in PHASES]
        yield f"| {one.service}: {one.name} | {one.default:,} | {' | '.join(needs)} | {one.note} |"


def _need(quota: Quota, phase: str, users: int) -> str:
    found = quota.needs(system(phase, KEYCLOAK), phase, rate_of(users, phase))
    return f"**{ceil(found):,}**" if found > quota.default else f"{ceil(found):,}"
