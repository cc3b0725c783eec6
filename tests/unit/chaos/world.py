"""A CRM in memory, as far as the judge of chaos sees it: the lake, and views that may differ."""

import gzip
import io
import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import httpx

from tests.chaos.traffic import Log, Write

KINDS = {
    "opportunities": "opportunity",
    "accounts": "account",
    "contacts": "contact",
    "tasks": "task",
}
AT = "2026-06-30T09:00:00.000Z"
type Event = dict[str, Any]


class World:
    """Every write is an event of the lake, and changes the views; tests then change one of them."""

    def __init__(self) -> None:
        self.state = {"lake_bucket": "lake"}
        self.log = Log()
        self.lake: dict[str, list[Event]] = defaultdict(list)
        self.records: dict[tuple[str, str], dict[str, dict[str, Any]]] = defaultdict(dict)
        """By tenant and collection, those that a list has."""
        self.unlisted: dict[tuple[str, str], dict[str, dict[str, Any]]] = defaultdict(dict)
        self.timelines: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.columns: dict[str, dict[str, list[int]]] = defaultdict(dict)
        """By tenant and stage: count and sum."""
        self.totals: dict[str, dict[str, int]] = defaultdict(lambda: {"won": 0, "lost": 0})
        self.unread: dict[tuple[str, str], int] = defaultdict(int)
        self.counted: dict[tuple[str, str], int] = defaultdict(int)
        """The counter beside the notifications that are unread."""
        self.reports: dict[str, dict[str, Any]] = {}
        self.repeated: dict[str, dict[str, Any]] = {}
        """The answer to a creation that is sent again, by its key."""
        self._ids = 0

    def create(self, tenant: str, collection: str, **fields: Any) -> Write:
        """An acknowledged creation."""
        record_id, mark = f"r{self._number()}", f"m{self._number()}"
        current = {"id": record_id, "version": 1, "custom_fields": {"mark": mark}, **fields}
        if collection == "opportunities":
            current = {"stage": "new", "status": "open", "amount": {"minor_units": 5}} | current
        self.publish(tenant, collection, "Created", current)
        path = f"/{collection}/{record_id}"
        write = Write(tenant, path, mark, 1, f"key-{mark}", {}, current)
        self.repeated[write.key] = current
        self.log.writes.append(write)
        return write

    def change(
        self, created: Write, event_type: str = "Updated", *, marked: bool = True, **fields: Any
    ) -> Write:
        """An acknowledged change; without a mark of its own, the record keeps the one before."""
        collection, record_id = created.record.strip("/").split("/")
        before = self.records[created.tenant, collection][record_id]
        mark = f"m{self._number()}" if marked else ""
        current = {**before, **fields, "version": before["version"] + 1}
        if marked:
            current["custom_fields"] = {"mark": mark}
        event = self.publish(created.tenant, collection, event_type, current)
        write = Write(created.tenant, created.record, mark, current["version"])
        self.log.writes.append(write)
        if event_type == "OpportunityWon":
            self.notify(created.tenant, event["id"])
        return write

    def publish(self, tenant: str, collection: str, event_type: str, current: Any) -> Event:
        """An event, and what every view shows afterwards."""
        subject = f"{KINDS[collection]}/{current['id']}"
        event = self._event(tenant, subject, event_type, current)
        listed, unlisted = self.records[tenant, collection], self.unlisted[tenant, collection]
        listed.pop(current["id"], None)
        (unlisted if current.get("archived_at") else listed)[current["id"]] = current
        self.timelines[tenant, subject].append(event["id"])
        if collection == "opportunities":
            self._count(tenant)
        return event

    def notify(self, tenant: str, cause: str) -> None:
        """A notification of an event."""
        current = {"id": f"n{self._number()}", "version": 1, "event_id": cause}
        self._event(tenant, f"notification/{current['id']}", "NotificationSent", current)
        self.unread[tenant, "rep"] += 1
        self.counted[tenant, "rep"] += 1

    def of(self, write: Write) -> list[Event]:
        """The events of a write's record in the lake."""
        kind = KINDS[write.record.strip("/").split("/")[0]]
        subject = f"{kind}/{write.record.rpartition('/')[2]}"
        return [one for one in self.lake[write.tenant] if one["subject"] == subject]

    def shown(self, write: Write) -> dict[str, Any]:
        """The record of a write in its list."""
        _, collection, record_id = write.record.split("/")
        return self.records[write.tenant, collection][record_id]

    # What the judge asks.

    def client(self, _service: str) -> "World":
        """A client of S3."""
        return self

    def get_paginator(self, _name: str) -> "World":
        """A paginator of the lake's files."""
        return self

    def paginate(self, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803
        """One file for each tenant."""
        assert Bucket == "lake"
        yield {"Contents": [{"Key": Prefix}]}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        """A tenant's file."""
        assert Bucket == "lake"
        tenant = Key.partition("=")[2].strip("/")
        lines = "\n".join(json.dumps(one) for one in self.lake[tenant])
        return {"Body": io.BytesIO(gzip.compress(lines.encode()))}

    def report(self, _body: dict[str, Any], tenant: str) -> dict[str, Any]:
        """A report about how many deals were won and lost."""
        return {"outcome": {"totals": [self.totals[tenant]]}}

    def finished(self, report_id: str, _seconds: float, tenant: str) -> dict[str, Any]:
        """A run that has ended."""
        return self.reports[report_id]

    def __call__(
        self,
        method: str,
        path: str,
        _body: Any = None,
        *,
        tenant: str,
        user: str = "admin",
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """The API."""
        if method == "POST":
            found: Any = self.repeated[(headers or {})["idempotency-key"]]
        else:
            found = self._get(path, tenant, user)
        request = httpx.Request(method, f"http://crm{path}")
        return httpx.Response(404 if found is None else 200, json=found, request=request)

    def _get(self, path: str, tenant: str, user: str) -> Any:
        name, _, rest = path.strip("/").partition("?")[0].partition("/")
        if rest == "unread-count":
            return {"unread": self.counted[tenant, user]}
        if name == "notifications":
            return {"items": [{}] * self.unread[tenant, user]}
        if name == "pipelines":
            return {"columns": self._columns(tenant)}
        if name == "timeline":
            ids = self.timelines[tenant, rest]
            return {"items": [{"event_id": one, "subject": rest} for one in ids]}
        if rest:
            return self.records[tenant, name].get(rest) or self.unlisted[tenant, name].get(rest)
        return {"items": list(self.records[tenant, name].values())}

    def _columns(self, tenant: str) -> list[dict[str, Any]]:
        return [
            {"stage": stage, "count": count, "amounts": [{"minor_units": total}]}
            for stage, (count, total) in self.columns[tenant].items()
        ]

    def _count(self, tenant: str) -> None:
        columns: dict[str, list[int]] = {"new": [0, 0], "won": [0, 0], "lost": [0, 0]}
        for deal in self.records[tenant, "opportunities"].values():
            columns[deal["stage"]][0] += 1
            columns[deal["stage"]][1] += deal["amount"]["minor_units"]
        self.columns[tenant] = columns
        self.totals[tenant] = {one: columns[one][0] for one in ("won", "lost")}

    def _event(self, tenant: str, subject: str, event_type: str, current: Any) -> Event:
        sequence = 1 + sum(one["subject"] == subject for one in self.lake[tenant])
        event = {
            "id": f"e{self._number()}",
            "type": event_type,
            "subject": subject,
            "sequence": str(sequence),
            "tenantid": tenant,
            "time": AT,
            "correlationid": "request",
            "data": {"current": current},
        }
        self.lake[tenant].append(event)
        return event

    def _number(self) -> int:
        self._ids += 1
        return self._ids
