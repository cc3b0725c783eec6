"""What the controller decides, rule by rule."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest

from scaling.model.decision import Decision, Reason, decide
from scaling.model.policy import Policy, Setting
from scaling.model.readings import Action, ActionState, Current, Reading, Situation, Target
from tests.unit.scaling.situations import (
    CAPACITY,
    CONCURRENCY,
    COOLDOWN,
    GROWTH,
    MEMORY,
    NOW,
    REPLICAS,
    TASKS,
    action,
    limited,
    situation,
)

SECOND = timedelta(seconds=1)
HIGH = situation("api_latency", MEMORY, 250, 260, 270)


def made(found: Decision) -> list[tuple[Target, int, int]]:
    return [(one.target, one.before, one.after) for one in found.changes]


def refused(found: Decision) -> list[Reason]:
    return [one.reason for one in found.refusals]


def decided(given: Situation, *history: Action, policy: Policy = GROWTH) -> Decision:
    return decide(policy, given, history, NOW)


TRIGGERS = [
    # The strategy: "API latency > 200 ms (p95)", "CPU utilisation > 70 %", "memory utilisation >
    # 70 %", "report queue > 10 tasks", "> 50 concurrent users"; ours: "throttles > 0, or
    # concurrency > 80 % of reserved".
    ("api_latency", MEMORY, 200, 256, 384),
    ("function_memory", MEMORY, 70, 256, 384),
    ("worker_cpu", TASKS, 70, 10, 15),
    ("worker_memory", TASKS, 70, 10, 15),
    ("report_queue", TASKS, 10, 10, 15),
    ("users", CAPACITY, 50, 100, 150),
    ("cache_users", REPLICAS, 50, 1, 2),
    ("throttles", CONCURRENCY, 0, 60, 90),
    ("concurrency_in_use", CONCURRENCY, 80, 60, 90),
]


@pytest.mark.parametrize(("rule", "target", "threshold", "before", "after"), TRIGGERS)
def test_a_trigger_of_the_strategy_has_its_action(
    rule: str, target: Target, threshold: float, before: int, after: int
) -> None:
    above, at = (
        situation(rule, target, *[value] * 5, value=before)
        for value in (threshold + 0.01, threshold)
    )
    assert made(decided(above)) == [(target, before, after)]
    assert decided(at) == ((), ())


def test_nothing_happens_without_an_alarm() -> None:
    assert decided(situation("api_latency", MEMORY, 900, 900, 900, raised=False)) == ((), ())


def test_a_short_peak_changes_nothing() -> None:
    assert decided(situation("api_latency", MEMORY, 900, 900, 150)) == ((), ())


@pytest.mark.parametrize("values", [(), (None, None, None), (250, None, 260)])
def test_missing_data_is_never_taken_for_a_reading(values: tuple[float | None, ...]) -> None:
    found = decided(situation("api_latency", MEMORY, *values))
    assert (made(found), refused(found)) == ([], [Reason.NO_DATA])
    assert "api_latency has too few values of CustomersApi" in found.refusals[0].because


def test_missing_data_does_not_matter_where_the_known_values_decide() -> None:
    assert decided(situation("api_latency", MEMORY, 150, None, None)) == ((), ())
    throttled = situation("table_throttles", CAPACITY, 1, None, 1, None, 1, value=100)
    assert made(decided(throttled)) == [(CAPACITY, 100, 150)]


def test_a_setting_rests_for_its_cooldown() -> None:
    found = decided(HIGH, action(ago=COOLDOWN - SECOND))
    assert refused(found) == [Reason.COOLDOWN]
    assert found.refusals[0].until == NOW + SECOND
    assert made(decided(HIGH, action(ago=COOLDOWN))) == [(MEMORY, 256, 384)]


def test_a_proposal_is_not_repeated_within_the_cooldown() -> None:
    found = decided(HIGH, action(state=ActionState.PROPOSED, ago=COOLDOWN - SECOND))
    assert refused(found) == [Reason.COOLDOWN]


@pytest.mark.parametrize("state", [ActionState.APPLYING, ActionState.APPLIED])
def test_a_function_is_not_changed_while_a_change_of_it_is_not_verified(
    state: ActionState,
) -> None:
    other = action(CONCURRENCY, "throttles", 60, 90, state, ago=timedelta(days=1))
    assert refused(decided(HIGH, other)) == [Reason.IN_PROGRESS]


def test_a_step_that_brought_nothing_is_not_tried_again_for_a_week() -> None:
    week = timedelta(days=7)
    tried = action(state=ActionState.ROLLED_BACK, brought_nothing=True, ago=week - SECOND)
    found = decided(HIGH, tried)
    assert refused(found) == [Reason.NO_EFFECT]
    assert found.refusals[0].until == NOW + SECOND
    assert made(decided(HIGH, tried._replace(at=NOW - week))) == [(MEMORY, 256, 384)]
    full = situation("function_memory", MEMORY, 80, 80, 80)
    assert made(decided(full, tried)) == [(MEMORY, 256, 384)], "another reason is another matter"


@pytest.mark.parametrize(
    ("useful", "after"), [(128, None), (256, None), (300, None), (320, 320), (384, 384), (512, 384)]
)
def test_memory_grows_only_as_far_as_it_shortens_the_duration(
    useful: int, after: int | None
) -> None:
    measured = situation(
        "api_latency", MEMORY, 250, 250, 250, useful_memory={"CustomersApi": useful}
    )
    found = decided(measured)
    assert made(found) == ([(MEMORY, 256, after)] if after else [])
    assert refused(found) == ([] if after else [Reason.NOT_PROCESSOR_BOUND])
    full = situation("function_memory", MEMORY, 80, 80, 80, useful_memory={"CustomersApi": useful})
    assert made(decided(full)) == [(MEMORY, 256, 384)], "it needs the memory itself"


def test_a_rule_without_a_metric_of_a_resource_says_nothing_of_it() -> None:
    unmeasured = frozenset({("function_memory", "CustomersApi")})
    raised = situation("function_memory", MEMORY, None, None, None, unmeasured=unmeasured)
    assert decided(raised) == ((), ())
    calm = {"value": 512, "deployed": 256, "peak": 50.0, "raised": False}
    known = situation("api_latency", MEMORY, 50, 50, 50, **calm)  # type: ignore[arg-type]
    assert made(decided(known)) == [], "its use of memory is not known"
    alone = replace(known, unmeasured=unmeasured)
    assert [one[2] for one in made(decided(alone))] == [320]
    nothing = replace(known, unmeasured=unmeasured | {("api_latency", "CustomersApi")})
    assert made(decided(nothing)) == [], "no rule says how much of it is used"


def test_what_another_function_needs_says_nothing() -> None:
    other = situation("api_latency", MEMORY, 250, 250, 250, useful_memory={"ReportingApi": 128})
    assert made(decided(other)) == [(MEMORY, 256, 384)]


@pytest.mark.parametrize(
    ("deployed", "value", "after"), [(256, 682, 1024), (256, 1000, 1024), (1024, 2900, 3008)]
)
def test_the_last_step_ends_at_the_ceiling(deployed: int, value: int, after: int) -> None:
    # Four times what is deployed, and Lambda's 3,008 MB for a new account.
    high = situation("api_latency", MEMORY, 250, 250, 250, value=value, deployed=deployed)
    assert made(decided(high)) == [(MEMORY, value, after)]


@pytest.mark.parametrize(("deployed", "value"), [(256, 1024), (256, 1500), (1024, 3008)])
def test_no_setting_exceeds_its_ceiling(deployed: int, value: int) -> None:
    found = decided(situation("api_latency", MEMORY, 250, 250, 250, value=value, deployed=deployed))
    assert refused(found) == [Reason.CEILING]
    assert "move to the next phase" in found.refusals[0].because


def test_a_ceiling_is_raised_only_when_autoscaling_has_reached_it() -> None:
    room, none = (
        situation("worker_cpu", TASKS, *[90] * 5, value=10, in_use=used) for used in (9, 10)
    )
    assert refused(decided(room)) == [Reason.ROOM]
    assert made(decided(none)) == [(TASKS, 10, 15)]


def test_load_is_shared_by_what_was_added() -> None:
    # 100 units serve 50 users, so 150 units serve 75.
    enough, few = (
        situation("users", CAPACITY, *[users] * 3, value=150, deployed=100) for users in (75, 76)
    )
    assert decided(enough) == ((), ())
    assert made(decided(few)) == [(CAPACITY, 150, 225)]


def test_the_budget_is_for_everything_above_what_is_deployed() -> None:
    given = situation("report_queue", TASKS, *[20] * 3, value=12, deployed=10, unit_cost=20)
    # Two tasks more than deployed, and six more: 8 x 20 = 160 USD.
    assert made(decided(given, policy=_budget(160))) == [(TASKS, 12, 18)]
    found = decided(given, policy=_budget(159.99))
    assert refused(found) == [Reason.BUDGET]
    assert "160.00 USD a month; the budget is 159.99" in found.refusals[0].because


def _budget(usd: float) -> Policy:
    policy = limited(Setting.TASKS)
    return type(policy)(policy.rules, policy.limits, usd, policy.quiet, policy.no_effect)


def test_what_costs_nothing_needs_no_budget() -> None:
    assert made(decided(HIGH, policy=_budget(0))) == [(MEMORY, 256, 384)]


def several(**readings: tuple[float, ...]) -> Situation:
    """Memory and concurrency of one function, and tasks of the workers."""
    resources = {"report_queue": TASKS.resource}
    return Situation(
        {MEMORY: Current(256, 256), CONCURRENCY: Current(60, 60), TASKS: Current(10, 10)},
        {
            (rule, resources.get(rule, MEMORY.resource)): Reading(values)
            for rule, values in readings.items()
        },
        alarms=frozenset(readings),
    )


def test_several_alarms_change_different_resources_at_once() -> None:
    found = decided(several(api_latency=(250, 250, 250), report_queue=(20, 20, 20)))
    assert made(found) == [(MEMORY, 256, 384), (TASKS, 10, 15)]


def test_of_two_changes_of_a_function_the_one_against_rejected_requests_is_first() -> None:
    found = decided(several(api_latency=(250, 250, 250), throttles=(5, 5)))
    assert made(found) == [(CONCURRENCY, 60, 90)]
    assert refused(found) == [Reason.CONFLICT]


def test_two_rules_for_one_setting_make_one_change() -> None:
    found = decided(several(api_latency=(250, 250, 250), function_memory=(80, 80, 80)))
    assert made(found) == [(MEMORY, 256, 384)]
    assert refused(found) == []


def test_the_order_of_the_history_does_not_matter() -> None:
    history = [
        action(ago=timedelta(minutes=minutes), state=state, brought_nothing=nothing)
        for minutes, state, nothing in (
            (40, ActionState.ROLLED_BACK, True),
            (90, ActionState.KEPT, False),
            (60 * 24 * 8, ActionState.ROLLED_BACK, True),
        )
    ]
    found = {decided(HIGH, *order) for order in permutations(history)}
    assert len(found) == 1
    assert refused(found.pop()) == [Reason.NO_EFFECT]


# --- smaller again ---


def quiet(peak: float | None = 90, memory: float | None = 20, **fields: int) -> Situation:
    """A function whose memory was raised, with the highest readings of the quiet time."""
    current = Current(fields.get("value", 576), fields.get("deployed", 256))
    return Situation(
        {MEMORY: current},
        {
            ("api_latency", MEMORY.resource): Reading((50, 50, 50), peak),
            ("function_memory", MEMORY.resource): Reading((20, 20, 20), memory),
        },
    )


def test_a_setting_is_made_smaller_when_it_would_stay_clear() -> None:
    found = decided(quiet())
    assert made(found) == [(MEMORY, 576, 384)]
    assert found.changes[0].because == "function_memory would stay below 55 with 384"


@pytest.mark.parametrize(
    ("peak", "memory", "smaller"),
    # 576 to 384 MB: readings may grow by half, to 140 ms and 55 % at most.
    [
        (93.3, 36.6, True),
        (93.4, 36.6, False),
        (93.3, 36.7, False),
        (None, 20, False),
        (90, None, False),
    ],
)
def test_every_rule_of_a_setting_must_stay_clear(
    peak: float | None, memory: float | None, smaller: bool
) -> None:
    assert bool(made(decided(quiet(peak, memory)))) is smaller


def test_no_setting_becomes_smaller_than_what_is_deployed() -> None:
    assert made(decided(quiet(value=320))) == [(MEMORY, 320, 256)]
    assert decided(quiet(value=256)) == ((), ())
    assert decided(quiet(value=128)) == ((), ()), "someone else made it smaller"


def test_a_setting_is_made_smaller_after_a_quiet_week_only() -> None:
    week = timedelta(days=7)
    assert decided(quiet(), action(ago=week - SECOND)) == ((), ())
    assert made(decided(quiet(), action(ago=week))) == [(MEMORY, 576, 384)]


def test_throttles_alone_do_not_say_that_concurrency_is_unused() -> None:
    given = situation("throttles", CONCURRENCY, 0, 0, value=90, deployed=60, peak=0, raised=False)
    assert decided(given) == ((), ())


def test_an_alarm_of_a_ceiling_with_room_does_not_keep_it_large() -> None:
    given = Situation(
        {TASKS: Current(15, 10, in_use=1)},
        {
            ("worker_cpu", TASKS.resource): Reading((90,) * 5),
            ("tasks_in_use", TASKS.resource): Reading((7, 7, 7), 40),
        },
        alarms=frozenset({"worker_cpu"}),
    )
    found = decided(given)
    assert (made(found), refused(found)) == ([(TASKS, 15, 10)], [Reason.ROOM])


def test_what_is_too_small_is_not_made_smaller() -> None:
    given = quiet(peak=10)
    high = Situation(
        given.settings,
        {**given.readings, ("function_memory", MEMORY.resource): Reading((80, 80, 80), 1)},
        alarms=frozenset({"function_memory"}),
    )
    assert made(decided(high)) == [(MEMORY, 576, 896)]
