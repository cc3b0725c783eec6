"""The controller from a message to its events: table, lease and decision are the real ones."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from kernel.storage.table import Table
from scaling.events import Reason, Setting
from scaling.model.readings import ActionState
from scaling.service.controller import ROUNDS, Mode
from tests.component.conftest import published
from tests.component.scaling.world import (
    MINUTE,
    SCHEDULE,
    START,
    TENANT,
    TUNABLE_AUTHORIZER,
    Crash,
    World,
    alarm,
    composite,
)

HOUR = timedelta(hours=1)
TRIGGERS: dict[str, tuple[str, dict[str, float], Setting, str, int, int]] = {
    # alarm: its metrics, and the setting with its value before and after
    "ApiLatency": ("ApiLatency", {"Duration": 300}, Setting.MEMORY, "CustomersApi", 256, 384),
    "FunctionMemory": (
        *("FunctionMemory", {"MemoryUtilization": 80}),
        *(Setting.MEMORY, "CustomersApi", 256, 384),
    ),
    "ApiThrottles": (
        *("ApiThrottles", {"Throttles": 5}, Setting.CONCURRENCY, "CustomersApi", 15, 22),
    ),
    "WorkerCpu": (
        *("WorkerCpu", {"CPUUtilization": 90}),
        *(Setting.TASKS, "StandardWorkerService", 10, 15),
    ),
    "WorkerMemory": (
        *("WorkerMemory", {"MemoryUtilization": 90}),
        *(Setting.TASKS, "StandardWorkerService", 10, 15),
    ),
    "ReportQueue": (
        *("ReportQueue", {"ApproximateNumberOfMessagesVisible": 20}),
        *(Setting.TASKS, "StandardWorkerService", 10, 15),
    ),
    "ConcurrentUsers, tables": (
        *("ConcurrentUsers", {"Invocations": 80}, Setting.CAPACITY, "CustomersTable", 100, 150),
    ),
    "ConcurrentUsers, cache": (
        *("ConcurrentUsers", {"Invocations": 80}, Setting.REPLICAS, "Cache", 1, 2),
    ),
    "CustomersTableThrottles": (
        *("CustomersTableThrottles", {"ThrottledRequests": 5}),
        *(Setting.CAPACITY, "CustomersTable", 100, 150),
    ),
}


def types(world: World, cloud: Any) -> list[str]:
    """The events of the operator's tenant, in their order."""
    found = sorted(published(cloud), key=lambda one: (one["time"], one["type"]))
    return [one["type"] for one in found]


def changed(world: World, cloud: Any) -> list[str]:
    """The same without refusals."""
    return [one for one in types(world, cloud) if one != "ScalingActionRefused"]


def refusals(cloud: Any) -> list[tuple[str | None, str]]:
    """(resource, reason) of everything that was refused."""
    return sorted(
        (one["data"]["current"].get("resource") or "", one["data"]["current"]["reason"])
        for one in published(cloud)
        if one["type"] == "ScalingActionRefused"
    )


def slow(world: World) -> None:
    """The API is slow, and more memory helps."""
    world.alarms = {"ApiLatency"}
    world.metrics["Duration"] = lambda at: (
        300.0 if world.value(Setting.MEMORY, "CustomersApi") == 256 else 150.0
    )


@pytest.mark.parametrize("name", TRIGGERS)
def test_a_trigger_changes_its_setting_by_one_step(world: World, cloud: Any, name: str) -> None:
    triggered, metrics, kind, resource, before, after = TRIGGERS[name]
    world.alarms, world.metrics = {triggered}, dict(metrics)
    assert world.value(kind, resource) == before
    assert world.run(alarm(triggered), looks=1)[:4] == ["begin", "decide", "apply", "verify"]
    assert world.value(kind, resource) == after
    applied = [one for one in published(cloud) if one["type"] == "ScalingActionApplied"]
    found = {one["data"]["current"]["resource"]: one["data"]["current"] for one in applied}
    assert (found[resource]["before"], found[resource]["after"]) == (before, after)
    assert found[resource]["deployed"] == before
    assert {one["tenantid"] for one in applied} == {TENANT}


@pytest.mark.parametrize("name", TRIGGERS)
def test_the_mode_propose_changes_nothing(world: World, cloud: Any, name: str) -> None:
    world.mode = Mode.PROPOSE
    triggered, metrics, _, resource, before, after = TRIGGERS[name]
    world.alarms, world.metrics = {triggered}, dict(metrics)
    assert world.run(alarm(triggered)) == ["begin", "decide", "end", "done"]
    assert world.changes() == []
    proposed = [
        one["data"]["current"] for one in published(cloud) if one["type"] == "ScalingActionProposed"
    ]
    assert (resource, before, after) in [
        (one["resource"], one["before"], one["after"]) for one in proposed
    ]
    assert set(types(world, cloud)) <= {"ScalingActionProposed", "ScalingActionRefused"}


def test_the_same_is_proposed_once_a_day(world: World, cloud: Any) -> None:
    world.mode = Mode.PROPOSE
    slow(world)
    for _ in range(5):
        world.run(alarm("ApiLatency"))
        world.now += HOUR
    assert Counter(types(world, cloud))["ScalingActionProposed"] == 1
    world.now += timedelta(days=1)
    world.run(SCHEDULE)
    assert Counter(types(world, cloud))["ScalingActionProposed"] == 2


def test_what_was_proposed_may_be_applied_at_once(world: World) -> None:
    slow(world)
    world.mode = Mode.PROPOSE
    world.run(alarm("ApiLatency"))
    world.mode = Mode.APPLY
    world.run(alarm("ApiLatency"), looks=1)
    assert world.changes() == [("CustomersApi", 256, 384)]


def test_a_step_that_helps_is_kept(world: World, cloud: Any) -> None:
    slow(world)
    world.run(alarm("ApiLatency"), looks=9)
    assert changed(world, cloud)[:2] == ["ScalingActionApplied", "ScalingActionKept"]
    assert world.value(Setting.MEMORY, "CustomersApi") == 384
    kept = published(cloud)[-1]["data"]["current"]
    assert "was 300 and is 150" in kept["because"]


def test_a_step_is_judged_by_values_from_after_its_settling_time(world: World, cloud: Any) -> None:
    settled = START + 15 * MINUTE
    world.alarms = {"ApiLatency"}
    world.metrics = {"Duration": lambda at: 300 if at < settled else 150}
    world.run(alarm("ApiLatency"), looks=9)
    assert changed(world, cloud) == ["ScalingActionApplied", "ScalingActionKept"]


def test_a_step_that_brought_nothing_is_rolled_back_and_not_tried_again(
    world: World, cloud: Any
) -> None:
    world.alarms, world.metrics = {"ApiLatency"}, {"Duration": 300}
    world.run(alarm("ApiLatency"), looks=9)
    assert changed(world, cloud)[:2] == ["ScalingActionApplied", "ScalingActionRolledBack"]
    assert world.changes() == [("CustomersApi", 256, 384), ("CustomersApi", 384, 256)]
    world.now += timedelta(days=2)
    world.run(SCHEDULE, "two", looks=9)
    assert len(world.changes()) == 2, "not for a week"
    assert ("CustomersApi", Reason.NO_EFFECT) in refusals(cloud)
    world.now += timedelta(days=6)
    world.run(SCHEDULE, "three", looks=1)
    assert len(world.changes()) == 3


def test_the_authorizer_s_memory_grows_with_its_own_duration_and_shrinks_again(
    world: World, cloud: Any
) -> None:
    """It has no metric of the memory in use, which must not keep it large for ever."""
    world.text = f"{TUNABLE_AUTHORIZER};"
    world.__post_init__()
    world.alarms = {"ApiLatency", "FunctionMemory"}
    world.metrics["Duration"] = lambda _at: (
        300.0 if world.value(Setting.MEMORY, "Authorizer") == 256 else 150.0
    )
    world.run(alarm("ApiLatency"), looks=9)
    assert world.changes() == [("Authorizer", 256, 384)]
    kept = published(cloud)[-1]
    assert (kept["type"], kept["data"]["current"]["parameter"]) == (
        *("ScalingActionKept", "AuthorizerMemory=384"),
    )
    assert refusals(cloud) == [], "nobody measures how much of its memory it uses"
    world.alarms, world.metrics = set(), {"Duration": 50.0}
    world.now += timedelta(days=8)
    world.run(SCHEDULE, "two", looks=1)
    assert world.changes()[1:] == [("Authorizer", 384, 256)]


def test_memory_grows_as_far_as_power_tuning_says_that_it_helps(world: World) -> None:
    world.curves = "CustomersApi 128=800 256=400 320=200 512=199;"
    world.alarms, world.metrics = {"ApiLatency"}, {"Duration": 300}
    world.run(alarm("ApiLatency"), looks=1)
    assert world.changes() == [("CustomersApi", 256, 320)]


def test_a_function_that_power_tuning_knows_to_wait_gets_no_memory(
    world: World, cloud: Any
) -> None:
    world.curves = "CustomersApi 128=400 256=399 512=401;"
    world.alarms, world.metrics = {"ApiLatency"}, {"Duration": 300}
    world.run(alarm("ApiLatency"), looks=1)
    assert world.changes() == []
    assert refusals(cloud) == [("CustomersApi", Reason.NOT_PROCESSOR_BOUND)]


def test_the_controller_looks_while_the_alarm_lasts_and_ends_with_it(world: World) -> None:
    slow(world)
    assert world.run(alarm("ApiLatency"), looks=5).count("decide") == 5
    world.alarms = set()
    world.now += HOUR
    assert world.run(SCHEDULE)[-2:] == ["end", "done"]


def test_an_execution_ends_before_its_history_is_full(world: World) -> None:
    slow(world)
    controller = world.controller
    controller.begin("one", SCHEDULE)
    assert controller.decide("one", 0).next == "apply"
    controller.apply("one")
    assert controller.decide("one", ROUNDS - 1).next == "wait"
    assert controller.decide("one", ROUNDS).next == "end"


@pytest.mark.parametrize("message", [alarm("ApiLatency", "OK"), alarm("ApiErrors")])
def test_an_alarm_that_is_over_or_no_trigger_starts_nothing(
    world: World, cloud: Any, message: dict[str, Any]
) -> None:
    slow(world)
    assert world.run(message) == ["begin"]
    assert types(world, cloud) == []


def test_a_composite_alarm_is_followed_to_its_members(world: World) -> None:
    slow(world)
    world.run(composite("Requests"), looks=1)
    assert world.changes() == [("CustomersApi", 256, 384)]


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ({"detail-type": "Something"}, "A message of the type 'Something' is no alarm"),
        ({"detail-type": "CloudWatch Alarm State Change"}, "detail: Input should be"),
        ([1], "A message of the type None is no alarm"),
        (alarm("ApiLatency", "HIGH"), "detail.state.value: String should match"),
        (alarm("ApiLatency", configuration={}), "neither a metric alarm nor a composite one"),
        (alarm("ApiLatency", alarmName="other-ApiLatency"), "must begin with zebros-"),
    ],
)
def test_an_alarm_of_an_unknown_shape_is_refused_in_a_sentence(
    world: World, cloud: Any, message: Any, sentence: str
) -> None:
    slow(world)
    for _ in range(2):
        assert world.run(message) == ["begin"]
    assert world.changes() == []
    (event,) = published(cloud)
    assert event["type"] == "ScalingActionRefused"
    assert event["data"]["current"]["reason"] == Reason.UNKNOWN_ALARM
    assert sentence in event["data"]["current"]["because"]


def test_a_metric_without_data_changes_nothing_and_is_recorded_once_a_day(
    world: World, cloud: Any
) -> None:
    world.alarms = {"ApiLatency"}
    for holder in ("one", "two"):
        world.run(alarm("ApiLatency"), holder, looks=2)
    assert world.changes() == []
    assert refusals(cloud) == [("CustomersApi", Reason.NO_DATA)]


def test_a_budget_that_is_reached_changes_nothing(world: World, cloud: Any) -> None:
    slow(world)
    world.budget = 10
    world.run(alarm("ApiLatency"), looks=1)
    assert world.changes() == []
    assert refusals(cloud) == [("CustomersApi", Reason.BUDGET)]
    # 128 MB more for 15 executions: 15 x 0.125 GB x 0.0000166667 x 2,628,000 s.
    because = published(cloud)[0]["data"]["current"]["because"]
    assert "82.13 USD a month; the budget is 10.00" in because


def test_at_the_ceiling_nothing_is_changed(world: World, cloud: Any) -> None:
    slow(world)
    world.metrics = {"Duration": 300}
    world.adapters[Setting.MEMORY].values["customers-fn"] = 1024
    world.run(alarm("ApiLatency"), looks=1)
    assert world.changes() == []
    assert refusals(cloud) == [("CustomersApi", Reason.CEILING)]


def test_a_duplicate_alarm_acts_once(world: World, cloud: Any) -> None:
    slow(world)
    controller = world.controller
    assert controller.begin("one", alarm("ApiLatency")).next == "verify"
    assert controller.begin("two", alarm("ApiLatency")).next == "done", "somebody has the lease"
    controller.verify("one")
    assert controller.decide("one", 0).next == "apply"
    assert controller.begin("three", alarm("ApiLatency")).next == "done"
    controller.apply("one")
    world.run(alarm("ApiLatency"), "one", looks=1)
    assert world.changes() == [("CustomersApi", 256, 384)]
    assert types(world, cloud).count("ScalingActionApplied") == 1


def test_an_alarm_that_comes_while_the_controller_ends_is_looked_at(world: World) -> None:
    controller = world.controller
    controller.begin("one", SCHEDULE)
    controller.verify("one")
    found = controller.decide("one", 0)
    assert found.next == "end"
    slow(world)
    assert controller.begin("two", alarm("ApiLatency")).next == "done"
    assert controller.end("one", found.requests).next == "verify"
    again = controller.decide("one", found.rounds)
    assert again.next == "apply"
    assert again.requests == 1


def test_a_controller_that_lost_its_lease_does_nothing_more(world: World) -> None:
    slow(world)
    controller = world.controller
    controller.begin("one", SCHEDULE)
    controller.decide("one", 0)
    world.now += HOUR
    assert controller.begin("two", SCHEDULE).next == "verify"
    assert controller.apply("one").next == "done"
    assert controller.verify("one").next == "done"
    assert controller.decide("one", 0).next == "done"
    assert controller.end("one", 0).next == "done"
    assert world.changes() == []
    assert controller.verify("two").next == "decide", "the lease of the other stays"


def test_what_somebody_else_changes_meanwhile_stays(world: World, cloud: Any) -> None:
    slow(world)
    controller = world.controller
    controller.begin("one", SCHEDULE)
    controller.decide("one", 0)
    world.adapters[Setting.MEMORY].values["customers-fn"] = 512
    controller.apply("one")
    assert world.value(Setting.MEMORY, "CustomersApi") == 512
    assert refusals(cloud) == [("CustomersApi", Reason.CHANGED_BY_OTHERS)]
    world.metrics = {"Duration": 100}
    assert controller.decide("one", 1).next == "wait", "nothing is left to be applied"


def test_a_deployment_does_not_silently_undo_a_change(world: World, cloud: Any) -> None:
    slow(world)
    world.run(alarm("ApiLatency"), looks=9)
    assert changed(world, cloud) == ["ScalingActionApplied", "ScalingActionKept"]
    world.alarms = set()
    world.adapters[Setting.MEMORY].values["customers-fn"] = 256
    for holder in ("two", "three"):
        world.now += timedelta(days=1)
        world.run(SCHEDULE, holder)
    assert refusals(cloud) == [("CustomersApi", Reason.CHANGED_BY_OTHERS)], "once"
    (refused,) = [one for one in published(cloud) if one["type"] == "ScalingActionRefused"]
    assert "was 384 and has its deployed value again" in refused["data"]["current"]["because"]
    assert "deploy CustomersMemory=384" in refused["data"]["current"]["because"]
    assert world.value(Setting.MEMORY, "CustomersApi") == 256
    world.alarms = {"ApiLatency"}
    world.run(alarm("ApiLatency"), "four", looks=1)
    assert world.value(Setting.MEMORY, "CustomersApi") == 384, "when it is needed again"


def test_a_change_that_was_made_permanent_is_not_undone(world: World, cloud: Any) -> None:
    slow(world)
    world.run(alarm("ApiLatency"), looks=9)
    world.alarms = set()
    world.text = world.text.replace("memory=256", "memory=384")
    world.run(SCHEDULE, "two")
    assert refusals(cloud) == []


def test_a_resource_that_is_gone_is_left_alone(world: World, cloud: Any) -> None:
    slow(world)
    world.controller.begin("one", SCHEDULE)
    world.controller.decide("one", 0)
    world.text = "Authorizer authorizer-fn concurrency=15;"
    world.controller.apply("one")
    assert refusals(cloud) == [("CustomersApi", Reason.CHANGED_BY_OTHERS)]


def test_switched_to_propose_it_finishes_without_changing_anything(
    world: World, cloud: Any
) -> None:
    world.alarms, world.metrics = {"ApiLatency"}, {"Duration": 300}
    world.run(alarm("ApiLatency"), looks=1)
    world.mode = Mode.PROPOSE
    world.now += HOUR
    world.run(SCHEDULE, "two")
    assert world.value(Setting.MEMORY, "CustomersApi") == 384
    kept = [one for one in published(cloud) if one["type"] == "ScalingActionKept"]
    assert "a person may set it to 256 again" in kept[0]["data"]["current"]["because"]


def test_what_was_begun_before_the_switch_to_propose_is_not_made(world: World) -> None:
    slow(world)
    world.controller.begin("one", SCHEDULE)
    world.controller.decide("one", 0)
    world.mode = Mode.PROPOSE
    world.controller.apply("one")
    assert world.changes() == []


def test_a_function_that_fails_more_often_gets_its_old_memory(world: World, cloud: Any) -> None:
    slow(world)
    world.metrics["Errors"] = lambda at: 0.0 if at < START else 50.0
    world.run(alarm("ApiLatency"), looks=9)
    assert changed(world, cloud)[:2] == ["ScalingActionApplied", "ScalingActionRolledBack"]
    assert world.value(Setting.MEMORY, "CustomersApi") == 256


def test_after_a_quiet_week_a_setting_becomes_smaller(world: World, cloud: Any) -> None:
    slow(world)
    world.run(alarm("ApiLatency"), looks=9)
    world.alarms = set()
    world.metrics = {"Duration": 60, "MemoryUtilization": 20}
    world.now += timedelta(days=8)
    world.run(SCHEDULE, "two", looks=9)
    assert world.changes() == [("CustomersApi", 256, 384), ("CustomersApi", 384, 256)]
    assert types(world, cloud)[-2:] == ["ScalingActionApplied", "ScalingActionKept"]


def test_a_week_that_is_not_known_is_not_quiet(world: World) -> None:
    slow(world)
    world.run(alarm("ApiLatency"), looks=9)
    world.alarms = set()
    since = world.now + timedelta(days=4)
    world.metrics = {
        "Duration": lambda at: 60 if at > since else None,
        "MemoryUtilization": lambda at: 20 if at > since else None,
    }
    world.now += timedelta(days=8)
    world.run(SCHEDULE, "two", looks=3)
    assert world.value(Setting.MEMORY, "CustomersApi") == 384


def test_a_rule_without_an_alarm_is_read_on_schedule(world: World) -> None:
    world.metrics = {"ConcurrentExecutions": 13}  # 87 % of 15
    world.run(SCHEDULE, looks=1)
    assert sorted(world.changes()) == [("Authorizer", 15, 22), ("CustomersApi", 15, 22)]


def test_a_quiet_schedule_reads_little(world: World, cloud: Any) -> None:
    world.run(SCHEDULE)
    assert types(world, cloud) == []
    assert Counter(name.partition(" ")[0] for name in world.read) == {
        "concurrency_in_use": 2,
        "tasks_in_use": 1,
        "capacity_in_use": 1,
    }


class Fragile:
    """Ends the process at one of the calls that change something."""

    def __init__(self, crash_at: int) -> None:
        self.calls, self.crash_at = 0, crash_at

    def around(self, function: Any, *, after: bool) -> Any:
        def call(*arguments: Any, **more: Any) -> Any:
            self.calls += 1
            if self.calls == self.crash_at and not after:
                raise Crash
            result = function(*arguments, **more)
            if self.calls == self.crash_at and after:
                raise Crash
            return result

        return call


@pytest.mark.parametrize("after", [False, True], ids=["before the call", "after the call"])
@pytest.mark.parametrize("helps", [True, False], ids=["kept", "rolled back"])
@pytest.mark.parametrize("crash_at", range(1, 12))
def test_a_crash_at_any_call_leaves_nothing_or_a_finished_action(
    world: World,
    cloud: Any,
    monkeypatch: pytest.MonkeyPatch,
    crash_at: int,
    helps: bool,
    after: bool,
) -> None:
    slow(world)
    if not helps:
        world.metrics = {"Duration": 300}
    fragile = Fragile(crash_at)
    adapter = world.adapters[Setting.MEMORY]
    with monkeypatch.context() as patched:
        for name in ("transact", "put_if"):
            patched.setattr(Table, name, fragile.around(getattr(Table, name), after=after))
        patched.setattr(adapter, "apply", fragile.around(adapter.apply, after=after))
        with pytest.raises(Crash):
            world.run(alarm("ApiLatency"), "crashed", looks=10)
    world.now += HOUR
    world.run(SCHEDULE, "next", looks=10)
    world.alarms = set()
    world.now += HOUR
    world.run(SCHEDULE, "last", looks=10)
    ended = [one for one in world.actions.history(TENANT) if one.status is not ActionState.REFUSED]
    assert not [one for one in ended if one.unfinished]
    assert [one.status for one in ended] == [ActionState.KEPT if helps else ActionState.ROLLED_BACK]
    assert world.value(Setting.MEMORY, "CustomersApi") == (384 if helps else 256)
    expected = [("CustomersApi", 256, 384)] + ([] if helps else [("CustomersApi", 384, 256)])
    assert world.changes() == expected, "nothing is changed twice"
    assert Counter(types(world, cloud))["ScalingActionApplied"] == 1


def test_the_history_is_read_at_once_and_without_its_refusals(world: World) -> None:
    slow(world)
    world.budget = 10
    world.run(alarm("ApiLatency"), looks=1)
    assert world.actions.history(TENANT) == []
    world.budget = 1000
    world.now += MINUTE
    world.run(alarm("ApiLatency"), "two", looks=0)
    assert world.controller.begin("three", SCHEDULE).next == "done"


def test_no_tenant_sees_the_history_of_another(world: World) -> None:
    slow(world)
    world.run(alarm("ApiLatency"), looks=1)
    assert world.actions.history("acme") == []
    assert world.actions.list("acme", 25, None).items == []
    assert len(world.actions.list(TENANT, 25, None).items) == 1


def test_a_smaller_phase_has_smaller_ceilings(world: World, cloud: Any) -> None:
    world.phase = "startup"
    world.alarms, world.metrics = {"ConcurrentUsers"}, {"Invocations": 80}
    world.run(alarm("ConcurrentUsers"), looks=1)
    assert world.value(Setting.REPLICAS, "Cache") == 1
    assert ("Cache", Reason.CEILING) in refusals(cloud)
