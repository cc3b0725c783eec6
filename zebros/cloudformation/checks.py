"""What AWS rejects, or runs on one zone only, and no linter of templates sees.

`faults()` checks a resolved system. Sources: the API references of Application Auto Scaling,
CloudWatch, API Gateway, Amazon S3 and Step Functions; docs of Aurora Serverless v2.
"""

from collections.abc import Callable, Iterator
from typing import Any

from zebros.cloudformation.picture import System

_NUMBER = (int, float)
_PAIRS = (("Minimum", "Maximum"), ("Min", "Max"), ("min", "max"))
_TARGET_TRACKING_ONLY = {"dynamodb", "lambda", "elasticache"}
_LAST_OFFSET = {"DAY": 0, "WEEK": 6, "MONTH": 27}
"""The periods of a quota, and the last day of each on which it may begin."""
_INFREQUENT_ACCESS = {"STANDARD_IA", "ONEZONE_IA"}
_IA_DAYS = 30
_DAY, _WEEK, _HOUR = 86_400, 604_800, 3_600


def faults(system: System) -> list[str]:
    """Every fault as one sentence that begins with the resource's logical id; sorted."""
    return sorted(fault for check in _CHECKS for fault in check(system))


def dicts(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping inside of a value, itself included."""
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from dicts(one)
    elif isinstance(value, list):
        for one in value:
            yield from dicts(one)


def _is_number(*values: Any) -> bool:
    return all(isinstance(one, _NUMBER) and not isinstance(one, bool) for one in values)


def _ranges(system: System) -> Iterator[str]:
    """A minimum above its maximum."""
    for name, resource in system.resources.items():
        for part in dicts(resource.properties):
            for key, value in part.items():
                for low, high in _PAIRS:
                    other = high + key.removeprefix(low)
                    if key.startswith(low) and _is_number(value, part.get(other)):
                        if value > part[other]:
                            yield f"{name}: {key} {value} is above {other} {part[other]}"
                        break


def _capacity_units(system: System) -> Iterator[str]:
    """Aurora's capacity in steps of half a unit."""
    for name, cluster in system.of_type("AWS::RDS::DBCluster").items():
        for key, value in cluster.get("ServerlessV2ScalingConfiguration", {}).items():
            if _is_number(value) and key.endswith("Capacity") and (value * 2) % 1:
                yield f"{name}: {key} {value} is no multiple of 0.5"


def _scaling_policies(system: System) -> Iterator[str]:
    """Step scaling where only target tracking exists."""
    targets = system.of_type("AWS::ApplicationAutoScaling::ScalableTarget")
    for name, policy in system.of_type("AWS::ApplicationAutoScaling::ScalingPolicy").items():
        target = targets.get(policy.get("ScalingTargetId", {}).get("Ref", ""), {})
        namespace = policy.get("ServiceNamespace", target.get("ServiceNamespace"))
        if policy.get("PolicyType") == "StepScaling" and namespace in _TARGET_TRACKING_ONLY:
            yield f"{name}: {namespace} has no step scaling, only target tracking"


def _table_targets(system: System) -> Iterator[str]:
    """Scalable targets of a global table, which has its scaling inside."""
    tables = system.of_type("AWS::DynamoDB::GlobalTable")
    for name, target in system.of_type("AWS::ApplicationAutoScaling::ScalableTarget").items():
        text = str(target.get("ResourceId"))
        for table in tables:
            if target.get("ServiceNamespace") == "dynamodb" and f"${{{table}}}" in text:
                yield f"{name}: the global table {table} must contain its scaling"


def _usage_plans(system: System) -> Iterator[str]:
    """The period of a quota, and the day on which it begins."""
    for name, plan in system.of_type("AWS::ApiGateway::UsagePlan").items():
        quota = plan.get("Quota", {})
        period, offset = quota.get("Period", "DAY"), quota.get("Offset", 0)
        if period not in _LAST_OFFSET:
            yield f"{name}: the quota's period {period} is none of {', '.join(_LAST_OFFSET)}"
        elif not 0 <= offset <= _LAST_OFFSET[period]:
            yield f"{name}: a quota per {period} cannot begin at {offset}"


def _alarms(system: System) -> Iterator[str]:
    """More data points than periods, and periods of more than a day (a week for hours)."""
    for name, alarm in system.of_type("AWS::CloudWatch::Alarm").items():
        periods = alarm.get("EvaluationPeriods", 1)
        points = alarm.get("DatapointsToAlarm", periods)
        if points > periods:
            yield f"{name}: DatapointsToAlarm {points} is above EvaluationPeriods {periods}"
        seconds = [part["Period"] for part in dicts(alarm) if _is_number(part.get("Period"))]
        for one in set(seconds):
            if one * periods > (_WEEK if one >= _HOUR else _DAY):
                yield f"{name}: {periods} periods of {one} s are more than CloudWatch looks back"


def _heartbeats(system: System) -> Iterator[str]:
    """A task's heartbeat that is not shorter than its timeout."""
    for name, machine in system.of_type("AWS::StepFunctions::StateMachine").items():
        for part in dicts(machine.get("DefinitionString")):
            for title, state in part.get("States", {}).items():
                beat, timeout = state.get("HeartbeatSeconds"), state.get("TimeoutSeconds")
                if _is_number(beat, timeout) and beat >= timeout:
                    yield f"{name}: in {title}, HeartbeatSeconds {beat} is not below {timeout}"


def _zones(system: System) -> Iterator[str]:
    """Lists of subnets that are all in one availability zone."""
    subnets = system.of_type("AWS::EC2::Subnet")
    for name, resource in system.resources.items():
        for part in dicts(resource.properties):
            for key, value in part.items():
                used = [
                    one["Ref"]
                    for one in (value if isinstance(value, list) else [])
                    if isinstance(one, dict) and one.get("Ref") in subnets
                ]
                zones = {str(subnets[one].get("AvailabilityZone")) for one in used}
                if used and len(zones) < 2:
                    yield f"{name}: {key} has subnets in one zone only"
                if len(set(used)) < len(used):
                    yield f"{name}: {key} names a subnet twice"


def _lifecycles(system: System) -> Iterator[str]:
    """Moves to infrequent access that are too early, and moves after the end."""
    for name, bucket in system.of_type("AWS::S3::Bucket").items():
        for rule in bucket.get("LifecycleConfiguration", {}).get("Rules", []):
            moves = [*rule.get("Transitions", []), *filter(None, [rule.get("Transition")])]
            days = [one.get("TransitionInDays", 0) for one in moves]
            for one in moves:
                early = one.get("TransitionInDays", 0) < _IA_DAYS
                if one.get("StorageClass") in _INFREQUENT_ACCESS and early:
                    yield f"{name}: {one['StorageClass']} is possible after {_IA_DAYS} days"
            if days != sorted(set(days)):
                yield f"{name}: the transitions of {rule.get('Id')} are not in order"
            if days and rule.get("ExpirationInDays", max(days) + 1) <= max(days):
                yield f"{name}: {rule.get('Id')} deletes objects before their last transition"


def _provisioned_concurrency(system: System) -> Iterator[str]:
    """More provisioned concurrency than a function may use."""
    functions = system.of_type("AWS::Lambda::Function")
    for name, alias in system.of_type("AWS::Lambda::Alias").items():
        function = functions.get(str(alias.get("FunctionName", {}).get("Ref")), {})
        reserved = function.get("ReservedConcurrentExecutions")
        wanted = alias.get("ProvisionedConcurrencyConfig", {}).get(
            "ProvisionedConcurrentExecutions"
        )
        if _is_number(reserved, wanted) and wanted > reserved:
            yield f"{name}: provisions {wanted} executions, but {reserved} are reserved"


_CHECKS: tuple[Callable[[System], Iterator[str]], ...] = (
    _ranges,
    _capacity_units,
    _scaling_policies,
    _table_targets,
    _usage_plans,
    _alarms,
    _heartbeats,
    _zones,
    _lifecycles,
    _provisioned_concurrency,
)
