"""Reads through DAX.

There is no DAX server to test with. So: the real client for what it does before it sends a request
(its signature, its validation, its parser of expressions, its encoder), and DynamoDB in its place
for what comes back. How long DAX keeps values, and its failover, cannot be shown here.
"""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from amazondax import AmazonDaxClient
from amazondax.CborSExprGenerator import encode_key_condition_expression
from amazondax.RequestValidator import RequestValidator

from kernel.cache.circuit import CircuitBreaker
from kernel.runtime import aws
from kernel.storage.dax import DaxReads, dax_reads
from kernel.storage.table import Table
from tests.component.conftest import ApiClient
from tests.unit.kernel.cache.memory import Clock

PARTITION = "TENANT#acme#THINGS"


class Recorder:
    """A client that passes reads on, and keeps their arguments; it may also fail."""

    def __init__(self, client: Any) -> None:
        self._client, self.requests, self.fault = client, [], None

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def send(**arguments: Any) -> Any:
            self.requests.append((operation, arguments))
            if self.fault is not None:
                raise self.fault
            return getattr(self._client, operation)(**arguments)

        return send


@pytest.fixture
def dax(cloud: Any) -> Recorder:
    return Recorder(aws.client("dynamodb"))


@pytest.fixture
def dynamodb(cloud: Any) -> Recorder:
    return Recorder(aws.client("dynamodb"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def table(dax: Recorder, dynamodb: Recorder, clock: Clock) -> Table:
    reads = DaxReads(lambda: dax, dynamodb, CircuitBreaker(clock, lambda: 0.0))
    table = Table(dynamodb, "table", reads)
    for number in range(5):
        item = {"pk": PARTITION, "sk": f"THING#{number}", "version": 1, "doc": b"\x00{}"}
        table.put({**item, "gsi1pk": PARTITION, "gsi1sk": f"A#{number}"})
    return table


def every_query(table: Table) -> list[Any]:
    pages = [
        table.query(PARTITION),
        table.query(PARTITION, prefix="THING#", limit=2, newest_first=True),
        table.query(PARTITION, index="gsi1", between=("A#1", "A#3")),
    ]
    return [*pages, table.query(PARTITION, limit=2, after=pages[1].last_key)]


def test_lists_and_single_reads_go_through_dax(
    table: Table, dax: Recorder, dynamodb: Recorder
) -> None:
    writes = len(dynamodb.requests)
    assert table.get(PARTITION, "THING#1") is not None
    assert [len(page.items) for page in every_query(table)] == [5, 2, 3, 1]
    assert [name for name, _ in dax.requests] == ["get_item", *["query"] * 4]
    assert len(dynamodb.requests) == writes


def test_consistent_reads_and_writes_go_past_dax(
    table: Table, dax: Recorder, dynamodb: Recorder
) -> None:
    table.get(PARTITION, "THING#1", consistent=True)
    table.query(PARTITION, consistent=True)
    table.get_many([(PARTITION, "THING#1")])
    table.delete(PARTITION, "THING#1")
    assert dax.requests == []
    assert [name for name, _ in dynamodb.requests][-4:] == [
        "get_item",
        "query",
        "batch_get_item",
        "delete_item",
    ]


def test_dynamodb_answers_when_dax_does_not(table: Table, dax: Recorder, clock: Clock) -> None:
    expected = table.get(PARTITION, "THING#1")
    dax.fault = OSError("no route")
    dax.requests.clear()
    assert [table.get(PARTITION, "THING#1") for _ in range(4)] == [expected] * 4
    assert len(dax.requests) == 1, "the others do not wait"
    dax.fault = None
    clock.pass_(1)
    table.get(PARTITION, "THING#1")
    table.get(PARTITION, "THING#1")
    assert len(dax.requests) == 3, "it is used again"


def test_a_cluster_that_cannot_be_reached_is_tried_again_later(cloud: Any, clock: Clock) -> None:
    attempts: list[int] = []

    def connect() -> Any:
        attempts.append(1)
        return AmazonDaxClient(session=aws.session(), endpoint_url="dax://127.0.0.1:1")

    client = aws.client("dynamodb")
    table = Table(client, "table", DaxReads(connect, client, CircuitBreaker(clock, lambda: 0.0)))
    for _ in range(3):
        assert table.get("none", "none") is None
    assert len(attempts) == 1
    clock.pass_(1)
    table.get("none", "none")
    assert len(attempts) == 2


def test_the_real_client_accepts_every_request_that_we_send(table: Table, dax: Recorder) -> None:
    """It validates the parameters and parses the expressions itself."""
    table.get(PARTITION, "THING#1")
    every_query(table)
    model = aws.client("dynamodb").meta.service_model
    for name, arguments in dax.requests:
        inspect.signature(getattr(AmazonDaxClient, name)).bind(None, **arguments)
        operation = model.operation_model({"get_item": "GetItem", "query": "Query"}[name])
        RequestValidator.validate_api_using_operation_model(operation, arguments)
        if name == "query":
            assert encode_key_condition_expression(
                arguments["KeyConditionExpression"],
                arguments["ExpressionAttributeNames"],
                arguments["ExpressionAttributeValues"],
            )


def test_the_environment_decides_about_dax(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert dax_reads() is None
    dax_reads.cache_clear()
    monkeypatch.setenv("DAX_ENDPOINT", "dax://127.0.0.1:1")
    assert isinstance(dax_reads(), DaxReads)


@pytest.mark.parametrize("name", ["customers", "opportunities"])
def test_an_api_answers_without_its_dax(
    cloud: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    import importlib

    monkeypatch.setenv("DAX_ENDPOINT", "dax://127.0.0.1:1")
    monkeypatch.setenv("CONTACTS_TABLE_NAME", "table")
    made: list[Any] = []
    monkeypatch.setattr("kernel.storage.dax._connected", lambda endpoint: made.append(endpoint))
    api = ApiClient(importlib.import_module(f"{name}.handlers.api").handler)
    path = {"customers": "/accounts", "opportunities": "/opportunities"}[name]
    record = api("POST", path, {"name": "Cancity"}).json
    assert made == [], "a change does not use it"
    assert api("GET", f"{path}/{record['id']}").json == record
    assert made == ["dax://127.0.0.1:1"]
