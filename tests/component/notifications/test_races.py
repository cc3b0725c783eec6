"""The unread count is exact, even when notifications are sent and read at the same time."""

import itertools
import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kernel.domain.clock import utc_now
from kernel.domain.cloud_events import CloudEvent
from kernel.domain.errors import Busy
from kernel.domain.ids import new_id
from kernel.domain.permissions import Role
from kernel.domain.principal import Principal, RequestContext
from kernel.runtime import aws
from kernel.storage.unit_of_work import UnitOfWork
from notifications.model.notifications import Notification, derived_id
from notifications.repository import AdministratorRepository, NotificationRepository
from notifications.service import NotificationService
from tests.component.conftest import create_table, published
from tests.component.kernel.interleaving import StepTable, interleave


class Pushed(list[str]):
    """Records what would be pushed."""

    def push(self, notification: Notification) -> None:
        self.append(notification.id)

    def pong(self, connection_id: str) -> None:
        raise AssertionError


def a_win() -> CloudEvent:
    return CloudEvent.parse(
        {
            "id": new_id(),
            "source": "zebros.opportunities",
            "type": "OpportunityWon",
            "subject": "opportunity/d",
            "time": "2026-11-23T10:00:00.000Z",
            "tenantid": "acme",
            "sequence": "2",
            "origin": "api",
            "data": {"current": {"id": "d", "name": "Big", "owner_id": "ann"}},
        }
    )


def test_a_notification_that_collides_with_others_is_retried(
    fresh: Callable[[], tuple[NotificationService, Pushed]], monkeypatch: pytest.MonkeyPatch
) -> None:
    service, pushed = fresh()
    win, save = a_win(), service._notifications.save

    def crowded(*_: object) -> None:
        raise Busy("Too many at once.")

    monkeypatch.setattr(service._notifications, "save", crowded)
    with pytest.raises(Busy):
        service.notify(win)
    monkeypatch.setattr(service._notifications, "save", save)
    assert service.notify(win)
    assert len(pushed) == 1


ANN = RequestContext(Principal("acme", "ann", frozenset({Role.SALES_REPRESENTATIVE})))


@pytest.fixture
def fresh(cloud: Any) -> Callable[[], tuple[NotificationService, Pushed]]:
    """Makes an empty inbox."""

    def make() -> tuple[NotificationService, Pushed]:
        cloud.delete_table(TableName="table")
        create_table(cloud, "table")
        table, pushed = StepTable(aws.client("dynamodb"), "table"), Pushed()
        stores = NotificationRepository(table, utc_now), AdministratorRepository(table, utc_now)
        return NotificationService(*stores, pushed, utc_now), pushed

    return make


@settings(
    max_examples=int(os.environ.get("PROPERTY_EXAMPLES", "12")),
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(st.tuples(st.sampled_from(["send", "read"]), st.integers(0, 2)), max_size=5),
    st.lists(st.tuples(st.sampled_from(["send", "read"]), st.integers(0, 2)), max_size=5),
    st.lists(st.integers(0, 1), min_size=40, max_size=40),
)
def test_the_unread_count_is_exact_and_nothing_is_sent_or_read_twice(
    fresh: Callable[[], tuple[NotificationService, Pushed]],
    cloud: Any,
    one: list[tuple[str, int]],
    other: list[tuple[str, int]],
    turns: list[int],
) -> None:
    service, pushed = fresh()
    wins = [a_win() for _ in range(3)]
    service.notify(wins[0])  # exists already, and may be delivered again

    def doing(acts: list[tuple[str, int]]) -> Callable[[], None]:
        def work() -> None:
            for act, number in acts:
                if act == "send":
                    service.notify(wins[number])
                else:
                    service.read(UnitOfWork(ANN), derived_id(wins[0].id, "ann"))

        return work

    interleave([doing(one), doing(other)], itertools.cycle(turns), [None, None])
    sent = {
        derived_id(wins[n].id, "ann") for act, n in (*one, *other, ("send", 0)) if act == "send"
    }
    is_read = "read" in {act for act, _ in (*one, *other)}
    unread = service.list(ANN, unread=True, limit=50, cursor=None).items
    assert service.count_unread(ANN) == len(unread) == len(sent) - is_read
    assert {n.id for n in service.list(ANN, unread=False, limit=50, cursor=None).items} == sent
    assert sorted(pushed) == sorted(sent)
    types = [event["type"] for event in published(cloud)]
    assert types.count("NotificationSent") == len(sent)
    assert types.count("NotificationRead") == is_read
