"""A leaver's open deals are given to another person; closed ones stay with who closed them."""

from typing import Any

from tests.component.conftest import ApiClient, opportunity_events


def test_open_deals_are_given_away_with_an_event_each(api: ApiClient, cloud: Any) -> None:
    stages = ("lead", "won", "proposal")
    made = [
        api("POST", "/opportunities", {"name": stage, "stage": stage}).json["id"]
        for stage in stages
    ]
    answer = api("POST", "/opportunities/reassign", {"from_id": "ann", "to_id": "bob"})
    assert answer.status == 207, answer.text
    assert {one["id"] for one in answer.json["results"]} == {made[0], made[2]}
    owners = [api("GET", f"/opportunities/{one}").json["owner_id"] for one in made]
    assert owners == ["bob", "ann", "bob"]
    reassigned = [e for e in opportunity_events(cloud) if e["type"] == "OpportunityReassigned"]
    assert [(e["data"]["previous_owner_id"], e["origin"]) for e in reassigned] == 2 * [
        ("ann", "api")
    ]
    again = api("POST", "/opportunities/reassign", {"from_id": "ann", "to_id": "bob"})
    assert again.json["results"] == []
