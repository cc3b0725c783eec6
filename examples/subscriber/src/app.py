"""Keeps the big wins of Zebros CRM: each event checked against its schema, written once."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import fastjsonschema
from botocore.exceptions import ClientError

SCHEMAS = Path(__file__).parent / "schemas"


@cache
def _check(dataschema: str) -> Any:
    """The validator for what `dataschema` names: urn:zebros:schema:<context>/<Event>.v<N>."""
    file = SCHEMAS / f"{dataschema.removeprefix('urn:zebros:schema:')}.json"
    return fastjsonschema.compile(json.loads(file.read_text(encoding="utf-8")))


@cache
def _table() -> Any:
    return boto3.client("dynamodb")


def keep(event: dict[str, Any]) -> None:
    """Write one win; the event id makes a second delivery harmless."""
    cloud_event = event["detail"]
    _check(cloud_event["dataschema"])(cloud_event["data"])
    deal = cloud_event["data"]["current"]
    item = {
        "event_id": {"S": cloud_event["id"]},
        "opportunity_id": {"S": deal["id"]},
        "tenant": {"S": cloud_event["tenantid"]},
        "minor_units": {"N": str(deal["amount"]["minor_units"])},
        "currency": {"S": deal["amount"]["currency"]},
        "won_at": {"S": cloud_event["time"]},
        # EventBridge puts `replay-name` beside `detail` on what comes from the archive.
        "replayed": {"BOOL": "replay-name" in event},
    }
    try:
        _table().put_item(
            TableName=os.environ["TABLE_NAME"],
            Item=item,
            ConditionExpression="attribute_not_exists(event_id)",
        )
    except ClientError as fault:
        if fault.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        replayed = "replay-name" in event
        print(json.dumps({"duplicate": cloud_event["id"], "replayed": replayed}))


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """SQS batch in, the messages that failed out."""
    failed = []
    for record in event["Records"]:
        try:
            keep(json.loads(record["body"]))
        except Exception as fault:
            print(json.dumps({"failed": record["messageId"], "why": repr(fault)}))
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
