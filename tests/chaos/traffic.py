"""Concurrent users of several tenants: what they asked for, what was answered, what is unknown.

A user sends a request until it knows the outcome, as a careful client does: a creation is repeated
with its Idempotency-Key, a change that got no answer is looked up before the next one.
"""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx

from tests.flows.conftest import Crm

TENANTS = ("acme", "globex")
COMPANY = "initech"
"""A third tenant, whose records only commands of operators change (company.py)."""
WRITERS, READERS = 3, 1
"""Of each tenant."""
_AGAIN = (
    HTTPStatus.CONFLICT,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
"""The outcome is not known, or the same request may succeed later."""
_PATIENCE_S = 60.0
"""How long a creation is repeated."""


@dataclass(slots=True)
class Write:
    """A write, recognized in events by its mark, which no other write has."""

    tenant: str
    record: str
    """The record's path, such as /opportunities/<id>; empty while it is not known."""
    mark: str
    version: int | None = None
    """As acknowledged; None when the outcome is not known."""
    key: str = ""
    """The Idempotency-Key of a creation."""
    body: dict[str, Any] = field(default_factory=dict)
    answer: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HotOperation:
    """One operation on the record that everybody of a tenant reads and writes."""

    client: int
    called: float
    returned: float
    """Infinite when the outcome is not known."""
    kind: str
    """read, or write."""
    value: str
    """The value that was read or written."""
    expected: int
    """For a write the version that it named, for a read the version that it saw."""
    succeeded: bool
    """False for a write that was rejected because the record had another version."""


@dataclass
class Log:
    """What happened, written by many threads."""

    writes: list[Write] = field(default_factory=list)
    hot: dict[str, list[HotOperation]] = field(default_factory=dict)
    """By tenant."""
    reports: list[tuple[str, str]] = field(default_factory=list)
    """Tenant and id of every report that was accepted."""
    wrong: list[str] = field(default_factory=list)
    """Answers that are wrong whatever happened."""
    answers: dict[str, int] = field(default_factory=dict)
    """Number of answers by status."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, status: str) -> None:
        """Count an answer."""
        with self._lock:
            self.answers[status] = self.answers.get(status, 0) + 1

    @property
    def acknowledged(self) -> list[Write]:
        """The writes whose success was answered."""
        return [one for one in self.writes if one.version is not None]


class Traffic:
    """The users; records of earlier rounds are used further."""

    def __init__(self, crm: Crm, log: Log, seed: int, first: int = 1) -> None:
        self._crm, self.log, self._seed = crm, log, seed
        self._numbers = first - 1
        self._hot: dict[str, str] = {}
        self._deals: dict[str, list[str]] = {tenant: [] for tenant in TENANTS}

    def prepare(self) -> None:
        """Create the records that everybody of a tenant changes, while nothing fails."""
        for tenant in TENANTS:
            body = {"name": f"{tenant} hot", "custom_fields": {"mark": "start"}}
            made = self._crm("POST", "/accounts", body, tenant=tenant)
            assert made.status_code == HTTPStatus.CREATED, made.text
            self._hot[tenant] = made.json()["id"]
            self.log.hot[tenant] = []

    def run(self, seconds: float) -> None:
        """Let all users work for some seconds, and wait until each knows what it can know."""
        ends = time.monotonic() + seconds
        self._numbers += 1
        users = [
            (kind, tenant, number)
            for tenant in TENANTS
            for kind, count in (("write", WRITERS), ("read", READERS), ("hot", 2))
            for number in range(count)
        ]
        with ThreadPoolExecutor(len(users)) as threads:
            running = [threads.submit(self._user, *user, ends) for user in users]
            for one in running:
                one.result()

    def _user(self, kind: str, tenant: str, number: int, ends: float) -> None:
        seed = f"{self._seed} {self._numbers} {kind} {tenant} {number}"
        user = _User(self._crm, self.log, tenant, seed, self._deals[tenant])
        step = {"write": user.write, "read": user.read}.get(kind)
        client = TENANTS.index(tenant) * 10 + number
        with user.http:
            read = step is not None
            # A platform that was killed may take longer to return than the traffic lasts.
            while (now := time.monotonic()) < ends or (not read and now < ends + _PATIENCE_S):
                if step is None:
                    read |= user.touch_hot(self._hot[tenant], client)
                else:
                    step()


class _User:
    """One user in a thread of its own."""

    def __init__(self, crm: Crm, log: Log, tenant: str, seed: str, deals: list[str]) -> None:
        self._crm, self._log, self._tenant, self._deals = crm, log, tenant, deals
        self._seed, self._random, self._count = seed, random.Random(seed), 0
        self.http = httpx.Client(timeout=35)

    def write(self) -> None:
        """Create a record, or change one."""
        choice = self._random.random()
        if choice < 0.35 or not self._deals:
            self._create_deal()
        elif choice < 0.45:
            self._create("/tasks", {"title": self._name(), "assignee_id": "rep"})
        elif choice < 0.5:
            self._create("/accounts", {"name": self._name()})
        elif choice < 0.53:
            self._request_report()
        else:
            self._change(self._random.choice(self._deals))

    def read(self) -> None:
        """Read lists, boards, timelines and the inbox: every record must be the tenant's own."""
        deals = self._deals[-1:]
        timelines = [one.replace("/opportunities", "/timeline/opportunity") for one in deals]
        path = self._random.choice(
            [
                "/opportunities?owner_id=rep&limit=50",
                "/accounts?limit=50",
                "/pipelines/default/board",
                "/notifications",
                "/tasks?assignee_id=rep",
                *timelines,
            ]
        )
        answer = self._send("GET", path)
        if answer is None or answer.status_code != HTTPStatus.OK:
            return
        if has_foreign(answer.text, self._tenant, self._seed.split()[0]):
            self._log.wrong.append(f"{self._tenant} got from {path}: {answer.text[:500]}")

    def touch_hot(self, record_id: str, client: int) -> bool:
        """Read the hot record, then write it on condition of the version that was read.

        Returns whether it could be read.
        """
        path = f"/accounts/{record_id}"
        called = time.monotonic()
        answer = self._send("GET", path)
        if answer is None or answer.status_code != HTTPStatus.OK:
            return False
        record = answer.json()
        read = (called, time.monotonic(), "read", record["custom_fields"]["mark"])
        self._hot(client, *read, record["version"], True)
        if self._random.random() < 0.5:
            return True
        mark, called = self._mark(), time.monotonic()
        answer = self._send(
            "PATCH",
            path,
            {"custom_fields": {"mark": mark}},
            **{"if-match": f'"{record["version"]}"'},
        )
        returned = time.monotonic()
        known = answer is not None and answer.status_code in (
            HTTPStatus.OK,
            HTTPStatus.PRECONDITION_FAILED,
        )
        done = answer is not None and answer.status_code == HTTPStatus.OK
        if not known:
            returned = float("inf")
        self._hot(client, called, returned, "write", mark, record["version"], done or not known)
        version = record["version"] + 1 if done else None
        if done or not known:
            self._log.writes.append(Write(self._tenant, path, mark, version))
        return True

    def _hot(self, client: int, *rest: Any) -> None:
        self._log.hot[self._tenant].append(HotOperation(client, *rest))

    def _create_deal(self) -> None:
        amount = {"minor_units": self._random.randint(1, 10**6), "currency": "EUR"}
        made = self._create(
            "/opportunities", {"name": self._name(), "amount": amount, "owner_id": "rep"}
        )
        if made is not None and made.version is not None:
            self._deals.append(made.record)

    def _create(self, collection: str, body: dict[str, Any]) -> Write | None:
        """Create a record; the same request is sent until its outcome is known."""
        write = Write(self._tenant, "", self._mark(), key=self._mark())
        write.body = {**body, "custom_fields": {"mark": write.mark}}
        self._log.writes.append(write)
        ends = time.monotonic() + _PATIENCE_S
        while time.monotonic() < ends:
            answer = self._send("POST", collection, write.body, **{"idempotency-key": write.key})
            if answer is None or answer.status_code in _AGAIN:
                time.sleep(self._random.uniform(0.05, 0.3))
                continue
            if answer.status_code != HTTPStatus.CREATED:
                self._log.wrong.append(f"POST {collection}: {answer.status_code} {answer.text}")
                return None
            write.answer = answer.json()
            write.record = f"{collection}/{write.answer['id']}"
            write.version = write.answer["version"]
            return write
        return None

    def _change(self, path: str) -> None:
        """Change a deal that others may change at the same time."""
        answer = self._send("GET", path)
        if answer is None or answer.status_code != HTTPStatus.OK:
            return
        deal = answer.json()
        write = Write(self._tenant, path, self._mark())
        headers = {"if-match": f'"{deal["version"]}"'}
        if deal["status"] == "open" and self._random.random() < 0.3:
            # No field of these requests has the mark: the version alone identifies the event.
            how = self._random.choice(["won", "lost"])
            body = {"reason": "price"} if how == "lost" else {}
            answer = self._send("POST", f"{path}/{how}", body, **headers)
            write.mark = ""
        else:
            amount = {"minor_units": self._random.randint(1, 10**6), "currency": "EUR"}
            body = {"custom_fields": {"mark": write.mark}, "amount": amount}
            answer = self._send("PATCH", path, body, **headers)
        if answer is not None and answer.status_code == HTTPStatus.OK:
            write.version = answer.json()["version"]
        elif answer is not None and answer.status_code == HTTPStatus.PRECONDITION_FAILED:
            return
        if write.mark or write.version is not None:
            self._log.writes.append(write)

    def _request_report(self) -> None:
        body = {"report": "pipeline_by_stage", "by": "stage", "format": "json"}
        answer = self._send("POST", "/reports", body, **{"idempotency-key": self._mark()})
        if answer is not None and answer.status_code == HTTPStatus.ACCEPTED:
            self._log.reports.append((self._tenant, answer.json()["id"]))

    def _send(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> httpx.Response | None:
        """Send a request once; None without an answer."""
        token = self._crm.token(self._tenant)
        headers["authorization"] = f"Bearer {token}"
        if method == "PATCH":
            headers["content-type"] = "application/merge-patch+json"
        try:
            answer = self.http.request(
                method, self._crm.state["api"] + path, json=body, headers=headers
            )
        except httpx.HTTPError as fault:
            self._log.count(type(fault).__name__)
            time.sleep(0.2)
            return None
        self._log.count(str(answer.status_code))
        if answer.status_code >= HTTPStatus.BAD_REQUEST and not answer.headers.get(
            "content-type", ""
        ).startswith("application/problem+json"):
            self._log.wrong.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer

    def _mark(self) -> str:
        self._count += 1
        return f"{self._seed} {self._count}".replace(" ", "-")

    def _name(self) -> str:
        """A name that only records of this tenant have."""
        self._count += 1
        return f"{self._tenant} {self._seed} {self._count}"


def has_foreign(text: str, tenant: str, seed: str) -> bool:
    """Whether an answer has the name of another tenant's record."""
    # Not of the tenant alone: administrators of the operator's tenant read of others' tiers.
    others = [one for one in (*TENANTS, COMPANY) if one != tenant]
    return any(f"{other} {word}" in text for other in others for word in ("hot", f"{seed} "))
