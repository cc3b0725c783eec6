"""Exact budgets: calls and capacity per operation, and the modules an API function loads.

Capacity is computed from the written items by DynamoDB's rules: an item's size is that of its
attribute names and values; a transactional write costs two units per started KB, an index one.
"""

import math
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from kernel.runtime import aws
from tests.component.conftest import ApiClient

ROOT = Path(__file__).resolve().parents[2]


class Meter:
    """Counts the calls a client makes and keeps their parameters."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.requests: list[dict[str, Any]] = []
        aws.client("dynamodb").meta.events.register("provide-client-params.dynamodb.*", self._count)

    def _count(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.calls[model.name] += 1
        self.requests.append(params)

    def taken(self) -> dict[str, int]:
        """The number of calls by name since the last time."""
        calls = dict(self.calls)
        self.calls.clear()
        return calls


@pytest.fixture
def api(cloud: Any) -> ApiClient:
    from opportunities.handlers.api import handler

    return ApiClient(handler)


OPPORTUNITY = {
    "name": "Cancity - GTX Plus Basic",
    "account_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "amount": {"minor_units": 105400, "currency": "USD"},
    "opened_on": "2026-01-01",
    "expected_close_on": "2026-05-01",
    "region": "Central",
    "owner_id": "moses.frase",
    "team_id": "dustin.brinkmann",
}


def size(item: dict[str, dict[str, Any]]) -> int:
    """An item's size in bytes as DynamoDB counts it (a number: half its digits, plus one)."""
    total = 0
    for name, value in item.items():
        ((kind, raw),) = value.items()
        length = len(raw) // 2 + 1 if kind == "N" else len(raw if kind == "B" else raw.encode())
        total += len(name.encode()) + length
    return total


def test_get_is_one_eventually_consistent_read_of_one_item(api: ApiClient) -> None:
    opportunity = api("POST", "/opportunities", OPPORTUNITY).json
    meter = Meter()
    api("GET", f"/opportunities/{opportunity['id']}")
    assert meter.taken() == {"GetItem": 1}
    assert not meter.requests[-1]["ConsistentRead"], (
        "an eventually consistent read costs half a unit"
    )


def test_a_create_is_one_transaction_of_four_units_and_its_indexes(api: ApiClient) -> None:
    api("POST", "/opportunities", OPPORTUNITY)  # makes the client
    meter = Meter()
    api("POST", "/opportunities", OPPORTUNITY)
    # One read has its pipeline and the records that it refers to: account, contact, owner.
    assert meter.taken() == {"BatchGetItem": 1, "TransactWriteItems": 1}
    items = [action["Put"]["Item"] for action in meter.requests[-1]["TransactItems"]]
    assert len(items) == 2, "the state and its one event"
    assert sum(2 * math.ceil(size(item) / 1024) for item in items) == 4
    assert sum(name.startswith("gsi") and name.endswith("pk") for name in items[0]) == 3
    assert not any(name.startswith("gsi") for name in items[1]), "events are in no index"


def test_a_move_reads_the_opportunity_and_its_pipeline_and_writes_once(api: ApiClient) -> None:
    opportunity = api("POST", "/opportunities", OPPORTUNITY)
    meter = Meter()
    answer = api("POST", f"/opportunities/{opportunity.json['id']}/won", {}, opportunity.etag)
    assert answer.status == 200
    assert meter.taken() == {"GetItem": 2, "TransactWriteItems": 1}


def test_a_list_of_fifty_is_one_query_at_any_table_size(api: ApiClient, cloud: Any) -> None:
    for _ in range(60):
        api("POST", "/opportunities", {**OPPORTUNITY, "owner_id": "moses"})
    meter = Meter()
    page = api("GET", "/opportunities?owner_id=moses&limit=50").json
    assert len(page["items"]) == 50
    # Only the first cursor of a process reads the signing secret; DynamoDB sees one Query.
    assert meter.taken() == {"Query": 1}
    found = cloud.query(**meter.requests[-1])["Items"]
    assert found[0].keys() == {"pk", "sk", "gsi1pk", "gsi1sk", "doc"}, "the index has no more"
    # An eventually consistent Query takes half a unit for each 4 KB begun.
    assert math.ceil(sum(map(size, found)) / 4096) / 2 == 2


def test_a_board_is_one_query_and_its_pipeline(api: ApiClient) -> None:
    api("GET", "/pipelines/default/board")
    meter = Meter()
    assert len(api("GET", "/pipelines/default/board").json["columns"]) == 6
    assert meter.taken() == {"GetItem": 1, "Query": 1}


def test_a_key_costs_one_read_and_one_write_more(api: ApiClient) -> None:
    api("POST", "/opportunities", OPPORTUNITY)
    meter = Meter()
    api("POST", "/opportunities", OPPORTUNITY, {"idempotency-key": "k"})
    reading = {"GetItem": 1, "BatchGetItem": 1}  # of the key; of the pipeline and the references
    assert meter.taken() == {**reading, "TransactWriteItems": 1, "PutItem": 1}
    api("POST", "/opportunities", OPPORTUNITY, {"idempotency-key": "k"})
    assert meter.taken() == {"GetItem": 1}


def test_no_request_scans_a_table() -> None:
    """No service makes the call or has the permission."""
    for path in (ROOT / "services").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert ".scan(" not in text, path
        assert '"scan"' not in text, path


APIS = (
    *("customers", "opportunities", "activities", "reporting", "imports", "notifications"),
    "scaling",
)
HEAVY = (
    "aws_xray_sdk",
    "numpy",
    "polars",
    "duckdb",
    "pyarrow",
    "jsonschema",
    "boto3",
    "typst",
    "xlsxwriter",
    "jwt",
    "email_validator",
    "valkey",
    "amazondax",
    "antlr4",
    "tzdata",
    "pydantic.type_adapter",
    "kernel.cache.valkey_cache",
    "kernel.runtime.capacity",
    "kernel.runtime.fence",
    "kernel.tasks.worker",
)
PACKAGES = {
    "annotated_types",
    "aws_lambda_powertools",
    "botocore",
    "dateutil",
    "jmespath",
    "pydantic",
    "pydantic_core",
    "six",
    "typing_extensions",
    "typing_inspection",
    "ulid",
    "urllib3",
}
"""What is not of the standard library and not ours, in any API function."""
DEVELOPMENT = {"OpenSSL", "awscrt", "certifi", "cryptography"}
"""botocore imports them where they are installed; the layer has none of them."""
DATACLASSES = {
    "customers": 18,
    "opportunities": 21,
    "activities": 17,
    "reporting": 30,
    "imports": 28,
    "scaling": 22,
    "notifications": 15,
}
"""The most dataclasses of our own that a start defines. A frozen one takes 0.2 % of the start of a
function; a named tuple takes a quarter of that."""


@pytest.mark.parametrize("context", APIS)
def test_an_api_function_loads_nothing_it_does_not_need(context: str) -> None:
    assert started(
        context,
        "from kernel.runtime import aws; "
        f"print(*[m for m in {HEAVY!r} if m in sys.modules], aws.session.cache_info().currsize)",
    ) == ["1"], "one session, and none of the heavy modules"


@pytest.mark.parametrize("context", APIS)
def test_an_api_function_loads_exactly_these_packages(context: str) -> None:
    loaded = started(context, "print(*{name.partition('.')[0] for name in sys.modules})")
    ours = {path.name for path in (ROOT / "services").iterdir()}
    others = set(loaded) - sys.stdlib_module_names - ours - DEVELOPMENT
    assert {name for name in others if not name.startswith("_")} == PACKAGES


@pytest.mark.parametrize("context", APIS)
def test_an_api_function_defines_few_dataclasses(context: str) -> None:
    found = started(
        context,
        "print(*[f'{name}.{key}' for name, module in list(sys.modules.items())"
        f" if name.partition('.')[0] in ('kernel', {context!r})"
        " for key, one in vars(module).items()"
        " if getattr(one, '__module__', '') == name"
        " and '__dataclass_fields__' in getattr(one, '__dict__', ())])",
    )
    assert 0 < len(found) <= DATACLASSES[context], found


def started(context: str, program: str) -> list[str]:
    """The words that a program prints in a new process in which an API function has started."""
    start = f"import sys, {context}.handlers.api; {context}.bootstrap.table(); "
    answer = subprocess.run(
        [sys.executable, "-c", start + program],
        env={
            "PYTHONPATH": str(ROOT / "services"),
            "TABLE_NAME": "t",
            "REPORTING_TABLE_NAME": "t",
            "IMPORTS_TABLE_NAME": "t",
            "CONTACTS_TABLE_NAME": "c",
            "FILES_BUCKET": "f",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return answer.stdout.split()
