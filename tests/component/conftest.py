"""A context's code against DynamoDB, EventBridge, SQS and S3 in process (moto).

With ZEBROS_DYNAMODB (`make judge`) the tables are in Amazon's DynamoDB Local, the rest is moto's.
"""

import copy
import json
import os
import re
import threading
from collections.abc import Iterator
from functools import cache
from types import SimpleNamespace
from typing import Any
from urllib.parse import urljoin

import boto3
import pytest
from hypothesis import HealthCheck, Phase, settings
from moto import mock_aws
from moto.core import models as moto_models
from moto.core import responses as moto_responses
from moto.dynamodb import models as dynamodb_models
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.table import Table as MotoTable
from moto.dynamodb.responses import DynamoHandler

from kernel.cache.connect import cached_reads, shared_cache
from kernel.runtime import aws
from kernel.storage import cursor
from kernel.storage.dax import dax_reads
from kernel.storage.packing import unpack
from kernel.web.quotas import tenant_quotas

NEVER = "4102444800"
"""The expiry of a test's token: the year 2100."""
INDEXES = ("gsi1", "gsi2", "gsi3")
JUDGE = os.environ.get("ZEBROS_DYNAMODB")
"""The URL of a DynamoDB Local."""
MOTO: dict[str, Any] = {"reset_boto3_session": False}
if JUDGE:
    MOTO |= {"mock_credentials": False, "passthrough": {"urls": [JUDGE]}}
# For the library requests, which nothing here uses, moto makes thousands of objects for each test.
moto_models.RESPONSES_METHODS.clear()
# For each request moto lists the methods of its class, which stay the same.
vars(moto_responses)["method_names_from_class"] = cache(moto_responses.method_names_from_class)


def examples(count: int) -> settings:
    """Settings for Hypothesis tests with `cloud`: `count` examples, without shrinking (minutes).

    The examples of one test share its cloud, so they must use different records or tenants.
    """
    return settings(
        max_examples=count,
        deadline=None,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


IN_INDEXES = {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["doc"]}
"""What an index has of a record."""


def create_table(
    client: Any, name: str, in_indexes: dict[str, Any] = IN_INDEXES, images: str = "NEW_IMAGE"
) -> None:
    """Create a table with the common schema: pk, sk and three overloaded indexes.

    `images` is what its stream has of an item.
    """
    keys = ["pk", "sk", *(f"{i}{part}" for i in INDEXES for part in ("pk", "sk"))]

    def schema(prefix: str) -> list[dict[str, str]]:
        return [
            {"AttributeName": f"{prefix}pk", "KeyType": "HASH"},
            {"AttributeName": f"{prefix}sk", "KeyType": "RANGE"},
        ]

    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=schema(""),
        AttributeDefinitions=[{"AttributeName": k, "AttributeType": "S"} for k in keys],
        GlobalSecondaryIndexes=[
            {"IndexName": index, "KeySchema": schema(index), "Projection": in_indexes}
            for index in INDEXES
        ],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": images},
    )


def clear_caches() -> None:
    """Clear the clients and the wiring of earlier tests."""
    import importlib
    import sys

    aws.client.cache_clear()  # not the session: reading its service models again takes 0.1 s
    aws.fence.cache_clear()
    aws._has_fence.cache_clear()
    cursor._secret.cache_clear()
    for made in (shared_cache, cached_reads, tenant_quotas, dax_reads):
        made.cache_clear()
    contexts = (
        *("customers", "opportunities", "activities", "reporting", "notifications"),
        *("imports", "scaling"),
    )
    for name in ("edge.authorizer", *(f"{context}.bootstrap" for context in contexts)):
        if name in sys.modules:
            for value in vars(importlib.import_module(name)).values():
                if hasattr(value, "cache_clear") and getattr(value, "__module__", "") == name:
                    value.cache_clear()


def shared_parts(table: MotoTable, updated: set[tuple[str, ...]]) -> dict[int, Any]:
    """The memory for a copy of a table that is to share its other items, and its stream."""
    shared = [] if table.stream_shard is None else list[Any](table.stream_shard.items)
    if table.has_range_key:
        for of_partition in table.items.values():
            for item in of_partition.values():
                if (item.hash_key.value, item.range_key.value) not in updated:
                    shared.append(item)
    return {id(one): one for one in shared}


def isolate_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow one DynamoDB request at a time, because moto's transactions copy tables."""
    call, alone = DynamoHandler.call_action, threading.RLock()

    def one_at_a_time(self: DynamoHandler) -> Any:
        with alone:
            return call(self)

    monkeypatch.setattr(DynamoHandler, "call_action", one_at_a_time)
    transact = DynamoDBBackend.transact_write_items

    def with_one_copy(self: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
        """Copy a table once for a transaction; moto does for each of its actions.

        The copy, which replaces the table when the transaction fails, shares what moto never
        changes in place: the items that the transaction does not update, and the stream.
        """
        updates = [one["Update"]["Key"].values() for one in transact_items if "Update" in one]
        updated = {tuple(value for part in key for value in part.values()) for key in updates}
        copies: dict[int, Any] = {}

        def deepcopy(value: Any) -> Any:
            if not isinstance(value, MotoTable):
                return copy.deepcopy(value)
            if id(value) not in copies:
                copies[id(value)] = copy.deepcopy(value, shared_parts(value, updated))
            return copies[id(value)]

        with monkeypatch.context() as patch:
            patch.setattr(dynamodb_models, "copy", SimpleNamespace(deepcopy=deepcopy))
            transact(self, transact_items)

    monkeypatch.setattr(DynamoDBBackend, "transact_write_items", with_one_copy)


@cache
def outside(service: str) -> Any:
    """A client for tests, made once; moto answers every client made after its import."""
    return boto3.client(service)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty account with one table and a cursor secret; yields the DynamoDB client."""
    monkeypatch.setenv("TABLE_NAME", "table")
    monkeypatch.setenv("REPORTING_TABLE_NAME", "table")
    monkeypatch.setenv("IMPORTS_TABLE_NAME", "table")
    monkeypatch.setenv("OPERATOR_TENANT", "acme")
    monkeypatch.setenv("BUS_NAME", "bus")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    isolate_requests(monkeypatch)
    if JUDGE:
        for service in ("DYNAMODB", "DYNAMODB_STREAMS"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", JUDGE)
    with mock_aws(config={"core": MOTO}):
        clear_caches()
        client = outside("dynamodb")
        create_table(client, "table")
        secret = outside("secretsmanager").create_secret(Name="c", SecretString="s3cret")
        monkeypatch.setenv("CURSOR_SECRET_ARN", secret["ARN"])
        outside("events").create_event_bus(Name="bus")
        yield client
        clear_caches()
        if JUDGE:
            for name in client.list_tables()["TableNames"]:
                client.delete_table(TableName=name)


class ApiClient:
    """Calls a context's API handler as API Gateway does."""

    def __init__(self, handler: Any, **claims: str) -> None:
        self.handler = handler
        self.claims = {
            "tenant": "acme",
            "user": "ann",
            "roles": "administrator",
            "name": "Ann",
            "team": "north",
            "expires": NEVER,
            **claims,
        }

    def as_(self, **claims: str) -> "ApiClient":
        """The same API for another caller."""
        return ApiClient(self.handler, **{**self.claims, **claims})

    def __call__(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> "Answer":
        path, _, query = path.partition("?")
        pairs = [pair.split("=", 1) for pair in query.split("&") if pair]
        multi: dict[str, list[str]] = {}
        for name, value in pairs:
            multi.setdefault(name, []).append(value)
        event = {
            "httpMethod": method,
            "path": path,
            "resource": self._template(path),
            "headers": {"content-type": "application/json", **(headers or {})},
            "queryStringParameters": {k: v[-1] for k, v in multi.items()} or None,
            "multiValueQueryStringParameters": multi or None,
            "body": body if isinstance(body, str | None) else json.dumps(body),
            "isBase64Encoded": False,
            "requestContext": {"authorizer": self.claims, "requestId": "r"},
        }
        return Answer(self.handler(event, None), path)

    def _template(self, path: str) -> str:
        """The path that API Gateway matches."""
        for route in self.handler.routes:
            if re.fullmatch(re.sub(r"{\w+}", "[^/]+", route.path), path.removeprefix("/v1")):
                return str(route.path)
        return path


class Answer:
    """An answer of an API handler."""

    def __init__(self, raw: dict[str, Any], path: str) -> None:
        self._path = path
        self.status: int = raw["statusCode"]
        self.text: str = raw["body"]
        self.headers = {k.lower(): v[0] for k, v in raw["multiValueHeaders"].items()}

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.text)

    @property
    def location(self) -> str:
        """The path that Location names, seen from the request's (RFC 3986)."""
        return urljoin(self._path, self.headers["location"])

    @property
    def etag(self) -> dict[str, str]:
        """If-Match with this answer's ETag."""
        return {"if-match": self.headers["etag"]}


def published(client: Any, table: str = "table") -> list[dict[str, Any]]:
    """All events in a table's outbox, by subject and sequence (a scan: tests only)."""
    items = client.scan(TableName=table)["Items"]
    outbox = (item for item in items if item["sk"]["S"].startswith("EVENT#"))
    found = [json.loads(unpack(item["detail"]["B"])) for item in outbox]
    return sorted(found, key=lambda event: (event["subject"], int(event["sequence"])))


def opportunity_events(client: Any) -> list[dict[str, Any]]:
    """The events about opportunities; the first one of a tenant also publishes its pipeline."""
    return [event for event in published(client) if event["subject"].startswith("opportunity/")]


os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "Zebros")
if JUDGE:
    # Its tables are separated by access key: one for each process of tests.
    os.environ["AWS_ACCESS_KEY_ID"] = os.environ.get("PYTEST_XDIST_WORKER", "alone")
