"""Faults that a test makes in the deployed system, and what it reads to see their effect."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kernel.storage.packing import unpack
from tests.flows.conftest import Crm

ANY = {"if-match": "*"}
Item = dict[str, Any]


def call(crm: Crm, method: str, path: str, body: Any = None, **who: str) -> Any:
    headers = ANY if method != "GET" else {}
    answer = crm(method, path, body, headers=headers, **who)
    assert answer.status_code < 300, answer.text
    return answer.json()


def new_deal(crm: Crm, **fields: Any) -> str:
    amount = {"minor_units": 100, "currency": "USD"}
    return str(
        call(crm, "POST", "/opportunities", {"name": "Deal", "amount": amount} | fields)["id"]
    )


def entries(crm: Crm, deal: str) -> int:
    """The number of entries of a deal's timeline, which without one does not exist."""
    answer = crm("GET", f"/timeline/opportunity/{deal}")
    return len(answer.json().get("items", ()))


def queue(crm: Crm, name: str) -> str:
    return str(crm.state["resources"]["queues"][name])


def items(crm: Crm, table: str, part: str) -> list[Item]:
    """The items of a table whose partition key has a part."""
    pages = (
        crm.client("dynamodb").get_paginator("scan").paginate(TableName=crm.state["tables"][table])
    )
    return [item for page in pages for item in page["Items"] if part in item["pk"]["S"]]


def put(crm: Crm, table: str, item: Item) -> None:
    crm.client("dynamodb").put_item(TableName=crm.state["tables"][table], Item=item)


def delete(crm: Crm, table: str, item: Item) -> None:
    key = {name: item[name] for name in ("pk", "sk")}
    crm.client("dynamodb").delete_item(TableName=crm.state["tables"][table], Key=key)


@contextmanager
def broken(crm: Crm, function: str) -> Iterator[None]:
    """A consumer is deployed with a table that does not exist, and each attempt takes a second."""
    client, name = crm.client("lambda"), crm.state["functions"][function]
    found = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    right = {key: str(value) for key, value in found.items()}
    url = queue(crm, f"{function}Queue")
    usual = crm.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])

    def configure(variables: dict[str, str], visibility: dict[str, str]) -> None:
        client.update_function_configuration(
            FunctionName=name, Environment={"Variables": variables}
        )
        crm.sqs.set_queue_attributes(QueueUrl=url, Attributes=visibility)

    tables = dict.fromkeys((one for one in right if one.endswith("TABLE_NAME")), "no-such-table")
    configure(right | tables, {"VisibilityTimeout": "1"})
    try:
        yield
    finally:
        configure(right, usual["Attributes"])


def mapping(crm: Crm, function: str) -> dict[str, Any]:
    """A function's event source mapping."""
    (found,) = crm.client("lambda").list_event_source_mappings(
        FunctionName=crm.state["functions"][function]
    )["EventSourceMappings"]
    return dict(found)


def change_mapping(crm: Crm, function: str, **values: Any) -> None:
    identity = mapping(crm, function)["UUID"]
    crm.client("lambda").update_event_source_mapping(UUID=identity, **values)


@contextmanager
def no_bus(crm: Crm) -> Iterator[None]:
    """The bus accepts nothing, and the relay of opportunities is not retried."""
    address = f"{crm.state['endpoint']}/_zebros/faults"
    rule = {"service": "events", "operation": "PutEvents", "kind": "error"}
    change_mapping(crm, "OpportunitiesRelay", MaximumRetryAttempts=0)
    crm.http.put(address, json={"rules": [rule]}).raise_for_status()
    try:
        yield
    finally:
        crm.http.delete(address).raise_for_status()
        change_mapping(crm, "OpportunitiesRelay", MaximumRetryAttempts=300)


def listed(crm: Crm, name: str) -> list[dict[str, Any]]:
    """The dead-letter messages of a queue, as the command lists them."""
    return list(crm.zebros.json("events", "dead-letters", name))


def outbox(crm: Crm, table: str) -> Counter[str]:
    """How many events of each type a table's outbox has."""
    found = (one for one in items(crm, table, "#") if one["sk"]["S"].startswith("EVENT#"))
    return Counter(json.loads(unpack(one["detail"]["B"]))["type"] for one in found)


def column(crm: Crm, pipeline: str) -> tuple[int, int]:
    """The number and the sum of the deals in the first stage of a board."""
    amounts = call(crm, "GET", f"/pipelines/{pipeline}/board")["columns"][0]["amounts"]
    return sum(one["count"] for one in amounts), sum(one["minor_units"] for one in amounts)


def lake(crm: Crm, part: str) -> list[str]:
    pages = crm.client("s3").get_paginator("list_objects_v2")
    found = pages.paginate(Bucket=crm.state["lake_bucket"])
    return [one["Key"] for page in found for one in page.get("Contents", ()) if part in one["Key"]]


def ask_report(crm: Crm, tenant: str = "acme") -> str:
    body = {"report": "win_rate", "by": "owner", "format": "json"}
    return str(call(crm, "POST", "/reports", body, tenant=tenant)["id"])


def shown(crm: Crm, runs: list[str]) -> list[dict[str, Any]]:
    return [call(crm, "GET", f"/reports/{one}") for one in runs]


def worker_of(crm: Crm) -> int:
    """The id of the worker's process."""
    return int(json.loads((crm.zebros.home / "state.json").read_text())["pids"]["worker"])
