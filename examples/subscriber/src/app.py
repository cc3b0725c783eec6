"""Stores the big wins of Zebros CRM: events are checked by their schemas, a deal counts once."""

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
    """The validator of a schema, urn:zebros:schema:<context>/<Event>.v<N>."""
    file = SCHEMAS / f"{dataschema.removeprefix('urn:zebros:schema:')}.json"
    return fastjsonschema.compile(json.loads(file.read_text(encoding="utf-8")))


@cache
def _table() -> Any:
    return boto3.client("dynamodb")


def keep(event: dict[str, Any]) -> None:
    """Store the last win of a deal; a second or a late delivery changes nothing.

    A deal that was reopened and won again is the same win with other figures: `win` is its number.
    """
    cloud_event = event["detail"]
    _check(cloud_event["dataschema"])(cloud_event["data"])
    deal, win = cloud_event["data"]["current"], str(cloud_event["data"].get("win", 1))
    item = {
        "opportunity": {"S": f"{cloud_event['tenantid']}/{deal['id']}"},
        "win": {"N": win},
        "event_id": {"S": cloud_event["id"]},
        "opportunity_id": {"S": deal["id"]},
        "tenant": {"S": cloud_event["tenantid"]},
        "minor_units": {"N": str(deal["amount"]["minor_units"])},
        "currency": {"S": deal["amount"]["currency"]},
        "won_at": {"S": cloud_event["time"]},
        # EventBridge adds `replay-name` beside `detail` to events from the archive.
        "replayed": {"BOOL": "replay-name" in event},
    }
    try:
        _table().put_item(
            TableName=os.environ["TABLE_NAME"],
            Item=item,
            ConditionExpression="attribute_not_exists(opportunity) OR win < :win",
            ExpressionAttributeValues={":win": {"N": win}},
        )
    except ClientError as fault:
        if fault.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        replayed = "replay-name" in event
        print(json.dumps({"duplicate": cloud_event["id"], "replayed": replayed}))


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Process an SQS batch; the partial batch response names the messages that failed."""
    failed = []
    for record in event["Records"]:
        try:
            keep(json.loads(record["body"]))
        except Exception as fault:
            print(json.dumps({"failed": record["messageId"], "why": repr(fault)}))
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
