"""What carries out imports, in process: the job, and the real API handlers as Lambda functions."""

import gzip
import io
import json
from collections.abc import Callable
from typing import Any

import boto3
from botocore.exceptions import ClientError

from imports.adapters.collections import FunctionCollections
from imports.adapters.run_files import RunFiles
from imports.jobs import functions
from imports.jobs.importing import ImportJob
from imports.settings import CollectionSettings
from kernel.domain.clock import utc_now
from kernel.tasks.job import JobControl, Task
from tests.component.conftest import ApiClient

FILES, TABLE = "files", "imports"
ARNS = functions(CollectionSettings("customers", "opportunities"))

type Invocation = dict[str, Any]
"""The event of an invocation."""


class Functions:
    """A Lambda client whose functions are the handlers of the APIs; `before` may fail a call."""

    def __init__(self) -> None:
        from customers.handlers.api import handler as customers
        from opportunities.handlers.api import handler as opportunities

        self._handlers = {"customers": customers, "opportunities": opportunities}
        self.events: list[Invocation] = []
        self.before: Callable[[Invocation], dict[str, Any] | None] = lambda event: None
        """May raise, or answer in place of the function."""
        self.after: Callable[[Invocation, dict[str, Any]], dict[str, Any]] = lambda _, answer: (
            answer
        )
        """May raise after the function has ended, or change its answer."""

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        """Invoke a function and wait for its answer."""
        event = json.loads(Payload)
        self.events.append(json.loads(Payload))
        answer = self.before(event)
        if answer is None:
            answer = self._handlers[FunctionName](event, None)
            answer = self.after(event, answer)
        if "FunctionError" in answer:
            return {**answer, "Payload": io.BytesIO(b"{}")}
        return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(answer).encode())}

    def api(self, name: str, **claims: str) -> ApiClient:
        """The API of a context, as an administrator."""
        return ApiClient(self._handlers[name], **claims)

    @property
    def keys(self) -> list[str]:
        """The Idempotency-Keys of all requests, in order of these keys."""
        return sorted(event["headers"].get("idempotency-key", "") for event in self.events)

    @property
    def sizes(self) -> list[int]:
        """How many items the requests had."""
        return [len(json.loads(event["body"])["items"]) for event in self.events]


def throttled() -> ClientError:
    """What Lambda answers to too many invocations."""
    return ClientError({"Error": {"Code": "TooManyRequestsException"}}, "Invoke")


def problem(status: int, slug: str = "x", **headers: str) -> dict[str, Any]:
    """An API's answer that is a problem."""
    return {
        "statusCode": status,
        "multiValueHeaders": {name.replace("_", "-"): [text] for name, text in headers.items()},
        "body": json.dumps({"type": f"urn:zebros:problem:{slug}", "status": status}),
    }


def a_job(functions: Any, files: RunFiles | None = None) -> ImportJob:
    """A worker's job."""
    from imports.bootstrap import runs

    collections = FunctionCollections(functions, ARNS, utc_now)
    return ImportJob(runs(), files or RunFiles(boto3.client("s3"), FILES), collections)


def a_task(run: dict[str, Any], tenant: str = "acme") -> Task:
    """A run's task, as a worker receives it."""
    body = {"job": "import", "tenant_id": tenant, "run_id": run["id"]}
    return Task("import", body, "token", "receipt", 1)


def imported(
    run: dict[str, Any], functions: Any, tenant: str = "acme", files: RunFiles | None = None
) -> dict[str, Any]:
    """Carry out an import; returns its outcome without what is absent."""
    outcome = a_job(functions, files).run(a_task(run, tenant), JobControl())
    return {name: value for name, value in outcome.items() if value is not None}


def stored(run: dict[str, Any], tenant: str = "acme") -> list[str]:
    """The names of a run's objects."""
    prefix = f"imports/{tenant}/{run['id']}/"
    found = boto3.client("s3").list_objects_v2(Bucket=FILES, Prefix=prefix).get("Contents", [])
    return [one["Key"].removeprefix(prefix) for one in found]


def rejected(run: dict[str, Any], tenant: str = "acme") -> list[dict[str, Any]]:
    """The rejected lines of a run."""
    key = f"imports/{tenant}/{run['id']}/rejected.jsonl"
    found = boto3.client("s3").get_object(Bucket=FILES, Key=key)
    assert found["ContentEncoding"] == "gzip"
    return [json.loads(one) for one in gzip.decompress(found["Body"].read()).splitlines()]


def all_accounts(functions: Functions, tenant: str = "acme") -> dict[str, dict[str, Any]]:
    """All accounts of a tenant, by their external id."""
    api, found, cursor = functions.api("customers", tenant=tenant), [], ""
    while True:
        page = api("GET", f"/accounts?owner_id=ann&limit=200{cursor}").json
        found += page["items"]
        if "next_cursor" not in page:
            break
        cursor = f"&cursor={page['next_cursor']}"
    by_id = {next(iter(one["external_ids"].values())): one for one in found}
    assert len(by_id) == len(found), "a record is there twice"
    return by_id


def accounts(count: int, first: int = 1) -> list[dict[str, Any]]:
    """Accounts with external ids."""
    return [
        {"name": f"Account {number}", "external_ids": {"erp": f"a-{number}"}}
        for number in range(first, first + count)
    ]
