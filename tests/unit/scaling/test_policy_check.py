"""What the controller is given is checked as a whole: whatever is wrong is one sentence."""

import copy
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from scaling.events import Setting
from scaling.model.policy import PolicyError
from scaling.model.policy_check import Given, checked
from scaling.model.policy_file import policy_document
from zebros.phases import PHASES

TARGETS = "CustomersApi fn memory=256 executions=15; Cache c cache_replicas=1 node=cache.t4g.small;"
OPTIONAL = {"clear", "lowers", "effect", "of_load", "needs_processor", "at_limit", "alarm"}


def check(document: dict[str, Any] | None = None, **changes: Any) -> Given:
    given = {"phase": "growth", "budget": 10, "mode": "apply", "targets": TARGETS, **changes}
    return checked(**given, document=document)


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of the document."""
    if path:
        yield path
    if isinstance(value, dict):
        for name, one in value.items():
            yield from paths(one, (*path, name))
    elif isinstance(value, list):
        for place, one in enumerate(value):
            yield from paths(one, (*path, place))


PLACES = sorted(paths(policy_document()), key=str)


def changed(path: tuple[Any, ...], value: Any = None, *, remove: bool = False) -> dict[str, Any]:
    document = copy.deepcopy(policy_document())
    inner: Any = document
    for name in path[:-1]:
        inner = inner[name]
    if remove:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return document


@pytest.mark.parametrize("phase", PHASES)
def test_what_is_deployed_is_right(phase: str) -> None:
    found = check(phase=phase)
    assert set(found.policy.limits) == set(Setting)
    assert set(found.inventory.resources) == {"CustomersApi", "Cache"}


@pytest.mark.parametrize("wrong", [None, "x", -1, [], {}, float("nan")], ids=repr)
def test_a_wrong_value_anywhere_is_a_sentence_or_harmless(wrong: Any) -> None:
    for path in PLACES:
        with suppress(PolicyError):
            check(changed(path, wrong))


def test_nothing_may_be_missing() -> None:
    accepted = []
    for path in PLACES:
        try:
            check(changed(path, remove=True))
        except PolicyError:
            continue
        accepted.append(path)
    other_phases = {("ceilings", *rest) for rest in (("mvp",), ("startup",), ("enterprise",))}
    for path in accepted:
        whole_rule = path[0] == "rules" and len(path) == 2
        of_other_phase = path[:2] in other_phases
        other_node = path[:2] == ("prices", "nodes")
        assert whole_rule or of_other_phase or other_node or path[-1] in OPTIONAL, path


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            ("ceilings", "growth", "memory"),
            0.5,
            "memory: its ceiling of 0.5 times what is",
        ),
        (("pace", "memory", "cap"), "many", "pace.memory.cap: Input should be a valid integer"),
        (("quiet_days",), 0, "quiet_days: Input should be greater than 0"),
        (("no_effect_days",), -1, "no_effect_days: Input should be greater than 0"),
        (("no_effect_days",), 31, "no_effect_days: Input should be less than or equal to 30"),
        (("return_percent",), 101, "return_percent: Input should be less than or equal to 100"),
        (("rules", 0, "setting"), "size", "rules.0.setting: Input should be 'memory'"),
        (("rules", 0, "above"), float("inf"), "rules.0.above: Input should be a finite number"),
        (("rules", 0, "size"), 1, "rules.0.size: Extra inputs are not permitted"),
        (("rules", 0, "name"), "x", "rules: x has no metric; one of throttles, concurrency_in_use"),
        (("rules", 0, "name"), "users", "users: there are two rules of this name"),
        (("prices", "vcpu_hour"), 0, "prices.vcpu_hour: Input should be greater than 0"),
        (("tiers", "users", "growing"), [26, 100], "tiers: users: growing must begin with the val"),
        (("tiers", "users", "growing"), [24, 100], "tiers: users: growing must begin with the val"),
        (("tiers", "users"), [], "tiers: users, startup: must have a first and a last value"),
        (("ceilings", "growth"), {}, "ceilings.growth: cache_replicas is missing"),
        (("pace",), {}, "pace: cache_replicas is missing; it must have every setting"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    path: tuple[Any, ...], value: Any, message: str
) -> None:
    with pytest.raises(PolicyError) as found:
        check(changed(path, value))
    assert str(found.value).startswith(message)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"phase": "huge"}, "phase: 'huge' is not known; one of enterprise, growth, mvp, startup"),
        ({"budget": -1}, "budget: must be at least 0, not -1"),
        ({"mode": "try"}, "mode: 'try' is not known; one of propose, apply"),
        ({"targets": "A b memory=x;"}, "targets: A: memory must be a whole number, not 'x'"),
        (
            {"targets": "Cache c cache_replicas=1 node=big;"},
            "targets: Cache has the node 'big'; one of cache.m7g.large, cache.t4g.small",
        ),
    ],
)
def test_what_the_operator_sets_is_checked_as_well(given: dict[str, Any], message: str) -> None:
    with pytest.raises(PolicyError) as found:
        check(**given)
    assert str(found.value) == message


def test_memory_above_the_cap_is_its_own_ceiling() -> None:
    """A deployed value is the floor; no ceiling is below it, whatever AWS's quota for others."""
    found = check(targets="CustomersApi fn memory=5000 executions=15;")
    limits = found.policy.limits[Setting.MEMORY]
    assert limits.cap < 5000
    assert limits.ceiling(5000) == limits.larger(5000, 5000) == 5000
