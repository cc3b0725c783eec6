"""Generates events/examples/<context>/<Event>.v<N>.json by calling every API.

The use cases run against an in-process DynamoDB. Ids and times are replaced by fixed values, so the
files change only when the events do. `--check` fails on drift.
"""

import base64
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from tools import examples_scaling
from tools.contexts import events
from tools.drift import ROOT, as_json, main

FOLDER = ROOT / "events" / "examples"
TABLE = "examples"
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_SECONDS = re.compile(r'("seconds_in_stage":) \d+')
"""Whole seconds that this process took, on a slow machine more than none."""
_USD = {"minor_units": 1250000, "currency": "USD"}


@contextmanager
def environment() -> Iterator[None]:
    """The environment of functions, with one table for all contexts."""
    variables = {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
        "TABLE_NAME": TABLE,
        "CONTACTS_TABLE_NAME": TABLE,
        "REPORTING_TABLE_NAME": TABLE,
        "IMPORTS_TABLE_NAME": TABLE,
        "FILES_BUCKET": "files",
        "LAKE_BUCKET": "lake",
        "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:report",
        "OPERATOR_TENANT": "acme",
        "POWERTOOLS_LOG_LEVEL": "CRITICAL",
    }
    before = dict(os.environ)
    os.environ.update(variables)
    os.environ.pop("AWS_ENDPOINT_URL", None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def cloud() -> Iterator[Any]:
    """An empty in-process AWS account, with one table for all contexts."""
    from moto import mock_aws

    with environment(), mock_aws():
        from kernel.runtime.aws import client

        keys = ["pk", "sk", *(f"gsi{n}{k}" for n in (1, 2, 3) for k in ("pk", "sk"))]
        client("dynamodb").create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": k, "AttributeType": "S"} for k in keys],
            KeySchema=_schema(""),
            GlobalSecondaryIndexes=[
                {
                    "IndexName": f"gsi{n}",
                    "KeySchema": _schema(f"gsi{n}"),
                    "Projection": {"ProjectionType": "ALL"},
                }
                for n in (1, 2, 3)
            ],
        )
        yield client("dynamodb")


def _schema(prefix: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": f"{prefix}pk", "KeyType": "HASH"},
        {"AttributeName": f"{prefix}sk", "KeyType": "RANGE"},
    ]


def event(
    method: str, path: str, body: Any = None, resource: str | None = None, **query: str
) -> dict[str, Any]:
    """An API Gateway event; changes have `If-Match: *`."""
    return {
        "resource": resource or path,
        "path": path,
        "httpMethod": method,
        "headers": {
            "content-type": "application/json",
            "if-match": "*",
            "x-correlation-id": "example",
        },
        "queryStringParameters": query or None,
        "multiValueQueryStringParameters": {k: [v] for k, v in query.items()} or None,
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
        "requestContext": {
            "requestId": "example",
            "stage": "v1",
            "authorizer": {
                "tenant": "acme",
                "user": "ann",
                "name": "Ann",
                "team": "north",
                "roles": "administrator",
                "expires": "4102444800",
            },
        },
    }


def caller_of(context: str) -> Callable[..., Any]:
    """A function that calls a context's API; returns the JSON, or raises RuntimeError."""
    import importlib

    handler = importlib.import_module(f"{context}.handlers.api").handler

    def call(method: str, path: str, body: Any = None) -> Any:
        answer = handler(event(method, path, body), None)
        if answer["statusCode"] >= 400:
            raise RuntimeError(f"{method} {path}: {answer['body']}")
        return json.loads(answer["body"] or "null")

    return call


def _customers() -> str:
    api = caller_of("customers")
    fields = {"name": "Umbra Ltd", "sector": "retail", "country": "GB", "annual_revenue": _USD}
    account: str = api("POST", "/accounts", {**fields, "external_ids": {"erp": "4711"}})["id"]
    person = {"first_name": "Ida", "last_name": "Holm", "emails": ["ida@umbra.example"]}
    contact = api("POST", "/contacts", {**person, "account_id": account})["id"]
    for path, patch in (
        (f"/accounts/{account}", {"employees": 250}),
        (f"/contacts/{contact}", {"title": "Buyer"}),
    ):
        api("PATCH", path, patch)
        api("POST", f"{path}/archive", {})
        api("POST", f"{path}/restore", {})
    for user, name in (("bob", "Bob Wray"), ("ann", "Ann Sorel")):
        api("POST", "/people", {"id": user, "name": name, "team_id": "south"})
    api("PATCH", "/people/bob", {"active": False})
    api("PATCH", "/people/bob", {"active": True})
    return account


def _opportunities(account: str) -> None:
    api = caller_of("opportunities")
    stages = [
        {"key": "open", "name": "Open", "probability": 40},
        {"key": "won", "name": "Won", "probability": 100, "kind": "won"},
        {"key": "lost", "name": "Lost", "probability": 0, "kind": "lost"},
    ]
    api("POST", "/pipelines", {"name": "Renewals", "stages": stages})
    product = api("POST", "/products", {"name": "Starter", "price": _USD})["id"]
    api("PATCH", f"/products/{product}", {"family": "Standard"})
    fields = {"name": "Umbra - Starter", "account_id": account, "region": "North"}
    deal = api("POST", "/opportunities", {**fields, "amount": _USD, "opened_on": "2026-01-05"})
    path = f"/opportunities/{deal['id']}"
    api("PATCH", path, {"expected_close_on": "2026-06-30", "product_id": product})
    api("PATCH", path, {"amount": {"minor_units": 1100000, "currency": "USD"}})
    api("POST", f"{path}/stage", {"stage": "proposal"})
    api("POST", f"{path}/owner", {"owner_id": "bob", "team_id": "south"})
    api("POST", f"{path}/lost", {"reason": "Price", "closed_on": "2026-05-02"})
    api("PATCH", path, {"closed_on": "2026-04-30", "lost_reason": "Budget"})
    api("POST", f"{path}/reopen", {"stage": "negotiation"})
    api("POST", f"{path}/won", {"closed_on": "2026-06-28"})


def _activities() -> None:
    api = caller_of("activities")
    task = api("POST", "/tasks", {"title": "Send the offer", "assignee_id": "bob"})["id"]
    api("PATCH", f"/tasks/{task}", {"due_on": "2026-03-01"})
    api("POST", f"/tasks/{task}/complete")
    api("POST", f"/tasks/{task}/reopen")
    api("POST", f"/tasks/{task}/start")
    api("POST", f"/tasks/{task}/defer", {"due_on": "2026-04-01"})
    api("POST", f"/tasks/{task}/cancel")


def _reporting() -> None:
    from reporting.bootstrap import runs
    from reporting.events import ReportResult, StreamPosition

    api = caller_of("reporting")
    ids = [
        api("POST", "/reports", {"report": "win_rate", "by": "region", "format": "pdf"})["id"]
        for _ in range(3)
    ]
    completed, failed, cancelled = ids
    runs().start("acme", completed)
    result = ReportResult(
        file_name="win-rate.pdf",
        media_type="application/pdf",
        size_bytes=48211,
        # The SHA-256 of nothing; zeros would look like ids, which are replaced.
        sha256="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        rows=3,
        totals=[{"won": 4238, "lost": 2473, "win_rate": "0.6315"}],
        position=StreamPosition(events=15511),
    )
    runs().complete("acme", completed, result)
    runs().start("acme", failed)
    runs().fail("acme", failed, "OutOfMemory")
    api("POST", f"/reports/{cancelled}/cancel", {})


def _imports() -> None:
    from imports.adapters.keys import upload_key
    from imports.bootstrap import runs
    from imports.events import ImportResult
    from kernel.runtime.aws import client

    api = caller_of("imports")
    upload = api("POST", "/imports/uploads", {"size_bytes": 3})["upload_id"]
    client("s3").create_bucket(Bucket="files")
    client("s3").put_object(Bucket="files", Key=upload_key("acme", upload), Body=b"{}\n")
    fields = {"upload_id": upload, "record_type": "contacts", "match_by": "email"}
    completed, failed, cancelled = (api("POST", "/imports", fields)["id"] for _ in range(3))
    runs().start("acme", completed)
    counts = {"lines": 12300, "created": 8211, "updated": 3012, "unchanged": 1064, "rejected": 13}
    runs().complete("acme", completed, ImportResult(**counts, rejected_bytes=5120))
    runs().start("acme", failed)
    runs().fail("acme", failed, "UnreadableFile", "it is damaged: gzip cannot decompress it")
    api("POST", f"/imports/{cancelled}/cancel", {})


def _notifications(won: dict[str, Any]) -> None:
    from notifications.consumers.inbox import handler

    handler({"Records": [{"messageId": "1", "body": json.dumps({"detail": won})}]}, None)
    from notifications.handlers.api import handler as api

    inbox = event("GET", "/notifications")
    inbox["requestContext"]["authorizer"]["user"] = "bob"
    (notification,) = json.loads(api(inbox, None)["body"])["items"]
    read = event("POST", f"/notifications/{notification['id']}/read")
    read["requestContext"]["authorizer"]["user"] = "bob"
    api(read, None)


def _projected(won: dict[str, Any], person: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A projection of each context that has one, and an event that it consumes."""
    return {
        "opportunities.consumers.board": won,
        "activities.consumers.timeline": won,
        "reporting.consumers.references": person,
        "scaling.consumers.usage": won,
    }


def _gaps(projected: dict[str, dict[str, Any]]) -> None:
    """Make the projections report a gap, with an event that waits for an earlier one."""
    import importlib

    for consumer, event in projected.items():
        subject = f"{event['subject'].partition('/')[0]}/01ARZ3NDEKTSV4RRFFQ69G5FAV"
        early = {**event, "subject": subject, "sequence": "3"}
        handler = importlib.import_module(consumer).handler
        for body in ({"detail": early}, {"gap_check": early}):
            handler({"Records": [{"messageId": "1", "body": json.dumps(body)}]}, None)


def _divergences(projected: dict[str, dict[str, Any]]) -> None:
    """Make the projections report another history, with a later event of the same sequence."""
    import importlib

    from kernel.domain.clock import utc_now
    from kernel.domain.ids import ids_at

    for consumer, event in projected.items():
        subject = f"{event['subject'].partition('/')[0]}/01ARZ3NDEKTSV4RRFFQ69G5FAW"
        first = {**event, "subject": subject, "sequence": "1"}
        second = {**first, "id": ids_at(utc_now() + timedelta(hours=1), 1)[0]}
        handler = importlib.import_module(consumer).handler
        for detail in (first, second):
            body = json.dumps({"detail": detail})
            handler({"Records": [{"messageId": "1", "body": body}]}, None)


def _events(client: Any) -> list[dict[str, Any]]:
    from kernel.storage.packing import unpack

    items = client.scan(TableName=TABLE)["Items"]
    outbox = [i["detail"]["B"] for i in items if i["sk"]["S"].startswith("EVENT#")]
    envelopes = [
        json.loads(unpack(raw if isinstance(raw, bytes) else base64.b64decode(raw)))
        for raw in outbox
    ]
    return sorted(envelopes, key=lambda event: str(event["id"]))


def with_fixed_ids(text: str) -> str:
    """The text with fixed ids, in order of appearance, one fixed instant, and no duration."""
    ids: dict[str, str] = {}

    def an_id(match: re.Match[str]) -> str:
        return ids.setdefault(match[0], f"01JZEBR0S{len(ids):017d}")

    text = _SECONDS.sub(r"\1 0", _ULID.sub(an_id, text))
    return _INSTANT.sub("2026-06-30T09:00:00.000Z", text)


def real_events() -> dict[str, dict[str, Any]]:
    """One real event of every class, by `<context>/<Event>.v<N>`."""
    with cloud() as client:
        _opportunities(_customers())
        _activities()
        _reporting()
        _imports()
        examples_scaling.publish()
        (won,) = [f for f in _events(client) if f["type"] == "OpportunityWon"]
        _notifications(won)
        person = next(f for f in _events(client) if f["type"] == "PersonAdded")
        projected = _projected(won, person)
        _gaps(projected)
        _divergences(projected)
        envelopes = _events(client)
    examples: dict[str, dict[str, Any]] = {}
    for event in envelopes:
        name = event["dataschema"].removeprefix("urn:zebros:schema:")
        examples.setdefault(name, json.loads(with_fixed_ids(json.dumps(event))))
    return examples


def render() -> dict[Path, str]:
    """Every example file's text. Raises RuntimeError when an event class has no example."""
    examples = real_events()
    for name in events().keys() - examples.keys():
        examples[name] = derived_example(name, examples)
    return {FOLDER / f"{name}.json": as_json(event) for name, event in sorted(examples.items())}


def derived_example(name: str, examples: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """An example of an event that no API call here publishes.

    It is made from an event with the same record, and from the default or the first `examples`
    value of each further field. Raises RuntimeError where there is none.
    """
    event = events()[name]
    record = event.model_fields["current"].annotation
    alike = [example for key, example in examples.items() if _record_of(key) is record]
    if not alike:
        raise RuntimeError(f"no other example has a {record}, which {name} needs")
    data = {"current": alike[-1]["data"]["current"]}
    for field, info in event.model_fields.items():
        if field != "current" and info.is_required():
            if not info.examples:
                raise RuntimeError(f"{name}.{field} needs Field(examples=[...])")
            data[field] = info.examples[0]
    schema = f"urn:zebros:schema:{name}"
    return {**alike[-1], "type": event.__name__, "dataschema": schema, "data": data}


def _record_of(name: str) -> Any:
    return events()[name].model_fields["current"].annotation


def leftovers() -> list[Path]:
    """Example files without an event class."""
    files = {FOLDER / f"{name}.json" for name in events()}
    return sorted(set(FOLDER.rglob("*.json")) - files)


if __name__ == "__main__":
    main(render(), "make contracts", leftovers())
