"""Imports in process: their API, the real APIs behind the batches, and the files bucket."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from imports.jobs import groups, sending
from tests.component.conftest import ApiClient, create_table
from tests.component.imports.running import FILES, TABLE, Functions

SETTINGS = {
    "FILES_BUCKET": FILES,
    "CUSTOMERS_API_ARN": "customers",
    "OPPORTUNITIES_API_ARN": "opportunities",
    "IMPORT_QUEUE_URL": "import-queue",
    "RUNNING_IMPORTS_STANDARD": "1",
    "RUNNING_IMPORTS_PREMIUM": "3",
}


@pytest.fixture
def bucket(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The files bucket, and the table of imports; yields the S3 client."""
    monkeypatch.setenv("IMPORTS_TABLE_NAME", TABLE)
    create_table(cloud, TABLE)
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=FILES)
    for variable, value in SETTINGS.items():
        monkeypatch.setenv(variable, value)
    return s3


@pytest.fixture
def api(cloud: Any, bucket: Any) -> ApiClient:
    """The API of imports, as an administrator; `as_(roles=…)` for others."""
    from imports.handlers.api import handler

    return ApiClient(handler)


@pytest.fixture
def upload(api: ApiClient, bucket: Any) -> Callable[..., str]:
    """Upload a file to where a link of the API leads; returns the upload's id."""

    def upload(content: bytes, by: ApiClient = api) -> str:
        answer = by("POST", "/v1/imports/uploads", {"size_bytes": len(content)})
        assert answer.status == 201, answer.text
        begun = answer.json
        key = urlsplit(begun["url"]).path.removeprefix("/").removeprefix(f"{FILES}/")
        bucket.put_object(Bucket=FILES, Key=key, Body=content)
        return str(begun["upload_id"])

    return upload


@pytest.fixture
def ask(api: ApiClient, upload: Callable[..., str]) -> Callable[..., dict[str, Any]]:
    """Upload records and request their import; by default of accounts."""

    def ask(records: Any, by: ApiClient = api, **more: Any) -> dict[str, Any]:
        content = records
        if not isinstance(records, bytes):
            content = b"".join(json.dumps(one).encode() + b"\n" for one in records)
        body = {"upload_id": upload(content, by), "record_type": "accounts", **more}
        answer = by("POST", "/v1/imports", body)
        assert answer.status == 202, answer.text
        run: dict[str, Any] = answer.json
        return run

    return ask


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of ten items: forty lines are a group."""
    monkeypatch.setattr(groups, "MAX_ITEMS", 10)
    monkeypatch.setattr(groups, "MAX_LINES", 40)


@pytest.fixture
def functions(cloud: Any, bucket: Any, monkeypatch: pytest.MonkeyPatch) -> Functions:
    """The functions behind the APIs of customers and opportunities; pauses are short."""
    monkeypatch.setenv("CONTACTS_TABLE_NAME", "contacts")
    create_table(cloud, "contacts")
    monkeypatch.setattr(sending, "backoff", lambda faults: 0.001 * faults)
    return Functions()
