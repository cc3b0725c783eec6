"""Where a task goes, by the tiers that are deployed."""

import pytest

from kernel.tasks.tiers import Place, TaskTiers, Tier, WorkerRequired
from tests.unit.kernel.tasks.toy import ToyRun, toy

NONE = {Tier.STANDARD: "", Tier.ANALYTICS: ""}
SHARED = {Tier.STANDARD: "tasks", Tier.ANALYTICS: "tasks"}
SEPARATE = {Tier.STANDARD: "tasks", Tier.ANALYTICS: "large"}


def tiers(queues: dict[Tier, str], wanted: Tier = Tier.STANDARD) -> TaskTiers[ToyRun]:
    return TaskTiers(queues, lambda _: wanted)


@pytest.mark.parametrize("queues", [NONE, SHARED, SEPARATE])
def test_a_small_task_is_carried_out_by_the_function_with_or_without_a_worker(
    queues: dict[Tier, str],
) -> None:
    assert tiers(queues, Tier.FUNCTION).first(toy()) == Place(Tier.FUNCTION, "")


@pytest.mark.parametrize("wanted", [Tier.STANDARD, Tier.ANALYTICS])
def test_a_larger_task_needs_a_worker(wanted: Tier) -> None:
    with pytest.raises(WorkerRequired):
        tiers(NONE, wanted).first(toy())
    assert tiers(SHARED, wanted).first(toy()) == Place(wanted, "tasks")
    assert tiers(SEPARATE, wanted).first(toy()) == Place(wanted, SEPARATE[wanted])


@pytest.mark.parametrize(
    ("queues", "tier", "larger"),
    [
        (NONE, Tier.FUNCTION, None),
        (NONE, Tier.STANDARD, None),
        (SHARED, Tier.FUNCTION, Tier.STANDARD),
        (SHARED, Tier.STANDARD, None),
        (SEPARATE, Tier.FUNCTION, Tier.STANDARD),
        (SEPARATE, Tier.STANDARD, Tier.ANALYTICS),
        (SEPARATE, Tier.ANALYTICS, None),
    ],
)
def test_the_next_larger_tier_is_one_with_workers_of_its_own(
    queues: dict[Tier, str], tier: Tier, larger: Tier | None
) -> None:
    assert tiers(queues).larger(tier) is larger


def test_a_task_that_waits_moves_to_the_queue_that_its_tier_has_now() -> None:
    """The workers for analytics may have been removed while it waited."""
    assert tiers(SEPARATE).place(Tier.ANALYTICS) == Place(Tier.ANALYTICS, "large")
    assert tiers(SHARED).place(Tier.ANALYTICS) == Place(Tier.ANALYTICS, "tasks")
