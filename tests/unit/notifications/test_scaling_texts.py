"""The sentences about what the scaling controller did: what, from, to, why, and what to do."""

from typing import Any

import pytest

from notifications.events import MAX_TEXT
from notifications.incoming import SCALING, RefusedMove, ScalingAction, TierChange
from notifications.model.scaling_texts import move_text, scaling_text, tier_text
from scaling.events import Reason, Setting

CHANGE: dict[str, Any] = {
    "id": "01K",
    "status": "applied",
    "because": "worker_cpu is 90, above 70",
    "setting": "worker_tasks",
    "resource": "StandardWorkerService",
    "before": 10,
    "after": 15,
    "parameter": "strategy.yaml, Workers: 15 for StandardWorkerService",
}
NOTIFIED = {"budget", "ceiling", "changed_by_others", "wrong_policy"}


def text(type_: str, **changes: Any) -> str | None:
    return scaling_text(type_, ScalingAction.model_validate({**CHANGE, **changes}))


def test_a_setting_is_named_with_its_unit() -> None:
    found = str(text("ScalingActionApplied"))
    assert found.startswith(
        "Scaling changed worker tasks of StandardWorkerService from 10 to 15 tasks: worker_cpu is"
    )


@pytest.mark.parametrize("setting", Setting)
def test_every_setting_has_a_unit(setting: Setting) -> None:
    found = str(text("ScalingActionApplied", setting=setting.value))
    assert f"{setting.value.replace('_', ' ')} of " in found
    assert "to 15:" not in found


def test_what_is_deployed_again_needs_no_deployment() -> None:
    found = str(text("ScalingActionKept", before=15, after=10, parameter=None))
    assert found.endswith("worker_cpu is 90, above 70. Nothing to do.")


def test_a_resource_that_fails_since_a_change_is_named_with_its_log() -> None:
    found = str(text("ScalingActionRolledBack", because="the resource fails more often since"))
    assert "set worker tasks of StandardWorkerService back from 15 to 10 tasks" in found
    assert found.endswith("Look at the resource's errors in its log.")


@pytest.mark.parametrize("reason", Reason)
def test_administrators_are_notified_of_refusals_that_they_can_do_something_about(
    reason: Reason,
) -> None:
    found = text("ScalingActionRefused", reason=reason.value)
    assert (found is not None) is (reason.value in NOTIFIED)


def test_a_refusal_about_no_setting_says_that_nothing_changes() -> None:
    found = text(
        "ScalingActionRefused",
        reason="wrong_policy",
        setting=None,
        resource=None,
        because="budget: must be at least 0, not -1.",
    )
    assert found == (
        "Scaling changes nothing: budget: must be at least 0, not -1. Until it is corrected and"
        " deployed, nothing is scaled."
    )


@pytest.mark.parametrize("type_", SCALING)
def test_of_a_long_sentence_the_reason_is_cut_off_and_never_what_to_do(type_: str) -> None:
    short = str(text(type_, reason="budget"))
    long = str(text(type_, reason="budget", because="x" * 500))
    assert len(short) <= len(long) == MAX_TEXT
    assert long.rpartition("…")[2] == short.partition("above 70")[2]


def tier(previous: str | None, now: str, **values: tuple[int, str]) -> str | None:
    metrics = {
        metric: values.get(metric, (1, "startup"))
        for metric in ("users", "customers", "opportunities", "data_mb")
    }
    return tier_text(
        TierChange.model_validate(
            {
                "current": {
                    "id": "globex",
                    "tier": now,
                    "values": {metric: value for metric, (value, _) in metrics.items()},
                    "metric_tiers": {metric: reached for metric, (_, reached) in metrics.items()},
                },
                "previous_tier": previous,
            }
        )
    )


def test_of_a_changed_tier_the_values_that_reach_it_are_named() -> None:
    assert tier("startup", "growing", customers=(1000, "growing"), data_mb=(5120, "growing")) == (
        "The tenant globex is now growing, before startup: by customers 1,000, MB of data 5,120."
        " `zebros scale advise` says whether to change the system."
    )


def test_a_tier_that_falls_is_named_as_well() -> None:
    found = str(tier("growing", "startup"))
    assert found.startswith(
        "The tenant globex is now startup, before growing: by users 1, customers 1,"
        " opportunities 1, MB of data 1. "
    )


def test_nobody_is_notified_of_the_first_tier_of_a_new_tenant() -> None:
    assert tier(None, "startup") is None


def test_of_a_refused_move_it_is_named_who_asked_and_why() -> None:
    move = RefusedMove(
        id="01K",
        operator="ann",
        target="us-west-2",
        because="The fence epoch 2 is from the past: it is 4.",
    )
    assert move_text(move) == (
        "Writes did not move to us-west-2, as ann had asked: The fence epoch 2 is from the past:"
        " it is 4. `zebros region status` shows which region writes."
    )
    long = move.model_copy(update={"because": "x" * 500, "operator": "o" * 100})
    assert len(move_text(long)) == MAX_TEXT
