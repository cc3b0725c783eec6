"""What must be true of the controller in any course of events; each returns what is wrong."""

from collections.abc import Iterator
from itertools import pairwise

from scaling.model.policy import Policy
from scaling.model.readings import ActionState, Current, Target
from tools.scaling_loop.closed_loop import Course

type Deployed = dict[Target, Current]


def outside(policy: Policy, deployed: Deployed, course: Course) -> Iterator[str]:
    """Values below what is deployed or above the ceiling."""
    for target, current in deployed.items():
        ceiling = policy.limits[target.setting].ceiling(current.deployed)
        for value in set(course.of(target)):
            if not current.deployed <= value <= ceiling:
                yield f"{target}: {value}"


def too_early(policy: Policy, deployed: Deployed, course: Course) -> Iterator[str]:
    """Changes of a setting within the cooldown after its last one."""
    for target in deployed:
        cooldown = policy.limits[target.setting].cooldown.total_seconds() / 60
        changes = [
            minute
            for (before, after), minute in zip(
                pairwise(course.of(target)), course.minutes[1:], strict=True
            )
            if after > before
        ]
        for earlier, later in pairwise(changes):
            if later - earlier < cooldown:
                yield f"{target}: {later - earlier} minutes"


def reversals(_policy: Policy, deployed: Deployed, course: Course) -> Iterator[str]:
    """Settings that went up, down and up again, except steps that brought nothing."""
    for target in deployed:
        kept = [
            one
            for one in course.history
            if one.target == target and one.state is not ActionState.ROLLED_BACK
        ]
        directions = [one.raises for one in kept]
        for first, second, third in zip(directions, directions[1:], directions[2:], strict=False):
            if first and not second and third:
                yield f"{target}: up, down and up"


def too_expensive(policy: Policy, deployed: Deployed, course: Course) -> Iterator[str]:
    """Moments in which everything above what is deployed costs more than the budget."""
    for settings in course.settings:
        usd = sum(
            (settings[one] - deployed[one].deployed) * deployed[one].unit_cost for one in deployed
        )
        if usd > policy.budget + 1e-6:
            yield f"{usd:,.2f} USD"


def unsettled(_policy: Policy, deployed: Deployed, course: Course) -> Iterator[str]:
    """Settings that still change in the last third, except steps that brought nothing."""
    last = course.settings[len(course.settings) * 2 // 3 :]
    for target in deployed:
        useless = any(one.brought_nothing for one in course.history if one.target == target)
        if len({one[target] for one in last}) > 1 and not useless:
            yield f"{target}: {sorted({one[target] for one in last})}"


def too_small(policy: Policy, deployed: Deployed, course: Course) -> Iterator[str]:
    """Settings whose readings are too high in the end, although their ceiling is not reached."""
    final = course.settings[-1]
    for rule in policy.rules:
        for target, current in deployed.items():
            if rule.setting is not target.setting or rule.at_limit:
                continue
            limits = policy.limits[target.setting]
            scale = current.deployed / final[target] if rule.of_load else 1
            readings = [one[rule.name, target.resource] * scale for one in course.readings[-5:]]
            if min(readings) > rule.above and final[target] < limits.ceiling(current.deployed):
                yield f"{target}: {rule.name} is {min(readings):.4g}"
