"""Warm requests: the whole handler compared with the bare boto3 call, both without a network.

The handler writes its log line with the metrics, as in operation, but to nowhere.
"""

import io
import json
import logging
import os
import zlib
from collections.abc import Iterator
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from tools.bench.paired import Ratio, calls

OPPORTUNITY = {
    "id": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "tenant_id": "acme",
    "version": 3,
    "sequence": 3,
    "created_at": "2026-03-04T05:06:07.123Z",
    "created_by": "ann",
    "updated_at": "2026-03-04T05:06:07.123Z",
    "updated_by": "ann",
    "owner_id": "ann",
    "team_id": "north",
    "name": "Renewal for a customer",
    "account_id": "01ARZ3NDEKTSV4RRFFQ69G5FAW",
    "amount": {"minor_units": 1234567, "currency": "EUR"},
    "expected_close_on": "2026-09-30",
    "opened_on": "2026-03-04",
    "region": "North",
    "tags": ["a", "b"],
    "pipeline_id": "default",
    "stage": "proposal",
    "stage_name": "Proposal",
    "status": "open",
    "probability": 50,
    "forecast_category": "best_case",
    "stage_entered_at": "2026-03-04T05:06:07.123Z",
}


def _attribute(value: Any) -> dict[str, Any]:
    """A value as a DynamoDB attribute, as most applications store it."""
    match value:
        case str():
            return {"S": value}
        case int():
            return {"N": str(value)}
        case list():
            return {"L": [_attribute(v) for v in value]}
        case _:
            return {"M": {k: _attribute(v) for k, v in value.items()}}


READ = 3
"""The items that the POST reads: its account, whether all are known, and the pipeline."""


def _plain_item() -> dict[str, Any]:
    return {
        "pk": {"S": "T#acme"},
        "sk": {"S": "D#1"},
        **{k: _attribute(v) for k, v in OPPORTUNITY.items()},
    }


_WRITE = {"TransactWriteItems": b"{}", "BatchGetItem": b'{"Responses": {}}'}
"""What a POST needs: the records that it refers to are not known yet."""


def _answers(item: dict[str, Any], index_item: dict[str, Any]) -> dict[str, bytes]:
    """DynamoDB's responses with one item, and with fifty from an index."""
    page = {"Items": [index_item] * 50, "Count": 50, "ScannedCount": 50}
    return {
        "GetItem": json.dumps({"Item": item}).encode(),
        "Query": json.dumps(page).encode(),
        **_WRITE,
    }


class _Raw(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


_STUB = "stub"


def stub(client: Any, answers: dict[str, bytes]) -> Any:
    """Answer every call from memory, after serialising and signing, before the network."""

    def answer(request: Any, **_: Any) -> AWSResponse:
        target = request.headers["X-Amz-Target"]
        name = (target.decode() if isinstance(target, bytes) else target).rsplit(".", 1)[1]
        body = answers[name]
        if name == "GetItem" and b"#PIPELINE#" in request.body:
            body = b"{}"  # a default pipeline that nobody has changed
        headers = HTTPHeaders.from_dict(
            {
                "content-type": "application/x-amz-json-1.0",
                "x-amzn-requestid": "r",
                "x-amz-crc32": str(zlib.crc32(body)),
            }
        )
        return AWSResponse(request.url, 200, headers, _Raw(body))

    # In place of an earlier stub, whose answer would be taken.
    client.meta.events.unregister("before-send.dynamodb.*", unique_id=_STUB)
    client.meta.events.register("before-send.dynamodb.*", answer, unique_id=_STUB)
    return client


def event(method: str, path: str, body: Any = None, **query: str) -> dict[str, Any]:
    return {
        "httpMethod": method,
        "path": path,
        "resource": path,
        "headers": {"content-type": "application/json", "x-correlation-id": "bench"},
        "queryStringParameters": query or None,
        "multiValueQueryStringParameters": {k: [v] for k, v in query.items()} or None,
        "body": json.dumps(body) if body is not None else None,
        "isBase64Encoded": False,
        "requestContext": {
            "requestId": "r",
            "authorizer": {
                "tenant": "acme",
                "user": "ann",
                "roles": "administrator",
                "expires": "4102444800",
            },
        },
    }


def use_test_environment() -> None:
    """Set the environment of an API function that is never to reach AWS, with metrics."""
    os.environ.update(TABLE_NAME="t", POWERTOOLS_LOG_LEVEL="INFO", AWS_DEFAULT_REGION="us-east-1")
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "x")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "x")
    os.environ.pop("AWS_ENDPOINT_URL", None)
    from kernel.runtime.log import logger

    nowhere = logging.FileHandler(os.devnull)
    nowhere.setFormatter(logger().registered_formatter)
    logger()._logger.handlers[:] = [nowhere]


def ask(handler: Any, event: dict[str, Any], status: int) -> None:
    """Send a request. Raises RuntimeError when its status is another one."""
    answer = handler(dict(event), None)
    if answer["statusCode"] != status:
        raise RuntimeError(answer["body"])


def stored_opportunity(handler: Any, client: Any) -> dict[str, bytes]:
    """Stub the client with the opportunity in the form that a POST writes; returns its answers."""
    # The first opportunity finds no default pipeline, and publishes it.
    answers = {"GetItem": b"{}", **_WRITE}
    stub(client, answers)
    written: list[dict[str, Any]] = []
    hook = "before-call.dynamodb.TransactWriteItems", lambda params, **_: written.append(params)
    client.meta.events.register(*hook)
    ask(handler, post_event(), 201)
    client.meta.events.unregister(*hook)
    ours = json.loads(written[0]["body"])["TransactItems"][0]["Put"]["Item"]
    index_item = {name: ours[name] for name in ("pk", "sk", "gsi1pk", "gsi1sk", "doc")}
    answers |= _answers(ours, index_item)
    return answers


def post_event() -> dict[str, Any]:
    """The request that creates the opportunity."""
    fields = ("name", "account_id", "amount", "expected_close_on", "opened_on", "region", "tags")
    return event("POST", "/opportunities", {k: OPPORTUNITY[k] for k in fields})


def measure() -> list[Ratio]:
    """Measure GET one, LIST 50 and POST of opportunities."""
    use_test_environment()
    import boto3

    from kernel.runtime import aws
    from opportunities.handlers.api import handler

    native = _plain_item()
    plain = stub(boto3.session.Session().client("dynamodb"), _answers(native, native))
    stored_opportunity(handler, aws.client("dynamodb"))
    key = {"pk": {"S": "T#acme"}, "sk": {"S": "D#1"}}
    put = {
        "Put": {"TableName": "t", "Item": native, "ConditionExpression": "attribute_not_exists(pk)"}
    }
    get_event = event("GET", f"/opportunities/{OPPORTUNITY['id']}")
    list_event = event("GET", "/opportunities", limit="50")
    new = post_event()

    return [
        calls(
            "GET one, warm",
            lambda: plain.get_item(TableName="t", Key=key),
            lambda: ask(handler, get_event, 200),
            budget=1.5,
        ),
        calls(
            "LIST 50, warm",
            lambda: plain.query(
                TableName="t",
                KeyConditionExpression="pk = :p",
                ExpressionAttributeValues={":p": {"S": "T#acme"}},
                Limit=50,
            ),
            lambda: ask(handler, list_event, 200),
            budget=0.6,
        ),
        calls(
            "POST, warm",
            lambda: _read_and_write(plain, put),
            lambda: ask(handler, new, 201),
            budget=1.3,
        ),
        calls(
            "POST, to its transaction alone",
            lambda: plain.transact_write_items(TransactItems=[put, put]),
            lambda: ask(handler, new, 201),
            budget=2.0,
        ),
    ]


def _read_and_write(plain: Any, put: dict[str, Any]) -> None:
    """The two calls of a POST: what it refers to and its pipeline, and the transaction."""
    keys = [{"pk": {"S": f"T#acme#{n}"}, "sk": {"S": "D#1"}} for n in range(READ)]
    plain.batch_get_item(RequestItems={"t": {"Keys": keys, "ConsistentRead": True}})
    plain.transact_write_items(TransactItems=[put, put])


if __name__ == "__main__":
    for ratio in measure():
        print(ratio.line())
