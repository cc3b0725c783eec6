"""Generates events/requests/<Function>.json, a sample event for every function.

They are for `sam local invoke <Function> -e events/requests/<Function>.json` and `zebros invoke`.
events/requests/expected.json contains the expected results, which the flow tests verify.
`--check` fails on drift.
"""

import base64
import importlib
import json
import re
from pathlib import Path
from typing import Any

from kernel.messaging.projection import Projection
from kernel.messaging.reactor import Reactor
from kernel.messaging.relay import handler as relay_handler
from kernel.storage.maintenance import Maintenance
from kernel.web.api import Api
from tools.drift import ROOT, as_json, main
from tools.examples import event, real_events

FOLDER = ROOT / "events" / "requests"
_UNKNOWN = "01JZEBR0S00000000000000099"
_NO_RUN = f"There is no report {_UNKNOWN}."
_FUNCTION = re.compile(
    r"^  (\w+):\n    Type: AWS::Serverless::Function\n(?:    .*\n)*?      Handler: (\S+)", re.M
)
_OK = {"statusCode": 200}
_NO_FAILURES: dict[str, Any] = {"batchItemFailures": []}


def _queue(*details: dict[str, Any]) -> dict[str, Any]:
    """A Lambda event with these events as a consumer's queue delivers them."""
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
    """A Lambda event with an event as its table's stream delivers it to the relay."""
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
    """The sample event and the expected part of the result, by function."""
    # The tenant of the samples has no users, so they change no real record.
    examples = {
        name: {**cloud_event, "tenantid": "sample"} for name, cloud_event in real_events().items()
    }
    by_function = dict(_special())
    for function, handler in handlers().items():
        if function not in by_function:
            by_function[function] = _sample(function, handler, examples)
    return by_function


def handlers() -> dict[str, str]:
    """The handler of every function that the templates declare, by logical id."""
    templates = sorted((ROOT / "services").glob("*/template.yaml"))
    declared = (_FUNCTION.findall(template.read_text(encoding="utf-8")) for template in templates)
    return {name: handler for pairs in declared for name, handler in pairs}


def _special() -> dict[str, tuple[dict[str, Any], Any]]:
    """The samples of functions that are not an API, a relay or a consumer of a context."""
    token = {
        "type": "TOKEN",
        "authorizationToken": "Bearer not.a.token",
        "methodArn": "arn:aws:execute-api:us-east-1:000000000000:api/v1/GET/accounts",
    }
    socket = {
        "requestContext": {
            "routeKey": "$connect",
            "connectionId": "sample",
            "authorizer": {"tenant": "acme", "user": "ann", "expires": "4102444800"},
        }
    }
    step = {
        "step": "validate",
        "tenant_id": "acme",
        "run_id": _UNKNOWN,
        "correlation_id": "sample",
    }
    # An alarm that has ended starts nothing.
    ended = {
        "detail-type": "CloudWatch Alarm State Change",
        "detail": {
            "alarmName": "zebros-FunctionMemory",
            "state": {"value": "OK"},
            "configuration": {"metrics": []},
        },
    }
    alarm = {"step": "begin", "execution": "sample", "message": ended}
    task = {"job": "report", "tenant_id": "acme", "run_id": _UNKNOWN, "correlation_id": "sample"}
    failed = {"outcome": None, "failure": {"Error": "Unexpected", "Cause": _NO_RUN}}
    # The directory accepts no such id, so that nobody is added.
    sign_in = {
        "id": _UNKNOWN,
        "source": "zebros.edge",
        "type": "UserSignedIn",
        "subject": "person/not#a#person",
        "time": "2026-01-31T09:30:00.000Z",
        "tenantid": "acme",
        "sequence": "1",
        "data": {"name": "Nobody", "team_id": ""},
    }
    return {
        "CustomersSignIns": (_queue(sign_in), _NO_FAILURES),
        "Authorizer": (token, {"errorMessage": "Unauthorized"}),
        "Docs": (event("GET", "/health"), {**_OK, "body": '{"status": "ok"}'}),
        # This run does not exist, so there is nothing to do.
        "ReportingAnalytics": (task, failed),
        "ReportingSteps": (step, {"next": "end"}),
        "ImportsSteps": (step, {"next": "end"}),
        "ScalingSteps": (alarm, {"next": "done"}),
        "NotificationsSocket": (socket, _OK),
    }


def _sample(
    function: str, handler: str, examples: dict[str, dict[str, Any]]
) -> tuple[dict[str, Any], Any]:
    """The sample of an API, a relay, a consumer or a maintenance function, by its handler."""
    module, _, attribute = handler.rpartition(".")
    target = getattr(importlib.import_module(module), attribute)
    if isinstance(target, Api):
        lists = (r.path for r in target.routes if r.method == "GET" and "{" not in r.path)
        return event("GET", next(lists)), _OK
    if isinstance(target, Maintenance):
        nothing = {"read": 0, "upgraded": 0, "unreadable": []}
        return {"command": "upgrade", "keys": []}, nothing
    if target is relay_handler:
        context = function.removesuffix("Relay").lower()
        published = next(
            example for name, example in examples.items() if name.startswith(f"{context}/")
        )
        return _stream(published), _NO_FAILURES
    consumed = next(example for example in examples.values() if _consumes(target, example))
    # Marked as replayed, so that a sample does not start work.
    return _replayed(_queue(consumed)), _NO_FAILURES


def _consumes(handler: Any, cloud_event: dict[str, Any]) -> bool:
    match handler:
        case Projection():
            return cloud_event["subject"].split("/")[0] in handler.record_types
        case Reactor():
            return cloud_event["type"] in handler.types
    return True


def _replayed(queue: dict[str, Any]) -> dict[str, Any]:
    for record in queue["Records"]:
        record["body"] = json.dumps({**json.loads(record["body"]), "replay-name": "sample"})
    return queue


def render() -> dict[Path, str]:
    """The texts of the samples and of their expected results."""
    by_function = samples()
    files = {FOLDER / f"{name}.json": as_json(sample) for name, (sample, _) in by_function.items()}
    files[FOLDER / "expected.json"] = as_json(
        {name: expected for name, (_, expected) in by_function.items()}
    )
    return files


def leftovers() -> list[Path]:
    """Samples of functions that no longer exist."""
    return sorted(set(FOLDER.rglob("*.json")) - set(render()))


if __name__ == "__main__":
    main(render(), "make contracts", leftovers())
