"""A CRM in memory that answers batches as the API does, and fails on demand.

tests/component/zebros loads into the real handlers; this one is for failures.
"""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import httpx

from zebros.client.api import Client, StaticToken

Fault = Callable[[httpx.Request, int], httpx.Response | None]
"""Takes a request and its number (from 1); returns a response in place of the right one."""


@dataclass
class FakeCrm:
    """Stores records by collection and external id."""

    fault: Fault = lambda _request, _number: None
    records: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    reject: Callable[[dict[str, Any]], str] = lambda _item: ""
    """The reason why an item is rejected; empty when it is accepted."""
    answers: dict[str, tuple[str, httpx.Response]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def client(self) -> Client:
        """A client of it that does not wait between attempts."""
        return Client(
            "http://crm.test",
            StaticToken("t"),
            transport=httpx.MockTransport(self.handle),
            sleep=lambda _: None,
        )

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        with self._lock:
            self.requests.append((request.method, request.url.path))
            number = len(self.requests)
            failed = self.fault(request, number)
            if failed is not None:
                return failed
            if request.method == "GET":
                return self._find(request)
            return self.batch(request)

    def batch(self, request: httpx.Request) -> httpx.Response:
        if json.loads(request.content).get("dry_run"):
            assert "Idempotency-Key" not in request.headers, "the API would store the key"
            return self._upsert(request, dry_run=True)
        key, body = request.headers["Idempotency-Key"], request.content.decode()
        self.keys.append(key)
        if key in self.answers:
            before, answer = self.answers[key]
            if before != body:
                return problem(422, "idempotency-key-reused")
            return answer
        answer = self._upsert(request)
        self.answers[key] = (body, answer)
        return answer

    def _find(self, request: httpx.Request) -> httpx.Response:
        collection = self.records.setdefault(request.url.path.strip("/"), {})
        wanted = request.url.params.get("external_id")
        found = [r for name, r in collection.items() if wanted in (None, name)]
        return httpx.Response(200, json={"items": found})

    def _upsert(self, request: httpx.Request, *, dry_run: bool = False) -> httpx.Response:
        stored = self.records.setdefault(request.url.path.split("/")[1], {})
        collection = deepcopy(stored) if dry_run else stored
        results = []
        for index, item in enumerate(json.loads(request.content)["items"]):
            reason = self.reject(item)
            if reason:
                document = {"title": "Invalid request", "status": 422, "detail": reason}
                results.append({"index": index, "status": 422, "problem": document})
                continue
            system, value = next(iter(item["external_ids"].items()))
            name = f"{system}:{value}"
            status = 200 if name in collection else 201
            number = len(collection) + 1
            record = collection.setdefault(name, {"id": f"ID{number:05d}", "version": 0})
            record |= {**item, "version": record["version"] + 1}
            result = {"index": index, "status": status, "id": record["id"]}
            if dry_run and status == 201:
                del result["id"]
            results.append({**result, "version": record["version"]})
        return httpx.Response(207, json={"results": results})


def problem(status: int, slug: str, **more: Any) -> httpx.Response:
    """A problem document."""
    body = {"type": f"urn:zebros:problem:{slug}", "title": slug, "status": status, **more}
    return httpx.Response(status, json=body)
