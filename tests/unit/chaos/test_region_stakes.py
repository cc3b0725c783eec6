"""What the rounds of two regions accept as an exact list of lost writes."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.regions.checks import wrongly_listed

KEY = "TENANT#acme#OPPORTUNITY#1"


def stake(version: int, name: str, outcome: str = "lost") -> dict[str, Any]:
    current = {"version": version, "name": name}
    event = {"subject": "opportunity/1", "tenantid": "acme", "data": {"current": current}}
    return {"outcome": outcome, "event": event}


@pytest.mark.parametrize(
    ("lost", "stakes", "wrong"),
    [
        ({2, 3}, [stake(2, "a"), stake(3, "b")], set()),
        ({2, 3}, [stake(2, "a")], {3}),
        ({2}, [stake(2, "a"), stake(3, "b")], {3}),
        ({2}, [stake(2, "a"), stake(3, "unanswered")], set()),
        ({2}, [stake(2, "a"), stake(3, "b", "repeated")], set()),
        (set(), [], set()),
    ],
)
def test_lost_writes_are_listed_and_no_others_but_unanswered_ones(
    lost: set[int], stakes: list[dict[str, Any]], wrong: set[int]
) -> None:
    users: Any = SimpleNamespace(unanswered={"unanswered"})
    found = wrongly_listed({(KEY, one) for one in lost}, stakes, users)
    assert found == {(KEY, one) for one in wrong}
