"""The simulation's records behave as those in DynamoDB: one suite for both."""

from datetime import timedelta
from typing import Any

import pytest

from kernel.domain.errors import Conflict
from kernel.domain.principal import system_request
from kernel.storage.table import Table
from kernel.storage.unit_of_work import UnitOfWork
from scaling.events import Reason
from scaling.model.actions import Refused, ScalingAction
from scaling.model.decision import Change
from scaling.model.policy import Setting
from scaling.model.readings import ActionState, Target
from scaling.repository.actions import ActionRepository
from scaling.repository.lease import Lease, LeaseRepository
from tests.component.scaling.world import MINUTE, START, TENANT
from tools.scaling_day.records import ActionsInMemory, LeaseInMemory

CHANGE = Change(Target(Setting.MEMORY, "CustomersApi"), "api_latency", 256, 384, 250, 1, "slow")


@pytest.fixture(params=["memory", "DynamoDB"])
def actions(request: pytest.FixtureRequest, cloud: Any) -> Any:
    if request.param == "memory":
        return ActionsInMemory()
    return ActionRepository(Table(cloud, "table"), lambda: START)


@pytest.fixture(params=["memory", "DynamoDB"])
def lease(request: pytest.FixtureRequest, cloud: Any) -> Any:
    if request.param == "memory":
        return LeaseInMemory()
    return LeaseRepository(Table(cloud, "table"), TENANT)


def unit() -> UnitOfWork:
    return UnitOfWork(system_request(TENANT))


def test_a_change_is_in_the_history_and_a_refusal_is_not(actions: Any) -> None:
    begun = actions.save(unit(), None, ScalingAction.begin(TENANT, CHANGE, 256, START))
    refused = Refused(Reason.BUDGET, "too expensive", CHANGE.target, CHANGE.rule)
    actions.save(unit(), None, ScalingAction.refuse(TENANT, refused, START))
    assert [one.id for one in actions.history(TENANT)] == [begun.id]
    actions.save(unit(), begun, begun.abandon("changed by others", START))
    assert [one.status for one in actions.history(TENANT)] == [ActionState.REFUSED]


def test_an_action_of_a_day_is_saved_once(actions: Any) -> None:
    proposal = ScalingAction.propose(TENANT, CHANGE, 256, START)
    actions.save(unit(), None, proposal)
    with pytest.raises(Conflict):
        actions.save(unit(), None, proposal)
    assert len(actions.history(TENANT)) == 1


def test_one_execution_has_the_lease_until_it_ends_or_gives_it_back(lease: Any) -> None:
    duration = 15 * MINUTE
    assert lease.acquire("one", START, duration) == Lease("one", 0)
    assert lease.acquire("two", START + MINUTE, duration) is None
    assert lease.acquire("one", START + 2 * MINUTE, duration) == Lease("one", 1)
    assert not lease.release(Lease("one", 0)), "somebody has asked for it"
    assert lease.release(Lease("two", 1)), "it is not theirs"
    assert lease.acquire("two", START + 16 * MINUTE, duration) is None, "it was extended"
    assert lease.release(Lease("one", 2))
    assert lease.acquire("two", START + 16 * MINUTE, duration) == Lease("two", 0)
    assert lease.acquire("one", START + 31 * MINUTE + timedelta(seconds=1), duration) is not None
