"""A move of writes that an operator was refused is an event, through the maintenance function."""

import io
import json
from typing import Any

import pytest

from kernel.domain.errors import ReadOnlyRegion
from kernel.domain.ids import new_id
from kernel.runtime.fence import OPEN, FenceRecord
from tests.component.conftest import ApiClient, clear_caches, published
from tests.component.kernel.test_fence import HERE, moved_away, store, two_regions
from tests.component.notifications.test_administrators import deliver, texts
from zebros.client.stack import Resources
from zebros.regions.deployed import LazyResources, Refuser

__all__ = ["two_regions"]
MOVE: dict[str, Any] = {
    "operator": "ann",
    "target": "us-east-1",
    "writer": "us-east-1",
    "epoch": None,
    "current_epoch": 4,
    "reason": "writes_already",
    "because": "us-east-1 is the region that writes already.",
}


class Lambda:
    """Invokes the real function; the answers to some first invocations are lost."""

    def __init__(self, lost: int = 0) -> None:
        self.lost = lost

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        from scaling.handlers.maintenance import handler

        assert FunctionName == "scaling-maintenance"
        answer = handler(json.loads(Payload), None)
        if self.lost:
            self.lost -= 1
            answer = {"errorType": "Busy", "errorMessage": "lost"}
            return {"Payload": io.BytesIO(json.dumps(answer).encode()), "FunctionError": "x"}
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}


def refuser(lost: int = 0) -> Refuser:
    """What the command line sends a refusal with."""
    listed = LazyResources("zebros", "us-east-1")
    listed.__dict__["found"] = Resources(
        {"functions": {"ScalingMaintenance": "scaling-maintenance"}}
    )
    return Refuser(listed, Lambda(lost), lambda _: None)


def test_the_event_is_of_the_operator_s_tenant(cloud: Any) -> None:
    run = new_id()
    refuser()(run, MOVE)
    (event,) = published(cloud)
    assert (event["type"], event["source"]) == ("RegionMoveRefused", "zebros.scaling")
    assert (event["tenantid"], event["subject"]) == ("acme", f"region_move/{run}")
    assert (event["sequence"], event["correlationid"], event["actor"]) == ("1", run, "system")
    current = event["data"]["current"]
    assert {n: current[n] for n in MOVE if n != "epoch"} == {
        n: v for n, v in MOVE.items() if n != "epoch"
    }
    assert "epoch" not in current, "the operator named none"
    assert len(cloud.scan(TableName="table")["Items"]) == 1


def test_a_command_whose_answer_is_lost_publishes_once(cloud: Any) -> None:
    refuser(lost=2)(new_id(), MOVE)
    assert len(published(cloud)) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"move": None},
        {"move": {**MOVE, "reason": "bad mood"}},
        {"move": {**MOVE, "color": "red"}},
        {"run": "1"},
    ],
)
def test_a_wrong_command_publishes_nothing(cloud: Any, wrong: dict[str, Any]) -> None:
    from scaling.handlers.maintenance import handler

    with pytest.raises(ValueError, match=r"object|bad mood|color|pattern"):
        handler({"command": "refuse_move", "run": new_id(), "move": MOVE, **wrong}, None)
    assert published(cloud) == []


def test_only_the_region_that_writes_publishes(two_regions: Any) -> None:
    from scaling.handlers.maintenance import handler

    command = {"command": "refuse_move", "run": new_id(), "move": MOVE}
    moved_away(two_regions)
    with pytest.raises(ReadOnlyRegion):
        handler(command, None)
    assert published(two_regions) == []
    store(two_regions, FenceRecord(3, OPEN, HERE))
    clear_caches()  # another process
    handler(command, None)
    assert len(published(two_regions)) == 1


def test_administrators_are_notified_once(cloud: Any) -> None:
    from notifications.handlers.api import handler

    inbox = ApiClient(handler, tenant="acme")
    assert texts(inbox) == []
    refuser()(new_id(), MOVE)
    deliver(cloud)
    deliver(cloud)
    (sent,) = inbox("GET", "/notifications").json["items"]
    assert sent["text"] == (
        "Writes did not move to us-east-1, as ann had asked: us-east-1 is the region that writes"
        " already. `zebros region status` shows which region writes."
    )
    assert sent["about"]["type"] == "region_move"
