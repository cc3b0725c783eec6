"""An event bus in memory."""

import json
from typing import Any

import boto3

from zebros.client.stack import Resources
from zebros.operations import tail

RESOURCES = Resources(
    {
        "buses": {"Bus": "bus"},
        "archives": {"BusArchive": "archive"},
        "buckets": {"LakeBucket": "lake"},
    }
)


def put(*events: dict[str, Any]) -> None:
    boto3.client("events").put_events(
        Entries=[
            {
                "EventBusName": "bus",
                "Source": event["source"],
                "DetailType": event["type"],
                "Detail": json.dumps(event),
            }
            for event in events
        ]
    )


def event(number: int, type_: str = "OpportunityWon", **more: Any) -> dict[str, Any]:
    return {
        "id": f"E{number}",
        "source": "zebros.opportunities",
        "type": type_,
        "subject": f"opportunity/{number}",
        "time": f"2026-03-10T09:30:{number:02d}.000Z",
        "tenantid": "acme",
        "sequence": "1",
        "data": {"current": {}},
        **more,
    }


def received(subscription: tail.Subscription) -> list[str]:
    found: list[str] = []
    while events := subscription.events():
        found += [str(one["id"]) for one in events]
    return found
