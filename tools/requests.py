"""events/requests/<Function>.json: a sample event for every function of the template. `--check`.

`sam local invoke <Function> -e events/requests/<Function>.json` and `zebros invoke` take them; what
each should answer is in events/requests/expected.json, which the flow tests hold against reality.
"""

import base64
import json
from pathlib import Path
from typing import Any

from tools.drift import ROOT, as_json, main
from tools.examples import event, real_events

FOLDER = ROOT / "events" / "requests"
_UNKNOWN = "01JZEBR0S00000000000000099"


def _queue(*details: dict[str, Any]) -> dict[str, Any]:
    """Events as a consumer's queue delivers them."""
    return {
        "Records": [
            {
                "messageId": f"00000000-0000-4000-8000-{number:012d}",
                "receiptHandle": "sample",
                "body": json.dumps({"source": d["source"], "detail-type": d["type"], "detail": d}),
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:sample",
                "awsRegion": "us-east-1",
            }
            for number, d in enumerate(details, start=1)
        ]
    }


def _stream(event: dict[str, Any]) -> dict[str, Any]:
    """An event as its table's stream delivers it to the Relay."""
    from kernel.domain.cloud_events import to_json
    from kernel.storage.packing import pack

    key = {
        "pk": {"S": f"TENANT#sample#SAMPLE#{event['subject']}"},
        "sk": {"S": f"EVENT#{int(event['sequence']):012d}"},
    }
    packed = base64.b64encode(pack(to_json(event))).decode()
    return {
        "Records": [
            {
                "eventID": "1",
                "eventName": "INSERT",
                "eventVersion": "1.1",
                "eventSource": "aws:dynamodb",
                "awsRegion": "us-east-1",
                "dynamodb": {
                    "Keys": key,
                    "NewImage": {**key, "detail": {"B": packed}, "ttl": {"N": "1796000000"}},
                    "SequenceNumber": "100000000000000000001",
                    "StreamViewType": "NEW_IMAGE",
                },
                "eventSourceARN": "arn:aws:dynamodb:us-east-1:000000000000:table/sample/stream/1",
            }
        ]
    }


def samples() -> dict[str, tuple[dict[str, Any], Any]]:
    """By function: the event, and what of the answer is expected."""
    # The tenant of samples is nobody's: what they do reaches no real record.
    cloud_events = {
        name: {**cloud_event, "tenantid": "sample"} for name, cloud_event in real_events().items()
    }
    no_failures: dict[str, Any] = {"batchItemFailures": []}
    ok = {"statusCode": 200}
    token = {
        "type": "TOKEN",
        "authorizationToken": "Bearer not.a.token",
        "methodArn": "arn:aws:execute-api:us-east-1:000000000000:api/v1/GET/accounts",
    }
    socket = {
        "requestContext": {
            "routeKey": "$connect",
            "connectionId": "sample",
            "authorizer": {"tenant": "acme", "user": "ann"},
        }
    }
    step = {
        "step": "validate",
        "tenant_id": "acme",
        "run_id": _UNKNOWN,
        "correlation_id": "sample",
    }
    found: dict[str, tuple[dict[str, Any], Any]] = {
        "Authorizer": (token, {"errorMessage": "Unauthorized"}),
        "Docs": (event("GET", "/health"), {**ok, "body": '{"status": "ok"}'}),
        "CustomersApi": (event("GET", "/accounts", limit="1"), ok),
        "OpportunitiesApi": (event("GET", "/pipelines"), ok),
        "ActivitiesApi": (event("GET", "/tasks", limit="1"), ok),
        "ReportingApi": (event("GET", "/reports", limit="1"), ok),
        "NotificationsApi": (event("GET", "/notifications/unread-count"), ok),
        "OpportunitiesEvents": (
            _queue(cloud_events["opportunities/OpportunityCreated.v1"]),
            no_failures,
        ),
        "ActivitiesEvents": (_queue(cloud_events["activities/TaskAssigned.v1"]), no_failures),
        # A replayed request starts nothing: the sample must not make work.
        "ReportingEvents": (
            _replayed(_queue(cloud_events["reporting/ReportRequested.v1"])),
            no_failures,
        ),
        "ReportingLake": (_queue(cloud_events["opportunities/OpportunityWon.v1"]), no_failures),
        # There is no such report, so there is nothing to do.
        "ReportingSteps": (step, {"next": "end"}),
        "NotificationsEvents": (_queue(cloud_events["activities/TaskAssigned.v1"]), no_failures),
        "NotificationsSocket": (socket, ok),
    }
    samples_of_relays = {
        "customers": "customers/AccountCreated.v1",
        "opportunities": "opportunities/OpportunityWon.v1",
        "activities": "activities/TaskAssigned.v1",
        "reporting": "reporting/ReportRequested.v1",
        "notifications": "notifications/NotificationSent.v1",
    }
    for context, name in samples_of_relays.items():
        found[f"{context.capitalize()}Relay"] = (_stream(cloud_events[name]), no_failures)
    return found


def _replayed(queue: dict[str, Any]) -> dict[str, Any]:
    for record in queue["Records"]:
        record["body"] = json.dumps({**json.loads(record["body"]), "replay-name": "sample"})
    return queue


def render() -> dict[Path, str]:
    """Every sample's text, and what they should answer."""
    made = samples()
    files = {FOLDER / f"{name}.json": as_json(sample) for name, (sample, _) in made.items()}
    files[FOLDER / "expected.json"] = as_json({name: wanted for name, (_, wanted) in made.items()})
    return files


def leftovers() -> list[Path]:
    """Samples of functions that are no more."""
    return sorted(set(FOLDER.rglob("*.json")) - set(render()))


if __name__ == "__main__":
    main(render(), "make contracts", leftovers())
