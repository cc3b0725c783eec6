"""What administrators read about the scaling controller, usage tiers and refused moves."""

from notifications.events import MAX_TEXT
from notifications.incoming import RefusedMove, ScalingAction, TierChange

_UNITS = {
    "memory": "MB",
    "concurrency": "executions",
    "provisioned_concurrency": "environments",
    "worker_tasks": "tasks",
    "table_capacity": "units",
    "cache_replicas": "replicas",
}
_REFUSALS = {
    "budget": "To allow it, deploy a larger ScalingBudget",
    "ceiling": "See docs/phase-moves.md",
    "changed_by_others": "If that was meant, there is nothing to do",
    "wrong_policy": "Until it is corrected and deployed, nothing is scaled",
}
"""What to do about a refusal. Of others nobody is notified: they end by themselves, or concern a
single message, and are in the list of actions."""
_METRICS = {
    "users": "users",
    "customers": "customers",
    "opportunities": "opportunities",
    "data_mb": "MB of data",
}
"""The values on which a tier depends, for people."""


def scaling_text(event_type: str, action: ScalingAction) -> str | None:
    """What was changed, from what to what, why, and what to do; None for what concerns nobody."""
    what = f"{str(action.setting).replace('_', ' ')} of {action.resource}"
    unit = _UNITS.get(str(action.setting), "")
    span = f"from {action.before} to {action.after} {unit}".rstrip()
    permanent = f"deploy {action.parameter}" if action.parameter else None
    match event_type:
        case "ScalingActionProposed":
            act = f"{permanent}, or ScalingMode=apply" if permanent else "deploy ScalingMode=apply"
            return _sentences(f"Scaling proposes {what} {span}", action.because, f"To do it, {act}")
        case "ScalingActionApplied":
            act = "Nothing to do: it is verified, and taken back if it is of no use"
            return _sentences(f"Scaling changed {what} {span}", action.because, act)
        case "ScalingActionKept":
            act = f"To make it permanent, {permanent}" if permanent else "Nothing to do"
            return _sentences(f"Scaling keeps {what} changed {span}", action.because, act)
        case "ScalingActionRolledBack":
            back = f"from {action.after} to {action.before} {unit}".rstrip()
            act = (
                "More of it is of no use: docs/alarms.md says where else to look"
                if action.brought_nothing
                else "Look at the resource's errors in its log"
            )
            return _sentences(f"Scaling set {what} back {back}", action.because, act)
    act = _REFUSALS.get(str(action.reason), "")
    if not act:
        return None
    begin = f"Scaling did not change {what}" if action.setting else "Scaling changes nothing"
    return _sentences(begin, action.because, act)


def _sentences(what: str, because: str, act: str) -> str:
    """One line; of what is too long, the reason is cut off, never what to do."""
    room = MAX_TEXT - len(f"{what}: . {act}.")
    reason = because.rstrip(".")
    if len(reason) > room:
        reason = reason[: max(0, room - 1)] + "…"
    return f"{what}: {reason}. {act}."


def tier_text(change: TierChange) -> str | None:
    """Which tenant has which tier, from what, and why; None for a tenant's first tier."""
    if change.previous_tier is None:
        return None
    usage, reached = change.current, change.current.metric_tiers
    reasons = [
        f"{name} {getattr(usage.values, metric):,}"
        for metric, name in _METRICS.items()
        if getattr(reached, metric) == usage.tier
    ]
    return _sentences(
        f"The tenant {usage.id} is now {usage.tier}, before {change.previous_tier}",
        f"by {', '.join(reasons)}",
        "`zebros scale advise` says whether to change the system",
    )


def move_text(move: RefusedMove) -> str:
    """Who wanted writes to move to which region, why they do not, and where to look."""
    return _sentences(
        f"Writes did not move to {move.target}, as {move.operator} had asked",
        move.because,
        "`zebros region status` shows which region writes",
    )
