"""Whether all is right: the lake by what was acknowledged, and every view by the lake."""

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.traffic import COMPANY, TENANTS, Log, Write
from tests.flows.conftest import Crm

type Events = dict[str, list[dict[str, Any]]]
"""A tenant's events by subject, in sequence."""
_BOARD = "/pipelines/default/board"
_CLOSED = ("completed", "cancelled")
"""Statuses of tasks that the usual list omits."""


@dataclass
class Verdict:
    """What is wrong, by kind; all counts are 0 in a round that is right."""

    lost: list[str] = field(default_factory=list)
    """Acknowledged writes of which there is no event."""
    doubled: list[str] = field(default_factory=list)
    """Writes of which there are several events."""
    wrong: list[str] = field(default_factory=list)
    """Anything else."""
    checked: Counter[str] = field(default_factory=Counter)

    @property
    def right(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.doubled or self.wrong)


class Judge:
    """Reads the whole lake, and every view of it through the API."""

    def __init__(self, crm: Crm, log: Log) -> None:
        self._crm, self._log = crm, log
        self.verdict = Verdict()
        self.events: dict[str, Events] = {}
        """Those of the lake by tenant."""

    def judge(self) -> Verdict:
        """Compare everything; nothing may be running."""
        self.verdict.wrong += self._log.wrong
        self._reports()  # ours would wait behind them
        for tenant in (*TENANTS, COMPANY):
            events = self.events[tenant] = self._events(tenant)
            self._writes(tenant, events)
            self._sequences(tenant, events)
            last = {subject: chain[-1] for subject, chain in events.items()}
            self._records(tenant, last)
            self._timelines(tenant, events)
            self._board(tenant, last)
            self._inbox(tenant, events)
            self._report(tenant, last)
        self._repeated()
        return self.verdict

    def _events(self, tenant: str) -> Events:
        """The tenant's events in the lake by subject, each once, in sequence."""
        found: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        subjects: dict[str, str] = {}
        for event in self._lake(f"tenant={tenant}/"):
            other = subjects.setdefault(event["id"], event["subject"])
            if other != event["subject"]:
                self.verdict.wrong.append(f"{other} and {event['subject']} share {event['id']}")
            if event["tenantid"] != tenant:
                self.verdict.wrong.append(f"{tenant}'s lake has an event of {event['tenantid']}")
            found[event["subject"]][event["id"]] = event
        return {
            subject: sorted(chain.values(), key=lambda one: int(one["sequence"]))
            for subject, chain in found.items()
        }

    def _lake(self, prefix: str) -> Iterator[dict[str, Any]]:
        s3, bucket = self._crm.client("s3"), self._crm.state["lake_bucket"]
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", ()):
                body = s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
                for line in gzip.decompress(body).splitlines():
                    yield json.loads(line)

    def _writes(self, tenant: str, events: Events) -> None:
        """Every acknowledged write has one event, and no write has two."""
        changed: dict[str, list[tuple[str, int]]] = defaultdict(list)
        versions: dict[tuple[str, int], int] = Counter()
        for subject, chain in events.items():
            before = None
            for event in chain:
                current = event["data"]["current"]
                mark = current.get("custom_fields", {}).get("mark", "")
                if mark and mark != before:
                    changed[mark].append((subject, current["version"]))
                before = mark
                versions[subject, current["version"]] += 1
        for write in self._log.writes:
            if write.tenant != tenant:
                continue
            self.verdict.checked["acknowledged" if write.version else "unknown"] += 1
            seen = changed.get(write.mark, []) if write.mark else []
            if len(seen) > 1:
                self.verdict.doubled.append(f"{write}: {seen}")
            if write.version is None:
                continue
            where = (_subject(write), write.version)
            if (write.mark and seen != [where]) or not versions[where]:
                self.verdict.lost.append(f"{write}: {seen}")

    def _sequences(self, tenant: str, events: Events) -> None:
        for subject, chain in events.items():
            self.verdict.checked["events"] += len(chain)
            found = [int(one["sequence"]) for one in chain]
            if found != list(range(1, len(chain) + 1)) and not subject.startswith("stream/"):
                self.verdict.wrong.append(f"{tenant} {subject} has the sequences {found}")

    def _records(self, tenant: str, last: dict[str, dict[str, Any]]) -> None:
        """Every record is as its last event says, also in its list."""
        for record_type, collection, query in (
            ("opportunity", "/opportunities", "owner_id=rep"),
            ("account", "/accounts", "owner_id=admin"),
            ("contact", "/contacts", "owner_id=admin"),
            ("task", "/tasks", "assignee_id=rep"),
        ):
            listed = {one["id"]: one for one in self._pages(f"{collection}?{query}", tenant)}
            expected = {
                subject.partition("/")[2]: event["data"]["current"]
                for subject, event in last.items()
                if subject.startswith(f"{record_type}/")
            }
            for record_id, current in expected.items():
                self.verdict.checked["records"] += 1
                found = listed.get(record_id)
                if found is None:
                    answer = self._crm("GET", f"{collection}/{record_id}", tenant=tenant)
                    found = answer.json() if answer.is_success else None
                    if not (current.get("archived_at") or current.get("status") in _CLOSED):
                        self.verdict.wrong.append(f"{tenant} {record_id} is in no list")
                names = {*current, "archived_at"}
                if any((found or {}).get(name) != current.get(name) for name in names):
                    self.verdict.wrong.append(f"{tenant} {record_id}: {found}, not {current}")
            if strangers := listed.keys() - expected.keys():
                self.verdict.wrong.append(f"{tenant} {collection} lists {strangers}: no event")

    def _timelines(self, tenant: str, events: Events) -> None:
        for subject, chain in events.items():
            if subject.startswith(("opportunity/", "account/", "contact/", "task/")):
                entries = self._pages(f"/timeline/{subject}", tenant)
                seen = Counter(one["event_id"] for one in entries if one["subject"] == subject)
                self.verdict.checked["timeline entries"] += len(seen)
                if seen != Counter(one["id"] for one in chain):
                    self.verdict.wrong.append(f"{tenant} timeline of {subject}: {seen}")

    def _board(self, tenant: str, last: dict[str, dict[str, Any]]) -> None:
        expected: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for subject, event in last.items():
            if subject.startswith("opportunity/"):
                current = event["data"]["current"]
                if current.get("archived_at"):
                    continue
                column = expected[current["stage"]]
                column[0] += 1
                column[1] += current.get("amount", {}).get("minor_units", 0)
        board = self._crm("GET", _BOARD, tenant=tenant).raise_for_status().json()
        for column in board["columns"]:
            total = sum(one["minor_units"] for one in column["amounts"])
            self.verdict.checked["board columns"] += 1
            if [column["count"], total] != expected[column["stage"]]:
                self.verdict.wrong.append(
                    f"{tenant} board {column['stage']}: {column}, not {expected[column['stage']]}"
                )

    def _inbox(self, tenant: str, events: Events) -> None:
        """Every win and every task has told its owner once, and the counter is right."""
        causes = Counter(
            event["data"]["current"]["event_id"]
            for subject, chain in events.items()
            if subject.startswith("notification/")
            for event in chain
            if event["type"] == "NotificationSent"
        )
        for chain in events.values():
            for event in chain:
                if event["type"] in ("OpportunityWon", "TaskAssigned") and causes[event["id"]] != 1:
                    self.verdict.wrong.append(
                        f"{tenant} {event['type']} {event['id']}: {causes[event['id']]} notices"
                    )
        for user in ("rep", "admin"):
            unread = sum(1 for _ in self._pages("/notifications?unread=true", tenant, user))
            counted = self._crm("GET", "/notifications/unread-count", tenant=tenant, user=user)
            self.verdict.checked["unread"] += unread
            if counted.json() != {"unread": unread}:
                self.verdict.wrong.append(f"{tenant} {user}: {counted.text}, not {unread} unread")

    def _report(self, tenant: str, last: dict[str, dict[str, Any]]) -> None:
        """A report over the lake counts the deals that there are."""
        body = {"report": "win_rate", "by": "none"}
        rows = self._crm.report(body, tenant=tenant)["outcome"]["totals"]
        expected = Counter(
            event["data"]["current"]["status"]
            for subject, event in last.items()
            if subject.startswith("opportunity/")
            and not event["data"]["current"].get("archived_at")
        )
        won, lost = (sum(int(row.get(name, 0)) for row in rows) for name in ("won", "lost"))
        self.verdict.checked["reports"] += 1
        if (won, lost) != (expected["won"], expected["lost"]):
            self.verdict.wrong.append(f"{tenant} win rate: {rows}, not {expected}")

    def _reports(self) -> None:
        """Every report has ended, or the user has a reason."""
        for tenant, report_id in self._log.reports:
            run = self._crm.finished(report_id, 300, tenant=tenant)
            self.verdict.checked[f"report {run['status']}"] += 1
            if run["status"] == "failed" and not run.get("reason"):
                self.verdict.wrong.append(f"{tenant} report {report_id} failed without a reason")
        self._log.reports.clear()

    def _repeated(self) -> None:
        """The last creations, sent again with their keys, create nothing."""
        for write in [one for one in self._log.acknowledged if one.key][-20:]:
            collection = write.record.rpartition("/")[0]
            again = self._crm(
                "POST",
                collection,
                write.body,
                tenant=write.tenant,
                headers={"idempotency-key": write.key},
            )
            self.verdict.checked["repeated"] += 1
            if again.json() != write.answer:
                self.verdict.wrong.append(f"{write.key} again: {again.status_code} {again.text}")

    def _pages(self, path: str, tenant: str, user: str = "admin") -> Iterator[dict[str, Any]]:
        separator = "&" if "?" in path else "?"
        cursor = ""
        while True:
            page = self._crm("GET", f"{path}{separator}limit=100{cursor}", tenant=tenant, user=user)
            if not page.is_success:
                self.verdict.wrong.append(f"{tenant} GET {path}: {page.status_code} {page.text}")
                return
            yield from page.json()["items"]
            if not (following := page.json().get("next_cursor")):
                return
            cursor = f"&cursor={following}"


def _subject(write: Write) -> str:
    collection, _, record_id = write.record.strip("/").partition("/")
    kinds = {"opportunities": "opportunity", "accounts": "account", "tasks": "task"}
    return f"{kinds[collection]}/{record_id}"
